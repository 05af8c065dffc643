//! Which routing tables are free, and claiming one while others do.

use std::time::Duration;

use linkspan_kernel::netns::Netns;
use linkspan_kernel::rtnl::{Change, Rtnl, Rule};
use linkspan_testkit::sandbox;

#[test]
fn a_free_table_is_one_that_nothing_uses() {
    sandbox(|host| {
        host.run("ip link add e0 type veth peer name e1; ip link set e0 up; ip link set e1 up");
        let rtnl = Rtnl::open().unwrap();
        assert_eq!(rtnl.free_table(100).unwrap(), 100);
        host.run("ip rule add from 10.1.0.2 table 100; ip -6 rule add from fd01::2 table 101");
        host.run(
            "ip route add 10.9.0.0/16 dev e0 table 102; ip -6 route add fd09::/64 dev e0 table 103",
        );
        assert_eq!(rtnl.free_table(100).unwrap(), 104);
        assert_eq!(rtnl.free_table(0).unwrap(), 1);
        // default, main and local
        assert_eq!(rtnl.free_table(253).unwrap(), 256);
        assert_eq!(rtnl.free_table(u32::MAX).unwrap(), u32::MAX);
        host.run(&format!("ip rule add from 10.1.0.2 table {}", u32::MAX));
        assert_eq!(
            rtnl.free_table(u32::MAX).unwrap_err().errno(),
            Some(libc::ENOSPC)
        );
    });
}

/// Containers of one pod are attached to several networks at once: each gets a table of its own.
#[test]
fn tables_claimed_at_once_differ() {
    sandbox(|host| {
        let inside = host.netns("a");
        inside.run("ip link add e0 type veth peer name e1; ip link set e0 up");
        let claim = |number: u8| {
            let netns = Netns::open(inside.path()).unwrap();
            let rtnl = Rtnl::open_in(&netns).unwrap();
            let lock = netns.lock(Duration::from_secs(20)).unwrap();
            let table = rtnl.free_table(100).unwrap();
            let source = format!("10.1.0.{number}/32").parse().unwrap();
            rtnl.change(Change::AddRule(Rule::from(source, table)))
                .unwrap();
            drop(lock);
            table
        };
        let mut tables = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|number| scope.spawn(move || claim(number)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect::<Vec<u32>>()
        });
        tables.sort_unstable();
        assert_eq!(tables, (100..116).collect::<Vec<u32>>());
    });
}

/// The reference's sbr plugin locks the namespace's file; so do we, and it is the same by every path.
#[test]
fn the_lock_of_a_namespace_is_that_of_its_file() {
    sandbox(|host| {
        let inside = host.netns("a");
        let netns = Netns::open(inside.path()).unwrap();
        let lock = netns.lock(Duration::ZERO).unwrap();
        let try_lock = "flock --nonblock /run/netns/a true";
        assert!(!host.host().try_run(try_lock).ok());
        // From inside it has another path.
        let by_process = inside.try_run("flock --nonblock /proc/self/ns/net true");
        assert!(!by_process.ok());
        let error = netns.lock(Duration::from_millis(10)).unwrap_err();
        assert_eq!(error.errno(), Some(libc::ETIMEDOUT), "{error}");
        drop(lock);
        host.run(try_lock);
        // The one that waited in vain lets go of what it got.
        drop(netns.lock(Duration::from_secs(20)).unwrap());

        let other = host.netns("b");
        let _lock = netns.lock(Duration::ZERO).unwrap();
        Netns::open(other.path())
            .unwrap()
            .lock(Duration::ZERO)
            .unwrap();
    });
}
