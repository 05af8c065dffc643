//! Containers that come back, and hosts that do.

use std::collections::BTreeSet;
use std::fs;

use linkspan_testkit::{Sandbox, sandbox};
use serde_json::{Value, json};

use super::host::{Attached, Family, Host, address, dual_stack, network};

/// The machine has been rebooted, as far as it shows: another boot, nothing of the network, nothing in memory, and what
/// is on disk still there.
fn reboot(sandbox: &Sandbox, number: u32) {
    let id = format!("00000000-0000-4000-8000-{number:012}");
    sandbox.run(&format!(
        "echo {id} >/run/boot_id_{number}; mount --bind /run/boot_id_{number} /proc/sys/kernel/random/boot_id
         ip link del cni0; nft flush ruleset; rm -rf /run/cni; ip -all netns delete"
    ));
}

fn small() -> Value {
    // 5 addresses beside the gateway's.
    network(json!({ "ipMasq": true, "ipam": { "type": "host-local", "subnet": "10.22.0.0/29" } }))
}

fn attach(host: &Host<'_>, config: &Value, names: &[&str]) -> Vec<Attached> {
    names.iter().map(|name| host.attach(config, name)).collect()
}

/// cni#204, plugins#252, plugins#332, k3s-io/k3s#5885, podman#3759: full of what an earlier boot had left.
#[test]
fn a_node_that_was_full_when_it_went_down_comes_up_again() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = small();
        attach(&host, &config, &["a1", "a2", "a3", "a4", "a5"]);
        assert_eq!(host.add(&config, &sandbox.netns("a6")).failure().0, 11);
        reboot(sandbox, 1);
        let new = attach(&host, &config, &["b1", "b2", "b3", "b4", "b5"]);
        let addresses: BTreeSet<_> = new.iter().map(|one| one.address(Family::V4)).collect();
        assert_eq!(addresses.len(), 5);
        new[0].netns.ping("10.22.0.1");
        new[0].netns.ping(&new[4].address(Family::V4));
        host.add(&config, &sandbox.netns("b6"))
            .fails(11, &["by b1 (eth0)"]);
        // The runtime's late DELs for containers of the earlier boot free nothing of this one.
        for name in ["a1", "a2", "a3", "a4", "a5"] {
            let call = host
                .plugins
                .call("DEL", &config)
                .container(name)
                .ifname("eth0")
                .env("CNI_NETNS", "");
            call.run().success();
        }
        new[0].netns.ping(&new[4].address(Family::V4));
        assert_eq!(host.add(&config, &sandbox.netns("b7")).failure().0, 11);
    });
}

/// GC alone is enough as well: what an earlier boot had is in nobody's list.
#[test]
fn collection_after_a_reboot_frees_what_was() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = small();
        attach(&host, &config, &["a1", "a2"]);
        reboot(sandbox, 1);
        host.plugins.gc(&config, &[]).success();
        let left: Vec<_> = fs::read_dir("/var/lib/cni/networks/mynet")
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("10."))
            .collect();
        assert_eq!(left, Vec::<String>::new());
    });
}

/// nerdctl#665, nerdctl#2933, nerdctl#3355: "duplicate allocation is not allowed", and the container never started again.
#[test]
fn a_container_that_is_started_again_gets_its_address_back() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "ipMasq": true, "macspoofchk": true, "ipam": dual_stack() }));
        let before = host.attach(&config, "a");
        host.attach(&config, "another");
        // It died, and nobody called DEL.
        before.netns.delete();
        let again = host.attach(&config, "a");
        for family in [Family::V4, Family::V6] {
            assert_eq!(again.address(family), before.address(family));
        }
        again.netns.ping("10.22.0.1");
        again.netns.ping("fd00:22::1");
        host.del(&config, &again.netns).success();
        assert!(
            !sandbox
                .run("nft list ruleset; ls /var/lib/cni/networks/mynet")
                .contains(&before.address(Family::V4))
        );
    });
}

/// plugins PR#328: that it is an error keeps two runtimes from sharing an address.
#[test]
fn a_container_that_is_alive_is_not_attached_twice() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = small();
        let a = host.attach(&config, "a");
        let before = host.snapshot(&[&a.netns]);
        let (code, message) = host.add(&config, &a.netns).failure();
        assert!([4, 100].contains(&code), "{code} {message}");
        assert!(message.contains("DEL"), "{message}");
        before.assert_same(&host.snapshot(&[&a.netns]), "after the refusal");
        a.netns.ping("10.22.0.1");
    });
}

/// plugins#858: the address that was freed last is the last to be given again, so that fewer remember it.
#[test]
fn the_address_that_is_longest_free_is_given_first() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = small();
        let netns = sandbox.netns("a");
        let mut given = Vec::new();
        for _ in 0..7 {
            given.push(address(&host.add(&config, &netns).success(), Family::V4));
            host.del(&config, &netns).success();
        }
        let expected: Vec<_> = [2, 3, 4, 5, 6, 2, 3]
            .map(|last| format!("10.22.0.{last}"))
            .into();
        assert_eq!(given, expected);
    });
}
