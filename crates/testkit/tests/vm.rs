//! The virtual machine: what it has, and that nothing of a test is lost on the way.

use std::time::Duration;

use linkspan_testkit::{Feature, Plugins, Setup, needs};
use serde_json::json;

fn in_machine() -> Setup {
    needs(&[Feature::VirtualMachine])
}

#[test]
fn it_has_every_kind_of_interface() {
    in_machine().sandbox(|host| {
        host.run("ip link add e0 type veth peer name e1; ip link set e0 up; ip link set e1 up");
        for kind in ["ipvlan mode l2", "ipvlan mode l3s", "vlan id 7", "macvlan mode bridge", "macvtap mode vepa"] {
            host.run(&format!("ip link add link e0 name x type {kind}; ip link del x"));
        }
        for kind in ["dummy", "vrf table 10", "ifb", "bridge vlan_filtering 1", "vxlan id 3 dev e0 dstport 4789"] {
            host.run(&format!("ip link add x type {kind}; ip link del x"));
        }
        host.run("ip tuntap add dev t0 mode tap; tc qdisc add dev e0 root netem delay 1ms");
        host.run("tc qdisc add dev e1 root tbf rate 1mbit burst 10k latency 10ms");
        host.run("nft add table inet t; iptables -t nat -N A; iptables-legacy -t nat -N B; ip6tables -t nat -N C");
    });
}

#[test]
fn tagged_frames_pass_between_namespaces() {
    needs(&[Feature::Vlan, Feature::BridgeVlanFiltering]).sandbox(|host| {
        let (a, b) = (host.netns("a"), host.netns("b"));
        a.connect("eth0", &b, "eth0");
        for (netns, address) in [(&a, "10.7.0.1/24"), (&b, "10.7.0.2/24")] {
            netns.run("ip link add link eth0 name eth0.7 type vlan id 7; ip link set eth0.7 up");
            netns.address("eth0.7", address);
        }
        a.ping("10.7.0.2");
    });
}

#[test]
fn the_reference_plugins_work_there() {
    in_machine().sandbox(|host| {
        let a = host.netns("a");
        let network = json!({
            "cniVersion": "1.0.0", "name": "mynet", "type": "bridge", "bridge": "cni0", "isGateway": true, "vlan": 7,
            "ipMasq": true, "ipam": { "type": "host-local", "subnet": "10.22.0.0/16" }
        });
        Plugins::reference().add(&network, "a", &a, "eth0").success();
        let vlans = host.run("bridge -oneline vlan show");
        assert!(vlans.lines().any(|line| line.contains("veth") && line.contains(" 7 PVID")), "{vlans}");
        Plugins::reference().del(&network, "a", &a, "eth0").success();
    });
}

#[test]
fn it_knows_this_processs_environment_and_directory() {
    let directory = std::env::current_dir().unwrap();
    in_machine().sandbox(|_| {
        assert_eq!(
            std::env::var("CARGO_PKG_NAME").as_deref(),
            Ok("linkspan-testkit")
        );
        assert!(directory.join("Cargo.toml").is_file());
    });
}

#[test]
#[should_panic(expected = "the body's own \"words\" 'quoted'")]
fn a_panic_comes_out_with_its_words() {
    in_machine().sandbox(|_| panic!("the body's own \"words\" 'quoted'"));
}

#[test]
#[should_panic(expected = "still running after 1s")]
fn a_hang_ends_at_the_deadline() {
    in_machine()
        .deadline(Duration::from_secs(1))
        .sandbox(|host| drop(host.run("sleep 100")));
}

#[test]
#[should_panic(expected = "sysrq triggered crash")]
fn a_crash_of_the_kernel_comes_out_with_the_console() {
    in_machine().sandbox(|host| drop(host.run("dmesg -n 8; echo c >/proc/sysrq-trigger")));
}

#[test]
fn much_output_is_whole() {
    in_machine().sandbox(|_| {
        for number in 0..20_000 {
            println!("line {number} of much output");
            eprintln!("line {number} of much output");
        }
    });
}
