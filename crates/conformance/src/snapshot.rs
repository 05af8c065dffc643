//! What a host has that a plugin may change: to be compared, before and after.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use linkspan_kernel::Error;
use linkspan_kernel::nftables::Nftables;
use linkspan_kernel::rtnl::{Route, RouteFilter, Rtnl};
use linkspan_kernel::xtables::{self, Protocol};
use linkspan_nft::Family;

/// Numbers of the families in requests for rules (`AF_INET`, `AF_INET6`).
const FAMILIES: [u8; 2] = [2, 10];

/// The routing table of the addresses that are the host's own (`RT_TABLE_LOCAL`).
const LOCAL: u32 = 255;

/// How deep directories are looked into, and how many files in them.
const MAX_DEPTH: usize = 6;
const MAX_FILES: usize = 10_000;

/// Facts, each with its value, by what they are about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot(BTreeMap<String, String>);

impl Snapshot {
    /// What the calling thread's host has: links, addresses, routes, rules, netfilter, parameters of the kernel, and the names of the
    /// files in some directories.
    ///
    /// Left out is what comes by itself and some time later: link-local addresses of IPv6, and the routes to them.
    pub(crate) fn of_host(dirs: &[&Path]) -> Result<Self, Error> {
        let mut snapshot = Self::default();
        let names = snapshot.links()?;
        snapshot.routes(&names)?;
        snapshot.netfilter();
        snapshot.parameters(&names);
        for dir in dirs {
            let mut left = MAX_FILES;
            snapshot.files(dir, 0, &mut left);
        }
        Ok(snapshot)
    }

    /// What there is now and was not, is not any more, or is otherwise.
    pub(crate) fn changes_to(&self, now: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        for (what, value) in &now.0 {
            match self.0.get(what) {
                None => changes.push(format!("{what} is left")),
                Some(before) if before != value => {
                    changes.push(format!("{what} was {before} and is {value}"));
                }
                Some(_) => {}
            }
        }
        let gone = self.0.keys().filter(|what| !now.0.contains_key(*what));
        changes.extend(gone.map(|what| format!("{what} is gone")));
        changes
    }

    /// The names of the links that are there and were not.
    pub(crate) fn new_links(&self, now: &Self) -> Vec<String> {
        let of = |what: &String| what.strip_prefix("the link ").map(str::to_owned);
        let new = now.0.keys().filter(|what| !self.0.contains_key(*what));
        new.filter_map(of).collect()
    }

    /// Whether netfilter has something that it had not.
    pub(crate) fn has_new_rules(&self, now: &Self) -> bool {
        let is_rule = |what: &&String| what.starts_with("the nftables ");
        now.0
            .keys()
            .filter(is_rule)
            .any(|what| !self.0.contains_key(what))
    }

    fn add(&mut self, what: String, value: impl Into<String>) {
        self.0.insert(what, value.into());
    }

    /// Links and addresses; the links' names by their numbers.
    fn links(&mut self) -> Result<BTreeMap<u32, String>, Error> {
        let rtnl = Rtnl::open()?;
        let links = rtnl.links_seen()?;
        let names: BTreeMap<_, _> = links
            .iter()
            .map(|link| (link.index, link.name.clone()))
            .collect();
        for link in &links {
            let master = link.master.and_then(|index| names.get(&index));
            let value = format!(
                "{} mtu {} {} master {}",
                link.kind.as_deref().unwrap_or("device"),
                link.mtu,
                if link.is_up() { "up" } else { "down" },
                master.map_or("none", String::as_str)
            );
            self.add(format!("the link {}", link.name), value);
        }
        for (index, address) in rtnl.all_addresses()? {
            let is_of_the_kernel = matches!(address.net.addr(), std::net::IpAddr::V6(v6) if v6.is_unicast_link_local());
            if let Some(name) = names.get(&index).filter(|_| !is_of_the_kernel) {
                self.add(format!("the address {} of {name}", address.net), "");
            }
        }
        Ok(names)
    }

    fn routes(&mut self, names: &BTreeMap<u32, String>) -> Result<(), Error> {
        let rtnl = Rtnl::open()?;
        for route in rtnl.routes(RouteFilter::default())? {
            if route.table == LOCAL || is_of_ipv6_itself(&route) {
                continue;
            }
            let link = route.link.and_then(|index| names.get(&index));
            let gateway = route
                .gateway
                .map_or(String::new(), |gateway| format!(" by {gateway}"));
            let what = format!(
                "the route to {}{gateway} on {} in table {}",
                route.destination,
                link.map_or("no link", String::as_str),
                route.table
            );
            self.add(what, "");
        }
        for family in FAMILIES {
            for rule in rtnl.rules(family)? {
                self.add(format!("the rule {rule:?}"), "");
            }
        }
        Ok(())
    }

    /// A kernel without a part of it has nothing there.
    fn netfilter(&mut self) {
        if let Ok(kernel) = Nftables::open() {
            for family in [Family::Inet, Family::Ip, Family::Ip6, Family::Bridge] {
                self.nftables(&kernel, family);
            }
        }
        for (protocol, version) in [(Protocol::Ipv4, 4), (Protocol::Ipv6, 6)] {
            for table in ["filter", "nat", "mangle", "raw"] {
                if !xtables::is_in_use(protocol, table).unwrap_or(false) {
                    continue;
                }
                let Ok(Some(table_now)) = xtables::table(protocol, table) else {
                    continue;
                };
                for (number, rule) in table_now.rules.iter().enumerate() {
                    self.add(
                        format!("the rule {number} of iptables {table} of IPv{version}: {rule:?}"),
                        "",
                    );
                }
            }
        }
    }

    fn nftables(&mut self, kernel: &Nftables, family: Family) {
        for table in kernel.tables(family).unwrap_or_default() {
            self.add(format!("the nftables table {family} {}", table.name), "");
            for set in kernel.sets(&table).unwrap_or_default() {
                for element in kernel.elements(&set).unwrap_or_default() {
                    self.add(
                        format!(
                            "the nftables element {element} {:?} of {family} {} {}",
                            element.comment, table.name, set.name
                        ),
                        "",
                    );
                }
            }
        }
        for chain in kernel.chains(family).unwrap_or_default() {
            let rules = kernel.rules(&chain).unwrap_or_default().len();
            let what = format!("the nftables chain {family} {} {}", chain.table, chain.name);
            self.add(what, format!("{rules} rules"));
        }
    }

    /// What is asked often, and of each link.
    fn parameters(&mut self, names: &BTreeMap<u32, String>) {
        let families = [
            ("ipv4", &["ip_forward", "tcp_syncookies"][..]),
            ("ipv6", &[]),
        ];
        for (family, others) in families {
            let root = Path::new("/proc/sys/net").join(family);
            for name in others {
                self.parameter(&root.join(name));
            }
            let links = names.values().map(String::as_str);
            for link in links.chain(["all", "default"]) {
                let dir = root.join("conf").join(link);
                for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
                    self.parameter(&entry.path());
                }
            }
        }
    }

    fn parameter(&mut self, path: &Path) {
        // Some can only be written.
        if let Ok(value) = fs::read_to_string(path) {
            self.add(format!("the parameter {}", path.display()), value.trim());
        }
    }

    fn files(&mut self, dir: &Path, depth: usize, left: &mut usize) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            // The bench's own, and other file systems within.
            let is_own = path.starts_with("/run/conformance") || path.starts_with("/run/netns");
            let Some(rest) = left.checked_sub(1).filter(|_| !is_own) else {
                continue;
            };
            *left = rest;
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() && depth < MAX_DEPTH {
                self.files(&path, depth + 1, left);
            } else if !kind.is_dir() {
                self.add(format!("the file {}", path.display()), "");
            }
        }
    }
}

/// Routes that the kernel makes and removes as addresses and carriers of IPv6 come and go.
fn is_of_ipv6_itself(route: &Route) -> bool {
    match route.destination.addr() {
        std::net::IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_multicast(),
        std::net::IpAddr::V4(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_told() {
        let of = |facts: &[(&str, &str)]| {
            let facts = facts
                .iter()
                .map(|(what, value)| ((*what).to_owned(), (*value).to_owned()));
            Snapshot(facts.collect())
        };
        let before = of(&[("the link a", "up"), ("the link b", "up")]);
        let now = of(&[("the link a", "down"), ("the link c", "up")]);
        assert_eq!(
            before.changes_to(&now),
            [
                "the link a was up and is down",
                "the link c is left",
                "the link b is gone"
            ]
        );
        assert_eq!(before.new_links(&now), ["c"]);
        assert!(before.changes_to(&before).is_empty());
    }

    /// `make mutants` found (element-without-owner) that elements of a set which say nothing of their owner were one to this.
    #[test]
    fn an_element_is_told_from_another_that_names_nobody_either() {
        linkspan_testkit::sandbox(|host| {
            host.run("nft add table inet t; nft add set inet t s '{ type inet_service; }'");
            host.run("nft add element inet t s '{ 80 }'");
            let before = Snapshot::of_host(&[]).unwrap();
            host.run("nft add element inet t s '{ 81 }'");
            let changes = before.changes_to(&Snapshot::of_host(&[]).unwrap());
            assert_eq!(
                changes,
                ["the nftables element 81 None of inet t s is left"]
            );
        });
    }
}
