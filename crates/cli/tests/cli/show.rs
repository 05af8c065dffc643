//! `show`, with the plugins themselves.

use std::fs;
use std::path::Path;

use linkspan_testkit::document::same;
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
  mynet dead eth0: it was made before the machine was started again
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
    // That is certain as any user and on any kernel: it was kept before this boot. The kernel removes links of a namespace
    // that is gone some time later.
    host.run(
        "ip -n dead link del eth0; ip netns del dead; cd /var/lib/cni/results; cp mynet-dead-eth0 x; mv x mynet-dead-eth0
        touch -d 2001-01-01 mynet-dead-eth0",
    );
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
        // A file that a crash has left.
        fs::write("/var/lib/cni/networks/mynet/10.22.0.99", "").unwrap();
        let shown = linkspan(&["show"]);
        let shown = shown.success().strip_prefix(TABLE).unwrap();
        assert!(shown.starts_with("\nReserved for nobody, "), "{shown}");
        assert!(
            shown.ends_with("\n  /var/lib/cni/networks/mynet/10.22.0.99\n"),
            "{shown}"
        );
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
        told(
            page,
            "state       gone: it was made before the machine was started again",
            "",
        );
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

/// What the documentation shows, with the commands that print it: in blocks behind `$ linkspan`, and pictures.
const DOCUMENT: &str = "../../docs/operate/show.md";

/// With `LINKSPAN_WRITE` it is made from what is printed.
#[test]
fn the_documentation_shows_what_is_printed() {
    build_plugins();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    sandbox(|host| {
        five(host);
        let document = fs::read_to_string(&path).unwrap();
        let mut shown = String::new();
        let mut blocks = 0;
        for (number, block) in document.split("```\n").enumerate() {
            let command = block
                .lines()
                .next()
                .and_then(|line| line.strip_prefix("$ linkspan "));
            match command.filter(|_| number % 2 == 1) {
                Some(command) => {
                    blocks += 1;
                    shown.push_str(&format!("$ linkspan {command}\n{}", printed(host, command)));
                }
                None => shown.push_str(block),
            }
            shown.push_str("```\n");
        }
        let shown = shown.strip_suffix("```\n").unwrap();
        same(&path, shown);
        assert!(blocks >= 4, "{blocks}");
        same(
            &path.with_file_name("topology-5.svg"),
            &printed(host, "show --format svg"),
        );
        same(
            &path.with_file_name("topology-3.svg"),
            &printed(host, "show mynet --format svg"),
        );
    });
}

/// What a command prints on a host called `node1`.
fn printed(host: &Sandbox, command: &str) -> String {
    let command = format!("hostname node1; exec {LINKSPAN} {command}");
    let output = Cmd::new("unshare")
        .args(["--uts", "sh", "-c", &command])
        .output();
    // Times and inodes are of the moment.
    let inode = host.run("stat -Lc %i /run/netns/a1");
    let mac = host.run("ip netns exec a1 cat /sys/class/net/eth0/address");
    let records = host.run("cd /run/cni/linkspan; ls -d netns-*");
    let text = output
        .success()
        .replace(&inode, "4026532318")
        .replace(&mac, "c6:0b:22:4e:91:5d")
        .replace(&records, "netns-4026531840-1");
    let since = |line: &str| match line.split_once(" ago ") {
        Some((fact, number)) if fact.starts_with("  since ") => {
            format!("  since       2026-11-30 21:38:56 UTC, 12 min ago {number}")
        }
        _ => line.to_owned(),
    };
    text.split_inclusive('\n').map(since).collect()
}

#[test]
fn graphs_are_in_their_languages() {
    build_plugins();
    sandbox(|host| {
        five(host);
        assert_eq!(printed(host, "show direct --format mermaid"), MERMAID);
        assert_eq!(printed(host, "show direct --format dot"), DOT);
        assert_eq!(printed(host, "show storage --tree"), TREE);
    });
}

const MERMAID: &str = r#"flowchart LR
  n1(["the outside"])
  subgraph host["host node1"]
    n0["uplink<br/>198.51.100.1/24<br/>2001:db8:51::1/64"]
    n2["routing"]
  end
  subgraph net0["network direct"]
    n3["d1"]
  end
  n1 --- n0
  n0 -.- n2
  n2 ---|"eth0<br/>10.23.0.2/16"| n3
  classDef gone stroke:#cf222e,stroke-dasharray:4
  classDef unknown stroke:#9a6700,stroke-dasharray:4
"#;

const DOT: &str = r##"graph "node1" {
  rankdir=LR
  node [shape=box, style=rounded, fontname="sans-serif", fontsize=11]
  edge [fontname="sans-serif", fontsize=9]
  n1 [label="the outside", shape=ellipse]
  subgraph cluster_host {
    label="host node1"; fontname="sans-serif"; fontsize=11; color="#8c959f"
    n0 [label="uplink\n198.51.100.1/24\n2001:db8:51::1/64"]
    n2 [label="routing"]
  }
  subgraph cluster_net0 {
    label="network direct"; fontname="sans-serif"; fontsize=11; color="#8c959f"
    n3 [label="d1"]
  }
  n1 -- n0 [label=""]
  n0 -- n2 [label="", style=dashed]
  n2 -- n3 [label="eth0\n10.23.0.2/16"]
}
"##;

const TREE: &str = "\
node1
└── uplink  198.51.100.1/24, 2001:db8:51::1/64, wired to the outside
    └── macvlan ─── net1 in shop/web-0  192.0.2.2/24
";

#[test]
fn rates_are_those_of_the_container() {
    build_plugins();
    sandbox(|host| {
        five(host);
        // 1000 bytes and 42 of headers, a hundred times a second.
        let ping = "netns exec a1 ping -qni 0.01 -s 1000 -w 20 10.22.0.1";
        let _ping = Cmd::new("ip").args(ping.split(' ')).start();
        let watch = ["show", "mynet", "--watch=1s", "--count", "2", "--json"];
        let output = linkspan(&watch);
        let lines: Vec<Value> = output.success().lines().map(json).collect();
        assert_eq!(lines.len(), 2);
        for line in &lines {
            let attachments = line["attachments"].as_array().unwrap();
            // The one that is gone carries nothing that could be counted.
            assert_eq!(attachments.len(), 2, "{line}");
            for direction in ["receive", "send"] {
                let rate = &attachments[0][direction];
                let (bits, packets) = (
                    rate["bitsPerSecond"].as_u64().unwrap(),
                    rate["packetsPerSecond"].as_u64().unwrap(),
                );
                // A busy machine sends fewer.
                assert!((5..=120).contains(&packets), "{line}");
                assert!((packets * 7000..packets * 8600).contains(&bits), "{line}");
                let idle = attachments[1][direction]["packetsPerSecond"]
                    .as_u64()
                    .unwrap();
                assert!(idle < 20, "{line}");
            }
        }
        let watch = "show a1 --watch=200ms --count 2";
        let output = linkspan(&watch.split(' ').collect::<Vec<_>>());
        let blocks: Vec<_> = output.success().split("\n\n").collect();
        assert_eq!(blocks.len(), 2, "{output}");
        assert!(
            blocks.iter().all(|block| block.lines().count() == 2),
            "{output}"
        );
        let drawn = on_a_terminal(80, watch);
        assert!(drawn.contains("\n\x1b[2A\r\x1b[JNETWORK "), "{drawn:?}");
        let output = linkspan(&["show", "nobody", "--watch"]);
        assert_eq!(status(&output), 1, "{output}");
    });
}

#[test]
fn whoever_has_read_enough_ends_it() {
    build_plugins();
    sandbox(|host| {
        five(host);
        let line = format!("{LINKSPAN} show --watch=50ms | head -1");
        assert!(host.run(&line).starts_with("NETWORK"));
    });
}
