//! `show`, with the plugins themselves.

use std::fs;
use std::path::Path;

use linkspan_testkit::{Cmd, Output, Sandbox, sandbox};
use serde_json::{Value, json as value};

use crate::demo::build_plugins;
use crate::world::{json, status};

const LINKSPAN: &str = env!("CARGO_BIN_EXE_linkspan");

/// What an ordinary network's configuration is beside its plugins.
fn network(name: &str, version: &str, plugins: &Value) {
    fs::create_dir_all("/etc/cni/net.d").unwrap();
    let text = value!({ "cniVersion": version, "name": name, "plugins": plugins });
    let path = format!("/etc/cni/net.d/{name}.conflist");
    fs::write(path, text.to_string()).unwrap();
}

fn linkspan(args: &[&str]) -> Output {
    Cmd::new(LINKSPAN)
        .args(args)
        .env_remove("CNI_PATH")
        .output()
}

/// A host with three networks: a bridge with published ports and limits, links of their own, and a macvlan.
fn three_networks(host: &Sandbox) {
    let _outside = host.outside();
    let plugins = Path::new(LINKSPAN).with_file_name("linkspan-plugins");
    let plugins = plugins.to_str().unwrap();
    let _ = linkspan(&["install", "--bin-dir", "/opt/cni/bin", "--from", plugins]);
    let ranges = value!([[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "fd00:22::/64" }]]);
    network(
        "mynet",
        "1.0.0",
        &value!([
            { "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true,
              "ipam": { "type": "host-local", "ranges": ranges, "routes": [{ "dst": "0.0.0.0/0" }] } },
            { "type": "portmap", "capabilities": { "portMappings": true } },
            { "type": "bandwidth", "capabilities": { "bandwidth": true } },
        ]),
    );
    let ipam = |subnet: &str| value!({ "type": "host-local", "subnet": subnet });
    network(
        "direct",
        "1.0.0",
        &value!([{ "type": "ptp", "ipam": ipam("10.23.0.0/16") }]),
    );
    network(
        "storage",
        "1.0.0",
        &value!([{ "type": "macvlan", "master": "uplink", "ipam": ipam("192.0.2.0/24") }]),
    );
}

/// Attaches a container in a namespace of its name.
fn add(network: &str, container: &str, more: &[&str]) {
    let args = ["add", network, container, "--container-id", container];
    let output = linkspan(&[&args, more].concat());
    assert!(output.ok(), "{output}");
}

const ASKED: &str = r#"{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"},
    {"hostPort":53,"containerPort":53,"protocol":"udp","hostIP":"127.0.0.1"}],
    "bandwidth":{"ingressRate":10000000,"ingressBurst":1000000,"egressRate":5000000,"egressBurst":1000000}}"#;

const POD: &str = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0";

const TABLE: &str = "\
NETWORK  CONTAINER   IFNAME  ADDRESSES                   HOST-LINK        BRIDGE  PORTS                            STATE
direct   d1          eth0    10.23.0.2/16                veth9090c5b3f48                                           alive
mynet    a1          eth0    10.22.0.2/16 fd00:22::2/64  veth5f1f773308a  cni0    8080→80/tcp 127.0.0.1:53→53/udp  alive
mynet    shop/web-0  eth0    10.22.0.3/16 fd00:22::3/64  veth521b82c6dce  cni0                                     alive
mynet    dead        eth0    10.22.0.4/16 fd00:22::4/64                                                            gone
storage  shop/web-0  net1    192.0.2.2/24                uplink                                                    alive

1 attachment belongs to nothing any more; `linkspan gc mynet --dry-run` says what would go.
  mynet dead eth0: its network namespace is gone
";

/// The same on a terminal of 80 columns.
const NARROW: &str = "\
NETWORK  CONTAINER   IFNAME  ADDRESSES        BRIDGE  PORTS           STATE
direct   d1          eth0    10.23.0.2/16                             alive
mynet    a1          eth0    10.22.0.2/16 +1  cni0    8080→80/tcp +1  alive
mynet    shop/web-0  eth0    10.22.0.3/16 +1  cni0                    alive
mynet    dead        eth0    10.22.0.4/16 +1                          gone
storage  shop/web-0  net1    192.0.2.2/24                             alive
";

/// The five attachments of which the tables tell.
fn five(host: &Sandbox) {
    three_networks(host);
    for name in ["a1", "a2", "d1", "dead"] {
        let _ = host.netns(name);
    }
    add("mynet", "a1", &["--cap-args", ASKED]);
    add("mynet", "a2", &["--args", POD]);
    add("storage", "a2", &["--args", POD, "-i", "net1"]);
    add("direct", "d1", &[]);
    add("mynet", "dead", &[]);
    host.run("ip netns del dead");
}

/// What a terminal of so many columns gets, without looks.
fn on_a_terminal(columns: usize, args: &str) -> String {
    let command = format!("stty cols {columns}; NO_COLOR=1 {LINKSPAN} {args}");
    let shown = Cmd::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env("TERM", "xterm")
        .run();
    shown.replace("\r\n", "\n")
}

#[test]
fn everything_attached_is_in_one_table() {
    build_plugins();
    sandbox(|host| {
        five(host);
        let output = linkspan(&["show"]);
        assert_eq!(output.success(), TABLE);
        assert_eq!(output.stderr, "");
        assert!(on_a_terminal(120, "show").starts_with(TABLE.split("\n\n").next().unwrap()));
        let narrow = on_a_terminal(80, "show");
        assert!(narrow.starts_with(NARROW), "{narrow}");
        for columns in [30, 60, 79, 100, 119] {
            let shown = on_a_terminal(columns, "show");
            let rows = shown.lines().take(6);
            let widest = rows.map(|row| row.chars().count()).max().unwrap();
            assert!(widest <= columns.max(60), "{columns}: {shown}");
        }
        let told = json(linkspan(&["show", "--json"]).success());
        assert_eq!(told["attachments"].as_array().unwrap().len(), 5);
        assert_eq!(told["blindSpots"], value!([]));
    });
}

#[test]
fn one_is_found_by_anything_that_is_known_of_it() {
    build_plugins();
    sandbox(|host| {
        five(host);
        for (word, lines) in [
            ("8080", "mynet a1 eth0"),
            ("53/udp", "mynet a1 eth0"),
            ("veth5f1f773308a", "mynet a1 eth0"),
            ("fd00:22:0::0003", "mynet shop/web-0 eth0"),
            ("net1", "storage shop/web-0 net1"),
            ("uplink", "storage shop/web-0 net1"),
            ("/run/netns/dead", "mynet dead eth0"),
            ("de", "mynet dead eth0"),
        ] {
            let output = linkspan(&["show", word]);
            assert_eq!(output.success().lines().next(), Some(lines), "{word}");
        }
        for (word, count) in [
            ("shop/web-0", 2),
            ("mynet", 3),
            ("10.22.0.0/16", 3),
            ("eth0", 4),
        ] {
            let output = linkspan(&["show", word]);
            assert_eq!(output.success().lines().count(), count + 1, "{word}");
        }
        for (word, advice) in [
            ("mynte", "Is mynet meant?"),
            ("10.22.0.7", "Is 10.22.0.2 or 10.22.0.3 or 10.22.0.4 meant?"),
            ("nothing-like-it", "lists all that is attached"),
        ] {
            let output = linkspan(&["show", word]);
            assert_eq!(status(&output), 1, "{output}");
            assert!(output.stderr.contains(advice), "{output}");
        }
        let output = linkspan(&["show", "lo"]);
        assert!(output.stderr.contains("leads to the link lo"), "{output}");
    });
}

#[test]
fn a_page_tells_each_fact_with_where_it_was_seen() {
    build_plugins();
    sandbox(|host| {
        five(host);
        let page = linkspan(&["show", "a1"]);
        let page = page.success();
        let inode = host.run("stat -Lc %i /run/netns/a1");
        for (fact, seen) in [
            ("state       alive", ""),
            (
                "network     mynet: bridge, portmap, bandwidth",
                "/etc/cni/net.d/mynet.conflist",
            ),
            (
                "addresses   10.22.0.2/16",
                &format!("interface eth0 in namespace {inode}"),
            ),
            (
                "            fd00:22::2/64",
                &format!("interface eth0 in namespace {inode}"),
            ),
            (
                "routes      default via 10.22.0.1",
                &format!("interface eth0 in namespace {inode}"),
            ),
            (
                "host link   veth5f1f773308a, veth, up, MTU 1500",
                "link veth5f1f773308a",
            ),
            (
                "part of     cni0, bridge, up, MTU 1500, 10.22.0.1/16, fd00:22::1/64",
                "link cni0",
            ),
            (
                "ports       8080→80/tcp",
                "kept result /var/lib/cni/results/mynet-a1-eth0",
            ),
            (
                "limits      receives 10 Mbit/s, sends 5 Mbit/s at most",
                "kept result /var/lib/cni/results/mynet-a1-eth0",
            ),
            (
                "reserved    10.22.0.2",
                "reservation /var/lib/cni/networks/mynet/10.22.0.2",
            ),
        ] {
            told(page, fact, seen);
        }
        let page = linkspan(&["show", "dead"]);
        let page = page.success();
        told(page, "state       gone: its network namespace is gone", "");
        told(
            page,
            "addresses   10.22.0.4/16",
            "kept result /var/lib/cni/results/mynet-dead-eth0",
        );
        host.run("ip netns exec d1 ip addr add 10.99.0.1/24 dev eth0; ip netns exec d1 ip addr del 10.23.0.2/16 dev eth0");
        let page = linkspan(&["show", "d1"]);
        told(
            page.success(),
            "missing     10.23.0.2/16, which ADD gave it",
            "kept result /var/lib/cni/results/direct-d1-eth0",
        );
    });
}

/// That a page has a line for a fact, and that its number leads to where it was seen.
#[track_caller]
fn told(page: &str, fact: &str, seen: &str) {
    let line = page
        .lines()
        .find(|line| line.trim_start_matches("  ").starts_with(fact.trim_start()));
    let line = line.unwrap_or_else(|| panic!("{fact}:\n{page}"));
    let number = line
        .rsplit_once(" [")
        .map(|(_, number)| format!("  [{number} {seen}"));
    match number {
        Some(number) => assert!(page.lines().any(|line| line == number), "{number}:\n{page}"),
        None => assert_eq!(seen, "", "{line}"),
    }
}
