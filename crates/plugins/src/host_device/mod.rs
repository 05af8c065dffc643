//! `host-device`: moves a device of the host into the container, and back.
//!
//! See [the reference's documentation](https://www.cni.dev/plugins/current/main/host-device/).

pub mod config;
pub mod device;
mod home;
pub mod record;
pub mod sysfs;

use linkspan_plan::fault::all;
use linkspan_plan::{self as plan, LinkRef, Namespaces, Plan};
use linkspan_plugin::config::Deferred;
use linkspan_plugin::spec::{Error, ErrorCode, Interface, Success};
use linkspan_plugin::{Call, Foreseen, Foresight, Gc, Ipam, Plugin, Role};

use crate::attach::owner_of;
use crate::attach::{
    Manner, PREV_RESULT_MISSING, Work, attached, configure, free, host_interface,
    require_prev_result, told, told_mac,
};
use config::Config;
use device::Device;
use record::{Inside, Record};
use sysfs::Sysfs;

/// The position of the container's interface in the result.
const CONTAINER_INTERFACE: usize = 0;

/// The plugin.
pub struct HostDevice;

impl Plugin for HostDevice {
    type Config = Deferred<Config>;
    const NAME: &'static str = "host-device";
    const ABOUT: &'static str = "moves a device of the host into the container";
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
        let namespaces = crate::attach::namespaces(call)?;
        if let Some(ipam) = call.ipam()? {
            ipam.check()?;
        }
        let result = require_prev_result(call, PREV_RESULT_MISSING)?;
        let (index, interface) = attached(call, &result)?;
        if is_for_user_space(config, &namespaces) {
            return Ok(());
        }
        let wanted = plan::Device {
            name: String::new(),
            inside: interface.name.clone(),
            mac: told_mac(interface)?,
        };
        let link = LinkRef::container(interface.name.as_str());
        let mut plan = Plan::from_iter([wanted]);
        plan.extend(configuration(&link, &result, index));
        plan::check(&plan, &namespaces)
    }

    fn del(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        let owner = owner_of(call)?;
        free(call.ipam(), Ipam::del, || {
            crate::attach::namespaces_if_there(call)
                .and_then(|inside| home::bring(inside, call, &owner))
        })
    }

    fn gc(&self, gc: &Gc<'_, Deferred<Config>>) -> Result<(), Error> {
        let network = gc.network().as_str();
        let is_stale = |record: &Record| {
            let owner = record.owner();
            owner.network() == network && !gc.is_valid(owner.container(), owner.ifname())
        };
        free(gc.ipam(), Ipam::gc, || {
            let records = Record::all()?;
            let stale = records.iter().filter(|record| is_stale(record));
            all(stale.map(home::collect))
        })
    }

    fn status(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        let config = call.config.get()?;
        let namespaces = Namespaces::host_only()?;
        device::find(config, namespaces.host().rtnl(), &Sysfs::default())
            .map_err(|error| error.with_code(ErrorCode::PLUGIN_NOT_AVAILABLE))?;
        call.ipam()?.map_or(Ok(()), |ipam| ipam.status())
    }
}

/// The work of ADD.
fn attach<'i>(
    call: &Call<'i, Deferred<Config>>,
    config: &Config,
    work: &mut Work<'i, '_>,
) -> Result<Success, Error> {
    let namespaces = work.namespaces();
    let device = device::find(config, namespaces.host().rtnl(), &Sysfs::default())?;
    let ipam = call.ipam()?;
    let is_needed = ipam.as_ref().is_some_and(Ipam::needs_link);
    if is_needed {
        take(call, &device, work)?;
    }
    let mut result = match &ipam {
        Some(ipam) => work.lease(ipam)?,
        None => Success::default(),
    };
    for ip in &mut result.ips {
        ip.interface = Some(CONTAINER_INTERFACE);
    }
    if !is_needed {
        take(call, &device, work)?;
    }
    let mut interface = Interface::new(call.ifname()?.as_str());
    if let Device::Link(_) = &device {
        let inside = LinkRef::container(call.ifname()?.as_str());
        work.apply(&configuration(&inside, &result, CONTAINER_INTERFACE))?;
        interface = host_interface(namespaces.link(&inside)?.as_ref());
    }
    interface.sandbox = call.netns()?.to_string_lossy().into_owned();
    result.interfaces = vec![interface];
    // Not those of the IPAM plugin: the reference never printed them.
    result.dns = config.dns.clone();
    Ok(result)
}

/// Whether the device is a PCI device that a program drives. While a link is in the container it cannot be
/// found on the host, and is none.
fn is_for_user_space(config: &Config, namespaces: &Namespaces) -> bool {
    let found = device::find(config, namespaces.host().rtnl(), &Sysfs::default());
    matches!(found, Ok(Device::UserSpace))
}

/// Writes down whose the device is, then moves it. There is nothing to be moved where a program drives it.
fn take(
    call: &Call<'_, Deferred<Config>>,
    device: &Device,
    work: &mut Work<'_, '_>,
) -> Result<(), Error> {
    let Device::Link(link) = device else {
        let words = "leave the PCI device where it is, since a program drives it: there is no link";
        return work.act(|| Foreseen::made("device", words), |_| Ok(()));
    };
    let (namespaces, owner) = (work.namespaces(), owner_of(call)?);
    let mut record = None;
    let told = || {
        let words = format!(
            "keep in /run/cni/linkspan what {:?} is called and whose it is",
            link.name
        );
        Foreseen::made("record", words)
            .because("so that it comes home, whatever becomes of the container")
    };
    work.act(told, |undo| {
        let mut kept = Record::new(&owner, namespaces.container()?.netns(), &link.name);
        kept.mac = link.permanent_mac.or(link.mac);
        kept.device = Sysfs::default().device_of(&link.name);
        kept.alt_names.clone_from(&link.alt_names);
        record.insert(kept).keep()?;
        undo.on_failure("the record of the device", move || record::forget(&owner));
        Ok(())
    })?;
    let wanted = plan::Device {
        name: link.name.clone(),
        inside: call.ifname()?.to_string(),
        mac: None,
    };
    work.apply(&Plan::from_iter([wanted]))?;
    let Some(mut record) = record else {
        return Ok(());
    };
    let inside = LinkRef::container(call.ifname()?.as_str());
    record.inside = Some(Inside::of(namespaces.link(&inside)?.as_ref()));
    record.keep()
}

/// Addresses and routes.
fn configuration(link: &LinkRef, result: &Success, index: usize) -> Plan {
    configure::steps(link, result, index, Manner::default())
}
