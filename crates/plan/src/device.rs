//! A device of the host that is in the container for as long as the attachment lives.

use std::fmt;

use linkspan_kernel::netns::Netns;
use linkspan_kernel::rtnl::{self, Address, Arrival, Change, Link, LinkChange, Rename};
use linkspan_plugin::Undo;
use linkspan_spec::{Error, ErrorCode, MacAddr};

use crate::difference::{self, Difference};
use crate::fault::{explain, explain_step};
use crate::link::LinkRef;
use crate::namespaces::Namespaces;
use crate::object::{Made, Object};

/// A device, and what it is called on either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name on the host, which is its alias in the container.
    pub name: String,
    /// Its name in the container.
    pub inside: String,
    /// Its MAC address, for CHECK; `None` when it is not known.
    pub mac: Option<MacAddr>,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, inside) = (&self.name, &self.inside);
        write!(
            f,
            "move the device {name:?} into the container as {inside:?}"
        )
    }
}

impl Object for Device {
    fn differences(&self, namespaces: &Namespaces) -> Result<Vec<Difference>, Error> {
        let link = LinkRef::container(self.inside.as_str());
        Ok(match namespaces.link(&link) {
            Ok(found) => difference::mac(&link, self.mac, &found),
            Err(_) => difference::missing(&link),
        })
    }
}

impl Made for Device {
    /// Moves it into the container and switches it on.
    fn make<'a>(&self, namespaces: &'a Namespaces, undo: &mut Undo<'a>) -> Result<(), Error> {
        let before = namespaces.host().link(&self.name)?;
        namespaces.refuse_taken_name(&self.inside)?;
        let held = namespaces
            .host()
            .rtnl()
            .addresses(before.index)
            .map_err(explain)?;
        let arrival = Arrival {
            name: self.inside.clone(),
            rename: Rename::OnArrival,
            alias: Some(self.name.clone()),
            up: true,
        };
        let host = Netns::current().map_err(explain)?;
        let (outside, inside) = places(&host, namespaces)?;
        let moved = rtnl::move_link(before.index, outside, inside, &arrival)
            .map_err(|error| explain_step(self, &error))?;
        namespaces.container()?.remember(&self.inside, moved);
        let inside = self.inside.clone();
        undo.on_failure(format!("the move of {:?}", self.name), move || {
            put_back(&before, &inside, held, namespaces)
        });
        Ok(())
    }
}

fn places<'a>(
    host: &'a Netns,
    namespaces: &'a Namespaces,
) -> Result<(rtnl::Place<'a>, rtnl::Place<'a>), Error> {
    let container = namespaces.container()?;
    let netns = container.netns().ok_or_else(|| {
        Error::new(
            ErrorCode::UNKNOWN_CONTAINER,
            "the container's namespace is gone",
        )
    })?;
    let outside = rtnl::Place {
        netns: host,
        rtnl: namespaces.host().rtnl(),
    };
    let inside = rtnl::Place {
        netns,
        rtnl: container.rtnl(),
    };
    Ok((outside, inside))
}

/// Puts a device back as it was: its name, alias, switch and addresses.
fn put_back(
    before: &Link,
    inside: &str,
    held: Vec<Address>,
    namespaces: &Namespaces,
) -> Result<(), Error> {
    let alias = before.alias.clone().unwrap_or_default();
    let returned = move_out(namespaces, inside, &before.name, &alias, before.is_up())?;
    let kernels_own = |address: &Address| match address.net.addr() {
        std::net::IpAddr::V6(address) => address.is_unicast_link_local(),
        std::net::IpAddr::V4(_) => false,
    };
    let add = |address| Change::AddAddress(returned.index, address);
    let changes: Vec<Change> = held
        .into_iter()
        .filter(|address| !kernels_own(address))
        .map(add)
        .collect();
    for outcome in namespaces.host().rtnl().commit(&changes).map_err(explain)? {
        match outcome {
            Err(error) if error.is_exists() => {}
            outcome => outcome.map_err(explain)?,
        }
    }
    Ok(())
}

/// Moves a device out of the container, under this name; under another one where the name is taken, since a
/// device that stayed would keep the container from going.
///
/// # Errors
/// What the kernel says; the device is then where it was.
pub fn move_out(
    namespaces: &Namespaces,
    inside: &str,
    name: &str,
    alias: &str,
    up: bool,
) -> Result<Link, Error> {
    let index = namespaces
        .container()?
        .rtnl()
        .link(inside)
        .map_err(explain)?
        .index;
    let host = Netns::current().map_err(explain)?;
    let (to, from) = places(&host, namespaces)?;
    let arrival = |name: String, alias: &str| Arrival {
        name,
        rename: Rename::BeforeLeaving,
        alias: Some(alias.to_owned()),
        up,
    };
    match rtnl::move_link(index, from, to, &arrival(name.to_owned(), alias)) {
        // The kernel's own way: when a namespace dies, what would collide is called after its index.
        Err(error) if error.is_exists() => {
            rtnl::move_link(index, from, to, &arrival(format!("dev{index}"), name)).map_err(explain)
        }
        moved => moved.map_err(explain),
    }
}

/// Gives a device of the host its name back, and takes the alias away.
///
/// # Errors
/// What the kernel says; [`is_exists`](linkspan_kernel::Error::is_exists) when the name is taken.
pub fn rename(link: &Link, name: &str, namespaces: &Namespaces) -> Result<(), Error> {
    let renamed = LinkChange {
        name: Some(name.to_owned()),
        alias: Some(String::new()),
        ..LinkChange::default()
    };
    // Kernels before 6.2 rename nothing that is switched on.
    let changes = [LinkChange::down(), renamed].map(|change| Change::SetLink(link.index, change));
    let outcomes = namespaces.host().rtnl().commit(&changes).map_err(explain)?;
    outcomes
        .into_iter()
        .try_for_each(|outcome| outcome.map_err(explain))
}
