//! A container that is attached, and its interface.

use std::time::Duration;

use linkspan_kernel::Error;
use linkspan_kernel::monitor::Monitor;
use linkspan_kernel::rtnl::{Address, Rtnl};
use linkspan_runtime::Endpoint;
use linkspan_spec::{Dns, IpConfig, Success};

use crate::check::{Aspect, Check, Who};
use crate::diagnose::EndAt;
use crate::place::Place;
use crate::probe::{End, NextHop};

/// How long duplicate address detection may take: a second for each address, by the kernel's defaults.
const PATIENCE: Duration = Duration::from_secs(5);

/// A container that is attached.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) place: Place,
    pub(crate) endpoint: Endpoint,
    pub(crate) end: End,
    /// The host's interfaces of it, by the result.
    pub(crate) host_links: Vec<String>,
    /// What the result says of DNS.
    pub(crate) dns: Option<String>,
    /// The MTU of its interface, by the result.
    told_mtu: Option<u32>,
}

impl Attached {
    pub(crate) fn new(who: Who, place: Place, endpoint: Endpoint, result: &Success) -> Self {
        let of_container = |ip: &&IpConfig| {
            let interface = ip.interface.and_then(|index| result.interfaces.get(index));
            interface.is_none_or(|interface| !interface.sandbox.is_empty())
        };
        let ips: Vec<_> = result.ips.iter().filter(of_container).collect();
        let mut interfaces = result.interfaces.iter();
        let own =
            interfaces.find(|one| !one.sandbox.is_empty() && one.name == endpoint.ifname.as_str());
        let host = result
            .interfaces
            .iter()
            .filter(|one| one.sandbox.is_empty());
        let mtu = Rtnl::open_in(&place.netns)
            .and_then(|rtnl| rtnl.link(endpoint.ifname.as_str()))
            .map_or(0, |link| link.mtu);
        Self {
            end: End {
                who,
                addresses: ips.iter().map(|ip| ip.address).collect(),
                gateways: ips.iter().filter_map(|ip| ip.gateway).collect(),
                mtu,
                next_hops: [NextHop::None; 2],
            },
            host_links: host.map(|one| one.name.clone()).collect(),
            dns: (!result.dns.is_empty()).then(|| words(&result.dns)),
            told_mtu: own.and_then(|own| own.mtu),
            place,
            endpoint,
        }
    }

    pub(crate) fn at(&self) -> EndAt<'_> {
        EndAt {
            end: &self.end,
            netns: &self.place.netns,
            ifname: self.endpoint.ifname.as_str(),
            host_links: &self.host_links,
        }
    }
}

fn words(dns: &Dns) -> String {
    let mut words = Vec::new();
    for (name, values) in [
        ("servers", dns.nameservers.join(", ")),
        ("domain", dns.domain.clone()),
        ("search", dns.search.join(", ")),
        ("options", dns.options.join(", ")),
    ] {
        if !values.is_empty() {
            words.push(format!("{name} {values}"));
        }
    }
    words.join("; ")
}

/// Whether the interface is up, with what the result and the configuration say of it.
pub(crate) fn interface(attached: &Attached, mtu: Option<u32>) -> Check {
    let check = Check::new(Aspect::Interface).of(attached.end.who);
    let found = look(attached, mtu);
    match found {
        Err(error) => check.failed(error.to_string(), None),
        Ok(wrong) if !wrong.is_empty() => check.failed(wrong.join("; "), None),
        Ok(_) => check.detail(format!(
            "{} is up, {} bytes",
            attached.endpoint.ifname, attached.end.mtu
        )),
    }
}

/// What is wrong with it, once its IPv6 addresses are usable.
fn look(attached: &Attached, mtu: Option<u32>) -> Result<Vec<String>, Error> {
    let netns = &attached.place.netns;
    let (name, rtnl) = (attached.endpoint.ifname.as_str(), Rtnl::open_in(netns)?);
    let monitor = Monitor::open_in(netns)?;
    let link = rtnl.link(name)?;
    let mut wrong = Vec::new();
    if !link.is_up() {
        wrong.push(format!("{name} is switched off"));
    } else if monitor.await_running(&rtnl, link.index, PATIENCE).is_err() {
        wrong.push(format!("{name} is up and has no carrier"));
    }
    if let Some(wanted) = attached
        .told_mtu
        .or(mtu)
        .filter(|wanted| *wanted != link.mtu)
    {
        wrong.push(format!("its MTU is {} bytes, not {wanted}", link.mtu));
    }
    monitor.await_addresses(&rtnl, link.index, PATIENCE)?;
    let there = rtnl.addresses(link.index)?;
    for net in &attached.end.addresses {
        match there.iter().find(|address| address.net == *net) {
            None => wrong.push(format!("it does not have the result's address {net}")),
            Some(address) if address.flags & Address::DAD_FAILED != 0 => {
                wrong.push(format!("somebody else has its address {net}"));
            }
            Some(_) => {}
        }
    }
    Ok(wrong)
}
