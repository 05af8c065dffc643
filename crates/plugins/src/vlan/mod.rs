//! `vlan`: gives the container the frames of a link that have a VLAN ID.
//!
//! The interface lives in the container alone. Linux has one interface for each VLAN of a link in the whole
//! system, so one container has the VLAN. See [the reference's documentation](https://www.cni.dev/plugins/current/main/vlan/).

pub mod config;

use linkspan_plan::{ContainerLink, LinkKind, LinkRef};
use linkspan_plugin::config::Deferred;
use linkspan_plugin::spec::{Error, MacAddr, Success};
use linkspan_plugin::{Call, Foresight, Plugin, Role};

use crate::attach::{ContainerInterface, Manner, Work, container_link, require_up, told, told_mac};
use config::Config;

/// The plugin.
pub struct Vlan;

impl Plugin for Vlan {
    type Config = Deferred<Config>;
    const NAME: &'static str = "vlan";
    const ABOUT: &'static str = "gives the container the frames of a link that have a VLAN ID";
    const ROLE: Role = Role::Interface {
        has_host_end: false,
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
        let config = call.config.get()?;
        ContainerInterface::check(call, |attached| {
            let (mtu, mac) = (config.mtu.expected(attached), told_mac(attached)?);
            interface(call, config, config.master.named(), mtu, mac)
        })
    }

    fn del(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        ContainerInterface::del(call, Self::NAME)
    }

    fn status(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        let config = call.config.get()?;
        config.master.status(config.mtu)?;
        call.ipam()?.map_or(Ok(()), |ipam| ipam.status())
    }
}

/// The work of ADD.
fn attach<'i>(
    call: &Call<'i, Deferred<Config>>,
    config: &Config,
    work: &mut Work<'i, '_>,
) -> Result<Success, Error> {
    let (parent, found) = config.master.look(work.namespaces())?;
    let mtu = config.mtu.on(&parent, &found)?;
    // The kernel refuses to switch on a VLAN of a link that is off.
    require_up(&parent, &found)?;
    interface(call, config, Some(parent), mtu, None)?.attach(call, work, None)
}

fn interface(
    call: &Call<'_, Deferred<Config>>,
    config: &Config,
    parent: Option<LinkRef>,
    mtu: Option<u32>,
    mac: Option<MacAddr>,
) -> Result<ContainerInterface, Error> {
    Ok(ContainerInterface {
        link: ContainerLink {
            parent,
            mtu,
            mac,
            ..container_link(call, LinkKind::Vlan(config.vlan_id))?
        },
        manner: Manner {
            announced: false,
            detect_duplicates: config.enable_dad,
        },
        // Not those of the IPAM plugin: the reference never printed them.
        dns: Some(config.dns.clone()),
    })
}
