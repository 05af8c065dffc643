//! `ptp`: a pair of links between the container and the host, which routes for it.
//!
//! Each address of the container has its gateway on the host's end, and a route to it there. The container
//! reaches everything, its own subnet included, through the gateway, so no two containers are on one link.
//! See [the reference's documentation](https://www.cni.dev/plugins/current/main/ptp/).

mod check;
pub mod config;
mod plan;

use linkspan_netfilter::{self as netfilter, Attachment, Kind, Owner};
use linkspan_plan::fault::all;
use linkspan_plan::identity;
use linkspan_plan::{LinkRef, VethEnd};
use linkspan_plugin::config::Deferred;
use linkspan_plugin::spec::{Error, Success};
use linkspan_plugin::{Call, Foresight, Gc, Ipam, Plugin, Role};

use crate::attach::owner_of;
use crate::attach::{
    Detach, Work, collect_links, container_interface, free, own_interface, require_room, told,
    uplink,
};
use config::Config;
use plan::{CONTAINER_INTERFACE, Chosen};

/// The plugin.
pub struct Ptp;

impl Plugin for Ptp {
    type Config = Deferred<Config>;
    const NAME: &'static str = "ptp";
    const ABOUT: &'static str = "connects the container to the host, which routes for it";
    const ROLE: Role = Role::Interface {
        has_host_end: true,
        hides_from_host: false,
    };

    fn add(&self, call: &Call<'_, Deferred<Config>>) -> Result<Success, Error> {
        let config = call.config.get()?;
        let namespaces = crate::attach::namespaces(call)?;
        Work::done(&namespaces, |work| attach(call, config, work))
    }

    fn foresee(
        &self,
        call: &Call<'_, Deferred<Config>>,
        foresight: &mut Foresight,
    ) -> Result<Success, Error> {
        let config = call.config.get()?;
        told(call, foresight, |work| attach(call, config, work))
    }

    fn check(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        check::check(call)
    }

    fn del(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        let owner = owner_of(call)?;
        let config = call.config.get().ok();
        let backend = config.and_then(|config| config.backend);
        let attachment = Attachment::new(owner.clone(), Self::NAME).backend(backend);
        let kinds = expected(config);
        Detach::new(call, &owner)
            .netfilter(kinds.iter().copied().fold(attachment, Attachment::expect))
            .link(identity::link_name(&owner))
            .run()
    }

    fn gc(&self, gc: &Gc<'_, Deferred<Config>>) -> Result<(), Error> {
        let kinds = expected(gc.config.get().ok());
        let network = gc.network().as_str();
        free(gc.ipam(), Ipam::gc, || {
            all([
                netfilter::collect(network, Self::NAME, kinds, &gc.valid),
                collect_links(network, &gc.valid),
            ])
        })
    }

    fn status(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        let config = call.config.get()?;
        if config.ip_masq {
            netfilter::status(config.backend)?;
        }
        call.ipam()?.map_or(Ok(()), |ipam| ipam.status())
    }
}

/// The work of ADD.
fn attach<'i>(
    call: &Call<'i, Deferred<Config>>,
    config: &Config,
    work: &mut Work<'i, '_>,
) -> Result<Success, Error> {
    let chosen = choose(call, config, work)?;
    let (mut result, mut plan) = work.lease_with_link(call, plan::link(&chosen))?;
    for ip in &mut result.ips {
        ip.interface = Some(CONTAINER_INTERFACE);
    }
    require_room(chosen.mtu, &result)?;
    let netfilter = netfilter(config, owner_of(call)?, &result);
    let ends = plan::ends(&result, CONTAINER_INTERFACE)?;
    plan.extend(plan::configuration(
        &chosen,
        &ends,
        netfilter,
        &result,
        CONTAINER_INTERFACE,
    ));
    work.apply(&plan)?;
    let link = |link: LinkRef| work.namespaces().link(&link);
    result.interfaces = vec![
        own_interface(link(LinkRef::host(&chosen.host.name))?.as_ref(), call),
        container_interface(&*link(LinkRef::container(&chosen.container.name))?, call)?,
    ];
    config.dns.replace(&mut result.dns);
    Ok(result)
}

/// Chooses names and MAC addresses for this attachment.
fn choose(
    call: &Call<'_, Deferred<Config>>,
    config: &Config,
    work: &mut Work<'_, '_>,
) -> Result<Chosen, Error> {
    let owner = owner_of(call)?;
    Ok(Chosen {
        container: VethEnd {
            name: call.ifname()?.to_string(),
            mac: work.random_mac("the container's MAC address"),
        },
        host: VethEnd {
            name: identity::link_name(&owner),
            mac: work.random_mac("MAC address of the host's end"),
        },
        mtu: config.mtu.resolve(|| uplink(work.namespaces().host()))?,
        owner: owner.to_string(),
    })
}

/// What is wanted of netfilter; `None` for nothing.
fn netfilter(config: &Config, owner: Owner, result: &Success) -> Option<Attachment> {
    if !config.ip_masq || result.ips.is_empty() {
        return None;
    }
    let attachment = Attachment::new(owner, Ptp::NAME).backend(config.backend);
    Some(attachment.masquerade(result.ips.iter().map(|ip| ip.address)))
}

/// The kinds of parts that a configuration asks for; all of them where it cannot be read.
fn expected(config: Option<&Config>) -> &'static [Kind] {
    if config.is_none_or(|config| config.ip_masq) {
        &[Kind::Masquerade]
    } else {
        &[]
    }
}
