//! GC and STATUS. plugins#1047, cri-o/cri-o#8018: in the specification, and in no plugin of the reference.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use linkspan_testkit::{Netns, sandbox, with_prev_result};
use serde_json::{Value, json};

use super::host::{Attached, Family, Host, dual_stack, left, network};

fn everything(name: &str, subnet: &str) -> Value {
    network(json!({
        "name": name, "ipMasq": true, "macspoofchk": true, "isGateway": null,
        "ipam": { "type": "host-local", "subnet": subnet }
    }))
}

/// What is on the host that names one of these.
fn of(words: &[&str]) -> BTreeSet<String> {
    let mut facts = left(&[]);
    facts.retain(|fact| words.iter().any(|word| fact.contains(word)));
    facts
}

/// Two networks on one bridge: GC of one is none of the other's business (cni PR#1098).
#[test]
fn what_belongs_to_no_valid_attachment_goes_and_nothing_else() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let first = everything("mynet", "10.22.0.0/16");
        let second = everything("mynet2", "10.23.0.0/16");
        let [kept, stale, gone] = ["kept", "stale", "gone"].map(|name| host.attach(&first, name));
        let others: Vec<Attached> = ["o1", "o2"].map(|name| host.attach(&second, name)).into();
        gone.netns.delete();
        let keeps =
            |attached: &Attached| of(&[&attached.host_end(), &attached.address(Family::V4)]);
        let kept_before = keeps(&kept);
        let others_before: Vec<_> = others.iter().map(keeps).collect();

        host.plugins
            .gc(&first, &[("kept", "eth0"), ("never", "eth0")])
            .success();
        assert_eq!(keeps(&kept), kept_before);
        for (attached, before) in others.iter().zip(others_before) {
            assert_eq!(keeps(attached), before);
        }
        for attached in [&stale, &gone] {
            assert_eq!(keeps(attached), BTreeSet::new());
        }
        assert_eq!(interfaces(&stale.netns), ["lo"]);
        others[0].netns.ping(&others[1].address(Family::V4));
        let checked = with_prev_result(&first, &kept.result);
        host.call("CHECK", &checked, &kept.netns).run().success();

        // Only one of two interfaces of a container is in use.
        let call = host.call("ADD", &first, &kept.netns).ifname("eth1");
        call.run().success();
        host.plugins.gc(&first, &[("kept", "eth1")]).success();
        assert_eq!(interfaces(&kept.netns), ["lo", "eth1"]);

        // An empty list is a list.
        host.plugins.gc(&first, &[]).success();
        assert_eq!(interfaces(&kept.netns), ["lo"]);
        host.plugins.gc(&second, &[]).success();
        let rest: Vec<_> = left(&[])
            .into_iter()
            .filter(|fact| fact != "host link lo")
            .collect();
        assert_eq!(rest, Vec::<String>::new());
    });
}

fn interfaces(netns: &Netns) -> Vec<String> {
    let links = netns.ip_json("link show");
    let name = |link: &Value| link["ifname"].as_str().map(str::to_owned);
    links.as_array().unwrap().iter().filter_map(name).collect()
}

/// cni PR#1103: the specification and libcni called the list by two names.
#[test]
fn the_list_has_two_names() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = everything("mynet", "10.22.0.0/16");
        let [kept, stale] = ["kept", "stale"].map(|name| host.attach(&config, name));
        let mut config = config;
        config["cni.dev/attachments"] = json!([{ "containerID": "kept", "ifname": "eth0" }]);
        host.plugins.call("GC", &config).run().success();
        assert_eq!(interfaces(&kept.netns), ["lo", "eth0"]);
        assert_eq!(interfaces(&stale.netns), ["lo"]);
    });
}

/// What others keep on the host is not ours to collect, whatever it is called.
#[test]
fn links_and_rules_of_others_stay() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = everything("mynet", "10.22.0.0/16");
        host.attach(&config, "a");
        sandbox.run(
            "ip link add vethother type veth peer name x1; ip link set vethother master cni0
             ip link add marked type veth peer name x2; ip link set marked alias mynet/b/eth0
             ip link add b0 type bridge; ip link set b0 alias mynet/b/eth0
             nft add table inet theirs; nft 'add set inet theirs s { type ipv4_addr; }'
             nft 'add element inet theirs s { 10.22.0.2 comment \"mynet/a/eth0\" }'",
        );
        host.plugins.gc(&config, &[]).success();
        for link in ["vethother", "marked", "b0"] {
            sandbox.run(&format!("ip link show {link}"));
        }
        assert!(
            sandbox
                .run("nft list table inet theirs")
                .contains("10.22.0.2")
        );
    });
}

/// The specification: a plugin that delegates must pass GC and STATUS on.
#[test]
fn the_ipam_plugin_is_told() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let dir = sandbox.dir();
        let script = format!(
            "#!/bin/sh\ncat >{0}/$CNI_COMMAND\n[ -e {0}/fail ] || exit 0\necho '{{\"code\":150,\"msg\":\"closed\"}}'; exit 1\n",
            dir.display()
        );
        fs::write(dir.join("theirs"), script).unwrap();
        fs::set_permissions(dir.join("theirs"), fs::Permissions::from_mode(0o755)).unwrap();
        let config = network(json!({
            "ipam": { "type": "theirs", "key": [1, 2] },
            "cni.dev/valid-attachments": [{ "containerID": "a", "ifname": "eth0" }]
        }));
        for verb in ["GC", "STATUS"] {
            let call = host
                .plugins
                .call(verb, &config)
                .env("CNI_PATH", dir.to_str().unwrap());
            call.run().success();
            let given: Value = serde_json::from_slice(&fs::read(dir.join(verb)).unwrap()).unwrap();
            assert_eq!(given, config, "to the letter");
            fs::write(dir.join("fail"), "").unwrap();
            call.run().fails(150, &["closed"]);
            fs::remove_file(dir.join("fail")).unwrap();
        }
    });
}

#[test]
fn status_says_why_no_container_can_be_attached() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({
            "ipMasq": true, "macspoofchk": true, "ipam": { "type": "host-local", "subnet": "10.22.0.0/30" }
        }));
        let before = host.snapshot(&[]);
        host.plugins.status(&config).success();
        before.assert_same(&host.snapshot(&[]), "STATUS only looks");
        let a = host.attach(&config, "a");
        host.plugins
            .status(&config)
            .fails(50, &["no IP addresses available", "run GC"]);
        host.del(&config, &a.netns).success();
        host.plugins.status(&config).success();
        sandbox.run("mount -t tmpfs -o ro none /var/lib/cni");
        host.plugins.status(&config).fails(50, &["Read-only"]);
    });
}

/// A collection at any time leaves alone what stands: those that it is told of.
#[test]
fn what_is_in_use_is_never_given_to_another() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "ipMasq": true, "ipam": dual_stack() }));
        let names = ["a", "b", "c", "d"];
        let all = names.map(|name| host.attach(&config, name));
        let valid: Vec<(&str, &str)> = names.iter().map(|name| (*name, "eth0")).collect();
        for _ in 0..3 {
            host.plugins.gc(&config, &valid).success();
        }
        let new = host.attach(&config, "new");
        for attached in &all {
            for family in [Family::V4, Family::V6] {
                assert_ne!(attached.address(family), new.address(family));
            }
            new.netns.ping(&attached.address(Family::V4));
        }
    });
}

/// Rules of the reference, or of an earlier boot that somebody has saved, have no record; their comments say whose they are.
#[test]
fn labelled_rules_of_iptables_go_with_their_network() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "ipMasq": true }));
        let reference = linkspan_testkit::Plugins::reference();
        let netns = sandbox.netns("a");
        let mut older = config.clone();
        older["cniVersion"] = json!("1.0.0");
        reference.add(&older, "a", &netns, "eth0").success();
        let is_masqueraded = || {
            sandbox
                .run("iptables -t nat -S POSTROUTING")
                .contains("10.22.")
        };
        let mut other = config.clone();
        other["name"] = json!("other");
        for (config, valid, expected) in [
            (&other, &[][..], true),
            (&config, &[("a", "eth0")], true),
            (&config, &[("b", "eth0")], false),
        ] {
            host.plugins.gc(config, valid).success();
            assert_eq!(is_masqueraded(), expected, "{valid:?}");
        }
    });
}
