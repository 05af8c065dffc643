//! Addresses.

use std::ops::Range;
use std::thread;

use ipnet::IpNet;
use linkspan_kernel::rtnl::{Address, Change};
use linkspan_testkit::sandbox;

use super::{cable, host_socket};

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

#[test]
fn addresses_are_added_listed_and_removed() {
    sandbox(|host| {
        let rtnl = host_socket();
        let (link, other) = cable(&rtnl);
        let wanted = ["10.1.0.2/16", "10.1.0.3/31", "10.2.0.1/32", "fd00:1::2/64"].map(net);
        let changes = wanted.map(|net| Change::AddAddress(link.index, Address::new(net)));
        for outcome in rtnl.commit(&changes).unwrap() {
            outcome.unwrap();
        }
        rtnl.change(Change::AddAddress(
            other.index,
            Address::new(net("10.9.0.1/24")),
        ))
        .unwrap();

        let mut found = rtnl.addresses(link.index).unwrap();
        found.retain(|address| address.scope == 0);
        assert_eq!(
            found.iter().map(|address| address.net).collect::<Vec<_>>(),
            wanted
        );
        let shown = host.host().ip_json("address show dev a0");
        let broadcasts: Vec<_> = shown[0]["addr_info"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["broadcast"].as_str())
            .collect();
        assert_eq!(broadcasts[..3], [Some("10.1.255.255"), None, None]);

        let again = rtnl.change(changes[0].clone()).unwrap_err();
        assert!(again.is_exists(), "{again}");
        let remove = Change::DeleteAddress(link.index, Address::new(wanted[0]));
        rtnl.change(remove.clone()).unwrap();
        let error = rtnl.change(remove).unwrap_err();
        assert!(error.is_not_found(), "{error}");
        let text = error.to_string();
        assert!(
            text.starts_with(&format!(
                "cannot delete address 10.1.0.2/16 from link {}: ",
                link.index
            )),
            "{text}"
        );
    });
}

#[test]
fn an_address_is_usable_at_once_unless_detection_is_asked_for() {
    sandbox(|_| {
        let rtnl = host_socket();
        let (link, _) = cable(&rtnl);
        let (at_once, detected) = (
            Address::new(net("fd00::1/64")),
            Address::new(net("fd00::2/64")).with_dad(),
        );
        let changes = [at_once, detected].map(|address| Change::AddAddress(link.index, address));
        for outcome in rtnl.commit(&changes).unwrap() {
            outcome.unwrap();
        }
        let found = rtnl.addresses(link.index).unwrap();
        let flags = |text: &str| found.iter().find(|one| one.net == net(text)).unwrap().flags;
        assert_eq!(flags("fd00::1/64") & Address::TENTATIVE, 0);
        assert_ne!(flags("fd00::1/64") & Address::NO_DAD, 0);
        assert_ne!(flags("fd00::2/64") & Address::TENTATIVE, 0);
    });
}

#[test]
fn a_link_without_ipv6_says_so() {
    sandbox(|host| {
        let rtnl = host_socket();
        let (link, _) = cable(&rtnl);
        host.run("echo 1 >/proc/sys/net/ipv6/conf/a0/disable_ipv6");
        let add = Change::AddAddress(link.index, Address::new(net("fd00::1/64")));
        let error = rtnl.change(add).unwrap_err();
        assert_eq!(error.errno(), Some(13), "{error}");
        assert_eq!(rtnl.addresses(link.index).unwrap(), []);
    });
}

#[test]
fn a_list_is_whole_although_others_change_it() {
    sandbox(|_| {
        let rtnl = host_socket();
        let (link, _) = cable(&rtnl);
        let change = |verb: fn(u32, Address) -> Change, range: Range<u32>, subnet: &str| {
            let nets = range.map(|n| net(&format!("{subnet}.{}.{}/32", n / 250, n % 250)));
            let changes: Vec<Change> = nets
                .map(|net| verb(link.index, Address::new(net)))
                .collect();
            for outcome in host_socket().commit(&changes).unwrap() {
                outcome.unwrap();
            }
        };
        // What is removed stands before what stays, so that all of that moves up.
        change(Change::AddAddress, 0..500, "10.8");
        change(Change::AddAddress, 0..1500, "10.9");
        let is_to_stay = |address: &&Address| net("10.9.0.0/16").contains(&address.net);
        thread::scope(|scope| {
            let removal = scope.spawn(|| change(Change::DeleteAddress, 0..500, "10.8"));
            while !removal.is_finished() {
                let found = rtnl.addresses(link.index).unwrap();
                assert_eq!(found.iter().filter(is_to_stay).count(), 1500);
            }
        });
    });
}
