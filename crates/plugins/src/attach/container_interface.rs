//! The plugins whose link lives in the container alone: made, given its addresses, compared, removed.

use linkspan_plan::identity;
use linkspan_plan::{ContainerLink, LinkKind, LinkRef, On, Plan, Settings, check, sysctls};
use linkspan_plugin::Call;
use linkspan_plugin::spec::{Dns, Error, Interface, Success};

use super::owner_of;
use super::{
    Detach, Manner, PREV_RESULT_MISSING, Work, attached, configure, container_interface,
    require_prev_result, require_room,
};

/// An interface whose link lives in the container alone.
#[derive(Clone, Debug)]
pub struct ContainerInterface {
    /// The link.
    pub link: ContainerLink,
    /// What goes with its addresses.
    pub manner: Manner,
    /// The DNS settings that replace the IPAM plugin's.
    pub dns: Option<Dns>,
}

/// The position of the interface in the result: nothing else is made.
const INTERFACE: usize = 0;

/// The link of this kind that the call is about; all else is left to the kernel.
///
/// # Errors
/// When the call names no attachment.
pub fn container_link<C>(call: &Call<'_, C>, kind: LinkKind) -> Result<ContainerLink, Error> {
    let name = call.ifname()?.to_string();
    Ok(ContainerLink::new(name, kind, owner_of(call)?))
}

impl ContainerInterface {
    /// The work of ADD. Without an IPAM plugin the addresses are those of the result `before`; when that has none
    /// either, the interface is switched on and has none.
    ///
    /// The link comes first, whatever the IPAM plugin needs: nothing could be made in the same request.
    ///
    /// # Errors
    /// What could not be made and why; what was made is undone.
    pub fn attach<'i, C>(
        &self,
        call: &Call<'i, C>,
        work: &mut Work<'i, '_>,
        before: Option<Success>,
    ) -> Result<Success, Error> {
        work.apply(&self.link_plan())?;
        let mut result = match call.ipam()? {
            Some(ipam) => work.lease(&ipam)?,
            None => before.unwrap_or_default(),
        };
        for ip in &mut result.ips {
            ip.interface = Some(INTERFACE);
        }
        let link = work.namespaces().link(&self.link_ref())?;
        require_room(Some(link.mtu), &result)?;
        work.apply(&self.configuration(&result, INTERFACE))?;
        result.interfaces = vec![container_interface(&link, call)?];
        if let Some(dns) = &self.dns {
            result.dns = dns.clone();
        }
        Ok(result)
    }

    /// CHECK. `wanted` is what is wanted, given the interface as the result of ADD has it.
    ///
    /// # Errors
    /// All differences, or that they cannot be found out.
    pub fn check<C>(
        call: &Call<'_, C>,
        wanted: impl FnOnce(&Interface) -> Result<Self, Error>,
    ) -> Result<(), Error> {
        let namespaces = crate::attach::namespaces(call)?;
        if let Some(ipam) = call.ipam()? {
            ipam.check()?;
        }
        let result = require_prev_result(call, PREV_RESULT_MISSING)?;
        let (index, interface) = attached(call, &result)?;
        let wanted = wanted(interface)?;
        let mut plan = wanted.link_plan();
        plan.extend(wanted.configuration(&result, index));
        check(&plan, &namespaces)
    }

    /// DEL.
    ///
    /// # Errors
    /// All that could not be freed, after everything else was.
    pub fn del<C: Sync>(call: &Call<'_, C>, kind: &'static str) -> Result<(), Error> {
        let owner = owner_of(call)?;
        Detach::new(call, &owner)
            .interim(identity::link_name(&owner))
            .kind(kind)
            .run()
    }

    fn link_ref(&self) -> LinkRef {
        LinkRef::container(&self.link.name)
    }

    fn link_plan(&self) -> Plan {
        Plan::from_iter([self.link.clone()])
    }

    /// Addresses and routes, or nothing but the switch.
    fn configuration(&self, result: &Success, index: usize) -> Plan {
        let link = self.link_ref();
        let mut plan = Plan::default();
        if configure::own(result, index).next().is_none() {
            plan.push(On(link, Settings::up()));
            return plan;
        }
        if self.manner.detect_duplicates {
            plan.extend(sysctls::duplicate_address_detection(&link, true));
        }
        plan.extend(configure::steps(&link, result, index, self.manner));
        plan
    }
}
