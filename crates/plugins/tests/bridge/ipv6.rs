//! Hosts and containers with IPv6 switched off, in part or altogether.

use linkspan_testkit::{Sandbox, needs, sandbox, with, with_prev_result};
use serde_json::json;

use super::host::{Family, Host, dual_stack, network};

/// Attached, checked, reached, detached; and nothing of IPv6 has been switched on for it.
fn works_with_ipv4(sandbox: &Sandbox) {
    let host = Host::new(sandbox);
    let config = network(json!({
        "ipMasq": true, "macspoofchk": true, "isDefaultGateway": true, "enabledad": true
    }));
    let a = host.attach(&config, "a");
    let b = host.attach(&config, "b");
    a.netns.ping("10.22.0.1");
    a.netns.ping(&b.address(Family::V4));
    let checked = with_prev_result(&config, &a.result);
    host.call("CHECK", &checked, &a.netns).run().success();
    host.plugins.status(&config).success();
    host.plugins.gc(&config, &[("a", "eth0")]).success();
    b.netns.ping_fails("10.22.0.1");
    host.del(&config, &b.netns).success();
    host.del(&config, &a.netns).success();
}

/// plugins#102, cni#532: the reference needed IPv6 for IPv4.
#[test]
fn a_host_with_ipv6_switched_off_attaches_with_ipv4() {
    sandbox(|sandbox| {
        sandbox.run(
            "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1",
        );
        works_with_ipv4(sandbox);
        assert_eq!(sandbox.run("sysctl -n net.ipv6.conf.all.disable_ipv6"), "1");
        assert_eq!(
            sandbox.run("sysctl -n net.ipv6.conf.cni0.disable_ipv6"),
            "1"
        );
        assert_eq!(sandbox.run("sysctl -n net.ipv6.conf.all.forwarding"), "0");
    });
}

/// kubernetes/kubeadm#1100: without IPv6 in the kernel there are no parameters of it either.
#[test]
fn a_kernel_without_ipv6_attaches_with_ipv4() {
    needs(&[])
        .kernel_parameters("ipv6.disable=1")
        .sandbox(|sandbox| {
            sandbox.run("test ! -e /proc/sys/net/ipv6");
            works_with_ipv4(sandbox);
            let host = Host::new(sandbox);
            let netns = sandbox.netns("c");
            host.add(&network(json!({ "ipam": dual_stack() })), &netns)
                .fails(
                    None,
                    &["without IPv6", "ipv6.disable=1", "remove what is of IPv6"],
                );
            assert_eq!(
                netns.run("ip -oneline link | wc -l"),
                "1",
                "its loopback interface alone"
            );
        });
}

/// cni#569: container runtimes switch IPv6 off in the namespaces that they make.
#[test]
fn a_container_with_ipv6_switched_off_gets_it_for_the_addresses_that_it_is_given() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let off =
            "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1";
        let netns = sandbox.netns("a");
        netns.run(off);
        host.add(&network(json!({ "ipam": dual_stack() })), &netns)
            .success();
        netns.ping("10.22.0.1");
        netns.ping("fd00:22::1");
        netns.ping("::1");

        let netns = sandbox.netns("b");
        netns.run(off);
        host.add(&network(json!({})), &netns).success();
        netns.ping("10.22.0.1");
        assert_eq!(
            netns.run("sysctl -n net.ipv6.conf.eth0.disable_ipv6"),
            "1",
            "nobody asked for it"
        );
    });
}

/// CVE-2020-10749, golang/vulndb#1915: whoever is on the bridge could become the host's router.
#[test]
fn router_advertisements_of_containers_are_not_listened_to() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        sandbox.run("sysctl -qw net.ipv6.conf.default.accept_ra=2 net.ipv6.conf.all.accept_ra=2");
        let a = host.attach(&network(json!({ "ipam": dual_stack() })), "a");
        for link in ["cni0", &a.host_end()] {
            let value = sandbox.run(&format!("sysctl -n net.ipv6.conf.{link}.accept_ra"));
            assert_eq!(value, "0", "{link}");
        }
    });
}

/// An address that the link loses with its carrier would be lost to the container when the bridge is restarted.
#[test]
fn addresses_survive_that_the_link_goes_down() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let a = host.attach(&network(json!({ "ipam": dual_stack() })), "a");
        a.netns.run("ip link set eth0 down; ip link set eth0 up");
        for address in ["fd00:22::2/64", "10.22.0.2/16"] {
            let held = a.netns.run("ip -oneline address show dev eth0");
            assert!(held.contains(address), "{address}: {held}");
        }
    });
}

/// Whom the host forwards for is reached through the bridge's link-local address, which the kernel would look for
/// duplicates of first.
#[test]
fn the_first_container_of_a_bridge_is_reached_at_once() {
    for keys in [json!({}), json!({ "bridge": "cni1", "ipMasq": true })] {
        sandbox(|sandbox| {
            let host = Host::new(sandbox);
            let client = sandbox.netns("client");
            sandbox.run(
                "ip link add client0 type veth peer name eth0 netns client; ip link set client0 up
                 ip addr add fd00:99::1/64 dev client0 nodad; sysctl -qw net.ipv6.conf.all.forwarding=1",
            );
            client.run("ip link set eth0 up; ip addr add fd00:99::2/64 dev eth0 nodad");
            client.run("ip route add default via fd00:99::1");
            client.ping("fd00:99::1");
            let keys = with(&json!({ "ipam": dual_stack() }), keys.clone());
            let a = host.attach(&network(keys), "a");
            let ping = ["-n", "-c", "1", "-W", "1", &a.address(Family::V6)];
            client.cmd("ping").args(ping).run();
        });
    }
}
