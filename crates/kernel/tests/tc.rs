//! Traffic control: what is asked for is what `tc` shows, and what `tc` asks for is what is read.
#![expect(
    clippy::unwrap_used,
    reason = "tests: a failure is the test's; the lint's exception covers only test functions"
)]

use std::time::Duration;

use linkspan_kernel::rtnl::tc::{
    Filter, Handle, Htb, HtbClass, Match, Qdisc, QdiscKind, Target, Tbf,
};
use linkspan_kernel::rtnl::{Change, Kind, LinkChange, NewLink, Rtnl};
use linkspan_testkit::{Feature, Netns, Sandbox, needs, sandbox};

const MEGABIT: u64 = 1_000_000;

/// Two hosts' ends of cables and two ifbs: in each pair the first is for us, the second for `tc`.
fn links(host: &Sandbox) -> Rtnl {
    for end in ["ours", "theirs"] {
        host.run(&format!(
            "ip link add {end} type veth peer name p-{end}; ip link set {end} up"
        ));
        host.run(&format!(
            "ip link add ifb-{end} type ifb; ip link set ifb-{end} up"
        ));
    }
    Rtnl::open().unwrap()
}

fn index(rtnl: &Rtnl, name: &str) -> u32 {
    rtnl.link(name).unwrap().index
}

/// What `tc` shows of our link and of its own, with the one's names for the other's.
#[track_caller]
fn assert_alike(host: &Netns, what: &str) {
    let show = |end: &str| {
        let text = host.run(&what.replace("LINK", end));
        // Numbers of actions are given one after another in the whole namespace.
        let lines = text.lines().map(|line| match line.split_once("index ") {
            Some((before, after)) => {
                format!("{before}{}", after.trim_start_matches(char::is_numeric))
            }
            None => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n").replace(end, "LINK")
    };
    let (ours, theirs) = (show("ours"), show("theirs"));
    assert!(!ours.is_empty(), "`{what}` shows nothing");
    assert_eq!(ours, theirs, "{what}");
}

#[test]
fn a_token_bucket_is_what_tc_makes() {
    sandbox(|host| {
        let rtnl = links(host);
        let ours = index(&rtnl, "ours");
        // The rate, as bits and for tc, and the burst in bytes, with corners of what fits 32 bits.
        let cases = [
            (10 * MEGABIT, "10mbit", 20_480),
            (999_999, "999999bit", 1_600),
            (8, "8bit", 1),
            (40_000 * MEGABIT, "40gbit", 100_000_000),
            (8 * u64::from(u32::MAX), "4294967295bps", 4_000_000_000),
        ];
        for (rate, text, burst) in cases {
            let tbf = Tbf::with_latency(rate, burst, Duration::from_millis(25));
            let wanted = Qdisc::root(QdiscKind::Tbf(tbf));
            rtnl.change(Change::AddQdisc(ours, wanted.clone())).unwrap();
            let arguments = format!(
                "handle 1: tbf rate {text} burst {burst} limit {}",
                tbf.limit
            );
            host.run(&format!("tc qdisc add dev theirs root {arguments}"));
            assert_alike(host.host(), "tc -raw qdisc show dev LINK");
            assert_alike(host.host(), "tc -json qdisc show dev LINK");
            for end in [ours, index(&rtnl, "theirs")] {
                let found = rtnl.qdisc(end, Handle::ROOT).unwrap().unwrap();
                assert_eq!((found.handle, found.parent), (wanted.handle, wanted.parent));
                let QdiscKind::Tbf(found) = found.kind else {
                    panic!("{found:?}")
                };
                assert!(tbf.agrees_with(&found), "{tbf:?} and {found:?}");
                let slower = Tbf {
                    rate: rate + 8,
                    ..tbf
                };
                let longer = Tbf {
                    limit: tbf.limit - 1,
                    ..tbf
                };
                assert!(!slower.agrees_with(&found) && !longer.agrees_with(&found));
                rtnl.change(Change::DeleteQdisc(end, Handle::ROOT)).unwrap();
            }
        }
    });
}

#[test]
fn latency_becomes_a_limit_as_tc_computes_it() {
    sandbox(|host| {
        let rtnl = links(host);
        let tbf = Tbf::with_latency(10 * MEGABIT, 20_480, Duration::from_millis(25));
        assert_eq!(tbf.limit, 1_250_000 / 40 + 20_480);
        host.run("tc qdisc add dev theirs root tbf rate 10mbit burst 20kb latency 25ms");
        let found = rtnl
            .qdisc(index(&rtnl, "theirs"), Handle::ROOT)
            .unwrap()
            .unwrap();
        assert_eq!(found.kind, QdiscKind::Tbf(tbf));
        let endless = Tbf::with_latency(u64::MAX, u32::MAX, Duration::MAX);
        assert_eq!(endless.limit, u32::MAX);
    });
}

#[test]
fn a_burst_of_whole_microseconds_is_rounded_down() {
    sandbox(|host| {
        let rtnl = links(host);
        let ours = index(&rtnl, "ours");
        // 25000 bytes take 13333.3 us, which are 208328.1 ticks.
        let tbf = Tbf {
            whole_microseconds: true,
            ..Tbf::with_latency(15 * MEGABIT, 25_000, Duration::from_millis(25))
        };
        rtnl.change(Change::AddQdisc(ours, Qdisc::root(QdiscKind::Tbf(tbf))))
            .unwrap();
        let shown = host.run("tc -raw qdisc show dev ours root");
        assert!(shown.contains("[00032dc8]"), "{shown}");
        let found = rtnl.qdisc(ours, Handle::ROOT).unwrap().unwrap();
        assert!(matches!(found.kind, QdiscKind::Tbf(found) if tbf.agrees_with(&found)));
    });
}

#[test]
fn a_burst_without_limit_is_recognised() {
    sandbox(|host| {
        let rtnl = links(host);
        let ours = index(&rtnl, "ours");
        // 2^31 - 1 bits, as runtimes give it; at this rate it takes longer than the kernel can tell.
        let tbf = Tbf::with_latency(MEGABIT, 268_435_455, Duration::from_millis(25));
        let qdisc = Qdisc::root(QdiscKind::Tbf(tbf));
        rtnl.change(Change::AddQdisc(ours, qdisc)).unwrap();
        let found = rtnl.qdisc(ours, Handle::ROOT).unwrap().unwrap();
        let QdiscKind::Tbf(found) = found.kind else {
            panic!("{found:?}")
        };
        assert!(tbf.agrees_with(&found), "{tbf:?} and {found:?}");

        let ifb = index(&rtnl, "ifb-ours");
        let class = HtbClass::new(Handle::new(1, 1), tbf.rate, tbf.burst);
        let htb = Qdisc::root(QdiscKind::Htb(Htb { default_class: 1 }));
        rtnl.change(Change::AddQdisc(ifb, htb)).unwrap();
        rtnl.change(Change::AddHtbClass(ifb, class)).unwrap();
        let found = rtnl.htb_classes(ifb).unwrap();
        assert!(class.agrees_with(&found[0]), "{class:?} and {found:?}");
        assert!(!class.agrees_with(&HtbClass {
            burst: 1500,
            ..found[0]
        }));
    });
}

/// The tree that both make: two classes, one of which takes what no filter does.
fn tree() -> (Qdisc, [HtbClass; 2]) {
    let qdisc = Qdisc::root(QdiscKind::Htb(Htb {
        default_class: 0x30,
    }));
    let shaped = HtbClass {
        ceil: 20 * MEGABIT,
        // 8 ms to the microsecond, which tc rounds to.
        cburst: 20_000,
        ..HtbClass::new(Handle::new(1, 0x30), 10 * MEGABIT, 15_360)
    };
    let unshaped = HtbClass {
        priority: 3,
        quantum: Some(60_000),
        ..HtbClass::new(Handle::new(1, 1), 100_000 * MEGABIT, 4_000_000_000)
    };
    (qdisc, [unshaped, shaped])
}

#[test]
fn a_tree_of_classes_is_what_tc_makes() {
    sandbox(|host| {
        let rtnl = links(host);
        let ours = index(&rtnl, "ifb-ours");
        let (qdisc, classes) = tree();
        let mut changes = vec![Change::AddQdisc(ours, qdisc.clone())];
        changes.extend(classes.map(|class| Change::AddHtbClass(ours, class)));
        for outcome in rtnl.commit(&changes).unwrap() {
            outcome.unwrap();
        }
        host.run("tc qdisc add dev ifb-theirs root handle 1: htb default 30");
        let class = "tc class add dev ifb-theirs parent 1: classid";
        host.run(&format!(
            "{class} 1:1 htb rate 100gbit burst 4000000000 cburst 4000000000 prio 3 quantum 60000"
        ));
        host.run(&format!(
            "{class} 1:30 htb rate 10mbit ceil 20mbit burst 15k cburst 20000"
        ));
        assert_alike(host.host(), "tc -raw qdisc show dev ifb-LINK");
        assert_alike(host.host(), "tc -raw -details class show dev ifb-LINK");
        for end in [ours, index(&rtnl, "ifb-theirs")] {
            assert_eq!(rtnl.qdisc(end, Handle::ROOT).unwrap(), Some(qdisc.clone()));
            let mut found = rtnl.htb_classes(end).unwrap();
            found.sort_by_key(|class| class.handle);
            assert_eq!(found.len(), 2, "{found:?}");
            for (wanted, found) in classes.iter().zip(&found) {
                assert!(wanted.agrees_with(found), "{wanted:?} and {found:?}");
            }
            assert!(!classes[0].agrees_with(&HtbClass {
                ceil: MEGABIT,
                ..found[0]
            }));
        }
        rtnl.change(Change::DeleteHtbClass(ours, classes[0].handle))
            .unwrap();
        assert_eq!(rtnl.htb_classes(ours).unwrap().len(), 1);
    });
}

#[test]
fn a_queue_with_a_limit_is_what_tc_makes() {
    sandbox(|host| {
        let rtnl = links(host);
        let ours = index(&rtnl, "ours");
        let (root, classes) = tree();
        rtnl.change(Change::AddQdisc(ours, root)).unwrap();
        rtnl.change(Change::AddHtbClass(ours, classes[0])).unwrap();
        let queue = Qdisc {
            handle: Handle::new(0x30, 0),
            parent: classes[0].handle,
            kind: QdiscKind::Bfifo(131_072),
        };
        rtnl.change(Change::AddQdisc(ours, queue.clone())).unwrap();
        let (parent, class) = (classes[0].parent, classes[0].handle);
        host.run("tc qdisc add dev theirs root handle 1: htb");
        host.run(&format!(
            "tc class add dev theirs parent {parent} classid {class} htb rate 8mbit"
        ));
        host.run(&format!(
            "tc qdisc add dev theirs parent {class} handle 30: bfifo limit 131072"
        ));
        assert_alike(host.host(), "tc qdisc show dev LINK | grep bfifo");
        for end in [ours, index(&rtnl, "theirs")] {
            assert_eq!(rtnl.qdisc(end, queue.parent).unwrap(), Some(queue.clone()));
        }
    });
}

#[test]
fn filters_into_classes_are_what_tc_makes() {
    sandbox(|host| {
        let rtnl = links(host);
        let ours = index(&rtnl, "ifb-ours");
        host.run("for i in ours theirs; do tc qdisc add dev ifb-$i root handle 1: htb; done");
        let target = Target::Class(Handle::new(1, 0x30));
        // What ours takes, and how tc is told so. A prefix of 0 takes all packets of its protocol.
        let cases = [
            (
                Match::Destination("10.1.0.0/16".parse().unwrap()),
                "ip u32 match ip dst 10.1.0.0/16",
            ),
            (
                Match::Source("192.0.2.7/32".parse().unwrap()),
                "ip u32 match ip src 192.0.2.7/32",
            ),
            (
                Match::Source("fd00:1::/50".parse().unwrap()),
                "ipv6 u32 match ip6 src fd00:1::/50",
            ),
            (
                Match::Destination("fd00::1/128".parse().unwrap()),
                "ipv6 u32 match ip6 dst fd00::1/128",
            ),
            (Match::All, "all u32 match u32 0 0"),
        ];
        let filters =
            cases.map(|(matches, text)| (matches, format!("protocol {text} classid 1:30")));
        for (priority, (matches, text)) in (1u16..).zip(&filters) {
            let filter = Filter {
                parent: Handle::new(1, 0),
                priority,
                matches: *matches,
                target,
            };
            rtnl.change(Change::AddFilter(ours, filter)).unwrap();
            host.run(&format!(
                "tc filter add dev ifb-theirs parent 1: pref {priority} {text}"
            ));
            for end in [ours, index(&rtnl, "ifb-theirs")] {
                assert_eq!(
                    rtnl.filters(end, Handle::new(1, 0)).unwrap().last(),
                    Some(&filter)
                );
            }
        }
        assert_alike(host.host(), "tc -details filter show dev ifb-LINK");
        rtnl.change(Change::DeleteFilters(ours, Handle::new(1, 0), 2))
            .unwrap();
        assert_eq!(
            rtnl.filters(ours, Handle::new(1, 0)).unwrap().len(),
            cases.len() - 1
        );
    });
}

#[test]
fn a_prefix_of_nothing_is_read_back() {
    sandbox(|host| {
        let rtnl = links(host);
        let ours = index(&rtnl, "ifb-ours");
        host.run("tc qdisc add dev ifb-ours root handle 1: htb");
        for (priority, net) in [(1, "0.0.0.0/0"), (2, "::/0")] {
            for matches in [Match::Source, Match::Destination] {
                let matches = matches(net.parse().unwrap());
                let target = Target::Class(Handle::new(1, 1));
                let filter = Filter {
                    parent: Handle::new(1, 0),
                    priority,
                    matches,
                    target,
                };
                rtnl.change(Change::AddFilter(ours, filter)).unwrap();
                let found = rtnl.filters(ours, Handle::new(1, 0)).unwrap();
                assert!(found.contains(&filter), "{found:?}");
            }
        }
    });
}

#[test]
fn a_redirection_is_what_tc_makes() {
    sandbox(|host| {
        let rtnl = links(host);
        let (ours, ifb) = (index(&rtnl, "ours"), index(&rtnl, "ifb-ours"));
        for (qdisc, name) in [(Qdisc::ingress(), "ingress"), (Qdisc::clsact(), "clsact")] {
            let filter = Filter {
                parent: Handle::INGRESS_FILTERS,
                priority: 1,
                matches: Match::All,
                target: Target::Redirect(ifb),
            };
            let changes = [
                Change::AddQdisc(ours, qdisc.clone()),
                Change::AddFilter(ours, filter),
            ];
            for outcome in rtnl.commit(&changes).unwrap() {
                outcome.unwrap();
            }
            host.run(&format!("tc qdisc add dev theirs {name}"));
            let action = "action mirred egress redirect dev ifb-theirs";
            host.run(&format!(
                "tc filter add dev theirs ingress protocol all pref 1 u32 match u32 0 0 {action}"
            ));
            assert_alike(host.host(), "tc -raw qdisc show dev LINK");
            assert_alike(host.host(), "tc -details filter show dev LINK ingress");
            assert_eq!(rtnl.qdisc(ours, Handle::INGRESS).unwrap(), Some(qdisc));
            for (end, ifb) in [("ours", "ifb-ours"), ("theirs", "ifb-theirs")] {
                let found = rtnl
                    .filters(index(&rtnl, end), Handle::INGRESS_FILTERS)
                    .unwrap();
                let [found] = found.as_slice() else {
                    panic!("{found:?}")
                };
                assert_eq!(found.target, Target::Redirect(index(&rtnl, ifb)));
                assert_eq!((found.matches, found.priority), (Match::All, 1));
                rtnl.change(Change::DeleteQdisc(index(&rtnl, end), Handle::INGRESS))
                    .unwrap();
                assert_eq!(
                    rtnl.qdisc(index(&rtnl, end), Handle::INGRESS).unwrap(),
                    None
                );
            }
        }
    });
}

/// What another program made in its own ways is there, or is not read; nothing fails over it.
#[test]
fn what_others_made_is_read_as_far_as_it_is_known() {
    sandbox(|host| {
        let rtnl = links(host);
        let (theirs, ifb) = (index(&rtnl, "theirs"), index(&rtnl, "ifb-theirs"));
        // Below ffff: and with a class as well, as the reference's bandwidth plugin does.
        host.run("tc qdisc add dev theirs ingress");
        host.run("tc filter add dev theirs parent ffff: protocol all pref 1 u32 match u32 0 0 flowid 1:1 \
                  action mirred egress redirect dev ifb-theirs");
        host.run("tc filter add dev theirs parent ffff: protocol ip pref 2 u32 match ip dport 80 0xffff flowid 1:1");
        let found = rtnl.filters(theirs, Handle::INGRESS_FILTERS).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].target, Target::Redirect(ifb));
        host.run("tc qdisc add dev theirs root handle 7: pfifo");
        let root = rtnl.qdisc(theirs, Handle::ROOT).unwrap().unwrap();
        assert_eq!(
            (root.handle, root.kind),
            (Handle::new(7, 0), QdiscKind::Other("pfifo".into()))
        );
        assert_eq!(rtnl.htb_classes(theirs).unwrap(), []);
    });
}

#[test]
fn what_is_missing_is_told_from_what_fails() {
    sandbox(|host| {
        let rtnl = links(host);
        let ours = index(&rtnl, "ours");
        let tbf = QdiscKind::Tbf(Tbf {
            rate: MEGABIT,
            burst: 10_000,
            limit: 10_000,
            whole_microseconds: false,
        });
        let add = Change::AddQdisc(ours, Qdisc::root(tbf));
        rtnl.change(add.clone()).unwrap();
        assert!(rtnl.change(add.clone()).unwrap_err().is_exists());
        rtnl.change(Change::DeleteQdisc(ours, Handle::ROOT))
            .unwrap();

        let gone = [
            Change::DeleteQdisc(ours, Handle::ROOT),
            Change::DeleteQdisc(ours, Handle::INGRESS),
            Change::DeleteQdisc(9999, Handle::ROOT),
            Change::DeleteFilters(ours, Handle::INGRESS_FILTERS, 1),
            Change::DeleteFilters(9999, Handle::INGRESS_FILTERS, 1),
        ];
        for (change, outcome) in gone.iter().zip(rtnl.commit(&gone).unwrap()) {
            let error = outcome.unwrap_err();
            assert!(error.is_not_found(), "{change:?}: {error}");
        }
        assert!(rtnl.qdisc(9999, Handle::ROOT).unwrap_err().is_not_found());
        assert_eq!(rtnl.filters(ours, Handle::INGRESS_FILTERS).unwrap(), []);
        host.run("tc qdisc add dev ours ingress");
        let error = rtnl.change(gone[3].clone()).unwrap_err();
        assert!(error.is_not_found(), "{error}");

        let unknown = Qdisc::root(QdiscKind::Other("nosuchkind".into()));
        let error = rtnl.change(Change::AddQdisc(ours, unknown)).unwrap_err();
        assert!(error.is_unsupported(), "{error}");
        assert!(
            error
                .to_string()
                .starts_with("cannot add qdisc nosuchkind 1: to link"),
            "{error}"
        );
    });
}

/// What a container sends is shaped on an ifb by a tree, with one subnet left out: the whole of it, with traffic.
fn shape(host: &Sandbox) {
    let a = host.netns("a");
    host.host().connect("a0", &a, "eth0");
    host.host().address("a0", "10.1.0.1/24");
    host.host().address("a0", "10.2.0.1/24");
    a.address("eth0", "10.1.0.2/24");
    a.run("ip route add 10.2.0.0/24 dev eth0");
    let rtnl = Rtnl::open().unwrap();
    let ifb = NewLink {
        up: true,
        ..NewLink::new("bwp0", Kind::Ifb)
    };
    let ifb = rtnl.create_link(&ifb).unwrap().index;
    let link = index(&rtnl, "a0");
    let (qdisc, classes) = tree();
    let [unshaped, shaped] = classes.map(|class| class.handle);
    let changes = [
        Change::AddQdisc(ifb, qdisc),
        Change::AddHtbClass(ifb, classes[0]),
        Change::AddHtbClass(ifb, classes[1]),
        Change::AddFilter(
            ifb,
            Filter {
                parent: Handle::new(1, 0),
                priority: 1,
                matches: Match::Destination("10.2.0.0/24".parse().unwrap()),
                target: Target::Class(unshaped),
            },
        ),
        Change::AddQdisc(link, Qdisc::ingress()),
        Change::AddFilter(
            link,
            Filter {
                parent: Handle::INGRESS_FILTERS,
                priority: 1,
                matches: Match::All,
                target: Target::Redirect(ifb),
            },
        ),
        Change::SetLink(link, LinkChange::up()),
    ];
    for (change, outcome) in changes.iter().zip(rtnl.commit(&changes).unwrap()) {
        outcome.unwrap_or_else(|error| panic!("{change:?}: {error}"));
    }
    a.ping("10.1.0.1");
    // "class htb 1:30 root ...", then " Sent 316 bytes 4 pkt ..."; tc has no JSON for classes.
    let sent = |class: Handle| {
        let text = host.run(&format!("tc -stats class show dev bwp0 classid {class}"));
        let words: Vec<&str> = text.split_whitespace().collect();
        let position = words.iter().position(|word| *word == "pkt").unwrap();
        words[position - 1].parse::<u64>().unwrap()
    };
    let before = sent(unshaped);
    assert!(sent(shaped) > 0 && before == 0);
    a.ping("10.2.0.1");
    assert!(sent(unshaped) > before);
}

#[test]
fn what_a_container_sends_is_shaped_on_an_ifb() {
    sandbox(shape);
}

/// The same with Debian's kernel, which is older and has all as modules.
#[test]
fn what_a_container_sends_is_shaped_by_debians_kernel() {
    needs(&[Feature::VirtualMachine]).sandbox(shape);
}
