//! Namespaces and what belongs to one.

use std::fs;
use std::os::fd::AsFd;

use linkspan_kernel::netns::{Netns, OpenError};
use linkspan_kernel::rtnl::Rtnl;
use linkspan_kernel::sysctl;
use linkspan_testkit::sandbox;

#[test]
fn what_a_path_is_instead_of_a_namespace() {
    sandbox(|host| {
        let dir = host.dir();
        let at = |name: &str| dir.join(name).display().to_string();
        fs::write(at("file"), "").unwrap();
        host.run(&format!("mkfifo {}", at("pipe")));
        let cases = [
            (at("none"), "it does not exist"),
            (at("file/x"), "it does not exist"),
            (at("file"), "it is not a namespace"),
            (at(""), "it is not a namespace"),
            // A pipe is opened without waiting for a writer.
            (at("pipe"), "it is not a namespace"),
            (
                "/proc/self/ns/mnt".to_owned(),
                "it is a namespace, but not a network namespace",
            ),
            ("/proc/4194305/ns/net".to_owned(), "it does not exist"),
        ];
        for (path, why) in cases {
            let error = Netns::open(&path).unwrap_err();
            assert_eq!(error.to_string(), why, "{path}");
        }
        let endless = "/".to_owned() + &"x".repeat(300);
        assert!(matches!(Netns::open(endless), Err(OpenError::Io(_))));
    });
}

#[test]
fn a_namespace_is_the_same_by_whatever_path() {
    sandbox(|host| {
        let (a, b) = (host.netns("a"), host.netns("b"));
        let open = |path: &std::path::Path| Netns::open(path).unwrap();
        let (first, second, other) = (open(a.path()), open(a.path()), open(b.path()));
        assert!(first.same_as(&second) && !first.same_as(&other));
        assert_eq!(first.id(), second.id());
        let cookie = |netns: &Netns| netns.cookie().unwrap();
        assert_eq!(cookie(&first), cookie(&second));
        // Before Linux 5.14 there is none.
        assert!(cookie(&first).is_none() || cookie(&first) != cookie(&other));
        let current = Netns::current().unwrap();
        assert!(current.same_as(&open(host.host().path())));
        assert!(
            first
                .run(|| Netns::current().unwrap())
                .unwrap()
                .same_as(&first)
        );
        assert!(
            Netns::current().unwrap().same_as(&current),
            "this thread has stayed"
        );
    });
}

#[test]
fn a_namespace_lives_as_long_as_it_is_open() {
    sandbox(|host| {
        let a = host.netns("a");
        let netns = Netns::open(a.path()).unwrap();
        let rtnl = Rtnl::open_in(&netns).unwrap();
        a.run("ip link add br0 type bridge");
        a.delete();
        assert!(matches!(Netns::open(a.path()), Err(OpenError::Missing)));
        assert!(rtnl.link("br0").is_ok());
        assert!(
            netns
                .run(|| Rtnl::open().unwrap().link("br0").is_ok())
                .unwrap()
        );
        assert!(netns.as_fd().try_clone_to_owned().is_ok());
    });
}

#[test]
fn a_panic_inside_is_a_panic_outside() {
    sandbox(|host| {
        let netns = Netns::open(host.netns("a").path()).unwrap();
        let panicked = std::panic::catch_unwind(|| {
            netns.run(|| panic!("words of a panic inside")).unwrap();
        });
        let words = panicked.unwrap_err();
        assert_eq!(
            words.downcast_ref::<&str>(),
            Some(&"words of a panic inside")
        );
        let current = Netns::current().unwrap();
        assert!(!current.same_as(&netns), "this thread has come back");
    });
}

#[test]
fn parameters_are_those_of_the_namespace() {
    sandbox(|host| {
        let netns = Netns::open(host.netns("a").path()).unwrap();
        const FORWARD: &str = "net/ipv4/conf/all/forwarding";
        let before = sysctl::read(FORWARD).unwrap();
        let inside = netns.run(|| {
            sysctl::write(FORWARD, "1").unwrap();
            sysctl::read(FORWARD).unwrap()
        });
        assert_eq!(inside.unwrap(), "1");
        assert_eq!(sysctl::read(FORWARD).unwrap(), before);
        assert_eq!(
            host.run("ip netns exec a cat /proc/sys/net/ipv4/conf/all/forwarding"),
            "1"
        );
        let missing = sysctl::read("net/ipv4/conf/none/forwarding").unwrap_err();
        assert!(missing.is_not_found(), "{missing}");
        let invalid = sysctl::write(FORWARD, "word").unwrap_err();
        assert_eq!(
            invalid.to_string(),
            "cannot write \"word\" to the kernel parameter net/ipv4/conf/all/forwarding: Invalid argument (os error 22)"
        );
    });
}

#[test]
fn no_file_outside_the_parameters_is_written() {
    sandbox(|host| {
        let file = host.dir().join("file");
        fs::write(&file, "before").unwrap();
        let path = format!("net/../../..{}", file.display());
        assert_eq!(sysctl::read(&path).unwrap_err().errno(), Some(22));
        assert_eq!(sysctl::write(&path, "after").unwrap_err().errno(), Some(22));
        assert_eq!(fs::read_to_string(file).unwrap(), "before");
    });
}
