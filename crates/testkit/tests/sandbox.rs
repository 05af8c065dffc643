//! The sandbox, tried from within and from without.

use std::fs;
use std::time::Duration;

use linkspan_testkit::{Cmd, Plugins, Setup, sandbox, with_prev_result};
use serde_json::json;

mod nested {
    #[test]
    fn module_path_is_part_of_the_name() {
        linkspan_testkit::sandbox(|host| assert_eq!(host.run("ls /sys/class/net"), "lo"));
    }
}

#[test]
fn only_loopback_is_there_and_up() {
    sandbox(|host| {
        let links = host.host().ip_json("link show");
        assert_eq!(links.as_array().map(Vec::len), Some(1), "{links}");
        assert_eq!(host.run("cat /sys/class/net/lo/operstate"), "unknown");
        host.host().ping("127.0.0.1");
    });
}

#[test]
fn directories_are_empty_private_and_writable() {
    sandbox(|host| {
        for dir in ["/var/lib/cni", "/etc/cni", "/opt/cni"] {
            assert_eq!(fs::read_dir(dir).unwrap().count(), 0, "{dir}");
            fs::write(format!("{dir}/x"), "x").unwrap();
        }
        assert!(host.dir().starts_with("/run/tmp"));
        assert!(
            fs::read_to_string("/etc/passwd").unwrap().contains("root"),
            "the rest of /etc stays"
        );
    });
    assert!(!fs::exists("/var/lib/cni/x").unwrap());
    assert!(!fs::exists("/etc/cni/x").unwrap());
}

#[test]
fn firewall_and_sysctls_may_be_changed() {
    sandbox(|host| {
        host.run("nft add table inet t; iptables -t nat -A POSTROUTING -j MASQUERADE");
        host.run("echo 1 > /proc/sys/net/ipv4/ip_forward");
        assert!(host.run("nft list tables").contains("inet t"));
    });
}

#[test]
#[should_panic(expected = "the body's own words")]
fn a_panic_comes_out_with_its_words() {
    sandbox(|_| panic!("the body's own words"));
}

#[test]
#[should_panic(expected = "still running after 1s")]
fn a_hang_ends_at_the_deadline() {
    Setup::default()
        .deadline(Duration::from_secs(1))
        .sandbox(|host| drop(host.run("sleep 100")));
}

#[test]
#[should_panic(expected = "knows no test called misnamed")]
fn a_name_that_the_harness_does_not_know_is_no_success() {
    Setup::default().named("misnamed").sandbox(|_| {});
}

#[test]
fn namespaces_are_apart_and_threads_enter_them() {
    sandbox(|host| {
        let (a, b) = (host.netns("a"), host.netns("b"));
        host.run("ip link add va netns a type veth peer name vb netns b");
        a.run("ip addr add 10.0.0.1/24 dev va; ip link set va up");
        b.run("ip addr add 10.0.0.2/24 dev vb; ip link set vb up");
        a.ping("10.0.0.2");
        a.ping_fails("10.0.0.3");
        let listener = b
            .enter(|| std::net::TcpListener::bind("10.0.0.2:80"))
            .unwrap();
        a.enter(|| std::net::TcpStream::connect("10.0.0.2:80"))
            .unwrap();
        listener.accept().unwrap();
        assert_eq!(
            a.ip_json("link show dev va")[0]["linkinfo"]["info_kind"],
            "veth"
        );
        a.delete();
        assert!(!a.path().exists());
    });
}

#[test]
fn a_deadline_kills_the_whole_group() {
    let output = Cmd::shell("sleep 1000 & sleep 1000")
        .deadline(Duration::from_millis(200))
        .output();
    assert!(
        output.timed_out && output.elapsed < Duration::from_secs(10),
        "{output}"
    );
}

#[test]
fn the_reference_attaches_checks_and_detaches() {
    sandbox(|host| {
        let plugins = Plugins::reference();
        let (a, b) = (host.netns("a"), host.netns("b"));
        let config = json!({
            "cniVersion": "1.0.0", "name": "mynet", "type": "bridge", "bridge": "cni0",
            "ipam": { "type": "host-local", "subnet": "10.22.0.0/16" }
        });
        let result = plugins.add(&config, "a", &a, "eth0").success();
        plugins
            .check(&with_prev_result(&config, &result), "a", &a, "eth0")
            .success();
        plugins.add(&config, "b", &b, "eth0").success();
        a.ping("10.22.0.3");
        let (code, message) = plugins.add(&config, "a", &a, "eth0").failure();
        assert!(
            code == 999 && message.contains("already exists"),
            "{code} {message}"
        );
        plugins.del(&config, "a", &a, "eth0").success();
        assert!(plugins.version("bridge", "1.0.0").success()["supportedVersions"].is_array());
    });
}
