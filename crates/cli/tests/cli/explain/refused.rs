//! What ADD refuses, and what nobody knows yet.

use linkspan_testkit::{Cmd, sandbox};
use serde_json::{Value, json};

use super::{linkspan, write};
use crate::demo::build_plugins;
use crate::node::LINKSPAN;
use crate::world::json;

/// What ADD refuses is told to be refused, in ADD's words; and what nobody knows yet is no reason to.
#[test]
fn what_fails_is_what_add_refuses() {
    const FOREIGN: &str = "/opt/cni/bin/foreign";
    build_plugins();
    sandbox(|_| {
        let script = format!(
            "mkdir -p /opt/cni && mount -t tmpfs none /opt/cni && mkdir -p /opt/cni/bin && echo '#!/bin/sh' >{FOREIGN} && chmod 755 {FOREIGN} && \
             ip link add br7 type bridge && ip addr add 10.7.0.1/24 dev br7 && ip link set br7 up"
        );
        Cmd::new("sh").args(["-c", &script]).run();
        let gateway_of = |ipam: &str| json!({ "type": "bridge", "bridge": "br7", "isGateway": true, "ipam": { "type": ipam } });
        let cases = [
            (
                json!([{ "type": "bridge" }, { "type": "bridge" }]),
                "container veth name provided (eth0) already exists",
            ),
            (
                json!([{ "type": "bridge" }, { "type": "tap" }]),
                "CNI_IFNAME \"eth0\" already exists",
            ),
            (
                json!([gateway_of("nonsuch")]),
                "failed to find plugin \"nonsuch\" in path [/opt/cni/bin]",
            ),
            (
                json!([gateway_of("bridge")]),
                "\"ipam.type\": \"bridge\" is no IPAM plugin",
            ),
            (json!([gateway_of("foreign")]), ""),
        ];
        for (plugins, refused) in cases {
            write(&plugins);
            let output = linkspan(&["explain", "mynet", "--json"]);
            assert_eq!(output.ok(), refused.is_empty(), "{plugins}: {output}");
            let told: Value = serde_json::from_str(&output.stdout).unwrap();
            let errors = told["plugins"].as_array().unwrap().iter();
            let msg: String = errors
                .filter_map(|plugin| plugin["error"]["msg"].as_str())
                .collect();
            assert!(msg.contains(refused), "{plugins}: {msg:?}");
            if refused.is_empty() {
                let notes = told.to_string();
                assert!(
                    notes.contains("it has 10.7.0.1/24; where that is another, ADD fails"),
                    "{notes}"
                );
            }
        }
    });
}

/// Who may not look at netfilter is not told that ADD, which is root's, fails.
#[test]
fn what_is_hidden_from_a_user_is_no_failure() {
    build_plugins();
    sandbox(|_| {
        write(&json!([
            { "type": "bridge", "isGateway": true, "ipam": { "type": "host-local", "subnet": "10.22.0.0/16" } },
            { "type": "portmap", "capabilities": { "portMappings": true } },
            { "type": "firewall" },
        ]));
        let user = [
            "setpriv",
            "--bounding-set",
            "-net_admin",
            "--inh-caps",
            "-net_admin",
        ];
        let explain = Cmd::new(LINKSPAN).args(["explain", "mynet", "-p", "8080:80", "--json"]);
        let told = json(explain.under(&user).output().success());
        for index in [1, 2] {
            let step = &told["plugins"][index]["steps"][0];
            let note = step["note"].as_str().unwrap_or_default();
            assert!(
                note.contains("only root sees whether that can be done"),
                "{told}"
            );
        }
        assert_eq!(told["result"]["addresses"], json!(["10.22.0.2/16"]));
    });
}
