//! `macvlan`: gives the container a further MAC address on a link of the host, and so a place in that link's
//! network.
//!
//! The interface lives in the container alone; nothing of it is on the host. See
//! [the reference's documentation](https://www.cni.dev/plugins/current/main/macvlan/).

pub mod config;

use linkspan_plan::{ContainerLink, LinkKind, LinkRef};
use linkspan_plugin::config::Deferred;
use linkspan_plugin::spec::{Error, MacAddr, Success};
use linkspan_plugin::{Call, Foresight, Plugin, Role};

use crate::attach::{ContainerInterface, Manner, Work, container_link, mac, told, told_mac};
use config::Config;

/// The plugin.
pub struct Macvlan;

impl Plugin for Macvlan {
    type Config = Deferred<Config>;
    const NAME: &'static str = "macvlan";
    const ABOUT: &'static str =
        "gives the container a MAC address of its own on a link of the host";
    const ROLE: Role = Role::Interface {
        has_host_end: false,
        hides_from_host: true,
    };
    const ARGS: Option<&'static [&'static str]> = Some(&["MAC"]);

    fn add(&self, call: &Call<'_, Deferred<Config>>) -> Result<Success, Error> {
        let config = call.config.get()?;
        let mac = requested_mac(call, config)?;
        let namespaces = crate::attach::namespaces(call)?;
        Work::done(&namespaces, |work| attach(call, config, mac, work))
    }

    fn foresee(
        &self,
        call: &Call<'_, Deferred<Config>>,
        foresight: &mut Foresight,
    ) -> Result<Success, Error> {
        let config = call.config.get()?;
        let mac = requested_mac(call, config)?;
        told(call, foresight, |work| attach(call, config, mac, work))
    }

    fn check(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        let config = call.config.get()?;
        ContainerInterface::check(call, |attached| {
            let mtu = config.mtu.expected(attached);
            interface(
                call,
                config,
                config.master.named(),
                mtu,
                told_mac(attached)?,
            )
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

fn requested_mac(
    call: &Call<'_, Deferred<Config>>,
    config: &Config,
) -> Result<Option<MacAddr>, Error> {
    let [runtime, args, own] = config.macs.each_ref().map(Option::as_deref);
    mac::requested([runtime, args, call.args.get("MAC"), own])
}

/// The work of ADD.
fn attach<'i>(
    call: &Call<'i, Deferred<Config>>,
    config: &Config,
    mac: Option<MacAddr>,
    work: &mut Work<'i, '_>,
) -> Result<Success, Error> {
    let (parent, found) = config.master.find_early(work)?;
    let mtu = config.mtu.on(&parent, &found)?;
    interface(call, config, Some(parent), mtu, mac)?.attach(call, work, None)
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
            ..container_link(
                call,
                LinkKind::Macvlan {
                    mode: config.mode,
                    broadcast_queue_len: config.broadcast_queue_len,
                },
            )?
        },
        manner: Manner {
            announced: true,
            detect_duplicates: config.enable_dad,
        },
        // Not those of the IPAM plugin: the reference never printed them.
        dns: Some(config.dns.clone()),
    })
}
