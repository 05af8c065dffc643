//! CHECK, DEL, GC and STATUS that cannot be.

use linkspan_testkit::{PLUGIN_NAMES, Plugins, sandbox, with_prev_result};
use serde_json::{Value, json};

use super::{Bad, CONFIG, DECODING, ENVIRONMENT, NETNS, NOT_AVAILABLE, VERSION, bad};
use crate::host::{Host, network};

/// host-local's own code.
const NOT_RESERVED: u64 = 101;

fn refused(bad: &mut Bad<'_>, verb: &str, config: &Value, code: u64, words: &[&str]) {
    let call = bad.host.call(verb, config, &bad.netns);
    let version = config["cniVersion"].as_str().unwrap().to_owned();
    bad.refused(&format!("{verb} {config}"), &call, &version, code, words);
}

#[test]
fn check() {
    bad(|mut bad| {
        let config = network(json!({}));
        refused(
            &mut bad,
            "CHECK",
            &config,
            NOT_RESERVED,
            &["Failed to find address", "c1"],
        );
        let result = bad.host.add(&config, &bad.netns).success();
        bad.prepared();
        let with = |change: &dyn Fn(&mut Value)| {
            let mut result = result.clone();
            change(&mut result);
            with_prev_result(&config, &result)
        };
        refused(
            &mut bad,
            "CHECK",
            &config,
            CONFIG,
            &["prevResult missing", "result of ADD"],
        );
        let other = with(&|result| *result = json!(7));
        refused(&mut bad, "CHECK", &other, DECODING, &["prevResult"]);
        let other = with(&|result| result["ips"] = json!("nonsense"));
        refused(&mut bad, "CHECK", &other, DECODING, &["ips"]);
        let other = with(&|result| result["interfaces"] = json!([]));
        refused(
            &mut bad,
            "CHECK",
            &other,
            CONFIG,
            &["interface", "mynet/c1/eth0"],
        );
        let other = with(&|result| result["interfaces"][2]["mac"] = json!("zz"));
        refused(&mut bad, "CHECK", &other, DECODING, &["eth0", "zz"]);
        let mut older = with(&|_| {});
        older["cniVersion"] = "0.3.1".into();
        refused(
            &mut bad,
            "CHECK",
            &older,
            VERSION,
            &["does not allow CHECK", "0.4.0"],
        );
        let call = bad
            .host
            .call("CHECK", &with(&|_| {}), &bad.netns)
            .netns("/run/netns/gone");
        bad.refused(
            "CHECK without a namespace",
            &call,
            "1.1.0",
            ENVIRONMENT,
            &["/run/netns/gone"],
        );
        bad.end(8);
    });
}

#[test]
fn del() {
    bad(|mut bad| {
        let config = network(json!({}));
        let del = bad.host.call("DEL", &config, &bad.netns);
        for (name, value) in [
            ("CNI_CONTAINERID", ""),
            ("CNI_IFNAME", ""),
            ("CNI_PATH", ""),
            ("CNI_CONTAINERID", "/"),
        ] {
            let call = del.clone().env(name, value);
            bad.refused(
                &format!("DEL with {name}={value:?}"),
                &call,
                "1.1.0",
                ENVIRONMENT,
                &[name],
            );
        }
        bad.refused(
            "DEL without JSON",
            &del.clone().stdin("{"),
            "1.1.0",
            DECODING,
            &["line 1"],
        );
        let call = del.clone().netns("/proc/1/ns/net");
        bad.refused(
            "DEL on the host's namespace",
            &call,
            "1.1.0",
            NETNS,
            &["the host's own"],
        );
        // A runtime may repeat it as often as it likes.
        del.run().success();
        bad.end(6);
    });
}

#[test]
fn gc_and_status() {
    bad(|mut bad| {
        let with = |keys: Value| network(keys);
        let list = with(json!({ "cni.dev/valid-attachments": 7 }));
        refused(
            &mut bad,
            "GC",
            &list,
            DECODING,
            &["valid-attachments", "a list"],
        );
        let list = with(json!({ "cni.dev/valid-attachments": [{ "containerID": "c1" }] }));
        refused(&mut bad, "GC", &list, CONFIG, &["ifname"]);
        let older = with(json!({ "cniVersion": "1.0.0", "cni.dev/valid-attachments": [] }));
        refused(
            &mut bad,
            "GC",
            &older,
            VERSION,
            &["does not allow GC", "1.1.0"],
        );
        refused(
            &mut bad,
            "STATUS",
            &with(json!({ "cniVersion": "1.0.0" })),
            VERSION,
            &["does not allow STATUS"],
        );
        refused(
            &mut bad,
            "STATUS",
            &with(json!({ "mtu": "x" })),
            DECODING,
            &["mtu"],
        );
        let nonsuch = with(json!({ "ipam": { "type": "nonsuch" } }));
        refused(&mut bad, "STATUS", &nonsuch, NOT_AVAILABLE, &["nonsuch"]);
        bad.host
            .sandbox
            .run("ip link add cni0 type veth peer name other");
        refused(
            &mut bad,
            "STATUS",
            &network(json!({})),
            NOT_AVAILABLE,
            &["not a bridge"],
        );
        bad.host.sandbox.run("ip link del cni0");
        bad.end(7);
    });
}

/// DEL succeeds in the end, whatever has become of the configuration, and with names that no file can have:
/// ADD can have kept nothing under them.
#[test]
fn del_bears_names_and_configurations_that_cannot_be() {
    sandbox(|sandbox| {
        let plugins = Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins"));
        let netns = sandbox.netns("a");
        let path = netns.path().to_str().unwrap().to_owned();
        let long = "n".repeat(300);
        for plugin in PLUGIN_NAMES.into_iter().filter(|name| *name != "dhcp") {
            let config = json!({ "cniVersion": "1.0.0", "name": "net", "type": plugin,
                "ipam": { "type": "host-local" } });
            let del = |config: &Value, id: &str| {
                plugins
                    .call("DEL", config)
                    .container(id)
                    .ifname("eth0")
                    .netns(&path)
                    .run()
                    .success();
            };
            del(&config, &long);
            for (key, value) in [
                ("name", json!(long)),
                ("name", json!(5)),
                ("ipam", json!("host-local")),
                ("ipam", json!([])),
                ("prevResult", json!("x")),
            ] {
                let mut bad = config.clone();
                bad[key] = value;
                del(&bad, "c1");
            }
        }
    });
}

/// What is found by the attachment's identity goes all the same.
#[test]
fn del_frees_what_it_finds_though_it_cannot_read_all() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "ipMasq": true }));
        for (name, key, value) in [
            ("a", "ipam", json!([])),
            ("b", "prevResult", json!("x")),
            ("c", "dns", json!(7)),
        ] {
            let netns = sandbox.netns(name);
            host.add(&config, &netns).success();
            let mut broken = config.clone();
            broken[key] = value;
            host.del(&broken, &netns).success();
            assert_eq!(netns.run("ip -oneline link | wc -l"), "1", "{key}");
            assert_eq!(
                sandbox.run("ip -oneline link show type veth | wc -l"),
                "0",
                "{key}"
            );
            let elements = sandbox.run("nft list ruleset | grep -c 10.22.0 || true");
            assert_eq!(elements, "0", "{key}");
        }
    });
}
