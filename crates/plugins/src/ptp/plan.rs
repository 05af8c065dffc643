//! From a configuration and addresses to the wanted objects: a pure function.

use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_netfilter::{Attachment, Kind};
use linkspan_plan::{
    Address, LinkRef, Netfilter, On, OtherEnd, Plan, PointToPoint, Settings, Sysctl, VethEnd,
    VethPair, sysctls,
};
use linkspan_plugin::spec::{Error, ErrorCode, Route, Success};

use crate::attach::{Manner, configure};

/// What was chosen for this attachment.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    /// The container's interface.
    pub(super) container: VethEnd,
    /// Its other end on the host.
    pub(super) host: VethEnd,
    /// Bytes; `None` leaves it to the kernel.
    pub(super) mtu: Option<u32>,
    /// Who the attachment is, for the host end's alias.
    pub(super) owner: String,
}

/// The position of the container's interface in the result.
pub(super) const CONTAINER_INTERFACE: usize = 1;

/// `RT_SCOPE_HOST`, linux/rtnetlink.h
const HOST: u8 = 254;

/// An address of the container with its gateway, which the host's end holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    address: IpNet,
    gateway: IpAddr,
}

/// The addresses of the interface at this position in a result.
///
/// # Errors
/// [`ErrorCode::INVALID_NETWORK_CONFIG`] when one has no gateway, or one of the other family.
pub(super) fn ends(result: &Success, index: usize) -> Result<Vec<Ends>, Error> {
    configure::own(result, index)
        .map(|ip| match ip.gateway {
            Some(gateway) if gateway.is_ipv4() == ip.address.addr().is_ipv4() => Ok(Ends {
                address: ip.address,
                gateway,
            }),
            _ => Err(no_gateway(ip.address)),
        })
        .collect()
}

fn no_gateway(address: IpNet) -> Error {
    Error::new(
        ErrorCode::INVALID_NETWORK_CONFIG,
        format!("the address {address} has no gateway, which the host's end of the link is to hold"),
    )
    .with_details(
        "set \"gateway\" beside the address in the configuration of the IPAM plugin (\"addresses\" of static, \
         ranges of host-local)",
    )
}

/// The link, before it has addresses.
pub(super) fn link(chosen: &Chosen) -> Plan {
    let mut plan = Plan::default();
    plan.push(VethPair {
        host: chosen.host.clone(),
        master: None,
        container: chosen.container.clone(),
        mtu: chosen.mtu,
        alias: chosen.owner.clone(),
    });
    let host = LinkRef::host(chosen.host.name.as_str());
    plan.push(sysctls::no_router_advertisements(&host));
    plan
}

/// Everything else that the attachment is to consist of: what follows from its addresses, whose `ends` these are, and
/// `netfilter`, what is wanted of that. `index` is the position of the container's interface in the result.
pub(super) fn configuration(
    chosen: &Chosen,
    ends: &[Ends],
    netfilter: Option<Attachment>,
    result: &Success,
    index: usize,
) -> Plan {
    let host = LinkRef::host(chosen.host.name.as_str());
    let container = LinkRef::container(chosen.container.name.as_str());
    let mut plan = Plan::default();
    if ends.is_empty() {
        plan.push(On(container, Settings::up()));
        return plan;
    }
    if ends.iter().any(|ends| ends.gateway.is_ipv6()) {
        // Until the host's end has a link-local address that can be used, the kernel asks for no neighbour
        // on behalf of those whose packets it forwards (`ndisc_send_ns`): the container would not be
        // reached for a second or two.
        plan.extend(sysctls::duplicate_address_detection(&host, false));
    }
    plan.extend(
        Plan::from_iter(forwarding(ends)).because("so that the host routes for the container"),
    );
    plan.extend(host_steps(&host, ends));
    plan.extend(configure::addresses(
        &container,
        result,
        index,
        Manner::default(),
    ));
    let pairs = || {
        let of = |&Ends { address, gateway }| PointToPoint { address, gateway };
        ends.iter().map(of)
    };
    plan.extend(pairs().map(|wanted| On(container.clone(), OtherEnd(wanted))));
    plan.extend(configure::routes(&container, result, index));
    plan.extend(pairs().map(|wanted| On(container.clone(), wanted)));
    let with_reasons = |wanted| Netfilter::from(wanted).with_reasons(NETFILTER);
    plan.extend(netfilter.map(with_reasons));
    plan
}

/// Why something is wanted of netfilter.
const NETFILTER: &[(Kind, &str)] = &[(
    Kind::Masquerade,
    "since nobody there knows a way back to it (ipMasq)",
)];

/// The host forwards what comes from the container.
fn forwarding(ends: &[Ends]) -> impl Iterator<Item = Sysctl> {
    let has = |is: fn(&IpAddr) -> bool| ends.iter().any(|ends| is(&ends.gateway));
    let ipv4 = has(IpAddr::is_ipv4).then(sysctls::forward_ipv4);
    let ipv6 = has(IpAddr::is_ipv6).then(sysctls::forward_ipv6);
    ipv4.into_iter().chain(ipv6)
}

/// The gateways' addresses, usable at once, and the ways to the container's.
fn host_steps(host: &LinkRef, ends: &[Ends]) -> Plan {
    let mut steps = Plan::default();
    let mut held = Vec::new();
    for Ends { address, gateway } in ends {
        let gateway = Address {
            address: IpNet::from(*gateway),
            detect_duplicates: false,
        };
        if !held.contains(&gateway) {
            held.push(gateway.clone());
            steps.push(On(host.clone(), gateway));
        }
        let route = Route::new(IpNet::from(address.addr()), None).with_scope(HOST);
        steps.push(On(host.clone(), route));
    }
    steps
}
