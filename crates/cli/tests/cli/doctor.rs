//! `doctor`: what is broken on purpose is found, and mended by what it says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use linkspan_testkit::{Cmd, Feature, Plugins, Sandbox, Setup, needs, rows, sandbox};
use serde_json::Value;

use crate::node::{LINKSPAN, Node};
use crate::world::status;

/// What is found that is worse than a note.
fn findings(node: &Node<'_>) -> Vec<Value> {
    let told = node.json(&["doctor"]);
    let found = told["findings"].as_array().unwrap().clone();
    let is_worse = |one: &Value| one["severity"] != "note";
    found.into_iter().filter(is_worse).collect()
}

fn ids(findings: &[Value]) -> BTreeSet<&str> {
    let ids = findings.iter().map(|one| one["check"].as_str().unwrap());
    ids.collect()
}

#[track_caller]
fn is_healthy(node: &Node<'_>, when: &str) {
    let found = findings(node);
    assert!(found.is_empty(), "{when}: {found:#?}");
}

/// Pastes a command into a shell, as a person does.
#[track_caller]
fn paste(dir: &Path, command: &str) {
    let bin = Path::new(LINKSPAN).parent().unwrap().display();
    let line = format!("cd {}; PATH={bin}:$PATH; {command}", dir.display());
    // Of several commands the last says whether it went well: a check exits with 1 when it finds what is then mended.
    let output = Cmd::new("bash").args(["-c", &line]).output();
    assert!(output.ok(), "{output}");
}

/// How a thing is mended.
enum Mend {
    /// By the command of each finding.
    Command,
    /// By the command of each finding, and what was there for the test alone goes afterwards.
    CommandThen(&'static str),
    /// By a person, as the finding says.
    Hand(&'static str),
}
use Mend::{Command, CommandThen, Hand};

/// What is broken on purpose: the checks that find it, what breaks it, and how it is mended.
fn broken() -> Vec<(&'static [&'static str], &'static str, Mend)> {
    rows![
        { (&["config-broken"][..], "echo '{' > /etc/cni/net.d/90-x.conflist", Hand("mv /etc/cni/net.d/90-x.conflist /etc/cni/net.d/90-x.conflist.off")) },
        { (&["config-shadowed"], "cd /etc/cni/net.d; cp 10-mynet.conflist 15-mynet.conflist", Hand("rm /etc/cni/net.d/15-mynet.conflist")) },
        { (&["pools-overlap"], "cd /etc/cni/net.d; sed 's/\"lan\"/\"lan2\"/' 30-lan.conf > 40-lan2.conf", Hand("rm /etc/cni/net.d/40-lan2.conf")) },
        { (&["plugin-missing"], "cd /etc/cni/net.d; sed 's/\"lan\"/\"x\"/; s/macvlan/nosuch/; s/10.24/10.25/g' 30-lan.conf > 40-x.conf", Hand("rm /etc/cni/net.d/40-x.conf")) },
        { (&["dhcp-daemon-silent"], "cd /etc/cni/net.d; sed 's/\"lan\"/\"x\"/; s/host-local/dhcp/' 30-lan.conf > 40-x.conf", Hand("rm /etc/cni/net.d/40-x.conf")) },
        { (&["master-down"], "cd /etc/cni/net.d; sed 's/\"lan\"/\"x\"/; s/up0/nope0/; s/10.24/10.25/g' 30-lan.conf > 40-x.conf", Hand("rm /etc/cni/net.d/40-x.conf")) },
        { (&["plugin-broken"], "truncate -s 1000 /opt/cni/bin/macvlan", Command) },
        { (&["plugin-broken"], "chmod a-x /opt/cni/bin/portmap", Command) },
        { (&["writable-by-others"], "chmod 777 /opt/cni/bin; chmod 666 /etc/cni/net.d/30-lan.conf", Command) },
        { (&["pool-full"], "printf 'new\\r\\neth0' > /var/lib/cni/networks/lan/10.24.0.13", Hand("rm /var/lib/cni/networks/lan/10.24.0.13")) },
        { (&["address-leaked"], "cd /var/lib/cni/networks/mynet; printf 'dead\\r\\neth0' > 10.22.0.99; touch -d 2001-01-01 10.22.0.99", Command) },
        { (&["pool-leftovers"], "touch /var/lib/cni/networks/mynet/10.22.0.98", Command) },
        { (&["reservation-unreadable"], "mkdir /var/lib/cni/networks/mynet/10.22.0.97", Hand("rmdir /var/lib/cni/networks/mynet/10.22.0.97")) },
        { (&["address-unreserved"], "cd /var/lib/cni/networks/mynet; mv 10.22.0.2 /run/kept", Hand("mv /run/kept /var/lib/cni/networks/mynet/10.22.0.2")) },
        { (&["address-duplicate"], "ip -n c2 address add 10.22.0.2/24 dev eth0", Hand("ip -n c2 address del 10.22.0.2/24 dev eth0")) },
        { (&["attachment-changed"], "ip -n c6 address add 10.99.0.9/24 dev eth0; ip -n c6 address del 10.23.0.3/28 dev eth0", Hand("ip -n c6 address add 10.23.0.3/28 dev eth0; ip -n c6 address del 10.99.0.9/24 dev eth0")) },
        { (&["attachment-stale"], "ip -n c7 link del eth0; ip netns del c7", Command) },
        { (&["bridge-down", "bridge-address"], "ip link set cni0 down", Command) },
        { (&["bridge-address"], "ip address del 10.22.0.1/24 dev cni0; ip address add 10.99.0.1/24 dev cni0", Command) },
        { (&["link-unplugged"], "ip link set $(ip -o link show master cni0 | sed -n '1s/^[0-9]*: \\([^@]*\\)@.*/\\1/p') nomaster", Command) },
        { (&["mtu-differs"], "ip link set $(ip -o link show master cni0 | sed -n '1s/^[0-9]*: \\([^@]*\\)@.*/\\1/p') mtu 1400", Command) },
        { (&["mtu-above-uplink"], "ip link set up0 mtu 1400", Hand("ip link set up0 mtu 1500")) },
        { (&["master-down"], "ip link set up0 down", CommandThen("ip route add default via 192.0.2.254")) },
        { (&["route-overlap"], "ip route add 10.22.0.64/26 dev up0", Hand("ip route del 10.22.0.64/26 dev up0")) },
        { (&["ip-forward-off"], "sysctl -qw net.ipv4.ip_forward=0", Command) },
        { (&["ip-forward-off"], "sysctl -qw net.ipv4.conf.cni0.forwarding=0", Command) },
        { (&["ipv6-disabled", "bridge-address"], "sysctl -qw net.ipv6.conf.cni0.disable_ipv6=1", Command) },
        { (&["rules-missing"], "nft flush ruleset", Command) },
        { (&["rules-missing"], "iptables -F CNI-FORWARD", Command) },
        { (&["forward-drop"], "iptables -I FORWARD -i cni0 -o up0 -j REJECT", CommandThen("iptables -D FORWARD -i cni0 -o up0 -j REJECT")) },
        { (&["forward-drop"], "nft add table inet x; nft add chain inet x c '{ type filter hook forward priority 0; policy drop; }'; nft add rule inet x c ct state established,related accept; nft add rule inet x c iifname docker0 accept; nft add rule inet x c iifname cni0 oifname cni0 accept", CommandThen("nft delete table inet x")) },
        { (&["record-unreadable"], "cd /run/cni/linkspan/netns-*/netfilter; cp mynet:c1:eth0:portmap.json /run/kept; echo x > mynet:c1:eth0:portmap.json", Hand("cd /run/cni/linkspan/netns-*/netfilter; mv /run/kept mynet:c1:eth0:portmap.json")) },
        { (&["networkmanager-manages"], "mkdir -p /run/NetworkManager/devices; printf '[device]\\nmanaged=true\\n' > /run/NetworkManager/devices/$(cat /sys/class/net/cni0/ifindex)", Hand("rm -r /run/NetworkManager")) },
        { (&["networkd-manages"], "mkdir -p /run/systemd/netif/links; printf 'ADMIN_STATE=configured\\nNETWORK_FILE=/etc/systemd/network/all.network\\n' > /run/systemd/netif/links/$(cat /sys/class/net/cni0/ifindex)", Hand("rm -r /run/systemd")) },
    ]
    .into()
}

/// The node with nothing wrong.
fn node<'s>(host: &'s Sandbox) -> Node<'s> {
    let node = Node::busy(host);
    is_healthy(&node, "at first");
    node
}

#[test]
fn each_thing_that_is_broken_is_found_and_mended_by_what_it_says() {
    let patience = Setup::default().deadline(std::time::Duration::from_secs(240));
    patience.sandbox(|host| {
        let node = node(host);
        let dir = host.dir();
        for (expected, breaking, mend) in broken() {
            host.run(breaking);
            let expected: BTreeSet<&str> = expected.iter().copied().collect();
            let mut found = findings(&node);
            // The kernel takes away some time later what was of a link or a namespace.
            for _ in 0..20 {
                if ids(&found) == expected {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(100));
                found = findings(&node);
            }
            assert_eq!(ids(&found), expected, "{breaking}\n{found:#?}");
            let then = match mend {
                Hand(line) => {
                    assert!(found.iter().any(|one| !one["why"].is_null()), "{found:#?}");
                    host.run(line);
                    continue;
                }
                CommandThen(line) => line,
                Command => "true",
            };
            for one in &found {
                let command = one["mend"]["run"].as_str();
                paste(&dir, command.unwrap_or_else(|| panic!("{one:#}")));
            }
            host.run(then);
            is_healthy(&node, breaking);
        }
        is_healthy(&node, "at last");
    });
}

#[test]
fn fifteen_things_that_are_broken_at_once_are_all_found() {
    sandbox(|host| {
        let node = node(host);
        let mut all = BTreeSet::new();
        // Those that hide each other, by what is gone with them, are left out.
        let hiding = [
            "master-down",
            "bridge-down",
            "attachment-changed",
            "mtu-above-uplink",
            "link-unplugged",
        ];
        let cases = broken();
        let cases = cases.iter().filter(|(ids, _, mend)| {
            // A file of one name is written by several, and of an empty ruleset nothing can be flushed.
            !matches!(mend, Hand(line) if line.contains("40-x"))
                && !ids.iter().any(|id| hiding.contains(id))
        });
        let cases = cases.filter(|(_, breaking, _)| !breaking.contains("-F CNI-FORWARD"));
        for (ids, breaking, _) in cases {
            host.run(breaking);
            all.extend(ids.iter().copied());
        }
        let found = findings(&node);
        let missed: Vec<_> = all.difference(&ids(&found)).copied().collect();
        assert!(
            all.len() >= 15 && missed.is_empty(),
            "{missed:?}\n{found:#?}"
        );
        let output = node.run(&["doctor"]);
        assert_eq!(status(&output), 1, "{output}");
        for id in all {
            assert!(output.stdout.contains(&format!("[{id}]")), "{output}");
        }
    });
}

/// Frames that cross a bridge meet the rules of routed packets where br_netfilter is there and asked for: plugins#430.
#[test]
fn neighbours_that_a_rule_keeps_apart_are_found() {
    needs(&[Feature::BridgeNetfilter]).sandbox(|host| {
        let node = node(host);
        host.run("iptables -I FORWARD -i cni0 -o cni0 -j DROP");
        let found = findings(&node);
        assert_eq!(ids(&found), BTreeSet::from(["bridged-drop"]), "{found:#?}");
        paste(&host.dir(), found[0]["mend"]["run"].as_str().unwrap());
        is_healthy(&node, "bridged-drop");
    });
}

/// What netfilter has of a container of which nothing else tells.
#[test]
fn rules_of_containers_that_are_gone_are_found_and_removed() {
    sandbox(|host| {
        let node = node(host);
        host.run(
            "ip -n c1 link del eth0; ip netns del c1
             rm /var/lib/cni/results/mynet-c1-eth0 /var/lib/cni/networks/mynet/10.22.0.2 /var/lib/cni/networks/mynet/fd22::2",
        );
        let found = findings(&node);
        assert_eq!(ids(&found), BTreeSet::from(["rules-stale"]), "{found:#?}");
        paste(&host.dir(), found[0]["mend"]["run"].as_str().unwrap());
        is_healthy(&node, "rules-stale");
        let ruleset = host.run("nft list ruleset");
        assert!(
            !ruleset.contains("10.22.0.2 ") && ruleset.contains("10.22.0.3 "),
            "{ruleset}"
        );
    });
}

#[test]
fn what_needs_no_decision_is_put_right_once_somebody_says_so() {
    sandbox(|host| {
        let node = node(host);
        host.run(
            "sysctl -qw net.ipv4.ip_forward=0; chmod 777 /etc/cni/net.d; nft flush ruleset
             touch /var/lib/cni/networks/mynet/10.22.0.98; ip route add 10.22.0.64/26 dev up0",
        );
        let found = findings(&node);
        let before = ids(&found).len();
        assert_eq!(before, 5, "{found:#?}");
        let planned = node.ok(&["doctor", "--fix", "--dry-run"]);
        assert!(
            planned.contains("set net.ipv4.ip_forward to 1"),
            "{planned}"
        );
        assert_eq!(
            ids(&findings(&node)).len(),
            before,
            "a dry run changes nothing"
        );
        let asked = node.run(&["doctor", "--fix"]);
        assert_eq!(status(&asked), 2, "nobody can be asked: {asked}");
        assert_eq!(ids(&findings(&node)).len(), before);
        let done = node.ok(&["doctor", "--fix", "--yes"]);
        assert!(done.contains("1 more finding is for a person"), "{done}");
        assert_eq!(ids(&findings(&node)), BTreeSet::from(["route-overlap"]));
    });
}

/// A doctor who cries wolf is not asked twice.
#[test]
fn healthy_hosts_of_every_kind_are_healthy() {
    sandbox(|host| {
        let node = Node { host };
        host.run("chmod 755 /run /var/lib/cni");
        is_healthy(&node, "nothing is there");
        assert_eq!(
            node.json(&["doctor"])["findings"].as_array().unwrap().len(),
            0
        );
        host.run("mkdir -p /etc/cni/net.d /opt/cni/bin; chmod 755 /etc/cni /opt/cni /var/lib/cni");
        is_healthy(&node, "no networks");
        host.run("iptables -P FORWARD DROP; iptables -A FORWARD -i docker0 ! -o docker0 -j ACCEPT");
        is_healthy(&node, "somebody else's firewall");
        host.run("iptables -P FORWARD ACCEPT; iptables -F");
        let node = Node::empty(host);
        host.run("sysctl -qw net.ipv4.ip_forward=0; sysctl -qw net.ipv6.conf.all.disable_ipv6=0");
        is_healthy(&node, "nothing is attached, and nothing forwarded");
        node.attach_ten();
        is_healthy(&node, "ten are attached");
        host.run("ip netns exec c1 ip link set lo down; iptables -P INPUT DROP; iptables -A INPUT -i lo -j ACCEPT");
        is_healthy(&node, "a host that lets nobody in");
    });
}

#[test]
fn a_host_with_the_plugins_of_the_reference_is_healthy() {
    sandbox(|host| {
        let node = Node::with_plugins(host, &Plugins::reference());
        node.attach_ten();
        is_healthy(&node, "ten are attached");
        // The kernel removes links of a namespace that is gone some time later.
        host.run("ip -n c7 link del eth0; ip netns del c7; nft flush ruleset; sysctl -qw net.ipv4.ip_forward=0");
        let found = findings(&node);
        assert_eq!(
            ids(&found),
            BTreeSet::from(["attachment-stale", "ip-forward-off"]),
            "{found:#?}"
        );
        for one in &found {
            paste(&host.dir(), one["mend"]["run"].as_str().unwrap());
        }
        is_healthy(&node, "mended");
    });
}

#[test]
fn a_host_without_ipv6_is_healthy() {
    sandbox(|host| {
        host.run(
            "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1",
        );
        let node = Node::empty(host);
        let file = "/etc/cni/net.d/10-mynet.conflist";
        let text = fs::read_to_string(file).unwrap();
        fs::write(file, text.replace(r#", [ { "subnet": "fd22::/64" } ]"#, "")).unwrap();
        node.attach_ten();
        is_healthy(&node, "without IPv6");
    });
}

#[test]
fn checks_are_listed_and_made_one_by_one() {
    sandbox(|host| {
        let node = Node { host };
        let listed = node.json(&["doctor", "--list"]);
        let listed = listed["checks"].as_array().unwrap().clone();
        let told = node.json(&["doctor", "--all"]);
        assert_eq!(told["checked"].as_array().unwrap().len(), listed.len());
        let id = listed[0]["id"].as_str().unwrap();
        let told = node.json(&["doctor", "--check", id]);
        assert_eq!(told["checked"], serde_json::json!([id]));
        assert_eq!(told["passed"], serde_json::json!([id]));
        let output = node.run(&["doctor", "--check", "nosuch"]);
        assert_eq!(status(&output), 2, "{output}");
    });
}
