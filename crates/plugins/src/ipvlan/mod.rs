//! `ipvlan`: gives the container further addresses on a link of the host, with that link's MAC address.
//!
//! The interface lives in the container alone. In a chain the master can be the interface of the plugin
//! before, and the addresses its. See [the reference's documentation](https://www.cni.dev/plugins/current/main/ipvlan/).

pub mod config;

use linkspan_plan::{ContainerLink, LinkKind, LinkRef};
use linkspan_plugin::config::Deferred;
use linkspan_plugin::spec::{Error, ErrorCode, Success};
use linkspan_plugin::{Call, Foresight, Plugin, Role};

use crate::attach::{ContainerInterface, Manner, Master, Work, container_link, require_ipam, told};
use config::Config;

/// The plugin.
pub struct Ipvlan;

impl Plugin for Ipvlan {
    type Config = Deferred<Config>;
    const NAME: &'static str = "ipvlan";
    const ABOUT: &'static str =
        "gives the container addresses on a link of the host, with that link's MAC address";
    const ROLE: Role = Role::Interface {
        has_host_end: false,
        hides_from_host: true,
    };

    fn add(&self, call: &Call<'_, Deferred<Config>>) -> Result<Success, Error> {
        let config = call.config.get()?;
        let before = before(call, config)?;
        let namespaces = crate::attach::namespaces(call)?;
        Work::done(&namespaces, |work| attach(call, config, before, work))
    }

    fn foresee(
        &self,
        call: &Call<'_, Deferred<Config>>,
        foresight: &mut Foresight,
    ) -> Result<Success, Error> {
        let config = call.config.get()?;
        let before = before(call, config)?;
        told(call, foresight, |work| attach(call, config, before, work))
    }

    fn check(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        let config = call.config.get()?;
        ContainerInterface::check(call, |attached| {
            let mtu = config.mtu.expected(attached);
            interface(call, config, config.master.named(), mtu)
        })
    }

    fn del(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        ContainerInterface::del(call, Self::NAME)
    }

    fn status(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        let config = call.config.get()?;
        // Which link a chain's first plugin will make is not known.
        if config.master.name.is_some() {
            config.master.status(config.mtu)?;
        }
        call.ipam()?.map_or(Ok(()), |ipam| ipam.status())
    }
}

/// The result of the plugin before; without an IPAM plugin it must have addresses.
fn before(call: &Call<'_, Deferred<Config>>, config: &Config) -> Result<Option<Success>, Error> {
    let before = call.prev_result()?;
    let has_addresses = before.as_ref().is_some_and(|before| !before.ips.is_empty());
    if !config.has_ipam && !has_addresses {
        require_ipam(None, Ipvlan::NAME)?;
    }
    Ok(before)
}

/// The work of ADD.
fn attach<'i>(
    call: &Call<'i, Deferred<Config>>,
    config: &Config,
    before: Option<Success>,
    work: &mut Work<'i, '_>,
) -> Result<Success, Error> {
    let master = master(config, before.as_ref())?;
    let (parent, found) = master.find_early(work)?;
    let mtu = config.mtu.on(&parent, &found)?;
    interface(call, config, Some(parent), mtu)?.attach(call, work, before)
}

/// The master that the configuration names, else the interface of the plugin before, which has made one.
fn master(config: &Config, before: Option<&Success>) -> Result<Master, Error> {
    let (None, Some(before)) = (&config.master.name, before) else {
        return Ok(config.master.clone());
    };
    match before.interfaces.as_slice() {
        [one] if !one.name.is_empty() => Ok(Master {
            name: Some(one.name.clone()),
            ..config.master.clone()
        }),
        _ => Err(Error::new(
            ErrorCode::INVALID_NETWORK_CONFIG,
            "chained master failure. PrevResult lacks a single named interface",
        )
        .with_details(
            "set \"master\", since the plugin before did not make exactly one interface",
        )),
    }
}

fn interface(
    call: &Call<'_, Deferred<Config>>,
    config: &Config,
    parent: Option<LinkRef>,
    mtu: Option<u32>,
) -> Result<ContainerInterface, Error> {
    Ok(ContainerInterface {
        link: ContainerLink {
            parent,
            mtu,
            // The MAC address is always the master's.
            ..container_link(call, LinkKind::Ipvlan(config.mode))?
        },
        manner: Manner {
            announced: true,
            detect_duplicates: config.enable_dad,
        },
        // Not those of the IPAM plugin: the reference never printed them.
        dns: Some(config.dns.clone()),
    })
}
