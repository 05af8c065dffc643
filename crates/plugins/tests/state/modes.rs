//! Modes do not depend on the umask, and nothing that a user may have put somewhere is followed.

use linkspan_testkit::sandbox;
use serde_json::json;

use super::{World, chain, firewall, portmap, shell};

/// Files and directories with their modes that others could use.
fn of_others() -> Vec<String> {
    let found = shell(
        "{ find /run/cni /var/lib/cni/* ! -type l -perm /022
           find /run/cni/linkspan /var/lib/cni/linkspan /run/cni/tuning ! -type l -perm /077
           find /var/lib/cni/networks -type f -perm /007; } 2>/dev/null | xargs -r stat -c '%n %a'",
    );
    found.lines().map(str::to_owned).collect()
}

#[test]
fn whatever_the_umask_nobody_else_writes_or_locks_anything() {
    sandbox(|host| {
        rustix::process::umask(rustix::fs::Mode::empty());
        let world = World::new(host);
        host.run(
            "ip link add nic0 type dummy 2>/dev/null || ip link add nic0 type veth peer name nic1",
        );
        let tuning = json!({ "type": "tuning", "mtu": 1400, "mac": "02:00:00:00:00:07" });
        let bandwidth = json!({ "type": "bandwidth", "ingressRate": 1000000, "ingressBurst": 1000000,
            "egressRate": 1000000, "egressBurst": 1000000 });
        let mut by_iptables = portmap(&[8081]);
        by_iptables["backend"] = "iptables".into();
        let admission = json!({ "type": "firewall", "backend": "iptables" });
        let chains = [
            chain(
                "one",
                "bridge",
                "10.22.0.0/16",
                &[
                    portmap(&[8080]),
                    firewall(),
                    tuning,
                    bandwidth,
                    json!({ "type": "sbr" }),
                ],
            ),
            chain("two", "ptp", "10.23.0.0/16", &[by_iptables, admission]),
            vec![
                json!({ "cniVersion": "1.1.0", "name": "three", "type": "host-device", "device": "nic0" }),
            ],
        ];
        let netns = host.netns("c1");
        let mut done = Vec::new();
        for (number, chain) in chains.iter().enumerate() {
            done.push(world.add(chain, &netns, &format!("eth{number}")));
            assert_eq!(of_others(), [""; 0], "ADD of {}", chain[0]["type"]);
        }
        // With an index.
        for number in 2..12 {
            world.add(&chains[0][..1], &host.netns(&format!("c{number}")), "eth0");
        }
        assert_eq!(of_others(), [""; 0], "many");
        assert_eq!(world.files("/run/cni/linkspan/host-local").len(), 1);
        for (number, done) in done.iter().enumerate().rev() {
            world.del(done, &netns, &format!("eth{number}"));
        }
        assert_eq!(of_others(), [""; 0], "DEL");
        chains.iter().for_each(|chain| world.gc(chain, &[]));
        assert_eq!(of_others(), [""; 0], "GC");
        let modes = shell(
            "stat -c %a /run/cni /run/cni/linkspan /var/lib/cni/networks /var/lib/cni/networks/one /var/lib/cni/networks/one/lock \
             /var/lib/cni/networks/one/last_reserved_ip.0",
        );
        assert_eq!(modes, "755\n700\n755\n755\n750\n600");
    });
}

/// An earlier version with a umask of 0, and a user who has put links there: GC deleted what they lead to.
#[test]
fn what_a_user_put_into_an_open_directory_leads_nowhere() {
    sandbox(|host| {
        let world = World::new(host);
        host.run(
            "echo precious > /run/precious; mkdir /run/theirs; echo precious > /run/theirs/file
             umask 0; mkdir -p /run/cni/linkspan/tuning /var/lib/cni/networks/one
             ln -s /run/precious /var/lib/cni/networks/one/10.22.0.2
             ln -s /run/precious /var/lib/cni/networks/one/last_reserved_ip.0
             ln -s /run/theirs /run/cni/linkspan/netfilter",
        );
        let config = chain(
            "one",
            "bridge",
            "10.22.0.0/16",
            &[json!({ "type": "tuning", "mtu": 1400 })],
        );
        let netns = host.netns("c1");
        // A link in the place of a folder is refused, not followed.
        let (code, text) = world.call("ADD", &config[0], &netns, "eth0").failure();
        assert!(code == 5 && text.contains("linkspan"), "{code} {text}");
        host.run("rm /run/cni/linkspan/netfilter");
        let done = world.add(&config, &netns, "eth0");
        assert_eq!(of_others(), [""; 0]);
        world.gc(&config, &[("c1", "eth0")]);
        world.del(&done, &netns, "eth0");
        world.gc(&config, &[]);
        let kept = host.run("cat /run/precious /run/theirs/file; ls /run/theirs");
        assert_eq!(kept, "precious\nprecious\nfile");
    });
}
