//! A vrf of the container, which interfaces share. Whoever makes one holds the namespace's lock.

use std::fmt;

use linkspan_kernel::rtnl::{Change, Kind, Link, LinkData, NewLink, Rtnl};
use linkspan_plugin::Undo;
use linkspan_spec::{Error, IfName};

use crate::difference::{Difference, switched_on, unless};
use crate::fault::{explain, explain_step, gone};
use crate::foresee::Outlook;
use crate::imagined::IFF_UP;
use crate::link::{LinkRef, Place};
use crate::lost::undone;
use crate::namespaces::Namespaces;
use crate::object::{Made, Object};

/// A vrf in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vrf {
    /// Its name.
    pub name: IfName,
    /// Its routing table.
    pub table: u32,
}

/// As it stands after "cannot" or in a list.
impl fmt::Display for Vrf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, table) = (self.name.as_str(), self.table);
        write!(f, "use or create the vrf {name:?} with the table {table}")
    }
}

impl Object for Vrf {
    fn differences(&self, namespaces: &Namespaces) -> Result<Vec<Difference>, Error> {
        let object = format!("the vrf {:?}", self.name.as_str());
        let expected = format!("one with the table {}", self.table);
        let Some(found) = namespaces.container()?.link_if_there(self.name.as_str())? else {
            return Ok(unless(false, object, expected, "nothing"));
        };
        let has = match found.data {
            LinkData::Vrf { table } => format!("one with the table {table}"),
            _ => format!("a {}", found.kind.as_deref().unwrap_or("device")),
        };
        let is_on = switched_on(true, &object, &found);
        let mut differences = unless(has == expected, object, expected, has);
        differences.extend(is_on);
        Ok(differences)
    }

    fn foresee(&self, namespaces: &Namespaces) -> Result<Vec<Outlook>, Error> {
        let (name, table) = (self.name.as_str(), self.table);
        if namespaces
            .link_if_there(&LinkRef::container(name))?
            .is_some()
        {
            return Ok(vec![Outlook::there("is there by then")]);
        }
        let vrf = Link {
            name: name.to_owned(),
            kind: Some("vrf".to_owned()),
            flags: IFF_UP,
            data: LinkData::Vrf { table },
            ..Link::default()
        };
        namespaces.imagine(Place::Container, vrf);
        let words = format!("create the vrf {name:?} in the container, with routing table {table}");
        Ok(vec![Outlook::made().words(words)])
    }
}

impl Made for Vrf {
    /// Uses the vrf that is there, or creates it.
    fn make<'a>(&self, namespaces: &'a Namespaces, undo: &mut Undo<'a>) -> Result<(), Error> {
        let side = namespaces.container()?;
        let (rtnl, name) = (side.rtnl(), self.name.as_str());
        match rtnl.link(name) {
            Ok(found) => {
                side.remember(name, found);
                return Ok(());
            }
            Err(error) if !error.is_not_found() => return Err(explain(error)),
            Err(_) => {}
        }
        let kind = Kind::Vrf { table: self.table };
        let new = NewLink {
            up: true,
            ..NewLink::new(name, kind)
        };
        let made = rtnl
            .create_link(&new)
            // There was none before, and the namespace's lock is held.
            .map_err(|error| undone(error, name, rtnl, |found| found.is_kind("vrf")))
            .map_err(|error| explain_step(self, &error))?;
        let index = made.index;
        side.remember(name, made);
        undo.on_failure(format!("the vrf {name:?}"), move || {
            remove_unused(index, rtnl)
        });
        Ok(())
    }
}

/// Removes the vrf with this index unless a link is part of it.
///
/// # Errors
/// What the kernel says.
pub fn remove_unused(index: u32, rtnl: &Rtnl) -> Result<(), Error> {
    let remove = || {
        if rtnl.ports(index)?.is_empty() {
            rtnl.change(Change::DeleteLink(index))?;
        }
        Ok(())
    };
    gone(remove())
}
