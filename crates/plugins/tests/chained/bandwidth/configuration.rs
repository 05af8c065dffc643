//! Configurations and results.

use linkspan_testkit::{Output, in_version, rows, sandbox};
use serde_json::{Value, json};

use super::world;

const BOTH: &str = r#"{ "ingressRate": 8000000, "ingressBurst": 200000, "egressRate": 16000000, "egressBurst": 400000 }"#;

fn both() -> Value {
    serde_json::from_str(BOTH).unwrap()
}

#[test]
fn the_result_is_prev_result_with_the_link_that_shapes() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        for version in ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
            let config = in_version(&world.config(both()), version);
            let mut result = world.add(&config).success();
            let interfaces = result["interfaces"].as_array_mut().unwrap();
            let ifb = interfaces.pop().unwrap();
            assert_eq!(result, config["prevResult"], "{version}");
            let link = &world.host.ip_json("link show type ifb")[0];
            assert_eq!(
                ifb,
                json!({ "name": link["ifname"], "mac": link["address"] })
            );
            assert_eq!(link["ifalias"], "net/c1/eth0");
            world.del(&config).success();
        }
        let ingress = world.config(json!({ "ingressRate": 8_000_000 }));
        assert_eq!(world.add(&ingress).success(), ingress["prevResult"]);
        assert_eq!(world.ifbs(), Vec::<String>::new());
    });
}

/// A plugin before that does not name the host's end in its result (weave#3787) is no obstacle.
#[test]
fn a_result_without_interfaces_will_do() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let mut config = world.config(both());
        config["prevResult"] = json!({ "cniVersion": "1.0.0", "dns": {} });
        world.add(&config).success();
        world.check(&config).success();
        world.del(&config).success();
    });
}

#[test]
fn what_runtimes_send_is_read_in_any_spelling() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let runtime = json!({ "Bandwidth": {
            "IngressRate": 8_000_000, "IngressBurst": i32::MAX, "EGRESSRATE": 8_000_000, "egressburst": i32::MAX
        } });
        let config = world.config(json!({ "runtimeConfig": runtime }));
        world.add(&config).success();
        world.check(&config).success();
        let qdiscs = world.qdiscs();
        // Nothing about a configuration that says its burst has changed: 2^31 - 1 bits.
        assert_eq!(
            qdiscs.matches("rate 8Mbit burst 256Mb lat 25").count(),
            2,
            "{qdiscs}"
        );
        // The configuration's own keys count more, be they zero.
        world.del(&config).success();
        let own = world.config(json!({ "ingressRate": 0, "runtimeConfig": runtime }));
        assert_eq!(world.add(&own).success(), own["prevResult"]);
        assert_eq!(world.qdiscs(), "");
    });
}

#[test]
fn nothing_configured_asks_nothing_of_the_kernel() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        for keys in [
            json!({}),
            json!({ "ingressRate": 0, "egressBurst": 0 }),
            json!({ "runtimeConfig": {} }),
        ] {
            let config = world.config(keys);
            assert_eq!(world.add(&config).success(), config["prevResult"]);
            world.check(&config).success();
            for verb in ["ADD", "CHECK", "DEL"] {
                let log = sandbox.dir().join("log");
                let path = log.to_string_lossy();
                let strace = [
                    "strace",
                    "-f",
                    "-qq",
                    "-e",
                    "trace=bind,sendto,sendmsg,setns",
                    "-o",
                    &path,
                    "--",
                ];
                let output: Output = world.command(verb, &config).under(&strace).output();
                assert!(output.ok(), "{output}");
                assert_eq!(std::fs::read_to_string(&log).unwrap(), "", "{verb}");
            }
        }
    });
}

#[test]
fn check_reads_the_kernels_qdiscs() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let config = world.config(both());
        world.add(&config).success();
        world.check(&config).success();
        let ifb = world.ifbs().remove(0);
        let tbf = |link: &str, arguments: &str| {
            world.host.run(&format!(
                "tc qdisc change dev {link} root handle 1: tbf {arguments}"
            ));
        };
        for (link, wrong, right) in rows! {
            ("veth0", "rate 9mbit burst 25000 limit 50000", "rate 8mbit burst 25000 limit 50000"),
            ("veth0", "rate 8mbit burst 26000 limit 50000", "rate 8mbit burst 25000 limit 50000"),
            (&ifb, "rate 16mbit burst 50000 limit 90000", "rate 16mbit burst 50000 limit 100000"),
        } {
            tbf(link, wrong);
            world
                .check(&config)
                .fails(None, &[&format!("the limit on what \"{link}\" sends")]);
            tbf(link, right);
            world.check(&config).success();
        }
        for damage in [
            "tc qdisc delete dev veth0 root".to_owned(),
            "tc qdisc delete dev veth0 ingress".to_owned(),
            format!("ip link delete {ifb}"),
        ] {
            world.del(&config).success();
            world.add(&config).success();
            world.check(&config).success();
            world.host.run(&damage);
            world.check(&config).failure();
        }
    });
}

/// A derived burst follows from the MTU, which a later plugin of the chain may change.
#[test]
fn check_does_not_mind_another_mtu() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let config = world.config(json!({ "ingressRate": 64_000, "egressRate": 64_000 }));
        world.add(&config).success();
        world.host.run("ip link set veth0 mtu 1300");
        world.check(&config).success();
        let other = world.config(json!({ "ingressRate": 65_000, "egressRate": 64_000 }));
        world.check(&other).failure();
    });
}

#[test]
fn mistakes_are_explained() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        for (keys, code, words) in rows! {
            (json!({ "ingressBurst": 8 }), 7, "if burst is set, rate must also be set"),
            (json!({ "ingressRate": 8, "ingressBurst": 1u64 << 36 }), 7, "burst cannot be more than 4GB"),
            (json!({ "ingressRate": "8M" }), 6, "bits per second"),
            (json!({ "ingressRate": 8, "shapedSubnets": ["10.0.0.0/8"], "unshapedSubnets": ["fd00::/8"] }), 7, "cannot be both specified"),
        } {
            world.add(&world.config(keys)).fails(code, &[words]);
        }
        // plugins#656: nothing but a veth.
        world
            .netns
            .run("ip link set eth0 down; ip link set eth0 name gone; ip link add eth0 type bridge");
        world.add(&world.config(both())).fails(
            7,
            &[
                "eth0 has no veth peer: interface \"eth0\" was not a veth interface",
                "it is a bridge",
            ],
        );
    });
}
