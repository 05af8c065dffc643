//! Snapshots, traffic, wires and crashes.

use linkspan_testkit::{Cmd, Outside, Plugins, Snapshot, kill_at_every_syscall, sandbox};
use serde_json::{Value, json};

fn network() -> Value {
    json!({
        "cniVersion": "1.0.0", "name": "mynet", "type": "bridge", "bridge": "cni0",
        "isGateway": true, "ipMasq": true,
        "ipam": {
            "type": "host-local", "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }],
            "ranges": [[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "fd00:22::/64" }]]
        }
    })
}

#[test]
fn a_snapshot_sees_each_kind_of_change() {
    sandbox(|host| {
        let a = host.netns("a");
        host.host().connect("v0", &a, "v1");
        host.run("ip link add br0 type bridge; nft add table ip t; nft add set ip t s '{ type ipv4_addr; }'");
        let before = Snapshot::of(&[host.host(), &a], &["/var/lib/cni"]);
        before.assert_same(
            &Snapshot::of(&[host.host(), &a], &["/var/lib/cni"]),
            "nothing was done",
        );
        let changes = [
            ("ip link set v0 mtu 1400", "host link v0 mtu"),
            (
                "ip addr add 10.0.0.1/24 dev v0",
                "host address v0 10.0.0.1/24",
            ),
            ("ip link set v0 master br0", "host port v0"),
            (
                "ip route add 10.9.0.0/16 via 10.0.0.9 dev v0 onlink table 7",
                "host route 10.9.0.0/16",
            ),
            ("ip rule add from 10.1.1.1 table 7", "host rule"),
            (
                "ip neigh add 10.0.0.7 lladdr 02:00:00:00:00:07 dev v0 nud permanent",
                "host neighbour v0 10.0.0.7",
            ),
            (
                "nft add chain ip t c; nft add rule ip t c counter accept",
                "host nft rule ip t c #1",
            ),
            (
                "nft add element ip t s '{ 1.2.3.4 }'",
                "host nft set ip t s element \"1.2.3.4\"",
            ),
            (
                "iptables-legacy -t nat -N LEGACY",
                "host iptables-legacy-save",
            ),
            (
                "echo 1 > /proc/sys/net/ipv4/conf/v0/route_localnet",
                "host sysctl ipv4/conf/v0/route_localnet",
            ),
            (
                "echo 1 > /proc/sys/net/ipv4/ip_forward",
                "host sysctl ipv4/ip_forward",
            ),
            (
                "tc qdisc add dev v0 root tbf rate 1mbit burst 10k latency 10ms",
                "host tc",
            ),
            (
                "mkdir /var/lib/cni/d; echo x > /var/lib/cni/d/f",
                "file /var/lib/cni/d/f",
            ),
            ("ip netns exec a ip link set lo down", "a link lo flags"),
        ];
        let mut last = before;
        for (command, what) in changes {
            host.run(command);
            let now = Snapshot::of(&[host.host(), &a], &["/var/lib/cni"]);
            let diff = last.diff(&now);
            assert!(
                diff.contains(&format!("+ {what}")),
                "{command}: {what} is not in\n{diff}"
            );
            last = now;
        }
    });
}

#[test]
fn a_normalised_snapshot_is_the_same_in_every_run() {
    sandbox(|host| {
        let plugins = Plugins::reference();
        let attach = || {
            let a = host.netns("a");
            plugins.add(&network(), "a", &a, "eth0").success();
            let snapshot = Snapshot::of(&[host.host(), &a], &[]);
            plugins.del(&network(), "a", &a, "eth0").success();
            host.run("ip link del cni0; rm -r /var/lib/cni/*");
            a.delete();
            snapshot
        };
        let (one, two) = (attach(), attach());
        assert!(!one.diff(&two).is_empty(), "names and MACs are random");
        one.normalised()
            .without(&["nft "])
            .assert_same(&two.normalised().without(&["nft "]), "twice the same");
        assert!(
            one.normalised()
                .fact("host link <peer of a/eth0> master")
                .is_some(),
            "{:#?}",
            one.normalised()
        );
    });
}

#[test]
fn a_container_reaches_the_outside_with_the_hosts_address() {
    sandbox(|host| {
        let outside = host.outside();
        let a = host.netns("a");
        host.run("echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
        Plugins::reference()
            .add(&network(), "a", &a, "eth0")
            .success();
        outside.netns.serve_tcp("[::]:80");
        outside.netns.serve_udp("[::]:53");
        for (address, seen_as) in [
            (Outside::ROUTER_V4.to_owned(), Outside::HOST_V4),
            (format!("[{}]", Outside::ROUTER_V6), Outside::HOST_V6),
        ] {
            assert_eq!(
                a.talk_tcp(&format!("{address}:80"))
                    .unwrap()
                    .ip()
                    .to_string(),
                seen_as
            );
            assert_eq!(
                a.talk_udp(&format!("{address}:53"))
                    .unwrap()
                    .ip()
                    .to_string(),
                seen_as
            );
        }
        assert!(
            a.talk_tcp(&format!("{}:81", Outside::ROUTER_V4)).is_err(),
            "nobody serves there"
        );
    });
}

#[test]
fn a_program_dies_at_each_of_its_system_calls() {
    sandbox(|host| {
        let file = host.dir().join("file");
        let (mut runs, mut made) = (0, 0);
        let mut at = Vec::new();
        let kills = kill_at_every_syscall(
            || {
                // A kill may have come before or after the file was made.
                let _ = std::fs::remove_file(&file);
                Cmd::new("touch").arg(&file)
            },
            |kill| {
                runs += 1;
                made += u32::from(file.exists());
                at.extend(kill.map(|kill| kill.syscall.clone()));
                assert!(
                    kill.is_some() || file.exists(),
                    "without a kill it does its work"
                );
            },
        );
        assert!(
            kills > 50 && made > 0 && made < runs,
            "{kills} kills, {made} of {runs} made the file"
        );
        assert!(
            at.iter().any(|call| call.starts_with("exit_group")),
            "{at:?}"
        );
        // Where it makes the file: O_WRONLY, O_CREAT, O_NOCTTY and O_NONBLOCK.
        assert!(
            at.iter()
                .any(|call| call.starts_with("openat") && call.contains(", 0x941,")),
            "{at:?}"
        );
    });
}
