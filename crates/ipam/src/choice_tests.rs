//! The order of addresses, compared with a simple model.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use crate::choice::{Pool, reserve_next};
use crate::range::{RangeError, RangeSet, RangeSpec, Span};

/// A pool that tells nothing, so that every address is tried, or everything.
struct Model {
    last: Option<IpAddr>,
    held: BTreeSet<IpAddr>,
    tells: bool,
}

impl Pool for Model {
    type Error = Infallible;

    fn last_reserved(&mut self) -> Result<Option<IpAddr>, Infallible> {
        Ok(self.last)
    }

    fn first_free(&mut self, span: Span) -> Result<Option<IpAddr>, Infallible> {
        if !self.tells {
            return Ok(Some(span.first));
        }
        let mut rest = Some(span);
        while let Some(span) = rest {
            if !self.held.contains(&span.first) {
                return Ok(Some(span.first));
            }
            rest = span.after(span.first);
        }
        Ok(None)
    }

    fn reserve(&mut self, address: IpAddr) -> Result<bool, Infallible> {
        let free = self.held.insert(address);
        if free {
            self.last = Some(address);
        }
        Ok(free)
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn spec(subnet: &str, start: Option<&str>, end: Option<&str>, gateway: Option<&str>) -> RangeSpec {
    RangeSpec {
        subnet: Some(subnet.parse().unwrap()),
        start: start.map(ip),
        end: end.map(ip),
        gateway: gateway.map(ip),
    }
}

fn set(specs: &[RangeSpec]) -> RangeSet {
    RangeSet::new(specs.iter().copied()).unwrap()
}

fn addresses(spans: &[Span]) -> Vec<String> {
    let mut all = Vec::new();
    for span in spans {
        let mut rest = Some(*span);
        while let Some(span) = rest {
            all.push(span.first.to_string());
            rest = span.after(span.first);
        }
    }
    all
}

#[test]
fn the_search_goes_on_behind_the_last_address_and_comes_back_to_it() {
    let set = set(&[spec("10.0.0.0/29", None, None, None)]);
    let order = |last: Option<&str>| addresses(&set.order(last.map(ip))).join(" ");
    let all = "10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6";
    assert_eq!(order(None), all);
    assert_eq!(
        order(Some("10.0.0.4")),
        "10.0.0.5 10.0.0.6 10.0.0.2 10.0.0.3 10.0.0.4"
    );
    assert_eq!(order(Some("10.0.0.6")), all);
    assert_eq!(order(Some("10.0.0.1")), all, "behind the gateway");
    assert_eq!(order(Some("10.0.0.7")), all, "in no range");
    assert_eq!(order(Some("fd00::2")), all, "of another family");
    assert_eq!(set.size(), 5);
}

#[test]
fn the_ranges_of_a_set_follow_each_other_round_and_round() {
    let set = set(&[
        spec("10.0.0.0/24", Some("10.0.0.10"), Some("10.0.0.11"), None),
        spec("10.0.1.0/24", Some("10.0.1.1"), Some("10.0.1.2"), None),
        spec(
            "10.0.2.0/24",
            Some("10.0.2.8"),
            Some("10.0.2.9"),
            Some("10.0.2.8"),
        ),
    ]);
    assert_eq!(
        addresses(&set.order(Some(ip("10.0.0.10")))).join(" "),
        "10.0.0.11 10.0.1.2 10.0.2.9 10.0.0.10"
    );
    assert_eq!(
        addresses(&set.order(Some(ip("10.0.1.2")))).join(" "),
        "10.0.2.9 10.0.0.10 10.0.0.11 10.0.1.2"
    );
}

#[test]
fn the_ends_of_the_address_space_are_ends() {
    let v4 = set(&[spec(
        "255.255.255.252/30",
        None,
        Some("255.255.255.255"),
        None,
    )]);
    assert_eq!(
        addresses(&v4.order(Some(ip("255.255.255.255")))),
        ["255.255.255.254"]
    );
    let v6 = set(&[spec(
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126",
        None,
        None,
        None,
    )]);
    assert_eq!(
        v6.order(None).last().unwrap().last,
        ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
    );
    let all = set(&[spec("::/0", None, None, None)]);
    assert!(all.size() > 1 << 100);
}

#[test]
fn defaults_are_the_references() {
    for (subnet, first, last, gateway) in [
        ("10.22.0.0/16", "10.22.0.2", "10.22.255.254", "10.22.0.1"),
        ("192.0.2.4/30", "192.0.2.6", "192.0.2.6", "192.0.2.5"),
        (
            "fd00::/64",
            "fd00::2",
            "fd00::ffff:ffff:ffff:ffff",
            "fd00::1",
        ),
        ("fd00::/126", "fd00::2", "fd00::3", "fd00::1"),
    ] {
        let set = set(&[spec(subnet, None, None, None)]);
        let order = set.order(None);
        assert_eq!(order, [Span::new(ip(first), ip(last)).unwrap()], "{subnet}");
        assert_eq!(set.range_of(ip(first)).unwrap().gateway(), ip(gateway));
    }
}

#[test]
fn rules_are_kept() {
    let outside = spec("10.0.0.0/24", None, None, Some("169.254.1.1"));
    assert!(RangeSet::new([outside]).is_ok(), "an on-link gateway");
    for (specs, expected) in [
        (vec![], "empty range set"),
        (vec![RangeSpec::default()], "subnet is missing"),
        (vec![spec("10.0.0.0/31", None, None, None)], "too small"),
        (vec![spec("10.0.0.0/32", None, None, None)], "too small"),
        (vec![spec("fd00::/127", None, None, None)], "too small"),
        (
            vec![spec("10.0.0.1/24", None, None, None)],
            "host bits set. For a subnet mask of length 24 the network address is 10.0.0.0",
        ),
        (
            vec![spec("10.0.0.0/24", Some("10.0.1.0"), None, None)],
            "RangeStart 10.0.1.0 not in network 10.0.0.0/24",
        ),
        (
            vec![spec("10.0.0.0/24", None, Some("10.0.1.0"), None)],
            "RangeEnd 10.0.1.0 not in network 10.0.0.0/24",
        ),
        (
            vec![spec(
                "10.0.0.0/24",
                Some("10.0.0.9"),
                Some("10.0.0.5"),
                None,
            )],
            "RangeStart 10.0.0.9 not in network 10.0.0.0/24",
        ),
        (
            vec![spec("10.0.0.0/24", Some("fd00::1"), None, None)],
            "RangeStart fd00::1 not in network 10.0.0.0/24",
        ),
        (
            vec![spec("10.0.0.0/24", None, None, Some("fd00::1"))],
            "Gateway fd00::1 not in network 10.0.0.0/24",
        ),
        (
            vec![
                spec("10.0.0.0/24", None, None, None),
                spec("fd00::/64", None, None, None),
            ],
            "mixed address families",
        ),
        (
            vec![
                spec("10.0.0.0/24", None, None, None),
                spec("10.0.0.128/25", None, None, None),
            ],
            "subnets 10.0.0.1-10.0.0.254 and 10.0.0.129-10.0.0.254 overlap",
        ),
    ] {
        let error = RangeSet::new(specs).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let apart = [
        spec("10.0.0.0/24", Some("10.0.0.1"), Some("10.0.0.9"), None),
        spec("10.0.0.0/24", Some("10.0.0.10"), None, None),
    ];
    assert!(
        RangeSet::new(apart).is_ok(),
        "ranges of one subnet that do not overlap"
    );
    assert!(matches!(RangeSet::new([]), Err(RangeError::Empty)));
}

/// Each address of a set of small ranges in order, as one would write it down by hand.
fn by_hand(ranges: &[(u32, u32, u32)]) -> Vec<(IpAddr, bool)> {
    let address = |bits| IpAddr::from(Ipv4Addr::from_bits(bits));
    ranges
        .iter()
        .flat_map(|(first, last, gateway)| {
            (*first..=*last).map(move |bits| (bits, bits == *gateway))
        })
        .map(|(bits, is_gateway)| (address(bits), is_gateway))
        .collect()
}

prop_compose! {
    /// One to four ranges, each in a subnet of 16 addresses of its own, of which the first and the last are no host's.
    fn ranges()(parts in prop::collection::vec((1u32..15, 1u32..15, 0u32..16), 1..5)) -> Vec<(u32, u32, u32)> {
        parts.into_iter().enumerate().map(|(index, (a, b, gateway))| {
            let base = 0x0a00_0000 + index as u32 * 16;
            (base + a.min(b), base + a.max(b), base + gateway)
        }).collect()
    }
}

fn range_set(ranges: &[(u32, u32, u32)]) -> RangeSet {
    let address = |bits| IpAddr::from(Ipv4Addr::from_bits(bits));
    RangeSet::new(ranges.iter().map(|(first, last, gateway)| RangeSpec {
        subnet: Some(format!("{}/28", address(first & !15)).parse().unwrap()),
        start: Some(address(*first)),
        end: Some(address(*last)),
        gateway: Some(address(*gateway)),
    }))
    .unwrap()
}

proptest! {
    #[test]
    fn the_order_is_that_of_a_walk_by_hand(ranges in ranges(), start in 0usize..64) {
        let walk = by_hand(&ranges);
        let start = start % walk.len();
        let expected: Vec<String> = walk[start + 1..].iter().chain(&walk[..=start])
            .filter(|(_, is_gateway)| !is_gateway)
            .map(|(address, _)| address.to_string())
            .collect();
        let set = range_set(&ranges);
        let order = set.order(Some(walk[start].0));
        prop_assert_eq!(set.size(), expected.len() as u128);
        prop_assert_eq!(addresses(&order), expected);
    }

    #[test]
    fn no_address_is_given_twice_and_all_are_given(ranges in ranges(), tells: bool, releases in prop::collection::vec(0usize..64, 0..40)) {
        let set = range_set(&ranges);
        let mut pool = Model { last: None, held: BTreeSet::new(), tells };
        let mut releases = releases.into_iter();
        loop {
            let before = pool.held.clone();
            let Ok(Some(address)) = reserve_next(&set, &mut pool) else {
                prop_assert_eq!(before.len() as u128, set.size());
                break;
            };
            prop_assert!(!before.contains(&address));
            let range = set.range_of(address).unwrap();
            prop_assert!(range.gateway() != address);
            if let Some(nth) = releases.next() {
                let victim = pool.held.iter().nth(nth % pool.held.len()).copied();
                pool.held.remove(&victim.unwrap());
            }
        }
    }

    #[test]
    fn whatever_stands_in_a_configuration_nothing_panics(subnet in "[0-9a-f:.]{2,12}/[0-9]{1,3}", start in any::<u128>(), v4: bool) {
        let address: IpAddr = if v4 { Ipv4Addr::from_bits(start as u32).into() } else { std::net::Ipv6Addr::from_bits(start).into() };
        if let Ok(subnet) = subnet.parse() {
            let spec = RangeSpec { subnet: Some(subnet), start: Some(address), end: None, gateway: None };
            if let Ok(set) = RangeSet::new([spec]) {
                prop_assert!(set.order(Some(address)).len() <= 4);
            }
        }
    }
}

#[test]
fn the_addresses_that_mean_all_hosts_are_given_to_nobody() {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let set = |subnet: &str, start: &str, end: &str| {
        RangeSet::new([RangeSpec {
            subnet: Some(subnet.parse().unwrap()),
            start: Some(ip(start)),
            end: Some(ip(end)),
            gateway: None,
        }])
    };
    for (subnet, start, end, span, withheld) in [
        (
            "10.1.0.0/24",
            "10.1.0.0",
            "10.1.0.255",
            "10.1.0.1-10.1.0.254",
            &["10.1.0.0", "10.1.0.255"][..],
        ),
        (
            "10.1.0.0/24",
            "10.1.0.9",
            "10.1.0.255",
            "10.1.0.9-10.1.0.254",
            &["10.1.0.255"],
        ),
        (
            "10.1.0.0/23",
            "10.1.0.255",
            "10.1.1.0",
            "10.1.0.255-10.1.1.0",
            &[],
        ),
        ("fd00::/64", "fd00::", "fd00::f", "fd00::-fd00::f", &[]),
    ] {
        let set = set(subnet, start, end).unwrap();
        assert_eq!(set.to_string(), span);
        let found: Vec<IpAddr> = set.withheld().collect();
        let expected: Vec<IpAddr> = withheld.iter().map(|text| ip(text)).collect();
        assert_eq!(found, expected, "{subnet} {start}");
    }
    let alone = set("10.1.0.0/24", "10.1.0.255", "10.1.0.255");
    assert!(matches!(alone, Err(RangeError::Unusable(_))), "{alone:?}");
}
