//! `tap`: a device in the container whose other end is a program, such as a virtual machine.
//!
//! See [the reference's documentation](https://www.cni.dev/plugins/current/main/tap/).

pub mod config;

use linkspan_plan::{self as plan, LinkRef, Namespaces, Plan};
use linkspan_plugin::config::Deferred;
use linkspan_plugin::spec::{Error, MacAddr, Success};
use linkspan_plugin::{Call, Foresight, Plugin, Role};

use crate::attach::owner_of;
use crate::attach::{
    Detach, Manner, PREV_RESULT_MISSING, Work, attached, configure, container_interface, mac,
    require_prev_result, require_room, told, told_mac, uplink,
};
use config::Config;

/// The position of the container's interface in the result.
const CONTAINER_INTERFACE: usize = 0;

/// The plugin.
pub struct Tap;

impl Plugin for Tap {
    type Config = Deferred<Config>;
    const NAME: &'static str = "tap";
    const ABOUT: &'static str = "makes a device in the container whose other end is a program";
    const ROLE: Role = Role::Interface {
        has_host_end: false,
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
        let config = call.config.get()?;
        let namespaces = crate::attach::namespaces(call)?;
        if let Some(ipam) = call.ipam()? {
            ipam.check()?;
        }
        let result = require_prev_result(call, PREV_RESULT_MISSING)?;
        let (index, interface) = attached(call, &result)?;
        let device = plan::Tap {
            name: interface.name.clone(),
            mtu: config.mtu.expected(interface),
            ..of(config, told_mac(interface)?)
        };
        let link = LinkRef::container(device.name.as_str());
        let mut plan = Plan::from_iter([device]);
        plan.extend(configuration(&link, &result, index));
        plan::check(&plan, &namespaces)
    }

    /// The device lives in the container alone.
    fn del(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        Detach::new(call, &owner_of(call)?).kind("tun").run()
    }

    fn status(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        call.config.get()?;
        plan::tap_status()?;
        call.ipam()?.map_or(Ok(()), |ipam| ipam.status())
    }
}

/// The work of ADD.
fn attach<'i>(
    call: &Call<'i, Deferred<Config>>,
    config: &Config,
    work: &mut Work<'i, '_>,
) -> Result<Success, Error> {
    let device = device(call, config, work.namespaces())?;
    let (mtu, link) = (device.mtu, LinkRef::container(device.name.as_str()));
    let (mut result, mut plan) = work.lease_with_link(call, Plan::from_iter([device]))?;
    for ip in &mut result.ips {
        ip.interface = Some(CONTAINER_INTERFACE);
    }
    require_room(mtu, &result)?;
    plan.extend(configuration(&link, &result, CONTAINER_INTERFACE));
    work.apply(&plan)?;
    let made = work.namespaces().link(&link)?;
    result.interfaces = vec![container_interface(&made, call)?];
    // Not those of the IPAM plugin: the reference never printed them.
    result.dns = config.dns.clone();
    Ok(result)
}

/// The device that the configuration asks for.
fn device(
    call: &Call<'_, Deferred<Config>>,
    config: &Config,
    namespaces: &Namespaces,
) -> Result<plan::Tap, Error> {
    let [runtime, args, key] = config.macs.each_ref().map(|mac| mac.as_deref());
    let mac = mac::requested([runtime, args, call.args.get("MAC"), key])?;
    Ok(plan::Tap {
        name: call.ifname()?.to_string(),
        alias: Some(owner_of(call)?.to_string()),
        mtu: config.mtu.resolve(|| uplink(namespaces.host()))?,
        ..of(config, mac)
    })
}

fn of(config: &Config, mac: Option<MacAddr>) -> plan::Tap {
    plan::Tap {
        name: String::new(),
        alias: None,
        mtu: None,
        mac,
        owner: config.owner,
        group: config.group,
        multi_queue: config.multi_queue,
        bridge: config.bridge.clone(),
        selinux_context: config.selinux_context.clone(),
    }
}

/// Addresses and routes.
fn configuration(link: &LinkRef, result: &Success, index: usize) -> Plan {
    let manner = Manner {
        announced: true,
        ..Manner::default()
    };
    configure::steps(link, result, index, manner)
}
