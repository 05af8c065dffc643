//! `bridge`: connects the container to a bridge on the host.
//!
//! [`config`] is what a configuration may say, `plan` turns it and the addresses into the wanted kernel
//! objects, and [`linkspan_plan`] makes them so. See [the reference's documentation](https://www.cni.dev/plugins/current/main/bridge/).

mod check;
pub mod config;
mod plan;

use linkspan_netfilter::{self as netfilter, Attachment, Kind, Owner};
use linkspan_plan::fault::{all, explain};
use linkspan_plan::identity;
use linkspan_plan::{LinkRef, Namespaces, VethEnd};
use linkspan_plugin::config::Deferred;
use linkspan_plugin::spec::{Error, ErrorCode, IfName, Interface, MacAddr, Success};
use linkspan_plugin::{Call, Foresight, Gc, Ipam, Plugin, Role};

use crate::attach::owner_of;
use crate::attach::{
    Detach, Work, collect_links, container_interface, free, host_interface, mac, own_interface,
    require_room, told, uplink,
};
use config::Config;
use plan::{Chosen, VlanEnds};

/// The plugin.
pub struct Bridge;

impl Plugin for Bridge {
    type Config = Deferred<Config>;
    const NAME: &'static str = "bridge";
    const ABOUT: &'static str = "connects the container to a bridge on the host";
    const ROLE: Role = Role::Interface {
        has_host_end: true,
        hides_from_host: false,
    };
    const ARGS: Option<&'static [&'static str]> = Some(&["MAC"]);

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
        Detach::new(call, &owner)
            .netfilter(detached(call, owner.clone()))
            .link(identity::link_name(&owner))
            .guarded(call.config.get().is_ok_and(|config| config.mac_spoof_check))
            .run()
    }

    fn gc(&self, gc: &Gc<'_, Deferred<Config>>) -> Result<(), Error> {
        let kinds = expected(gc.config.get().ok());
        let network = gc.network().as_str();
        free(gc.ipam(), Ipam::gc, || {
            all([
                netfilter::collect(network, Self::NAME, &kinds, &gc.valid),
                collect_links(network, &gc.valid),
            ])
        })
    }

    fn status(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        let config = call.config.get()?;
        require_bridge(config)?;
        if config.ip_masq || config.mac_spoof_check {
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
    let (mut result, mut plan) = work.lease_with_link(call, plan::link(config, &chosen))?;
    plan::complete(config, &mut result);
    require_room(chosen.mtu, &result)?;
    let netfilter = netfilter(config, owner_of(call)?, &chosen, &result);
    plan.extend(plan::configuration(config, &chosen, netfilter, &result));
    work.apply(&plan)?;
    result.interfaces = interfaces(call, config, &chosen, work.namespaces())?;
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
    let [runtime, args] = config.macs.each_ref().map(Option::as_deref);
    let mac = mac::requested([runtime, args, call.args.get("MAC")])?;
    let host = VethEnd {
        name: identity::link_name(&owner),
        mac: work.random_mac("MAC address of the host's end"),
    };
    let container = VethEnd {
        name: call.ifname()?.to_string(),
        mac: mac.unwrap_or_else(|| work.random_mac("the container's MAC address")),
    };
    Ok(Chosen {
        mtu: config.mtu.resolve(|| uplink(work.namespaces().host()))?,
        bridge_mac: Some(identity::bridge_mac(&config.bridge)),
        owner: owner.to_string(),
        vlan_interface: vlan_ends(config)?,
        host,
        container,
    })
}

/// What is wanted of netfilter; `None` for nothing.
fn netfilter(
    config: &Config,
    owner: Owner,
    chosen: &Chosen,
    result: &Success,
) -> Option<Attachment> {
    let mut attachment = Attachment::new(owner, Bridge::NAME).backend(config.backend);
    if config.ip_masq {
        attachment = attachment.masquerade(result.ips.iter().map(|ip| ip.address));
    }
    if config.mac_spoof_check {
        attachment = attachment.spoof_guard(chosen.host.name.as_str(), chosen.container.mac);
    }
    Some(attachment).filter(|attachment| !attachment.is_empty())
}

/// What DEL removes from netfilter: what the record says, else what the configuration asks for.
fn detached(call: &Call<'_, Deferred<Config>>, owner: Owner) -> Attachment {
    let config = call.config.get().ok();
    let attachment =
        Attachment::new(owner, Bridge::NAME).backend(config.and_then(|config| config.backend));
    expected(config)
        .into_iter()
        .fold(attachment, Attachment::expect)
}

/// The kinds of parts that a configuration asks for; all of them where it cannot be read.
fn expected(config: Option<&Config>) -> Vec<Kind> {
    let asks = |asks: fn(&Config) -> bool| config.is_none_or(asks);
    let mut kinds = Vec::new();
    if asks(|config| config.ip_masq && config.layer3) {
        kinds.push(Kind::Masquerade);
    }
    if asks(|config| config.mac_spoof_check) {
        kinds.push(Kind::SpoofGuard);
    }
    kinds
}

/// The bridge's interface in the container's VLAN, when it is to hold a gateway's address.
fn vlan_ends(config: &Config) -> Result<Option<VlanEnds>, Error> {
    let (Some(vlan), true) = (config.vlans.access, config.is_gateway && config.layer3) else {
        return Ok(None);
    };
    let name = format!("{}.{vlan}", config.bridge);
    let name: IfName = name.parse().map_err(|error| {
        Error::new(
            ErrorCode::INVALID_NETWORK_CONFIG,
            format!("the bridge's interface in VLAN {vlan} cannot be called {name:?}: {error}"),
        )
        .with_details(
            "isGateway and vlan make an interface NAME.VLAN beside the bridge; choose a shorter name in \
             \"bridge\"",
        )
    })?;
    Ok(Some(VlanEnds {
        port: VethEnd {
            name: identity::port_name(&name),
            mac: identity::random_mac(),
        },
        address: VethEnd {
            mac: identity::bridge_mac(&name),
            name: name.to_string(),
        },
    }))
}

/// The interfaces of the result: the bridge, the two ends of the link, and the bridge's interface in
/// the container's VLAN.
fn interfaces(
    call: &Call<'_, Deferred<Config>>,
    config: &Config,
    chosen: &Chosen,
    namespaces: &Namespaces,
) -> Result<Vec<Interface>, Error> {
    let on_host = |name: &str| namespaces.link(&LinkRef::host(name));
    let container = namespaces.link(&LinkRef::container(chosen.container.name.as_str()))?;
    let mut bridge = on_host(config.bridge.as_str())?;
    if bridge.mac != chosen.bridge_mac.map(MacAddr::octets) {
        // One that somebody else made may have taken the MAC address of the new port.
        let rtnl = namespaces.host().rtnl();
        bridge = rtnl.link(config.bridge.as_str()).map_err(explain)?.into();
    }
    // The MTU of the bridge follows from those of its ports.
    let mut interfaces = vec![
        host_interface(&bridge),
        own_interface(on_host(chosen.host.name.as_str())?.as_ref(), call),
        container_interface(&container, call)?,
    ];
    if let Some(ends) = &chosen.vlan_interface {
        interfaces.push(host_interface(
            on_host(ends.address.name.as_str())?.as_ref(),
        ));
    }
    Ok(interfaces)
}

/// A link of the bridge's name that is no bridge keeps every ADD from succeeding.
fn require_bridge(config: &Config) -> Result<(), Error> {
    let name = config.bridge.as_str();
    match Namespaces::host_only()?.host().rtnl().link(name) {
        Ok(link) if !link.is_kind("bridge") => Err(Error::new(
            ErrorCode::PLUGIN_NOT_AVAILABLE,
            format!("{name:?} already exists but is not a bridge"),
        )
        .with_details("choose another name in \"bridge\", or remove the link")),
        _ => Ok(()),
    }
}
