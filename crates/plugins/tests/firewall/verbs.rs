//! Each verb by itself: what it needs, what it leaves, and what it tolerates.

use std::time::Duration;

use linkspan_testkit::{
    Outcome, Plugins, Sandbox, kill_at_every_syscall, needs, rows, sandbox, with_prev_result,
};
use serde_json::{Value, json};

use super::world::{Forwarding, LEGACY, NFT, World, firewall, reconcile, ruleset};

fn plugins() -> Plugins {
    Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins"))
}

fn nftables() -> Value {
    json!({ "backend": "nftables" })
}

#[test]
fn the_result_is_passed_on_in_every_version() {
    sandbox(|sandbox| {
        let netns = sandbox.netns("one");
        for version in [
            "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0",
        ] {
            let result = match version {
                "0.1.0" | "0.2.0" => {
                    json!({ "cniVersion": version, "ip4": { "ip": "10.22.0.2/16" } })
                }
                _ => json!({
                    "cniVersion": version,
                    "ips": [{ "version": "4", "address": "10.22.0.2/16", "gateway": "10.22.0.1" }],
                }),
            };
            let mut config = firewall("mynet", nftables());
            config["cniVersion"] = json!(version);
            let config = with_prev_result(&config, &result);
            let printed = plugins().add(&config, "one", &netns, "eth0").success();
            assert_eq!(printed["cniVersion"], version);
            let address = match version {
                "0.1.0" | "0.2.0" => &printed["ip4"]["ip"],
                _ => &printed["ips"][0]["address"],
            };
            assert_eq!(address, "10.22.0.2/16", "{printed}");
            if version >= "0.4.0" {
                plugins().check(&config, "one", &netns, "eth0").success();
            }
            plugins().del(&config, "one", &netns, "eth0").success();
            assert!(!ruleset().contains("mynet/one"), "{}", ruleset());
        }
        let versions = plugins().version("firewall", "1.1.0").success();
        assert_eq!(versions["supportedVersions"].as_array().unwrap().len(), 7);
    });
}

/// CHECK asks how many rules there are before it lists them; what others place between the two hid the rule that leads there, which a
/// random history of `make histories` brought to light. Whenever that is, it is no fault of this container.
#[test]
fn check_passes_while_others_place_rules() {
    const PAUSE: Duration = Duration::from_millis(40);
    sandbox(|sandbox| {
        let world = World::new(sandbox, NFT, json!({}));
        let container = world.attach("one");
        for number in 1..=12_u32 {
            let check = world.call("CHECK", &container).cmd();
            let delay = format!("--inject=sendto,sendmsg:delay_enter={}", PAUSE.as_micros());
            let check = check.under(&["strace", "-f", "-qq", "-o", "/dev/null", &delay, "--"]);
            let checked = std::thread::scope(|scope| {
                let checked = scope.spawn(|| check.output());
                std::thread::sleep(PAUSE * number);
                sandbox.run(&format!(
                    "nft add rule ip filter CNI-FORWARD ip saddr 192.0.2.{number} counter accept
                     nft add rule ip filter CNI-FORWARD ip daddr 192.0.2.{number} counter accept"
                ));
                checked.join().unwrap()
            });
            assert!(checked.ok(), "after {:?}: {checked}", PAUSE * number);
        }
    });
}

#[test]
fn add_and_check_need_the_result_of_the_plugin_before() {
    sandbox(|sandbox| {
        let netns = sandbox.netns("one");
        let config = firewall("mynet", nftables());
        plugins()
            .add(&config, "one", &netns, "eth0")
            .fails(None, &["missing prevResult from earlier plugin"]);
        plugins()
            .check(&config, "one", &netns, "eth0")
            .fails(None, &["missing prevResult from earlier plugin"]);
    });
}

#[test]
fn what_cannot_be_is_refused_by_add_and_tolerated_by_del() {
    sandbox(|sandbox| {
        let netns = sandbox.netns("one");
        let result = json!({ "cniVersion": "1.1.0", "ips": [{ "address": "10.22.0.2/16" }] });
        for (keys, word) in rows! {
            (json!({ "backend": "ipfw" }), "backend"),
            (json!({ "backend": 7 }), "backend"),
            (json!({ "ingressPolicy": "closed" }), "ingressPolicy"),
            (json!({ "iptablesAdminChainName": "a b" }), "iptablesAdminChainName"),
            (json!({ "iptablesAdminChainName": "-j" }), "iptablesAdminChainName"),
            (json!({ "iptablesAdminChainName": "FORWARD" }), "iptablesAdminChainName"),
            (json!({ "iptablesAdminChainName": "CNI-FORWARD" }), "iptablesAdminChainName"),
            (json!({ "iptablesAdminChainName": "x".repeat(29) }), "iptablesAdminChainName"),
        } {
            let config = with_prev_result(&firewall("mynet", keys), &result);
            plugins()
                .add(&config, "one", &netns, "eth0")
                .fails(None, &[word]);
            plugins().del(&config, "one", &netns, "eth0").success();
        }
        // As nobody had said anything.
        let keys = json!({ "backend": "", "ingressPolicy": "", "iptablesAdminChainName": "", "firewalldZone": "" });
        let config = with_prev_result(&firewall("mynet", keys), &result);
        plugins().add(&config, "one", &netns, "eth0").success();
    });
}

/// The reference removes nothing on such a DEL.
#[test]
fn del_needs_neither_result_nor_namespace() {
    sandbox(|sandbox| {
        let world = World::new(sandbox, NFT, nftables());
        let one = world.attach("one");
        let call = |netns: &str| -> Outcome {
            let call = world
                .plugins
                .call("DEL", &world.firewall)
                .container("one")
                .ifname("eth0");
            call.env("CNI_NETNS", netns).run()
        };
        let admitted = || sandbox.run("iptables-nft -S CNI-FORWARD");
        assert!(admitted().contains(&one.v4));
        one.netns.delete();
        call("").success();
        assert!(!admitted().contains(&one.v4), "{}", admitted());
        call("/run/netns/one").success();
        sandbox.run("nft flush ruleset; rm -rf /run/cni");
        call("").success();
    });
}

/// A late DEL takes nothing from the container that has the address by now.
#[test]
fn del_leaves_an_address_that_another_container_has() {
    sandbox(|sandbox| {
        let world = World::new(sandbox, NFT, nftables());
        let one = world.attach_bridge("one");
        let config = world.detach_late(&one);
        let admitted = sandbox.run("iptables-nft -S CNI-FORWARD");
        assert!(admitted.contains(&one.v4), "{admitted}");
        world
            .plugins
            .check(&config, "new", &one.netns, "eth0")
            .success();
    });
}

#[test]
fn check_sees_what_is_missing() {
    sandbox(|sandbox| {
        let keys = json!({ "backend": "nftables", "ingressPolicy": "isolated" });
        let world = World::new(sandbox, NFT, keys);
        let one = world.attach("one");
        let check = || world.call("CHECK", &one).run();
        check().success();
        for (spoil, word) in rows! {
            (format!("iptables-nft -D CNI-FORWARD -s {} -j ACCEPT", one.v4), "for what 10.22.0.2 sends"),
            ("nft flush set bridge linkspan isolated".to_owned(), "set bridge linkspan isolated"),
            ("nft flush set inet linkspan confined".to_owned(), "confined"),
            ("ip6tables-nft -F CNI-FORWARD".to_owned(), "for what is sent to fd00:22::2"),
            ("iptables-nft -F FORWARD".to_owned(), "from FORWARD to CNI-FORWARD"),
        } {
            sandbox.run(&spoil);
            check().fails(None, &[word]);
            reconcile();
            check().success();
        }
    });
}

/// CHECK looks at the kernel: the record may be lost, and is no proof.
fn check_needs_no_record(sandbox: &Sandbox, keys: Value, spoil: &str) {
    let world = World::new(sandbox, NFT, keys);
    let one = world.attach_bridge("one");
    let check = || world.call("CHECK", &one).run();
    check().failure();
    world.call("ADD", &one).run().success();
    sandbox.run("rm /run/cni/linkspan/netns-*/netfilter/mynet:one:eth0:firewall.json");
    check().success();
    sandbox.run(spoil);
    check().fails(None, &["expected"]);
    world.del(&one).success();
    check().failure();
}

cases! { check_needs_no_record:
    check_of_nftables(nftables(), "ip6tables -F CNI-FORWARD");
    check_of_iptables(json!({ "backend": "iptables" }), "iptables -F CNI-FORWARD");
    check_of_a_policy(json!({ "backend": "nftables", "ingressPolicy": "isolated" }), "nft flush set inet linkspan confined");
}

fn killed_anywhere(forwarding: Forwarding) {
    let deadline = Duration::from_secs(240);
    needs(&[]).deadline(deadline).sandbox(|sandbox| {
        let world = World::new(sandbox, forwarding, nftables());
        let one = world.attach_bridge("one");
        world.attach("other");
        let left = || {
            let save = if forwarding == LEGACY {
                "legacy"
            } else {
                "nft"
            };
            let rules = crate::world::save(sandbox, save);
            let records = sandbox.run("ls /run/cni/linkspan/netns-*/netfilter");
            assert!(
                !rules.contains(&format!("-s {}/", one.v4))
                    && !rules.contains(&format!("-d {}/", one.v6))
                    && !records.contains("one:eth0:firewall"),
                "{rules}{records}"
            );
        };
        let cmd = |verb: &str| world.call(verb, &one).cmd().env_remove("LD_LIBRARY_PATH");
        for variant in ["nft", "legacy"] {
            if forwarding == Forwarding::DroppedBy(variant) {
                sandbox.run(&format!("iptables-{variant} -F FORWARD"));
            }
        }
        let kills = kill_at_every_syscall(
            || cmd("ADD"),
            |_| {
                world.call("DEL", &one).run().success();
                left();
            },
        );
        assert!(kills > 40, "{kills}");
        kill_at_every_syscall(
            || {
                world.call("ADD", &one).run().success();
                cmd("DEL")
            },
            |_| {
                world.call("DEL", &one).run().success();
                left();
            },
        );
    });
}

#[test]
fn killed_anywhere_where_iptables_drops() {
    killed_anywhere(NFT);
}

#[test]
fn killed_anywhere_where_the_older_iptables_drops() {
    killed_anywhere(LEGACY);
}
