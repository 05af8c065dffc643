//! What stays right while others change the host's rules, and while many containers come and go.

use std::thread;
use std::time::Duration;

use linkspan_testkit::{Cmd, Outside, Sandbox, needs, sandbox};
use serde_json::{Value, json};

use super::world::{
    Forwarding, LEGACY, NFT, PORT, World, does_not_reach, drop_by, reaches, reconcile,
};

fn nftables() -> Value {
    json!({ "backend": "nftables" })
}

/// plugins#127, moby#53466: the number of rules does not depend on that of containers, and ADD looks at none of them.
#[test]
fn five_hundred_attachments_have_as_many_rules_as_one() {
    needs(&[])
        .deadline(Duration::from_secs(240))
        .sandbox(|sandbox| {
            let world = World::new(sandbox, NFT, nftables());
            let mut one = world.attach("one");
            let rules = world.rules();
            for number in 0..500 {
                let (high, low) = (number / 250, number % 250);
                one.result["ips"][0]["address"] = json!(format!("10.22.{}.{low}/16", 100 + high));
                one.result["ips"][1]["address"] = json!(format!("fd00:22::1:{high:x}:{low:x}/64"));
                let config = linkspan_testkit::with_prev_result(&world.firewall, &one.result);
                let call = world.plugins.call("ADD", &config);
                call.container(&format!("c{number}"))
                    .netns(one.netns.path())
                    .ifname("eth0")
                    .run()
                    .success();
            }
            assert_eq!(world.rules(), rules);
            let elements = sandbox.run(
                "nft list table inet linkspan | grep -o 'comment \"mynet/[^/]*/eth0\"' | wc -l",
            );
            // Of each address one for this plugin, and for the first container two of bridge beside.
            assert_eq!(elements.trim(), "1006");
        });
}

/// Rules in FORWARD are placed once, whoever is first.
fn many_at_once_place_the_rules_once(sandbox: &Sandbox, forwarding: Forwarding, save: &str) {
    let world = World::new(sandbox, forwarding, nftables());
    let containers: Vec<_> = (0..12)
        .map(|number| world.attach_bridge(&format!("c{number}")))
        .collect();
    thread::scope(|scope| {
        for container in &containers {
            scope.spawn(|| world.call("ADD", container).run().success());
        }
    });
    let rules = sandbox.run(&format!("{save} | grep -e FORWARD"));
    assert_eq!(rules.matches("-j LINKSPAN-FORWARD").count(), 1, "{rules}");
    assert_eq!(rules.matches("-j CNI-ADMIN").count(), 1, "{rules}");
    assert_eq!(rules.matches("-j ACCEPT").count(), 1, "{rules}");
}

cases! { many_at_once_place_the_rules_once:
    once_in_iptables(NFT, "iptables-nft-save");
    once_in_the_older_iptables(LEGACY, "iptables-legacy-save");
}

/// What `iptables -S` shows is what `iptables-restore` takes.
#[test]
fn the_rules_are_those_of_iptables() {
    sandbox(|sandbox| {
        let world = World::new(sandbox, NFT, nftables());
        world.attach("one");
        let rules = sandbox.run("iptables-nft -S");
        for rule in [
            "-A FORWARD -m comment --comment \"containers attached by Linkspan\" -j LINKSPAN-FORWARD",
            "-A LINKSPAN-FORWARD -m comment --comment \"CNI firewall plugin admin overrides\" -j CNI-ADMIN",
            "-A LINKSPAN-FORWARD -m mark --mark 0x1000/0x1000 -m comment --comment \"admitted by table inet linkspan\" -j ACCEPT",
        ] {
            assert!(rules.contains(rule), "{rule}: {rules}");
        }
        sandbox.run("iptables-nft-save > $TMPDIR/rules; iptables-nft-restore $TMPDIR/rules");
        assert_eq!(sandbox.run("iptables-nft -S"), rules);
    });
}

/// podman#5431, podman#3842, firewalld#779: what others flush is missed by CHECK, and comes back.
fn flushed_rules_are_missed_and_come_back(sandbox: &Sandbox, forwarding: Forwarding, flush: &str) {
    let world = World::new(sandbox, forwarding, nftables());
    let one = world.attach("one");
    sandbox.run(flush);
    world.call("CHECK", &one).run().fails(None, &["expected"]);
    assert_ne!(reconcile(), Vec::<String>::new(), "{flush}");
    world.call("CHECK", &one).run().success();
    reaches(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
    assert_eq!(reconcile(), Vec::<String>::new(), "{flush}");
}

cases! { flushed_rules_are_missed_and_come_back:
    iptables_flushed(NFT, "iptables-nft -F; ip6tables-nft -F");
    forward_of_iptables_flushed(NFT, "iptables-nft -F FORWARD");
    iptables_emptied(NFT, "iptables-nft -F; iptables-nft -X");
    ruleset_flushed(NFT, "nft flush ruleset; iptables-nft -P FORWARD DROP; ip6tables-nft -P FORWARD DROP");
    our_chain_flushed(NFT, "nft flush chain inet linkspan forward");
    older_iptables_flushed(LEGACY, "iptables-legacy -F; ip6tables-legacy -F");
    forward_of_older_iptables_flushed(LEGACY, "iptables-legacy -F FORWARD");
}

/// The same by the ADD of another container.
fn the_next_add_places_flushed_rules(sandbox: &Sandbox, forwarding: Forwarding, flush: &str) {
    let world = World::new(sandbox, forwarding, nftables());
    let one = world.attach("one");
    sandbox.run(flush);
    does_not_reach(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
    world.attach("two");
    reaches(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
    world.call("CHECK", &one).run().success();
}

cases! { the_next_add_places_flushed_rules:
    the_next_add_places_rules_of_iptables(NFT, "iptables-nft -F; ip6tables-nft -F");
    the_next_add_places_rules_of_the_older_iptables(LEGACY, "iptables-legacy -F; ip6tables-legacy -F");
    the_next_add_places_our_rules(NFT, "nft flush table inet linkspan");
    the_next_add_places_our_rules_where_the_older_iptables_drops(LEGACY, "nft flush table inet linkspan");
}

/// Docker is started after the first container.
fn a_policy_that_comes_later_is_met_by_the_next_add(sandbox: &Sandbox, variant: &str) {
    let world = World::new(sandbox, Forwarding::Free, nftables());
    let one = world.attach("one");
    drop_by(sandbox, variant);
    world
        .call("CHECK", &one)
        .run()
        .fails(None, &["LINKSPAN-FORWARD"]);
    world.attach("two");
    world.call("CHECK", &one).run().success();
    reaches(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
}

cases! { a_policy_that_comes_later_is_met_by_the_next_add:
    a_later_policy_of_iptables("nft");
    a_later_policy_of_the_older_iptables("legacy");
}

/// The mark says that a packet may pass, so nobody may bring it along; and nobody sees it afterwards.
#[test]
fn the_mark_does_not_leave_the_hook() {
    sandbox(|sandbox| {
        let world = World::new(sandbox, NFT, nftables());
        let one = world.attach("one");
        sandbox.run(
            "nft add table inet spy
             nft add chain inet spy before '{ type filter hook prerouting priority -400; }'
             nft add rule inet spy before iifname uplink meta mark set 0x1000
             nft add chain inet spy after '{ type filter hook postrouting priority -400; }'
             nft add rule inet spy after meta mark and 0x1000 == 0x1000 counter",
        );
        does_not_reach(&world.outside.netns, &one.v4, &one.v6, PORT);
        reaches(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
        let seen = sandbox.run("nft list chain inet spy after");
        assert!(seen.contains("counter packets 0 "), "{seen}");
    });
}

/// No process is started, also where the older iptables drops: that its rules are there is read from the kernel.
fn no_process_is_started(sandbox: &Sandbox, forwarding: Forwarding) {
    let world = World::new(sandbox, forwarding, nftables());
    world.attach("first");
    let one = world.attach_bridge("one");
    for verb in ["ADD", "CHECK", "DEL"] {
        let log = Cmd::shell("mktemp").run();
        let log = log.trim();
        let strace = [
            "strace",
            "-f",
            "-qq",
            "-o",
            log,
            "--trace=execve,fork,vfork,clone,clone3",
        ];
        world.call(verb, &one).cmd().under(&strace).run();
        let calls = std::fs::read_to_string(log).unwrap();
        let processes: Vec<_> = calls
            .lines()
            .filter(|line| line.contains("execve(") || line.contains("fork("))
            .collect();
        assert_eq!(processes.len(), 1, "{verb}: {calls}");
    }
}

cases! { no_process_is_started:
    no_process_where_iptables_drops(NFT);
    no_process_where_the_older_iptables_drops(LEGACY);
}

/// A table that is nobody's but its author's is named, with what to do.
#[test]
fn other_tables_that_drop_are_named() {
    sandbox(|sandbox| {
        let world = World::new(sandbox, NFT, nftables());
        sandbox.run(
            "nft add table inet filter
             nft add chain inet filter forward '{ type filter hook forward priority filter; policy drop; }'",
        );
        let status = world.plugins.status(&world.firewall);
        status.success();
        let said = &status.output.stderr;
        assert!(
            said.contains("FORWARD of iptables (nf_tables) has the policy DROP"),
            "{said}"
        );
        assert!(
            said.contains("the chain inet filter forward drops"),
            "{said}"
        );
        let one = world.attach_bridge("one");
        let added = world.call("ADD", &one).run();
        added.success();
        let said = &added.output.stderr;
        assert!(
            said.contains("the chain inet filter forward drops"),
            "{said}"
        );
        does_not_reach(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
        // What it says to do helps.
        let rule = said
            .split("add to it: ")
            .nth(1)
            .unwrap()
            .lines()
            .next()
            .unwrap();
        sandbox.run(rule);
        reaches(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
    });
}

/// After the last attachment, GC leaves nothing of ours.
fn gc_removes_what_is_stale_and_at_last_all_rules(
    sandbox: &Sandbox,
    forwarding: Forwarding,
    save: &str,
) {
    let keys = json!({ "backend": "nftables", "ingressPolicy": "isolated" });
    let world = World::new(sandbox, forwarding, keys);
    let one = world.attach("one");
    world.attach("two");
    world
        .plugins
        .gc(&world.firewall, &[("one", "eth0")])
        .success();
    world.call("CHECK", &one).run().success();
    let admitted = sandbox.run("nft list set inet linkspan admitted4");
    assert_eq!(
        admitted.matches("comment \"mynet/").count(),
        1,
        "{admitted}"
    );
    world.plugins.gc(&world.firewall, &[]).success();
    world.plugins.gc(&world.bridge, &[]).success();
    world.plugins.gc(&world.firewall, &[]).success();
    let rules = sandbox.run(&format!("nft list ruleset; {save}"));
    assert!(
        !rules.contains("linkspan") && !rules.contains("LINKSPAN"),
        "{rules}"
    );
}

cases! { gc_removes_what_is_stale_and_at_last_all_rules:
    gc_of_rules_of_iptables(NFT, "iptables-nft-save");
    gc_of_rules_of_the_older_iptables(LEGACY, "iptables-legacy-save");
}
