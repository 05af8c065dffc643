//! Rules of others beside ours, in the same chains.

use std::thread;

use linkspan_testkit::{Cmd, Outside, Sandbox, sandbox};
use serde_json::json;

use super::world::{
    Forwarding, LEGACY, NFT, PORT, World, does_not_reach, reaches, reconcile, save,
};

fn both(variant: &str, rule: &str) -> String {
    format!("iptables-{variant} {rule}; ip6tables-{variant} {rule}")
}

/// Somebody appends a rule after the one that leads to published ports: nothing is missing, and the order is made good by
/// whoever places rules next, so that what the host's owner forbids there is forbidden.
fn appended_rules_fail_no_check(sandbox: &Sandbox, forwarding: Forwarding, variant: &str) {
    let world = World::new(sandbox, forwarding, json!({ "backend": "nftables" }));
    let one = world.attach("one");
    world.publish(&one);
    let published = |reaches: fn(&_, &str, &str, u16)| {
        let from = &world.outside.netns;
        reaches(from, Outside::HOST_V4, Outside::HOST_V6, 8080);
    };
    sandbox.run(&both(variant, "-A FORWARD -o cni0 -j DROP"));
    world.call("CHECK", &one).run().success();
    let check = world.publish_call("CHECK", &one);
    check.run().success();
    published(reaches);
    let told = reconcile();
    assert!(
        told.iter().any(|one| one.contains("to be the last")),
        "{told:?}"
    );
    assert_eq!(reconcile(), Vec::<String>::new());
    world.flush_conntrack();
    published(does_not_reach);
    let forward = save(sandbox, variant);
    let forward = forward
        .lines()
        .filter(|line| line.starts_with("-A FORWARD"));
    assert_eq!(
        forward
            .filter(|line| line.contains("LINKSPAN-PORTS"))
            .count(),
        2
    );
}

cases! { appended_rules_fail_no_check:
    appended_rules_of_iptables(NFT, "nft");
    appended_rules_of_the_older_iptables(LEGACY, "legacy");
}

/// Another way to our chain does not hide that FORWARD leads there no more.
fn a_jump_of_others_is_not_ours(sandbox: &Sandbox, forwarding: Forwarding, variant: &str) {
    let world = World::new(sandbox, forwarding, json!({ "backend": "nftables" }));
    let one = world.attach("one");
    sandbox.run(&both(variant, "-A INPUT -i nothing -j CNI-FORWARD"));
    for put_back in [
        (|world: &World<'_>| drop(world.attach("two"))) as fn(&World<'_>),
        |_| assert_ne!(reconcile(), Vec::<String>::new()),
    ] {
        sandbox.run(&both(variant, "-F FORWARD"));
        sandbox.run(&both(variant, "-A FORWARD -i nothing -j CNI-FORWARD"));
        world
            .call("CHECK", &one)
            .run()
            .fails(None, &["from FORWARD to CNI-FORWARD"]);
        put_back(&world);
        world.call("CHECK", &one).run().success();
        reaches(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
    }
}

cases! { a_jump_of_others_is_not_ours:
    a_jump_of_others_by_iptables(NFT, "nft");
    a_jump_of_others_by_the_older_iptables(LEGACY, "legacy");
}

/// GC of the last attachment removes what is ours.
fn gc_leaves_rules_of_others(sandbox: &Sandbox, forwarding: Forwarding, variant: &str) {
    let world = World::new(sandbox, forwarding, json!({ "backend": "nftables" }));
    world.attach("one");
    sandbox.run(&both(variant, "-N MINE"));
    sandbox.run(&both(variant, "-A CNI-FORWARD -i nothing -j MINE"));
    let gc = || world.plugins.gc(&world.firewall, &[]).success();
    gc();
    let rules = save(sandbox, variant);
    assert_eq!(
        rules.matches("-A CNI-FORWARD -i nothing -j MINE").count(),
        2,
        "{rules}"
    );
    assert!(!rules.contains("-j ACCEPT"), "{rules}");
    // Where others lead to it, it stays, too; the way that we have made goes.
    sandbox.run(&both(variant, "-D CNI-FORWARD -i nothing -j MINE"));
    sandbox.run(&both(variant, "-A FORWARD -i nothing -j CNI-FORWARD"));
    gc();
    let rules = save(sandbox, variant);
    assert_eq!(rules.matches("-j CNI-FORWARD").count(), 2, "{rules}");
    assert_eq!(
        rules
            .matches("-A FORWARD -i nothing -j CNI-FORWARD")
            .count(),
        2,
        "{rules}"
    );
    sandbox.run(&both(variant, "-D FORWARD -i nothing -j CNI-FORWARD"));
    gc();
    let rules = save(sandbox, variant);
    assert!(!rules.contains("CNI-FORWARD"), "{rules}");
}

cases! { gc_leaves_rules_of_others:
    gc_leaves_rules_of_others_in_iptables(NFT, "nft");
    gc_leaves_rules_of_others_in_the_older_iptables(LEGACY, "legacy");
}

/// Two who each hold an attachment and wait for the other's would wait for ever.
fn many_put_back_at_once(sandbox: &Sandbox, forwarding: Forwarding, flush: &str) {
    const EACH: usize = 3;
    const FLUSHES: usize = 12;
    let world = World::new(sandbox, forwarding, json!({ "backend": "nftables" }));
    for number in 0..6 {
        world.attach(&format!("c{number}"));
    }
    thread::scope(|scope| {
        for _ in 0..EACH {
            // Each of them fails if it cannot get hold of an attachment.
            scope.spawn(|| (0..EACH).for_each(|_| drop(reconcile())));
        }
        (0..FLUSHES).for_each(|_| drop(sandbox.run(flush)));
    });
    reconcile();
    assert_eq!(reconcile(), Vec::<String>::new());
}

cases! { many_put_back_at_once:
    many_put_back_rules_of_iptables(NFT, "iptables-nft -F; ip6tables-nft -F");
    many_put_back_rules_of_the_older_iptables(LEGACY, "iptables-legacy -F; ip6tables-legacy -F");
}

/// A chain that no chain may lead to is refused in words, and not taken for a kernel without nf_tables.
#[test]
fn an_administrators_chain_that_cannot_be() {
    sandbox(|sandbox| {
        let world = World::new(sandbox, NFT, json!({ "iptablesAdminChainName": "THEIRS" }));
        sandbox.run("nft add chain ip filter THEIRS '{ type filter hook input priority 10; }'");
        let one = world.attach_bridge("one");
        world
            .call("ADD", &one)
            .run()
            .fails(Some(999), &["THEIRS", "hook of its own"]);
        let made = Cmd::shell("cat /proc/net/ip_tables_names").output();
        assert_eq!(made.stdout.trim(), "");
        let rules = sandbox.run("iptables-nft -S");
        assert!(!rules.contains(&one.v4), "{rules}");
    });
}

/// A host whose tables cannot be looked at just now has tables all the same.
#[test]
fn what_cannot_be_looked_at_is_not_taken_for_absent() {
    sandbox(|sandbox| {
        let world = World::new(sandbox, LEGACY, json!({ "backend": "nftables" }));
        let one = world.attach_bridge("one");
        let names = "/proc/thread-self/net/ip_tables_names";
        let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", names];
        let fault = [&strace[..], &["--inject=open,openat:error=EMFILE"]].concat();
        for verb in ["ADD", "CHECK", "DEL"] {
            let output = world.call(verb, &one).cmd().under(&fault).output();
            assert!(
                !output.ok() && output.stdout.contains(names),
                "{verb}: {output}"
            );
        }
        world.call("ADD", &one).run().success();
        world.call("CHECK", &one).run().success();
    });
}
