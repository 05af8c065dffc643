//! A pair of virtual ethernet links.

use std::fmt;
use std::os::fd::AsFd;

use linkspan_kernel::rtnl::{Kind, Link, NewLink, Peer};
use linkspan_plugin::Undo;
use linkspan_spec::{Error, ErrorCode, IfName, MacAddr};

use crate::difference::{self, Difference, unless};
use crate::fault::{explain, explain_step, gone};
use crate::foresee::Outlook;
use crate::identity;
use crate::imagined::{ETHERNET_MTU, IFF_UP};
use crate::link::{LinkRef, Place};
use crate::lost::undone;
use crate::namespaces::Namespaces;
use crate::object::{Made, Object};

/// How many names for the host's end are tried. The first is made from the attachment; that it is taken
/// means that an earlier attachment of the same identity is alive somewhere.
const ATTEMPTS: usize = 4;

/// A pair of virtual ethernet links: one end on the host, the other in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VethPair {
    /// The end on the host, up from the start.
    pub host: VethEnd,
    /// The bridge that the host's end is a port of.
    pub master: Option<IfName>,
    /// The end in the container, down until it is configured.
    pub container: VethEnd,
    /// Bytes, of both ends; `None` leaves it to the kernel.
    pub mtu: Option<u32>,
    /// A text written on the host's end, for people and for collection; shown by `ip link`. Only links
    /// with this text have the host end's name.
    pub alias: String,
}

/// One end of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VethEnd {
    /// Its name.
    pub name: String,
    /// Set explicitly, so that nobody (udev) believes that it may choose another.
    pub mac: MacAddr,
}

impl fmt::Display for VethPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, inside) = (self.host.name.as_str(), self.container.name.as_str());
        write!(
            f,
            "create the link {host:?} and its other end {inside:?} in the container"
        )?;
        match &self.master {
            Some(master) => write!(f, ", a port of {:?}", master.as_str()),
            None => Ok(()),
        }
    }
}

impl Object for VethPair {
    fn differences(&self, namespaces: &Namespaces) -> Result<Vec<Difference>, Error> {
        let (outside, inside) = (
            LinkRef::host(self.host.name.as_str()),
            LinkRef::container(self.container.name.as_str()),
        );
        let Some(container) = namespaces.link_if_there(&inside)? else {
            return Ok(difference::missing(&inside));
        };
        let Some(host) = namespaces.link_if_there(&outside)? else {
            return Ok(difference::missing(&outside));
        };
        let object = format!("the link {inside}");
        let is_veth = container.is_kind("veth");
        let mut differences = difference::kind(is_veth, &object, "a veth", &container);
        let peers = container.parent == Some(host.index) && host.parent == Some(container.index);
        let other_end = format!("{outside} as its other end");
        differences.extend(unless(peers, &object, other_end, "another"));
        let up = difference::switched_on(true, &format!("the link {outside}"), &host);
        differences.extend(up);
        let ends = [
            (&inside, self.container.mac, &container),
            (&outside, self.host.mac, &host),
        ];
        for (end, mac, link) in ends {
            differences.extend(difference::mac(end, Some(mac), link));
            differences.extend(difference::mtu(end, self.mtu, link));
        }
        if let Some(master) = &self.master {
            let expected = namespaces.host().link_if_there(master.as_str())?;
            let is_port = host.master.is_some() && host.master == expected.map(|link| link.index);
            let found = host
                .master
                .map_or("none".to_owned(), |index| format!("link {index}"));
            let object = format!("the bridge of {outside}");
            differences.extend(unless(is_port, object, master.as_str(), found));
        }
        Ok(differences)
    }

    fn foresee(&self, namespaces: &Namespaces) -> Result<Vec<Outlook>, Error> {
        self.refuse_taken_name(namespaces)?;
        let master = self.master.as_ref();
        let master = master.map(|master| namespaces.host().link(master.as_str()));
        let host = Link {
            alias: Some(self.alias.clone()),
            flags: IFF_UP,
            master: master.transpose()?.map(|master| master.index),
            ..self.end(&self.host, None)
        };
        let host = namespaces.imagine(Place::Host, host);
        let container = self.end(&self.container, Some(host.index));
        namespaces.imagine(Place::Container, container);
        let (outside, inside) = (&self.host.name, &self.container.name);
        let mut words = format!(
            "create a pair of links: {inside:?} in the container, and {outside:?} on the host"
        );
        if let Some(master) = &self.master {
            words.push_str(&format!(", a port of {:?}", master.as_str()));
        }
        if let Some(mtu) = self.mtu {
            words.push_str(&format!("; packets of {mtu} bytes at most"));
        }
        Ok(vec![Outlook::made().words(words)])
    }
}

impl VethPair {
    /// Refuses a name that something in the container has.
    fn refuse_taken_name(&self, namespaces: &Namespaces) -> Result<(), Error> {
        let inside = &self.container.name;
        namespaces.refuse_taken_name(inside).map_err(|error| {
            let details = format!("{}: {}", error.msg, error.details);
            // Scripts know these words of the reference's.
            let msg = format!("container veth name provided ({inside}) already exists");
            error.with_msg(msg).with_details(details)
        })
    }

    /// One of the ends, as it would be.
    fn end(&self, end: &VethEnd, parent: Option<u32>) -> Link {
        Link {
            name: end.name.clone(),
            kind: Some("veth".to_owned()),
            mtu: self.mtu.unwrap_or(ETHERNET_MTU),
            mac: Some(end.mac.octets()),
            parent,
            ..Link::default()
        }
    }
}

impl Made for VethPair {
    /// Creates the pair, each end where it is to be, in one request.
    fn make<'a>(&self, namespaces: &'a Namespaces, undo: &mut Undo<'a>) -> Result<(), Error> {
        let host = create_host_end(self, namespaces)?;
        let name = host.name.clone();
        let container = container_end(self, &host);
        namespaces.host().remember(self.host.name.as_str(), host);
        undo.on_failure(format!("the link {name:?}"), move || {
            gone(namespaces.host().rtnl().delete_link(&name))
        });
        let inside = self.container.name.as_str();
        match container {
            Some(container) => namespaces.container()?.remember(inside, container),
            None => namespaces.link(&LinkRef::container(inside))?,
        };
        Ok(())
    }
}

/// The container's end as it was made. What the kernel tells of the host's end has the index of its peer;
/// when both are in one namespace it does not say so.
fn container_end(pair: &VethPair, host: &Link) -> Option<Link> {
    host.parent_netns?;
    Some(Link {
        index: host.parent?,
        name: pair.container.name.to_string(),
        kind: host.kind.clone(),
        mtu: host.mtu,
        mac: Some(pair.container.mac.octets()),
        ..Link::default()
    })
}

fn create_host_end(pair: &VethPair, namespaces: &Namespaces) -> Result<Link, Error> {
    let mut name = pair.host.name.clone();
    for attempt in 1.. {
        match request(pair, name.as_str(), namespaces)? {
            Ok(link) => {
                return Ok(Link {
                    mac: Some(pair.host.mac.octets()),
                    ..link
                });
            }
            Err(error) if error.is_exists() => {
                pair.refuse_taken_name(namespaces)?;
                if attempt == ATTEMPTS {
                    return Err(explain(error));
                }
                name = identity::random_link_name();
            }
            Err(error) => return Err(explain_step(pair, &error)),
        }
    }
    Err(Error::new(
        ErrorCode::INTERNAL,
        "no name was free for the host's end of the link",
    ))
}

type Created = Result<Link, linkspan_kernel::Error>;

fn request(pair: &VethPair, name: &str, namespaces: &Namespaces) -> Result<Created, Error> {
    let container = namespaces.container()?;
    let master = match &pair.master {
        Some(master) => Some(namespaces.host().link(master.as_str())?.index),
        None => None,
    };
    let inside = Peer {
        name: pair.container.name.to_string(),
        mtu: pair.mtu,
        mac: Some(pair.container.mac.octets()),
        netns: container.netns().map(AsFd::as_fd),
    };
    let outside = NewLink {
        mtu: pair.mtu,
        mac: Some(pair.host.mac.octets()),
        up: true,
        master,
        alias: Some(pair.alias.clone()),
        ..NewLink::new(name, Kind::Veth(inside))
    };
    let rtnl = namespaces.host().rtnl();
    // The MAC address was chosen for this link and is nobody else's.
    let is_ours = |found: &Link| found.mac == outside.mac;
    Ok(rtnl
        .create_link(&outside)
        .map_err(|error| undone(error, name, rtnl, is_ours)))
}
