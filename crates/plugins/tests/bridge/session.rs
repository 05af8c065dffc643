//! The session that everything begins with, to the letter, and what is there after it.

use std::fs;

use linkspan_testkit::{Cmd, sandbox};
use serde_json::{Value, json};

use super::host::{Family, Host, address, left, network};

/// The configuration as a person finds it.
const MYNET: &str = r#"{
	"cniVersion": "0.2.0",
	"name": "mynet",
	"type": "bridge",
	"bridge": "cni0",
	"isGateway": true,
	"ipMasq": true,
	"ipam": {
		"type": "host-local",
		"subnet": "10.22.0.0/16",
		"routes": [
			{ "dst": "0.0.0.0/0" }
		]
	}
}
"#;

const RESULT: &str = r#"{
    "cniVersion": "0.2.0",
    "ip4": {
        "ip": "10.22.0.2/16",
        "gateway": "10.22.0.1",
        "routes": [
            {
                "dst": "0.0.0.0/0",
                "gw": "10.22.0.1"
            }
        ]
    },
    "dns": {}
}
"#;

#[test]
fn by_hand_as_root() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        fs::write("/run/mynet.conf", MYNET).unwrap();
        let before = left(&[]);
        let by_hand = |verb: &str, container: &str| {
            let bin = host.plugins.dir().display();
            Cmd::shell(&format!(
                "CNI_COMMAND={verb} CNI_CONTAINERID={container} CNI_NETNS=/run/netns/{container} CNI_IFNAME=eth0 \
                 CNI_PATH={bin} {bin}/bridge < /run/mynet.conf"
            ))
            .output()
        };
        let outside = sandbox.outside();
        outside.netns.serve_tcp("0.0.0.0:80");
        let [c1, c2] = ["c1", "c2"].map(|name| sandbox.netns(name));
        let before_first = left(&[&c1, &c2]);
        assert_eq!(by_hand("ADD", "c1").success(), RESULT);
        assert_eq!(
            by_hand("ADD", "c2").success(),
            RESULT.replace("10.22.0.2", "10.22.0.3")
        );
        c1.ping("10.22.0.1");
        c1.ping("10.22.0.3");
        c2.ping("10.22.0.2");
        sandbox.host().ping("10.22.0.2");
        let seen = c1.talk_tcp("198.51.100.2:80").unwrap();
        assert_eq!(seen.ip().to_string(), "198.51.100.1");
        for container in ["c1", "c2", "c2"] {
            assert_eq!(by_hand("DEL", container).success(), "");
        }
        assert_eq!(left(&[&c1, &c2]), before_first);
        let kept = sandbox
            .run("ls /var/lib/cni/networks/mynet; ip -brief link show type bridge | cut -d' ' -f1");
        assert_eq!(kept, "last_reserved_ip.0\nlock\ncni0");
        assert!(before.is_subset(&before_first));
    });
}

/// Every version has its own form of the same result.
#[test]
fn in_every_version() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        for (number, version) in [
            "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0",
        ]
        .iter()
        .enumerate()
        {
            let config = network(json!({ "cniVersion": version, "ipMasq": true }));
            let attached = host.attach(&config, &format!("c{number}"));
            let result = attached.result;
            assert_eq!(result["cniVersion"], *version);
            let address = format!("10.22.0.{}/16", number + 2);
            let expected: Value = match *version {
                "0.1.0" | "0.2.0" => json!({ "ip": address, "gateway": "10.22.0.1", "routes": [
                    { "dst": "0.0.0.0/0", "gw": "10.22.0.1" }
                ] }),
                "0.3.0" | "0.3.1" | "0.4.0" => json!([
                    { "version": "4", "interface": 2, "address": address, "gateway": "10.22.0.1" }
                ]),
                _ => json!([{ "interface": 2, "address": address, "gateway": "10.22.0.1" }]),
            };
            let key = if number < 2 { "ip4" } else { "ips" };
            assert_eq!(result[key], expected, "{result}");
            attached.netns.ping("10.22.0.1");
            host.del(&config, &attached.netns).success();
        }
        let netns = sandbox.netns("last");
        let result = host.add(&network(json!({})), &netns).success();
        assert_eq!(address(&result, Family::V4), "10.22.0.9");
    });
}

/// `loopback`, which every runtime calls first.
#[test]
fn the_loopback_interface() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let netns = sandbox.netns("c1");
        netns.run("ip link set lo down");
        let config =
            |version: &str| json!({ "cniVersion": version, "name": "lo", "type": "loopback" });
        let call = |verb: &str, version: &str| {
            host.call(verb, &config(version), &netns).ifname("lo").run()
        };
        let lo = json!({ "name": "lo", "mac": "00:00:00:00:00:00", "sandbox": "/run/netns/c1" });
        assert_eq!(
            call("ADD", "1.0.0").success(),
            json!({
                "cniVersion": "1.0.0", "interfaces": [lo],
                "ips": [{ "interface": 0, "address": "127.0.0.1/8" }, { "interface": 0, "address": "::1/128" }],
                "dns": {}
            })
        );
        netns.ping("127.0.0.1");
        netns.ping("::1");
        call("CHECK", "1.0.0").success();
        assert_eq!(call("ADD", "0.2.0").success()["ip4"]["ip"], "127.0.0.1/8");
        assert_eq!(call("ADD", "0.3.1").success()["ips"][1]["version"], "6");
        call("DEL", "1.0.0").success();
        call("DEL", "1.0.0").success();
        assert!(!netns.run("ip link show lo").contains(",UP"));
        call("CHECK", "1.0.0").fails(None, &["lo"]);
        netns.run("ip address add 10.1.1.1/32 dev lo");
        call("ADD", "1.0.0").fails(None, &["10.1.1.1"]);
        assert!(!netns.run("ip link show lo").contains(",UP"));
        host.call("DEL", &config("1.0.0"), &netns)
            .netns("/run/netns/gone")
            .run()
            .success();
        host.plugins.status(&config("1.1.0")).success();
        host.plugins.gc(&config("1.1.0"), &[]).success();
    });
}
