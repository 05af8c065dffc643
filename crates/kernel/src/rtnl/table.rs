//! Which routing tables are in use.

use std::collections::BTreeSet;
use std::io;

use super::{LinkData, RouteFilter, Rtnl};
use crate::Error;

/// `RT_TABLE_UNSPEC`, and the tables that every namespace has.
const RESERVED: [u8; 4] = [
    libc::RT_TABLE_UNSPEC,
    libc::RT_TABLE_DEFAULT,
    libc::RT_TABLE_MAIN,
    libc::RT_TABLE_LOCAL,
];

impl Rtnl {
    /// The first table, from `first` on, that no route, no rule and no vrf of this namespace uses.
    ///
    /// It lists them all, so it is for a container's namespace. What it finds free is taken by nothing
    /// until a route, a rule or a vrf with it is made: whoever does this holds
    /// a lock on the namespace meanwhile.
    ///
    /// # Errors
    /// What the kernel says; `ENOSPC` when none is free.
    pub fn free_table(&self, first: u32) -> Result<u32, Error> {
        let used = self.used_tables()?;
        let free = (first..=u32::MAX).find(|table| !used.contains(table));
        free.ok_or_else(|| {
            let error = io::Error::from_raw_os_error(libc::ENOSPC);
            Error::new(
                "find",
                format!("a free routing table from {first} on"),
                error,
            )
        })
    }

    fn used_tables(&self) -> Result<BTreeSet<u32>, Error> {
        let mut used = BTreeSet::from(RESERVED.map(u32::from));
        let routes = self.routes(RouteFilter::default())?;
        used.extend(routes.iter().map(|route| route.table));
        for family in [libc::AF_INET, libc::AF_INET6] {
            match self.rules(family as u8) {
                // Without this family in the kernel, or without rules in it.
                Err(error) if error.is_unsupported() => {}
                rules => used.extend(rules?.iter().map(|rule| rule.table)),
            }
        }
        used.extend(self.links()?.iter().filter_map(|link| match link.data {
            LinkData::Vrf { table } => Some(table),
            _ => None,
        }));
        Ok(used)
    }
}
