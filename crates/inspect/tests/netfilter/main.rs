//! What netfilter tells of attachments of the reference plugins, and the removal of what is left of them.
#![forbid(unsafe_code)]

use linkspan_inspect::{Host, Places, Seen};
use linkspan_netfilter::{Owner, forget};
use linkspan_testkit::{Plugins, Sandbox, sandbox, with_prev_result};
use serde_json::json;

/// Two containers that are masqueraded and have a published port each, by the reference's plugins, which keep no results.
fn attach(host: &Sandbox) {
    let plugins = Plugins::reference();
    for number in 1..=2 {
        let name = format!("c{number}");
        let netns = host.netns(&name);
        let bridge = json!({ "cniVersion": "1.0.0", "name": "mynet", "type": "bridge", "isGateway": true, "ipMasq": true,
            "ipam": { "type": "host-local", "subnet": "10.22.0.0/16" } });
        let result = plugins.add(&bridge, &name, &netns, "eth0").success();
        let ports = json!({ "cniVersion": "1.0.0", "name": "mynet", "type": "portmap", "runtimeConfig": { "portMappings": [
            { "hostPort": 8080 + number, "containerPort": 80, "protocol": "tcp" }] } });
        let ports = with_prev_result(&ports, &result);
        plugins.add(&ports, &name, &netns, "eth0").success();
    }
}

/// The places in netfilter at which a container was seen.
fn places(host: &Host, container: &str) -> Vec<String> {
    let mut attachments = host.attachments.iter();
    let one = attachments.find(|one| one.container == container);
    let seen = one.map(|one| one.seen.clone()).unwrap_or_default();
    let places = seen.into_iter().filter_map(|seen| match seen {
        Seen::Netfilter(place) => Some(place),
        _ => None,
    });
    places.collect()
}

#[test]
fn rules_of_the_reference_tell_of_attachments() {
    sandbox(|host| {
        attach(host);
        let expected = ["chain ip nat POSTROUTING", "chain ip nat CNI-HOSTPORT-DNAT"];
        assert_eq!(places(&Host::look(&Places::usual()), "c1"), expected);
        // Where nothing else tells of it any more, the rules do; with its address gone it may be another's.
        host.run("rm -r /var/lib/cni/networks/mynet; ip netns del c1");
        let seen = Host::look(&Places::usual());
        assert_eq!(places(&seen, "c1"), expected);
        let mut attachments = seen.attachments.iter();
        let one = attachments.find(|one| one.container == "c1").unwrap();
        assert!(!one.life.is_alive(), "{one:?}");
        let two = attachments.find(|one| one.container == "c2").unwrap();
        assert!(two.life.is_alive(), "{two:?}");
    });
}

#[test]
fn what_is_left_in_netfilter_is_removed_and_nothing_else() {
    sandbox(|host| {
        attach(host);
        forget(&Owner::from_texts("mynet", "c1", "eth0")).unwrap();
        let rules = host.run("iptables-save -t nat");
        assert!(
            !rules.contains(r#"id: \"c1\""#) && !rules.contains("10.22.0.2"),
            "{rules}"
        );
        assert!(
            rules.contains(r#"id: \"c2\""#) && rules.contains("10.22.0.3:80"),
            "{rules}"
        );
        assert!(places(&Host::look(&Places::usual()), "c1").is_empty());
        forget(&Owner::from_texts("mynet", "c1", "eth0")).unwrap();
    });
}
