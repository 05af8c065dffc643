//! Tap devices, beside those that `ip tuntap` makes.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that uses it"
)]

use linkspan_kernel::netns::Netns;
use linkspan_kernel::rtnl::{LinkData, Rtnl};
use linkspan_kernel::selinux;
use linkspan_kernel::tap::NewTap;
use linkspan_testkit::{Feature, Sandbox, needs};

/// What `ip` shows of a device, without what differs from one to the next.
fn shown(host: &Sandbox, name: &str) -> String {
    let link = &host.host().ip_json(&format!("link show dev {name}"))[0];
    let tuntap = host.run("ip -details tuntap show");
    let line = tuntap
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}: ")));
    format!(
        "{}\n{}\n{}",
        link["linkinfo"],
        link["flags"],
        line.unwrap_or("not shown")
    )
}

fn alike(host: &Sandbox) {
    let rtnl = Rtnl::open().unwrap();
    // In a user namespace, only its own users and groups can be named.
    let cases = [
        (NewTap::new("ours"), ""),
        (
            NewTap {
                owner: Some(0),
                ..NewTap::new("ours")
            },
            "user 0",
        ),
        (
            NewTap {
                group: Some(0),
                ..NewTap::new("ours")
            },
            "group 0",
        ),
        (
            NewTap {
                multi_queue: true,
                ..NewTap::new("ours")
            },
            "multi_queue",
        ),
        (
            NewTap {
                owner: Some(0),
                group: Some(0),
                multi_queue: true,
                ..NewTap::new("ours")
            },
            "user 0 group 0 multi_queue",
        ),
    ];
    for (tap, arguments) in cases {
        tap.create().unwrap();
        host.run(&format!("ip tuntap add dev theirs mode tap {arguments}"));
        assert_eq!(shown(host, "ours"), shown(host, "theirs"), "{arguments}");
        for name in ["ours", "theirs"] {
            let link = rtnl.link(name).unwrap();
            let data = LinkData::Tap {
                owner: tap.owner,
                group: tap.group,
                multi_queue: tap.multi_queue,
                persistent: true,
            };
            assert_eq!(
                (link.data.clone(), link.is_up()),
                (data, false),
                "{arguments}"
            );
            rtnl.delete_link(name).unwrap();
        }
    }
}

#[test]
fn a_tap_device_is_what_ip_makes() {
    needs(&[Feature::Tap]).sandbox(alike);
}

#[test]
fn a_tap_device_is_what_ip_makes_in_debians_kernel() {
    needs(&[Feature::VirtualMachine]).sandbox(alike);
}

#[test]
fn a_tap_device_is_made_where_it_is_wanted() {
    needs(&[Feature::Tap]).sandbox(|host| {
        let container = host.netns("a");
        let netns = Netns::open(container.path()).unwrap();
        // A link of the same name on the host is no hindrance.
        NewTap::new("tap0").create().unwrap();
        NewTap::new("tap0").create_in(&netns).unwrap();
        let inside = Rtnl::open_in(&netns).unwrap();
        assert!(inside.link("tap0").unwrap().is_kind("tun"));
        let error = NewTap::new("tap0").create_in(&netns).unwrap_err();
        assert!(error.is_exists(), "{error}");
        assert!(
            error
                .to_string()
                .starts_with("cannot create tap device \"tap0\": "),
            "{error}"
        );
    });
}

#[test]
fn a_name_that_is_none_makes_no_device() {
    needs(&[Feature::Tap]).sandbox(|host| {
        let before = host.run("ip -brief link");
        for name in ["", "sixteen-and-more", "tap%d", "a b", "a/b", "tap\0"] {
            let error = NewTap::new(name).create().unwrap_err();
            assert_eq!(error.errno(), Some(libc::EINVAL), "{name:?}: {error}");
        }
        assert_eq!(host.run("ip -brief link"), before);
    });
}

/// Nothing stays of a device that could not be made as it was wanted.
#[test]
fn a_device_for_nobody_is_not_left_behind() {
    needs(&[Feature::Tap]).sandbox(|host| {
        // -1 is no user.
        let tap = NewTap {
            owner: Some(u32::MAX),
            ..NewTap::new("ours")
        };
        assert_eq!(tap.create().unwrap_err().errno(), Some(libc::EINVAL));
        assert!(!host.run("ip -brief link").contains("ours"));
    });
}

#[test]
fn a_context_without_selinux_is_told_from_one_that_is_wrong() {
    if selinux::is_enabled() {
        let error = selinux::with_exec_context("no:such:context:s0", || ()).unwrap_err();
        assert!(!error.is_unsupported(), "{error}");
        return;
    }
    let error = selinux::with_exec_context("system_u:system_r:container_t:s0", || ()).unwrap_err();
    assert!(error.is_unsupported(), "{error}");
    assert!(error.to_string().contains("container_t"), "{error}");
}
