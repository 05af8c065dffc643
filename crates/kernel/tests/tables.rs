//! Which routing tables are free, and claiming one while others do.

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
        let one_at_a_time = std::sync::Mutex::new(());
        let claim = |number: u8| {
            let netns = Netns::open(inside.path()).unwrap();
            let rtnl = Rtnl::open_in(&netns).unwrap();
            let lock = one_at_a_time.lock().unwrap();
            let table = rtnl.free_table(100).unwrap();
            let source = format!("10.1.0.{number}/32").parse().unwrap();
            rtnl.change(Change::AddRule(Rule::from(source, table)))
                .unwrap();
            drop(lock);
            table
        };
        let mut tables = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|number| {
                    scope.spawn({
                        let claim = &claim;
                        move || claim(number)
                    })
                })
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
