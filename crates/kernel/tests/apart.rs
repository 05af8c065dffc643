//! A process that leaves the machine's namespaces, and what it does there.
#![forbid(unsafe_code)]

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use linkspan_kernel::echo::{Listener, ping};
use linkspan_kernel::netns::Netns;
use linkspan_kernel::sandbox::Sandbox;
use linkspan_testkit::sandbox;

const SECOND: Duration = Duration::from_secs(1);

/// A sandbox in the sandbox; it is for the calling thread only, since a test has several.
#[test]
fn private_directories_cover_those_of_the_machine() {
    sandbox(|host| {
        let outer = host.dir();
        fs::create_dir(outer.join("there")).unwrap();
        fs::write(outer.join("there/file"), "of the machine").unwrap();
        let before = Netns::current().unwrap();
        let apart = Sandbox::enter().unwrap();
        assert!(!apart.has_user_namespace());
        assert!(!Netns::current().unwrap().same_as(&before));
        assert_eq!(fs::read_dir("/sys/class/net").unwrap().count(), 1);

        let there = outer.join("there");
        apart.empty(&there).unwrap();
        assert_eq!(fs::read_dir(&there).unwrap().count(), 0);

        let missing = outer.join("missing/two/deep");
        fs::write(outer.join("beside"), "is still read").unwrap();
        apart.empty(&missing).unwrap();
        fs::write(missing.join("file"), "private").unwrap();
        let beside = fs::read_to_string(outer.join("beside")).unwrap();
        assert_eq!(beside, "is still read");

        let shown = outer.join("missing");
        apart.show(&shown, &there).unwrap();
        assert!(there.join("two/deep/file").is_file());
        assert!(apart.empty(Path::new("/no/such")).is_err());
        // The thread that made them is the only one that sees them.
        let outside = fs::read_to_string(format!("/proc/{}/mounts", std::process::id())).unwrap();
        assert!(!outside.contains(shown.to_str().unwrap()), "{outside}");
    });
}

#[test]
fn a_new_namespace_has_its_path() {
    sandbox(|_| {
        let made = Netns::create("/run/netns/a").unwrap();
        assert!(made.same_as(&Netns::open("/run/netns/a").unwrap()));
        assert!(!made.same_as(&Netns::current().unwrap()));
        let error = Netns::create("/run/netns/a").unwrap_err();
        assert!(error.is_exists(), "{error}");
        Netns::create("/no/such/dir/a").unwrap_err();
    });
}

#[test]
fn an_answer_and_its_source() {
    sandbox(|host| {
        let (here, there) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
        let a = host.netns("a");
        host.host().connect("e0", &a, "e0");
        host.host().address("e0", &format!("{here}/24"));
        a.address("e0", &format!("{there}/24"));
        let netns = Netns::open(a.path()).unwrap();
        let listener = netns.run(Listener::open).unwrap().unwrap();
        let elapsed = ping(there, *b"token  1", SECOND).unwrap();
        assert!(elapsed < SECOND);
        assert_eq!(listener.source(*b"token  1", SECOND).unwrap(), here);

        let short = Duration::from_millis(50);
        let error = listener.source(*b"token  2", short).unwrap_err();
        assert_eq!(error.errno(), Some(libc::ETIMEDOUT), "{error}");
        a.run("ip link set e0 down");
        let error = ping(there, *b"token  3", short).unwrap_err();
        assert_eq!(error.errno(), Some(libc::ETIMEDOUT), "{error}");
        let error = ping(Ipv4Addr::new(203, 0, 113, 1), *b"token  4", SECOND).unwrap_err();
        assert_eq!(error.errno(), Some(libc::ENETUNREACH), "{error}");
    });
}
