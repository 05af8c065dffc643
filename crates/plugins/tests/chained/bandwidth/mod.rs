//! `bandwidth` after a plugin that made a link: rates measured in both directions, and nothing left behind.

mod configuration;
mod leftovers;
mod measure;
mod rates;
mod reference;
mod subnets;

use linkspan_testkit::Sandbox;

use crate::world::Pair;

pub(crate) fn world(sandbox: &Sandbox) -> Pair {
    Pair::new(sandbox, "bandwidth")
}

impl Pair {
    /// The names of the links on the host that shape, sorted.
    fn ifbs(&self) -> Vec<String> {
        let links = self.host.ip_json("link show type ifb");
        let mut names: Vec<String> = links
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|link| link["ifname"].as_str().map(str::to_owned))
            .collect();
        names.sort();
        names
    }

    /// What `tc` says of the host's links.
    fn qdiscs(&self) -> String {
        self.host.run("tc qdisc show | grep -v 'qdisc no'||true")
    }
}
