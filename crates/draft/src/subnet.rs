//! A subnet that is nobody's.

use std::net::Ipv6Addr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::facts::{Claim, Facts};

/// What subnets are chosen from, the first that is free. 10.88 and 10.89 are left to Podman, 10.96 and above to the services and
/// pods of Kubernetes, 172.17 to 172.27 to Docker and Nomad.
pub const POOLS: [&str; 4] = [
    "10.90.0.0/15",
    "10.92.0.0/14",
    "172.28.0.0/14",
    "192.168.192.0/18",
];

/// The prefix of a subnet that is chosen: 253 containers, their gateway, and two thousand such subnets.
pub const PREFIX: u8 = 24;

/// As many random subnets are tried; there are 2^40.
const TRIES: u64 = 1 << 16;

/// A subnet that nobody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Free {
    pub(crate) net: IpNet,
    /// The claim for which the first of all was not taken.
    pub(crate) instead_of: Option<(IpNet, Claim)>,
}

/// The first free subnet of IPv4; `None` where all are claimed.
pub(crate) fn ipv4(facts: &Facts) -> Option<Free> {
    let mut instead_of = None;
    let pools = POOLS.iter().filter_map(|pool| pool.parse::<Ipv4Net>().ok());
    for pool in pools {
        let claims: Vec<&Claim> = facts.claims_on(IpNet::V4(pool)).collect();
        for net in pool.subnets(PREFIX).into_iter().flatten().map(IpNet::V4) {
            match claims.iter().find(|claim| claim.is_on(net)) {
                None => return Some(Free { net, instead_of }),
                Some(claim) => {
                    instead_of.get_or_insert_with(|| (net, (*claim).clone()));
                }
            }
        }
    }
    None
}

/// A random subnet of IPv6 (RFC 4193, section 3.2): `fd`, 40 random bits, the first of its 65536 subnets.
pub(crate) fn ipv6(facts: &Facts) -> Option<Free> {
    let random = facts.random & ((1 << 40) - 1);
    (0..TRIES).find_map(|step| {
        let global = random.wrapping_add(step) & ((1 << 40) - 1);
        let bits = (0xfd_u128 << 120) | (u128::from(global) << 80);
        let net = IpNet::V6(Ipv6Net::new(Ipv6Addr::from(bits), 64).ok()?);
        let is_free = facts.claims_on(net).next().is_none();
        is_free.then_some(Free {
            net,
            instead_of: None,
        })
    })
}
