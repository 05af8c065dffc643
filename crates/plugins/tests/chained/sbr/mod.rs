//! `sbr` in a container with several interfaces: what came in by one is answered by it.

mod configuration;
mod leftovers;
mod reference;
mod traffic;

use linkspan_testkit::Sandbox;

use crate::world::Routers;

/// The default routes of the container go to the first router.
pub(crate) fn world(sandbox: &Sandbox, routers: usize) -> Routers {
    let world = Routers::new(sandbox, "sbr", routers);
    world
        .netns
        .run("ip route add default via 10.1.0.1; ip route add default via fd01::1");
    world
}

impl Routers {
    /// The rules of both families that the kernel does not have by itself, without their priorities.
    fn rules(&self) -> Vec<String> {
        let text = self.netns.run("ip rule; ip -6 rule");
        let rules = text.lines().filter_map(|line| line.split_once("from "));
        let mut rules: Vec<String> = rules
            .map(|(_, rule)| rule.trim().to_owned())
            .filter(|rule| !rule.starts_with("all"))
            .collect();
        rules.sort();
        rules
    }

    /// The routes of a table.
    fn routes_of_table(&self, family: &str, table: &str) -> String {
        self.netns
            .try_run(&format!("ip {family} route show table {table}"))
            .stdout
    }
}
