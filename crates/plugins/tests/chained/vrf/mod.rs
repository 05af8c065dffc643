//! `vrf`: an interface that moves into a vrf and back with everything that it has.

mod members;
mod moves;
mod reference;

use linkspan_testkit::{Feature, Sandbox, needs};
use serde_json::{Value, json};

use crate::world::Routers;

/// Runs a body where there are vrfs.
#[track_caller]
fn vrf(body: impl FnOnce(&Routers)) {
    needs(&[Feature::Vrf]).sandbox(|sandbox| body(&world(sandbox)));
}

pub(crate) fn world(sandbox: &Sandbox) -> Routers {
    Routers::new(sandbox, "vrf", 3)
}

/// A configuration with these keys, and a result of the plugin before that tells routes.
pub(crate) fn config(world: &Routers, number: usize, keys: Value) -> Value {
    let mut config = world.config(number, keys);
    config["prevResult"]["routes"] = json!([
        { "dst": "0.0.0.0/0", "gw": format!("10.{number}.0.1") },
        { "dst": "::/0", "gw": format!("fd0{number}::1") },
    ]);
    config
}

impl Routers {
    /// The routes that the result of the plugin before tells.
    pub(crate) fn make_routes(&self, number: usize) {
        self.netns.run(&format!(
            "ip route append default via 10.{number}.0.1 dev net{number}"
        ));
        self.netns.run(&format!(
            "ip -6 route append default via fd0{number}::1 dev net{number}"
        ));
    }

    /// The routes of a table that the kernel has not made by itself.
    fn table(&self, table: &str) -> Vec<String> {
        let show = |family: &str| {
            let line = format!("ip {family} route show table {table}");
            let text = self.netns.try_run(&line).stdout;
            // A route by several ways has a line for each.
            let text = text.replace("\n\tnexthop", " nexthop");
            let lines = text.lines().filter(|line| !line.contains("proto kernel"));
            let lines = lines.filter(|line| !line.starts_with("multicast"));
            lines
                .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect::<Vec<_>>()
        };
        let mut routes = show("-4");
        routes.extend(show("-6"));
        routes
    }

    /// The name of the vrf that an interface is part of.
    fn master(&self, number: usize) -> Value {
        self.netns.ip_json(&format!("link show dev net{number}"))[0]["master"].clone()
    }

    /// The vrfs and their tables.
    fn vrfs(&self) -> Vec<(String, u64)> {
        let links = self.netns.ip_json("link show type vrf");
        let links = links.as_array().unwrap().iter();
        links
            .filter_map(|link| {
                let table = link["linkinfo"]["info_data"]["table"].as_u64()?;
                Some((link["ifname"].as_str()?.to_owned(), table))
            })
            .collect()
    }
}
