//! What stays right while others change the host's rules, and while many containers come and go.

use std::thread;

use linkspan_testkit::{Cmd, Outside, Sandbox, iptables, sandbox};
use serde_json::{Value, json};

use super::world::{
    Forwarding, LEGACY, NFT, PORT, World, does_not_reach, drop_by, reaches, reconcile,
};

fn nftables() -> Value {
    json!({ "backend": "nftables" })
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
    assert_eq!(rules.matches("-j CNI-FORWARD").count(), 1, "{rules}");
    assert_eq!(rules.matches("-j CNI-ADMIN").count(), 1, "{rules}");
    for container in &containers {
        let (from, to) = (
            format!("-s {}/32", container.v4),
            format!("-d {}/32", container.v4),
        );
        assert!(rules.contains(&from) && rules.contains(&to), "{rules}");
    }
}

cases! { many_at_once_place_the_rules_once:
    once_in_iptables(NFT, "iptables-nft-save");
    once_in_the_older_iptables(LEGACY, "iptables-legacy-save");
}

/// What `iptables -S` shows is what the reference makes, and what `iptables-restore` takes; `iptables -C` knows it.
#[test]
fn the_rules_are_those_of_iptables() {
    sandbox(|sandbox| {
        let world = World::new(sandbox, Forwarding::Free, nftables());
        let one = world.attach("one");
        world.publish(&one);
        let rules = sandbox.run("iptables-nft -S");
        let ports = format!(
            "-A LINKSPAN-PORTS -d {0}/32 -m conntrack --ctstate DNAT --ctproto 6 --ctreplsrc {0} --ctorigdstport 8080 \
             --ctreplsrcport {PORT} -j ACCEPT",
            one.v4
        );
        for rule in [
            "-A FORWARD -m comment --comment \"CNI firewall plugin rules\" -j CNI-FORWARD",
            "-A CNI-FORWARD -m comment --comment \"CNI firewall plugin admin overrides\" -j CNI-ADMIN",
            &format!(
                "-A CNI-FORWARD -d {}/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                one.v4
            ),
            &format!("-A CNI-FORWARD -s {}/32 -j ACCEPT", one.v4),
            &ports,
        ] {
            assert!(rules.contains(rule), "{rule}: {rules}");
            let check = rule.replacen("-A", "-C", 1);
            sandbox.run(&format!("iptables-nft {check}"));
        }
        sandbox.run("iptables-nft-save > $TMPDIR/rules; iptables-nft-restore $TMPDIR/rules");
        assert_eq!(sandbox.run("iptables-nft -S"), rules);
        // Whose they are was not saved.
        world.call("CHECK", &one).run().success();
        world.del(&one).success();
        let left = sandbox.run("iptables-nft -S");
        assert!(!left.contains(&one.v4), "{left}");
    });
}

/// Whatever iptables from 1.8.2 on does not know as a condition, it lists and saves the rule without.
#[test]
fn no_rule_has_a_condition_that_an_older_iptables_does_not_know() {
    sandbox(|sandbox| {
        let world = World::new(sandbox, Forwarding::Free, nftables());
        world.publish(&world.attach("one"));
        for family in ["ip", "ip6"] {
            let raw = sandbox.run(&format!(
                "nft --debug=netlink list table {family} filter 2>&1"
            ));
            let expressions: Vec<&str> = raw
                .lines()
                .filter_map(|line| line.trim().strip_prefix("[ "))
                .collect();
            assert!(expressions.len() > 10, "{raw}");
            for expression in expressions {
                let known = [
                    "payload load",
                    "cmp eq",
                    "match name conntrack rev 3",
                    "counter",
                    "immediate reg 0",
                ];
                let is_known = known.iter().any(|known| expression.starts_with(known));
                assert!(is_known, "{expression}: {raw}");
            }
        }
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
    our_chain_flushed(NFT, "iptables-nft -F CNI-FORWARD");
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
    the_next_add_places_our_chain(NFT, "iptables-nft -F CNI-FORWARD; ip6tables-nft -F CNI-FORWARD");
}

/// Docker or ufw is started after the first container: nobody is cut off, as with the reference.
fn a_policy_that_comes_later_cuts_off_nobody(sandbox: &Sandbox, variant: &str) {
    let path = iptables(variant);
    let world = World::new(sandbox, Forwarding::Free, nftables());
    let one = world.attach_bridge("one");
    world.call("ADD", &one).cmd().env("PATH", &path).run();
    world.publish(&one);
    drop_by(sandbox, variant);
    reaches(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
    reaches(
        &world.outside.netns,
        Outside::HOST_V4,
        Outside::HOST_V6,
        8080,
    );
    does_not_reach(&world.outside.netns, &one.v4, &one.v6, PORT);
}

cases! { a_policy_that_comes_later_cuts_off_nobody:
    a_later_policy_of_iptables("nft");
    a_later_policy_of_the_older_iptables("legacy");
}

/// A table that is called as that of iptables and is somebody's own is left to them.
#[test]
fn a_table_of_others_is_theirs() {
    sandbox(|sandbox| {
        let world = World::new(sandbox, Forwarding::Free, nftables());
        let own = "nft add table ip filter
             nft add chain ip filter forwarding '{ type filter hook forward priority filter; policy drop; }'";
        sandbox.run(own);
        let before = sandbox.run("nft list table ip filter");
        let one = world.attach_bridge("one");
        let added = world.call("ADD", &one).run();
        added.success();
        assert_eq!(sandbox.run("nft list table ip filter"), before);
        assert!(
            added.output.stderr.contains("ip filter forwarding drops"),
            "{}",
            added.output
        );
        world.call("CHECK", &one).run().success();
        world.del(&one).success();
    });
}

/// Nobody's packets are touched: a mark of others is there behind us as it was ahead, and admits nobody.
#[test]
fn marks_of_others_stay_and_admit_nobody() {
    sandbox(|sandbox| {
        let world = World::new(sandbox, NFT, nftables());
        let one = world.attach("one");
        sandbox.run(
            "nft add table inet spy
             nft add chain inet spy before '{ type filter hook prerouting priority -400; }'
             nft add rule inet spy before meta mark set 0xffffffff
             nft add chain inet spy after '{ type filter hook postrouting priority 400; }'
             nft add rule inet spy after iifname cni0 oifname uplink meta mark != 0xffffffff counter
             nft add rule inet spy after iifname cni0 oifname uplink meta mark 0xffffffff counter",
        );
        does_not_reach(&world.outside.netns, &one.v4, &one.v6, PORT);
        reaches(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
        let seen = sandbox.run("nft list chain inet spy after");
        assert_eq!(seen.matches("counter packets 0 ").count(), 1, "{seen}");
        assert!(seen.contains("!= 0xffffffff counter packets 0 "), "{seen}");
    });
}

/// No process is started.
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
    no_process_where_nothing_filters(Forwarding::Free);
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
        for (subnet, ip) in [("10.22.0.0/16", "ip"), ("fd00:22::/64", "ip6")] {
            let rules = said
                .split('`')
                .filter(|word| word.starts_with("nft add rule"));
            for rule in rules {
                let rule = rule
                    .replace("SUBNET", subnet)
                    .replace(" ip saddr", &format!(" {ip} saddr"));
                sandbox.run(&rule);
            }
        }
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
    let admitted = sandbox.run(&format!("{save} | grep -c -e '-A CNI-FORWARD -s'"));
    assert_eq!(admitted.trim(), "1");
    world.plugins.gc(&world.firewall, &[]).success();
    world.plugins.gc(&world.bridge, &[]).success();
    world.plugins.gc(&world.firewall, &[]).success();
    let rules = sandbox.run(&format!("nft list ruleset; {save}"));
    assert!(
        !rules.to_lowercase().contains("linkspan") && !rules.contains("CNI-FORWARD"),
        "{rules}"
    );
}

cases! { gc_removes_what_is_stale_and_at_last_all_rules:
    gc_of_rules_of_iptables(NFT, "iptables-nft-save");
    gc_of_rules_of_the_older_iptables(LEGACY, "iptables-legacy-save");
}

/// A kubelet asks often, and writes what it reads into its log.
#[test]
fn status_says_nothing_without_a_reason() {
    sandbox(|sandbox| {
        let world = World::new(sandbox, NFT, nftables());
        let status = world.plugins.status(&world.firewall);
        status.success();
        assert_eq!(status.output.stderr, "");
    });
}
