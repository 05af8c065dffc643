//! What options mean. A value of the wrong length is as good as none: the rest of the message may still be of use.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::options::{
    CLASSLESS_ROUTES, DNS, DOMAIN, DOMAIN_SEARCH, KIND, LEASE_TIME, MTU, OLD_CLASSLESS_ROUTES,
    REBINDING_TIME, RENEWAL_TIME, ROUTERS, SERVER_ID, STATIC_ROUTES, SUBNET_MASK, TEXT,
};
use super::{Kind, Options, names};

/// The smallest MTU of an IPv4 interface (RFC 2132, 5.1).
const SMALLEST_MTU: u16 = 68;

/// How much of a server's text is repeated, in bytes.
const LONGEST_TEXT: usize = 255;

/// A route that a server wants its clients to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Where to.
    pub destination: Ipv4Net,
    /// By which router; `None`: the destination is on the link (RFC 3442).
    pub via: Option<Ipv4Addr>,
}

impl Options {
    /// What the message is (53).
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        use Kind::{Ack, Decline, Discover, Inform, Nak, Offer, Release, Request};
        let all = [Discover, Offer, Request, Decline, Ack, Nak, Release, Inform];
        let &[number] = self.get(KIND)? else {
            return None;
        };
        all.into_iter().find(|kind| *kind as u8 == number)
    }

    /// Which server speaks or is meant (54), if that is one that a message can be sent to.
    #[must_use]
    pub fn server_id(&self) -> Option<Ipv4Addr> {
        self.address(SERVER_ID).filter(is_unicast)
    }

    /// For how many seconds the address is given; [`u32::MAX`] is for ever (51; RFC 2131, 3.3).
    #[must_use]
    pub fn lease_time(&self) -> Option<u32> {
        self.seconds(LEASE_TIME)
    }

    /// After how many seconds the lease is to be renewed, T1 (58).
    #[must_use]
    pub fn renewal_time(&self) -> Option<u32> {
        self.seconds(RENEWAL_TIME)
    }

    /// After how many seconds any server may be asked, T2 (59).
    #[must_use]
    pub fn rebinding_time(&self) -> Option<u32> {
        self.seconds(REBINDING_TIME)
    }

    /// The length of the subnet's prefix (1); `None` also for a mask with holes, and for one of zeros, by which everything
    /// would be on the link.
    #[must_use]
    pub fn prefix(&self) -> Option<u8> {
        let prefix = ipnet::ipv4_mask_to_prefix(self.address(SUBNET_MASK)?).ok();
        prefix.filter(|prefix| *prefix > 0)
    }

    /// The routers on the subnet, the preferred one first (3).
    #[must_use]
    pub fn routers(&self) -> Vec<Ipv4Addr> {
        self.addresses(ROUTERS)
    }

    /// The name servers, the preferred one first (6).
    #[must_use]
    pub fn dns(&self) -> Vec<Ipv4Addr> {
        self.addresses(DNS)
    }

    /// The domain in which names are looked up (15). What is no name is left out: it ends up in files that others read.
    #[must_use]
    pub fn domain(&self) -> Option<String> {
        names::checked(self.get(DOMAIN)?)
    }

    /// The domains that are tried for a name, in this order (119; RFC 3397).
    #[must_use]
    pub fn search(&self) -> Vec<String> {
        self.get(DOMAIN_SEARCH).map(names::list).unwrap_or_default()
    }

    /// The interface's MTU in bytes (26); `None` below the least, 68.
    #[must_use]
    pub fn mtu(&self) -> Option<u16> {
        let bytes = self.get(MTU)?.try_into().ok()?;
        Some(u16::from_be_bytes(bytes)).filter(|mtu| *mtu >= SMALLEST_MTU)
    }

    /// The routes: the classless ones (121, or 249 where a server knows the older number alone), and where there are none
    /// the classful ones (33), then one to everywhere by the first router (3). So the classless ones stand for all
    /// (RFC 3442).
    #[must_use]
    pub fn routes(&self) -> Vec<Route> {
        let classless = [CLASSLESS_ROUTES, OLD_CLASSLESS_ROUTES]
            .into_iter()
            .filter_map(|code| classless(self.get(code)?))
            .find(|routes| !routes.is_empty());
        if let Some(routes) = classless {
            return routes;
        }
        let mut routes = self.get(STATIC_ROUTES).map(classful).unwrap_or_default();
        routes.extend(self.routers().first().map(|router| Route {
            destination: Ipv4Net::default(),
            via: Some(*router),
        }));
        routes
    }

    /// What the server has to say to a person, fit for a log (56): printable, at most 255 bytes.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let bytes = self.get(TEXT)?;
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_TEXT)]);
        let text: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn seconds(&self, code: u8) -> Option<u32> {
        Some(u32::from_be_bytes(self.get(code)?.try_into().ok()?))
    }

    fn address(&self, code: u8) -> Option<Ipv4Addr> {
        let octets: [u8; 4] = self.get(code)?.try_into().ok()?;
        Some(octets.into())
    }

    fn addresses(&self, code: u8) -> Vec<Ipv4Addr> {
        let (whole, _) = self.get(code).unwrap_or_default().as_chunks::<4>();
        whole
            .iter()
            .map(|octets| Ipv4Addr::from(*octets))
            .filter(|address| !address.is_unspecified())
            .collect()
    }
}

/// Whether a single host on a network can have this address.
pub(crate) fn is_unicast(address: &Ipv4Addr) -> bool {
    matches!(address.octets()[0], 1..=126 | 128..=223)
}

/// RFC 3442: for each route the length of the prefix, as many octets of the destination as that needs, and the router.
/// `None` when one is cut off or has a prefix that there is not: then nothing behind it can be read either.
fn classless(mut bytes: &[u8]) -> Option<Vec<Route>> {
    let mut routes = Vec::new();
    while let Some((&prefix, rest)) = bytes.split_first() {
        let (significant, rest) = rest.split_at_checked(usize::from(prefix.div_ceil(8)))?;
        let (router, rest) = rest.split_first_chunk::<4>()?;
        let mut octets = [0; 4];
        octets
            .get_mut(..significant.len())?
            .copy_from_slice(significant);
        let via = Ipv4Addr::from(*router);
        routes.push(Route {
            destination: Ipv4Net::new(octets.into(), prefix).ok()?.trunc(),
            via: (!via.is_unspecified()).then_some(via),
        });
        bytes = rest;
    }
    Some(routes)
}

/// RFC 2132, 5.8: pairs of a destination, whose prefix is that of its class, and a router. The default route does not
/// belong there.
fn classful(bytes: &[u8]) -> Vec<Route> {
    let (pairs, _) = bytes.as_chunks::<8>();
    pairs
        .iter()
        .filter_map(|&[a, b, c, d, router @ ..]| {
            let destination = Ipv4Addr::new(a, b, c, d);
            let prefix = match a {
                0 => return None,
                1..=127 => 8,
                128..=191 => 16,
                192..=223 => 24,
                224..=255 => return None,
            };
            Some(Route {
                destination: Ipv4Net::new(destination, prefix).ok()?.trunc(),
                via: Some(router.into()),
            })
        })
        .collect()
}
