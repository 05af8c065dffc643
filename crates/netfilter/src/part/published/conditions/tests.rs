use linkspan_nft::Batch;

use super::*;
use crate::inet::{IPV4, IPV6};

fn parse(arguments: &[&str]) -> Result<Conditions, NotUnderstood> {
    let arguments: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
    Conditions::parse(&arguments)
}

/// The instructions of all rules: two lists of conditions that come to the same have the same.
fn rules(arguments: &[&str]) -> Vec<Rule> {
    let conditions = parse(arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
    conditions.rules(&IPV4, "x")
}

#[test]
fn both_languages_say_the_same() {
    for (iptables, nft) in [
        (&["-s", "192.0.2.0/24"][..], "ip saddr 192.0.2.0/24"),
        (&["!", "-s", "1.2.3.4"], "ip saddr != 1.2.3.4"),
        (&["--src=1.2.3.4"], "ip saddr == 1.2.3.4"),
        (&["-d", "192.0.2.0/255.255.255.0"], "ip daddr 192.0.2.0/24"),
        (&["-s", "1.1.1.1,2.2.2.2"], "ip saddr { 1.1.1.1, 2.2.2.2 }"),
        (&["-i", "eth0"], "iifname eth0"),
        (&["!", "-i", "eth+"], "meta iifname != \"eth*\""),
        (&["-o", "br0"], "oifname br0"),
        (
            &["-p", "tcp", "--sport", "1024:2048"],
            "tcp sport 1024-2048",
        ),
        (
            &["-p", "udp", "-m", "multiport", "!", "--dports", "53,67:68"],
            "udp dport != {53,67-68}",
        ),
        (&["-m", "mark", "--mark", "0x10"], "meta mark 16"),
        (
            &["-m", "addrtype", "!", "--src-type", "LOCAL"],
            "fib saddr type != local",
        ),
        (
            &["-m", "mac", "--mac-source", "02:00:00:00:00:01"],
            "ether saddr 02:00:00:00:00:01",
        ),
        (
            &["-m", "comment", "--comment", "-s 1.2.3.4", "-i", "eth0"],
            "iifname eth0",
        ),
        (
            &["-i", "eth0", "!", "-s", "10.0.0.0/8", "-d", "192.0.2.1"],
            "iifname eth0 ip saddr != 10.0.0.0/8 ip daddr 192.0.2.1",
        ),
    ] {
        let words: Vec<&str> = nft.split(' ').collect();
        assert_eq!(rules(iptables), rules(&[nft]), "{iptables:?} and {nft}");
        assert_eq!(rules(&[nft]), rules(&words), "{nft} in pieces");
    }
}

#[test]
fn no_condition_is_one_rule_without_any() {
    for none in [
        &[][..],
        &[""],
        &["-p", "all"],
        &["-m", "comment", "--comment", "x"],
    ] {
        assert_eq!(rules(none), [IPV4.rule("x")], "{none:?}");
    }
}

#[test]
fn lists_become_rules_for_each_combination_up_to_a_limit() {
    assert_eq!(
        rules(&["-s", "1.1.1.1,2.2.2.2", "-d", "3.3.3.3,4.4.4.4"]).len(),
        4
    );
    assert_eq!(
        rules(&["-p", "tcp", "-m", "multiport", "!", "--sports", "1,2,3"]).len(),
        1
    );
    let many = ["1.1.1.1"; 9].join(",");
    let too_many = parse(&["-s", &many, "-d", &many]);
    assert_eq!(too_many, Err(NotUnderstood::TooMany));
}

#[test]
fn what_is_not_understood_is_quoted() {
    let message = |arguments: &[&str]| parse(arguments).unwrap_err().to_string();
    for (arguments, quoted) in [
        (&["-m", "recent", "--rcheck"][..], "\"-m recent\""),
        (
            &["-i", "eth0", "-m", "set", "--match-set", "x", "src"],
            "\"-m set\"",
        ),
        (&["--uid-owner", "0"], "\"--uid-owner\""),
        (&["-s", "1.2.3.4 -d 2.3.4.5"], "\"1.2.3.4 -d 2.3.4.5\""),
        (&["-s 1.2.3.4"], "\"-s 1.2.3.4\""),
        (&["-s"], "\"-s\" needs a value"),
        (
            &["-p", "tcp", "--dport", "70000"],
            "\"70000\" is not a port",
        ),
        (&["-p", "tcp", "--dport", "9:8"], "\"9:8\" is not a port"),
        (&["ip saddr"], "\"ip saddr\" needs a value"),
        (&["ip saddr {"], "needs a value"),
        (
            &["ip saddr example.com"],
            "\"example.com\" is not an address",
        ),
        (&["limit rate 1/second"], "\"limit rate 1/second\""),
        (&["-m", "mark", "--mark", "x"], "\"x\" is not a mark"),
        (
            &["-m", "iprange", "--src-range", "10.0.0.9-10.0.0.1"],
            "range of addresses",
        ),
        (&["-m", "state", "--state", "OLD"], "\"OLD\" is not a state"),
    ] {
        let message = message(arguments);
        assert!(message.contains(quoted), "{arguments:?}: {message}");
    }
}

#[test]
fn addresses_of_the_other_version_are_noticed() {
    let ipv6 = parse(&["-s", "2001:db8::/32", "-i", "eth0"]).expect("conditions");
    assert!(ipv6.suit(IPV6.loopback) && !ipv6.suit(IPV4.loopback));
    let either = parse(&["-i", "eth0"]).expect("conditions");
    assert!(either.suit(IPV6.loopback) && either.suit(IPV4.loopback));
}

#[test]
fn conditions_can_be_encoded_whatever_they_are() {
    let mut batch = Batch::new();
    for arguments in [
        &["-i", "an-interface-with-a-very-long-name"][..],
        &["-i", "+"],
        &["-s", "0.0.0.0/0"],
        &["-m", "conntrack", "!", "--ctstate", "INVALID,UNTRACKED"],
        &["-m", "iprange", "!", "--dst-range", "10.0.0.1-10.0.0.9"],
    ] {
        rules(arguments).into_iter().for_each(|rule| {
            batch.add(rule);
        });
    }
    assert!(!batch.encode(1).bytes.is_empty());
}
