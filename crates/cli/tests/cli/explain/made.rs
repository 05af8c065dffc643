//! What ADD has made, asked of the kernel by the words that `explain` had for it.

use std::collections::BTreeSet;

use std::path::Path;

use linkspan_testkit::Sandbox;
use regex_lite::Regex;
use serde_json::Value;

/// A container that was attached.
pub(super) struct Attached<'h> {
    host: &'h Sandbox,
    netns: &'h str,
    /// The names for which "veth…" and "bwp…" stand.
    names: Vec<(&'static str, String)>,
}

/// The links of the host, or of a namespace.
pub(super) fn names(host: &Sandbox, netns: Option<&str>) -> BTreeSet<String> {
    let netns = netns.map(|name| format!("-n {name}")).unwrap_or_default();
    let listed = host.run(&format!("ip -o {netns} link show"));
    let name = |line: &str| {
        let name = line.split(": ").nth(1)?;
        Some(name.split('@').next()?.to_owned())
    };
    listed.lines().filter_map(name).collect()
}

/// Parts of a text, by the groups of a pattern.
fn parts<const N: usize>(text: &str, pattern: &str) -> Option<[String; N]> {
    let found = Regex::new(pattern).unwrap().captures(text)?;
    let group = |index: usize| {
        found
            .get(index + 1)
            .map_or("", |group| group.as_str())
            .to_owned()
    };
    Some(std::array::from_fn(group))
}

impl<'h> Attached<'h> {
    pub(super) fn new(host: &'h Sandbox, netns: &'h str, result: &Value) -> Self {
        let interfaces = result["interfaces"].as_array().unwrap();
        let of = |prefix: &'static str| {
            let mut names = interfaces.iter().filter_map(|one| one["name"].as_str());
            let found = names.find(|name| name.starts_with(prefix))?;
            Some((prefix, found.to_owned()))
        };
        Self {
            host,
            netns,
            names: ["veth", "bwp"].into_iter().filter_map(of).collect(),
        }
    }

    /// The words with the names that there are now.
    fn named(&self, words: &str) -> String {
        let named = |words: String, (prefix, name): &(&str, String)| {
            words.replace(&format!("{prefix}…"), name)
        };
        self.names.iter().fold(words.to_owned(), named)
    }

    /// What a command prints on the host, or in the container where the words say so.
    fn ask(&self, words: &str, command: &str) -> String {
        let inside = format!("ip netns exec {} ", self.netns);
        let before = if words.contains("in the container") {
            inside.as_str()
        } else {
            ""
        };
        self.host.run(&format!("{before}{command} 2>&1 || true"))
    }

    /// That what a step was said to make is there.
    #[track_caller]
    pub(super) fn assert_made(&self, step: &Value, case: &str) {
        let words = self.named(step["words"].as_str().unwrap());
        let kind = step["kind"].as_str().unwrap();
        let (command, expected) = match kind {
            // They leave nothing that could be looked at.
            "announce" | "awaitRunning" | "awaitAddresses" | "record" => return,
            "reservation" => {
                let [address] = parts(&words, "reserve ([^/ ]+)").unwrap();
                let file = format!("/var/lib/cni/networks/mynet/{address}");
                return assert!(Path::new(&file).exists(), "{case}: {file}: {words}");
            }
            "sysctl" => return self.assert_parameter(&words, case),
            "netfilter" => return self.assert_netfilter(&words, case),
            "passage" => {
                let ruleset = self.host.run("nft list ruleset");
                return assert!(ruleset.contains("LINKSPAN-PORTS"), "{case}: {ruleset}");
            }
            "bridge" | "vethPair" | "containerLink" | "tap" | "ifb" | "vrf" | "vlanInterface"
            | "device" => {
                return self.assert_links(&words, case);
            }
            "address" if words.starts_with("hand on") => return,
            "address" | "gateway" => {
                let [link] = parts(&words, r#""([^"]+)""#).unwrap();
                let [address] = parts(&words, r"([0-9a-f.:]+/\d+)").unwrap();
                (format!("ip address show dev {link}"), address)
            }
            "route" | "otherEnd" | "pointToPoint" => {
                let [destination] = parts(&words, r"(?:to|reach) ([0-9a-f.:/]+)").unwrap();
                // In whichever table later plugins have put it.
                let family = if destination.contains(':') {
                    "-6"
                } else {
                    "-4"
                };
                let shown = match destination.as_str() {
                    "0.0.0.0/0" | "::/0" => "default",
                    other => other.trim_end_matches("/32"),
                };
                (
                    format!("ip {family} route show table all"),
                    shown.to_owned(),
                )
            }
            "settings" => return self.assert_settings(&words, case),
            "portVlans" => {
                let [link, vlan] = parts(&words, r#"pass "([^"]+)": (\d+)"#).unwrap();
                (format!("bridge vlan show dev {link}"), vlan)
            }
            "shape" => {
                let [link] = parts(&words, r#"what "([^"]+)" sends"#).unwrap();
                (format!("tc qdisc show dev {link}"), "tbf".to_owned())
            }
            "redirect" => {
                let [link, to] = parts(&words, r#"what "([^"]+)" receives to "([^"]+)""#).unwrap();
                (format!("tc filter show dev {link} ingress"), to)
            }
            "routing" => return self.assert_routing(&words, case),
            "carry" => {
                let [link, vrf] = parts(
                    &words,
                    r#""([^"]+)" in the container part of the vrf "([^"]+)""#,
                )
                .unwrap();
                (format!("ip link show dev {link}"), format!("master {vrf}"))
            }
            other => panic!("{case}: nothing tells whether {other} was made: {words}"),
        };
        let shown = self.ask(&words, &command);
        assert!(
            shown.contains(&expected),
            "{case}: {words}: {expected} is not in {shown}"
        );
    }

    #[track_caller]
    fn assert_parameter(&self, words: &str, case: &str) {
        let [name, value] = parts(words, "set ([^ ]+) to ([^ ]+)").unwrap();
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        let found = self.ask(words, &format!("cat {path}"));
        assert_eq!(found.trim(), value, "{case}: {words}");
    }

    #[track_caller]
    fn assert_netfilter(&self, words: &str, case: &str) {
        if words.contains("route_localnet") {
            return self.assert_parameter(&words.replace(',', ""), case);
        }
        let ruleset = self.host.run("nft list ruleset");
        let names =
            Regex::new(r#"(\d+\.\d+\.\d+\.\d+|[0-9a-f]+:[0-9a-f:]+|"[^"]+"|port \d+)"#).unwrap();
        // Neighbours and subnets are what the rest is told of, and a MAC address is not known before.
        let subject = words
            .split(" where it")
            .next()
            .unwrap()
            .split(" from another")
            .next()
            .unwrap();
        for name in names.find_iter(subject) {
            let name = name.as_str().trim_start_matches("port ").trim_matches('"');
            assert!(
                ruleset.contains(name),
                "{case}: {words}: {name} is not in {ruleset}"
            );
        }
    }

    /// Each link that the words name, where they say that it is.
    #[track_caller]
    fn assert_links(&self, words: &str, case: &str) {
        let named = Regex::new(r#""([^"]+)"( in the container)?"#).unwrap();
        let (host, container) = (names(self.host, None), names(self.host, Some(self.netns)));
        for found in named.captures_iter(words) {
            let name = &found[1];
            let is_inside = found.get(2).is_some();
            if words.starts_with("move the device") {
                assert!(
                    !host.contains("dev0") && container.contains("eth0"),
                    "{case}: {words}"
                );
                return;
            }
            let links = if is_inside { &container } else { &host };
            assert!(
                links.contains(name),
                "{case}: {words}: {name} is not in {links:?}"
            );
        }
    }

    #[track_caller]
    fn assert_settings(&self, words: &str, case: &str) {
        if words.contains("\"lo\"") {
            assert!(
                self.ask(words, "ip link show dev lo").contains(",UP"),
                "{case}: {words}"
            );
            return;
        }
        let [link] = parts(words, r#""([^"]+)""#).unwrap();
        let expected = [
            ("switch on", "ip link show dev LINK", "UP"),
            (
                "tell its neighbours",
                "cat /proc/sys/net/ipv4/conf/LINK/arp_notify",
                "1",
            ),
            (
                "hairpin",
                "cat /sys/class/net/LINK/brport/hairpin_mode",
                "1",
            ),
            ("MTU 1450", "ip link show dev LINK", "mtu 1450"),
            ("promiscuous mode on", "ip link show dev LINK", "PROMISC"),
        ];
        let meant: Vec<_> = expected
            .iter()
            .filter(|(about, ..)| words.contains(about))
            .collect();
        assert!(
            !meant.is_empty(),
            "{case}: nothing tells whether it is so: {words}"
        );
        for (_, command, expected) in meant {
            let shown = self.ask(words, &command.replace("LINK", &link));
            assert!(shown.contains(expected), "{case}: {words}: {shown}");
        }
    }

    #[track_caller]
    fn assert_routing(&self, words: &str, case: &str) {
        let inside = "in the container";
        if let Some([source, table]) = parts(words, r"rule from ([^/]+)/\d+ lookup (\d+)") {
            let family = if source.contains(':') { "-6" } else { "-4" };
            let rules = self.ask(inside, &format!("ip {family} rule show"));
            let expected = format!("from {source} lookup {table}");
            return assert!(rules.contains(&expected), "{case}: {words}: {rules}");
        }
        let [verb, destination, table] = parts(
            words,
            r"^(add|take away|replace) the route ([^ ]+).*?(?:in table (\d+))?$",
        )
        .unwrap();
        let table = if table.is_empty() { "main" } else { &table };
        let shown = destination.replace("0.0.0.0/0", "default");
        let routes = self.ask(inside, &format!("ip route show table {table}"));
        let is_there = routes.lines().any(|line| line.starts_with(&shown));
        assert_eq!(is_there, verb != "take away", "{case}: {words}: {routes}");
    }

    /// That every link which is there now and was not before was named.
    #[track_caller]
    pub(super) fn assert_complete(&self, steps: &[Value], before: &BTreeSet<String>, case: &str) {
        let words: Vec<String> = steps
            .iter()
            .map(|step| self.named(step["words"].as_str().unwrap()))
            .collect();
        let made = names(self.host, None)
            .difference(before)
            .cloned()
            .collect::<Vec<_>>();
        let inside = names(self.host, Some(self.netns));
        // The kernel makes a place for them in every namespace.
        let own = inside
            .iter()
            .filter(|name| !["lo", "tunl0", "sit0", "ip6tnl0", "gre0"].contains(&name.as_str()));
        for name in made.iter().chain(own) {
            let is_told = words
                .iter()
                .any(|words| words.contains(&format!("{name:?}")));
            // The port of a bridge's interface in a VLAN is a part of that.
            let is_part = name.starts_with("veth")
                && words.iter().any(|words| words.contains("the interface of"));
            assert!(
                is_told || is_part,
                "{case}: {name} was made and not told: {words:#?}"
            );
        }
    }
}
