//! CHECK: the attachment is as ADD made it.

use linkspan_plan::Namespaces;
use linkspan_plugin::Call;
use linkspan_plugin::config::Deferred;
use linkspan_plugin::spec::{Error, Success};

use super::config::Config;
use super::netfilter;
use super::plan::{self, Chosen, VlanEnds};
use crate::attach::owner_of;
use crate::attach::{
    PREV_RESULT_MISSING, attached, attached_host_end, attached_on_host, require_prev_result,
    told_mac, veth_end,
};

/// Compares what the result of ADD and the configuration say with the kernel, and asks the IPAM plugin.
pub(super) fn check(call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
    let config = call.config.get()?;
    let namespaces = crate::attach::namespaces(call)?;
    if let Some(ipam) = call.ipam()? {
        ipam.check()?;
    }
    let result = require_prev_result(call, PREV_RESULT_MISSING)?;
    let chosen = chosen(call, config, &namespaces, &result)?;
    let netfilter = netfilter(config, owner_of(call)?, &chosen, &result);
    let mut plan = plan::link(config, &chosen);
    plan.extend(plan::configuration(config, &chosen, netfilter, &result));
    linkspan_plan::check(&plan, &namespaces)
}

/// What ADD chose, as its result tells.
fn chosen(
    call: &Call<'_, Deferred<Config>>,
    config: &Config,
    namespaces: &Namespaces,
    result: &Success,
) -> Result<Chosen, Error> {
    let (_, container) = attached(call, result)?;
    let container = veth_end(container)?;
    let bridge = config.bridge.as_str();
    let host = attached_host_end(result, namespaces, &container.name, &[bridge])?;
    let host = veth_end(host)?;
    Ok(Chosen {
        mtu: None,
        bridge_mac: told_mac(attached_on_host(result, bridge)?)?,
        owner: owner_of(call)?.to_string(),
        vlan_interface: None::<VlanEnds>,
        host,
        container,
    })
}
