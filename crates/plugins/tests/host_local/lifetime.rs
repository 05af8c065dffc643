//! Whose address may be given again: after reboots, and when a namespace is gone.

use std::fs;

use linkspan_testkit::{Sandbox, sandbox};
use serde_json::json;

use super::{DIRECTORY, Host, address, network, older, reserved, small};

/// The machine is in another boot, as far as the kernel tells.
fn reboot(sandbox: &Sandbox, number: u32) {
    let id = format!("00000000-0000-4000-8000-{number:012}");
    sandbox.run(&format!(
        "echo {id} > /run/boot_id_{number}; mount --bind /run/boot_id_{number} /proc/sys/kernel/random/boot_id"
    ));
}

/// cni#204, plugins#252: machines that were rebooted ran out of addresses.
#[test]
fn what_an_earlier_boot_left_is_given_again_when_nothing_else_is_free() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        for number in 0..10 {
            host.add(&small(), &format!("old{number}")).success();
        }
        reboot(sandbox, 1);
        for number in 0..3 {
            let given = address(&host.add(&small(), &format!("new{number}")));
            assert_eq!(
                given,
                format!("10.22.0.{}", 12 + number),
                "first what is free"
            );
        }
        assert_eq!(reserved().len(), 13);
        host.ours.status(&small()).success();
        assert_eq!(address(&host.add(&small(), "new3")), "10.22.0.2");
        assert_eq!(
            reserved().len(),
            4,
            "the rest of the earlier boot went with it"
        );
        host.del(&small(), "old5").success();
    });
}

#[test]
fn this_boots_addresses_are_never_reclaimed() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        reboot(sandbox, 1);
        for number in 0..13 {
            host.add(&small(), &format!("c{number}")).success();
        }
        let before = reserved();
        host.add(&small(), "more").fails(
            11,
            &[
                "no IP addresses available in range set: 10.22.0.1-10.22.0.14",
                "13 of 13 addresses are in use",
                "10.22.0.2 by c0 (eth0) since",
                "GC",
            ],
        );
        assert_eq!(reserved(), before);
    });
}

#[test]
fn a_file_of_the_reference_is_judged_by_its_time() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = older(&small());
        for number in 0..13 {
            host.reference
                .add(&config, &format!("c{number}"), &host.netns, "eth0")
                .success();
        }
        host.add(&config, "more").failure();
        sandbox.run(&format!("touch -d 2001-01-01 {DIRECTORY}/10.22.0.7"));
        assert_eq!(address(&host.add(&config, "more")), "10.22.0.7");
        assert_eq!(reserved().len(), 13);
    });
}

#[test]
fn only_the_exhausted_set_is_reclaimed() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let first = json!([{ "subnet": "10.22.0.0/30" }]);
        let second = json!([{ "subnet": "10.23.0.0/29" }]);
        host.add(&network(json!({ "ranges": [first, second] })), "old")
            .success();
        assert_eq!(reserved(), ["10.22.0.2", "10.23.0.2"]);
        reboot(sandbox, 1);
        host.add(&network(json!({ "ranges": [first, second] })), "new")
            .success();
        assert_eq!(reserved(), ["10.22.0.2", "10.23.0.2", "10.23.0.3"]);
    });
}

/// nerdctl#3355: a container that was restarted could not have its address back.
#[test]
fn a_restarted_container_gets_its_address_back() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let netns = sandbox.netns("c1");
        host.add(&small(), "c0").success();
        let first = address(&host.ours.add(&small(), "c1", &netns, "eth0"));
        host.add(&small(), "c2").success();

        host.ours.add(&small(), "c1", &netns, "eth0").fails(
            100,
            &[
                "10.22.0.3 has been allocated to c1, duplicate allocation is not allowed",
                "/run/netns/c1",
            ],
        );

        // Another namespace at the same path, which may have got the same inode.
        netns.delete();
        let netns = sandbox.netns("c1");
        assert_eq!(
            address(&host.ours.add(&small(), "c1", &netns, "eth0")),
            first
        );
        host.ours.add(&small(), "c1", &netns, "eth0").failure();
        // A second interface of the same container is another attachment.
        assert_eq!(
            address(&host.ours.add(&small(), "c1", &netns, "eth1")),
            "10.22.0.5"
        );
        assert_eq!(reserved().len(), 4);

        reboot(sandbox, 1);
        assert_eq!(
            address(&host.ours.add(&small(), "c1", &netns, "eth0")),
            first
        );
        assert_eq!(
            reserved().len(),
            4,
            "after a reboot all the same, and nothing else is touched"
        );
    });
}

#[test]
fn a_requested_address_comes_back_too_and_a_strangers_does_not() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let add = |container: &str| {
            host.ours
                .call("ADD", &small())
                .container(container)
                .netns(host.netns.path())
                .ifname("eth0")
                .args("IgnoreUnknown=1;IP=10.22.0.9;K8S_POD_NAME=x")
                .run()
        };
        assert_eq!(address(&add("c1")), "10.22.0.9");
        add("c1").fails(100, &["duplicate allocation"]);
        add("c2").fails(
            100,
            &[
                "requested IP address 10.22.0.9 is not available in range set",
                "held by c1 (eth0) since",
            ],
        );
        reboot(sandbox, 1);
        assert_eq!(address(&add("c1")), "10.22.0.9");
        add("c2").failure();
        assert_eq!(reserved(), ["10.22.0.9"]);
    });
}

/// A duplicate that the reference reserved: nothing tells for which namespace.
#[test]
fn without_knowledge_of_the_namespace_the_references_error_stays() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = older(&small());
        host.reference
            .add(&config, "c1", &host.netns, "eth0")
            .success();
        host.add(&config, "c1")
            .fails(None, &["duplicate allocation is not allowed", "not known"]);
        fs::write(format!("{DIRECTORY}/10.22.0.8"), "c2").unwrap();
        host.add(&config, "c2")
            .fails(None, &["10.22.0.8 has been allocated to c2"]);
        sandbox.run(&format!("touch -d 2001-01-01 {DIRECTORY}/10.22.0.8"));
        assert_eq!(address(&host.add(&config, "c2")), "10.22.0.8");
        assert_eq!(
            fs::read_to_string(format!("{DIRECTORY}/10.22.0.8")).unwrap(),
            "c2\r\neth0"
        );
    });
}

/// An ADD cannot tell for which boot an address is; to free one nothing is to be known of it.
#[test]
fn del_needs_no_boot_id() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        for number in 0..12 {
            host.add(&small(), &format!("c{number}")).success();
        }
        sandbox.run("mount --bind /run /proc/sys/kernel/random");
        host.add(&small(), "new")
            .fails(5, &["boot ID", "mount -t proc"]);
        for number in 0..12 {
            host.del(&small(), &format!("c{number}")).success();
        }
        assert!(reserved().is_empty());
        sandbox.run("umount /proc/sys/kernel/random");
        host.add(&small(), "new").success();
    });
}
