//! CHECK: the attachment is as ADD made it.

use linkspan_plugin::Call;
use linkspan_plugin::config::Deferred;
use linkspan_plugin::spec::Error;

use super::config::Config;
use super::netfilter;
use super::plan::{self, Chosen};
use crate::attach::owner_of;
use crate::attach::{
    PREV_RESULT_MISSING, attached, attached_host_end, require_prev_result, veth_end,
};

/// Compares what the result of ADD and the configuration say with the kernel, and asks the IPAM plugin.
pub(super) fn check(call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
    let config = call.config.get()?;
    let namespaces = crate::attach::namespaces(call)?;
    if let Some(ipam) = call.ipam()? {
        ipam.check()?;
    }
    let result = require_prev_result(call, PREV_RESULT_MISSING)?;
    let (index, container) = attached(call, &result)?;
    let host = attached_host_end(&result, &namespaces, &container.name, &[])?;
    let owner = owner_of(call)?;
    let chosen = Chosen {
        container: veth_end(container)?,
        host: veth_end(host)?,
        mtu: config.mtu.expected(container),
        owner: owner.to_string(),
    };
    let ends = plan::ends(&result, index)?;
    let netfilter = netfilter(config, owner, &result);
    let mut plan = plan::link(&chosen);
    plan.extend(plan::configuration(
        &chosen, &ends, netfilter, &result, index,
    ));
    linkspan_plan::check(&plan, &namespaces)
}
