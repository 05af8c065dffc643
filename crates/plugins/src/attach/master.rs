//! The link that a container's interface is made on: the keys `master` and `linkInContainer`.

use std::rc::Rc;

use linkspan_kernel::rtnl::Link;
use linkspan_plan::fault::explain;
use linkspan_plan::{LinkRef, Namespaces, Place};
use linkspan_plugin::spec::{Error, ErrorCode};

use super::{Mtu, Work, uplink};

/// Which link it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Master {
    /// Its name; `None` is the link of the default route.
    pub name: Option<String>,
    /// It is in the container instead of on the host.
    pub in_container: bool,
}

impl Master {
    fn place(&self) -> Place {
        if self.in_container {
            Place::Container
        } else {
            Place::Host
        }
    }

    /// The link that the configuration names.
    pub fn named(&self) -> Option<LinkRef> {
        let place = self.place();
        self.name.clone().map(|name| LinkRef { place, name })
    }

    /// The link, switched on or not: a node's uplink may come later, and then traffic flows.
    ///
    /// # Errors
    /// [`ErrorCode::INVALID_NETWORK_CONFIG`] when it is not there.
    pub fn find_early(&self, work: &Work<'_, '_>) -> Result<(LinkRef, Rc<Link>), Error> {
        let (link, found) = self.look(work.namespaces())?;
        if !found.is_up() {
            work.warn(&switched_off(&link).to_string());
        }
        Ok((link, found))
    }

    /// The link, whatever its state, without a word.
    ///
    /// # Errors
    /// [`ErrorCode::INVALID_NETWORK_CONFIG`] when it is not there.
    pub fn look(&self, namespaces: &Namespaces) -> Result<(LinkRef, Rc<Link>), Error> {
        if let (Some(link), true) = (self.named(), self.in_container)
            && namespaces.imagined().is_some()
        {
            // Another network may have made it.
            if namespaces.link_if_there(&link)?.is_none() {
                namespaces.suppose_pair(&link.name);
            }
            let found = namespaces.link(&link)?;
            return Ok((link, found));
        }
        let side = namespaces.side(self.place())?;
        let found = match &self.name {
            None => uplink(side)?,
            Some(name) => match side.rtnl().link_by_any_name(name) {
                Ok(link) => link,
                Err(error) if error.is_not_found() => return Err(self.missing(name, namespaces)),
                Err(error) => return Err(explain(error)),
            },
        };
        let link = LinkRef {
            place: self.place(),
            name: self.name.clone().unwrap_or_else(|| found.name.clone()),
        };
        let found = side.remember(&link.name, found);
        Ok((link, found))
    }

    fn missing(&self, name: &str, namespaces: &Namespaces) -> Error {
        let (here, there) = match self.place() {
            Place::Host => ("on the host", Place::Container),
            Place::Container => ("in the container", Place::Host),
        };
        let elsewhere = namespaces
            .side(there)
            .is_ok_and(|side| side.rtnl().link_by_any_name(name).is_ok());
        let advice = match (there, elsewhere) {
            (_, false) => "`ip link` shows what is there; correct \"master\", or see why the device is missing: it may have been \
                           given to a container"
                .to_owned(),
            (Place::Container, true) => {
                "the container has a link of this name; set \"linkInContainer\" to true if that is meant".to_owned()
            }
            (Place::Host, true) => {
                "the host has a link of this name; remove \"linkInContainer\" if that is meant".to_owned()
            }
        };
        Error::new(
            ErrorCode::INVALID_NETWORK_CONFIG,
            format!("failed to lookup master {name:?}: Link not found"),
        )
        .with_details(format!("there is no such link {here}; {advice}"))
    }

    /// Whether an interface with this MTU can be made on it; nobody can tell of a master in a container that
    /// does not exist yet.
    ///
    /// # Errors
    /// [`ErrorCode::PLUGIN_NOT_AVAILABLE`] with the reason.
    pub fn status(&self, mtu: Mtu) -> Result<(), Error> {
        if self.in_container {
            return Ok(());
        }
        let namespaces = Namespaces::host_only()?;
        let possible = self.look(&namespaces).and_then(|(link, found)| {
            require_up(&link, &found)?;
            mtu.on(&link, &found)
        });
        possible
            .map(drop)
            .map_err(|error| error.with_code(ErrorCode::PLUGIN_NOT_AVAILABLE))
    }
}

/// An error when the master is switched off.
///
/// # Errors
/// [`ErrorCode::TRY_AGAIN_LATER`]
pub fn require_up(link: &LinkRef, found: &Link) -> Result<(), Error> {
    if found.is_up() {
        Ok(())
    } else {
        Err(switched_off(link))
    }
}

fn switched_off(link: &LinkRef) -> Error {
    let name = &link.name;
    let command = match link.place {
        Place::Host => format!("`ip link set {name} up`"),
        Place::Container => format!("`ip link set {name} up` inside"),
    };
    Error::new(
        ErrorCode::TRY_AGAIN_LATER,
        format!("the master {link} is switched off"),
    )
    .with_details(format!("nothing would pass; {command} switches it on"))
}
