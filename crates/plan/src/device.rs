//! A device of the host that is in the container for as long as the attachment lives.

use std::fmt;

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::netns::Netns;
use linkspan_kernel::rtnl::{self, Address, Arrival, Change, Link, LinkChange, Rename, Rtnl};
use linkspan_plugin::Undo;
use linkspan_spec::{Error, ErrorCode, MacAddr};

use crate::difference::{self, Difference, listed};
use crate::fault::{explain, explain_step};
use crate::foresee::Outlook;
use crate::link::{LinkRef, Place};
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
        Ok(match namespaces.link_if_there(&link)? {
            Some(found) => difference::mac(&link, self.mac, &found),
            None => difference::missing(&link),
        })
    }

    fn foresee(&self, namespaces: &Namespaces) -> Result<Vec<Outlook>, Error> {
        let host = namespaces.host();
        let found = host.link(&self.name)?;
        namespaces.refuse_taken_name(&self.inside)?;
        let held = host.rtnl().addresses(found.index).map_err(explain)?;
        let moved = Link {
            index: 0,
            name: self.inside.clone(),
            master: None,
            ..(*found).clone()
        };
        namespaces.imagine(Place::Container, moved);
        let lost = listed(held.iter().map(|held| held.net.to_string()));
        let note = match held.is_empty() {
            true => "the host does not have it meanwhile".to_owned(),
            false => format!("the host does not have it meanwhile, nor its addresses {lost}"),
        };
        Ok(vec![Outlook::made().note(note)])
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
        let index = moved.index;
        namespaces.container()?.remember(&self.inside, moved);
        undo.on_failure(format!("the move of {:?}", self.name), move || {
            put_back(&before, index, held, namespaces)
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

/// Puts a device back as it was: its names, alias, switch and addresses.
fn put_back(
    before: &Link,
    inside: u32,
    held: Vec<Address>,
    namespaces: &Namespaces,
) -> Result<(), Error> {
    let alias = before.alias.clone().unwrap_or_default();
    let names = Names {
        name: &before.name,
        alt_names: &before.alt_names,
    };
    let returned = move_out(namespaces, inside, names, &alias, before.is_up())?;
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

/// What a device is called on the host.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its other names.
    pub alt_names: &'a [String],
}

/// Moves the device with this index out of the container, under its name; under another one where the name is taken,
/// since a device that stayed would keep the container from going. Other names that it was given inside stay there:
/// one that is taken on the host would keep it from coming, any other would pass for a link of the host.
///
/// # Errors
/// What the kernel says; the device is then where it was.
pub fn move_out(
    namespaces: &Namespaces,
    index: u32,
    names: Names<'_>,
    alias: &str,
    up: bool,
) -> Result<Link, Error> {
    let host = Netns::current().map_err(explain)?;
    let (to, from) = places(&host, namespaces)?;
    let inside = from.rtnl.link_at(index).map_err(explain)?;
    have_alt_names(&inside, &[], from.rtnl)?;
    let moved = leave(index, from, to, names.name, alias, up).map_err(explain)?;
    have_alt_names(&moved, names.alt_names, to.rtnl)?;
    Ok(moved)
}

fn leave(
    index: u32,
    from: rtnl::Place<'_>,
    to: rtnl::Place<'_>,
    name: &str,
    alias: &str,
    up: bool,
) -> Result<Link, KernelError> {
    let arrival = |name: String, alias: &str| Arrival {
        name,
        rename: Rename::BeforeLeaving,
        alias: Some(alias.to_owned()),
        up,
    };
    match rtnl::move_link(index, from, to, &arrival(name.to_owned(), alias)) {
        // The kernel's own way: when a namespace dies, what would collide is called after its index.
        Err(error) if error.is_exists() => {
            rtnl::move_link(index, from, to, &arrival(format!("dev{index}"), name))
        }
        moved => moved,
    }
}

/// Gives a link these other names and no more. One that is taken by now stays where it is.
fn have_alt_names(link: &Link, wanted: &[String], rtnl: &Rtnl) -> Result<(), Error> {
    let has = &link.alt_names;
    let surplus = has.iter().filter(|name| !wanted.contains(name));
    let missing = wanted.iter().filter(|name| !has.contains(name));
    let changes: Vec<Change> = surplus
        .map(|name| Change::DeleteAltName(link.index, name.clone()))
        .chain(missing.map(|name| Change::AddAltName(link.index, name.clone())))
        .collect();
    if changes.is_empty() {
        return Ok(());
    }
    for outcome in rtnl.commit(&changes).map_err(explain)? {
        match outcome {
            Err(error) if error.is_exists() || error.is_not_found() => {}
            outcome => outcome.map_err(explain)?,
        }
    }
    Ok(())
}

/// Gives a device of the host its names back, and takes the alias away.
///
/// # Errors
/// What the kernel says; [`is_exists`](linkspan_kernel::Error::is_exists) when the name is taken.
pub fn rename(link: &Link, names: Names<'_>, namespaces: &Namespaces) -> Result<(), Error> {
    have_alt_names(link, names.alt_names, namespaces.host().rtnl())?;
    if link.name == names.name {
        return Ok(());
    }
    let renamed = LinkChange {
        name: Some(names.name.to_owned()),
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
