//! An address of a link.

use std::fmt;

use ipnet::IpNet;
use linkspan_kernel::rtnl::{self, Change};
use linkspan_spec::Error;

use crate::difference::{Difference, listed, unless};
use crate::fault::explain;
use crate::foresee::Outlook;
use crate::link::On;
use crate::namespaces::Namespaces;
use crate::object::Object;
use crate::send::{self, Batch, Sent};

/// An address of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address with the length of its subnet's prefix.
    pub address: IpNet,
    /// Duplicate address detection (IPv6), as the link's settings have it; without, it is usable at once.
    pub detect_duplicates: bool,
}

impl fmt::Display for On<Address> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(link, Address { address, .. }) = self;
        write!(f, "add the address {address} to {link}")
    }
}

impl Object for On<Address> {
    fn differences(&self, namespaces: &Namespaces) -> Result<Vec<Difference>, Error> {
        let Self(link, Address { address, .. }) = self;
        let Some(found) = namespaces.link_if_there(link)? else {
            return Ok(Vec::new());
        };
        let rtnl = namespaces.side(link.place)?.rtnl();
        let held = rtnl.addresses(found.index).map_err(explain)?;
        let is_there = held.iter().any(|held| held.net == *address);
        let object = format!("the addresses of {link}");
        let all = listed(held.iter().map(ToString::to_string));
        Ok(unless(is_there, object, address, all))
    }

    fn foresee(&self, namespaces: &Namespaces) -> Result<Vec<Outlook>, Error> {
        send::foresee(self, namespaces)
    }
}

impl Sent for On<Address> {
    fn batch(&self) -> Batch {
        Batch::OfLinks(self.0.place)
    }

    fn changes(&self, namespaces: &Namespaces) -> Result<Vec<Change>, Error> {
        let Self(link, wanted) = self;
        let address = rtnl::Address::new(wanted.address);
        let address = match wanted.detect_duplicates {
            true => address.with_dad(),
            false => address,
        };
        let index = namespaces.link(link)?.index;
        Ok(vec![Change::AddAddress(index, address)])
    }
}
