//! CHECK: the attachment is as ADD made it.

use linkspan_plugin::Call;
use linkspan_plugin::config::Deferred;
use linkspan_plugin::spec::{Error, ErrorCode, Interface, MacAddr, Success};

use super::config::Config;
use super::plan::{self, Chosen, VlanEnds};
use super::{netfilter, owner};
use crate::attach::require_prev_result;
use crate::identity;
use crate::plan::{Namespaces, VethEnd};

/// Compares what the result of ADD and the configuration say with the kernel, and asks the IPAM plugin.
pub(super) fn check(call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
    let config = call.config.get()?;
    let namespaces = Namespaces::open(call.netns()?)?;
    if let Some(ipam) = call.ipam()? {
        ipam.check()?;
    }
    let result = require_prev_result(call)?;
    let chosen = chosen(call, config, &namespaces, &result)?;
    crate::plan::check(&plan::plan(config, &chosen, &result), &namespaces)
}

/// What ADD chose, as its result tells.
fn chosen(
    call: &Call<'_, Deferred<Config>>,
    config: &Config,
    namespaces: &Namespaces,
    result: &Success,
) -> Result<Chosen, Error> {
    let owner = owner(call)?;
    let netns = call.netns()?.to_string_lossy();
    let container = result
        .interfaces
        .iter()
        .find(|one| {
            one.name == call.ifname().map_or("", |name| name.as_str()) && one.sandbox == netns
        })
        .ok_or_else(|| missing("the container's interface", &owner.to_string()))?;
    let container = end(container)?;
    let host = host_end(result, config, namespaces, &container)?;
    Ok(Chosen {
        netfilter: netfilter(config, &owner, &host, &container, result),
        mtu: None,
        bridge_mac: identity::bridge_mac(&config.bridge),
        owner: owner.to_string(),
        vlan_interface: None::<VlanEnds>,
        host,
        container,
    })
}

/// The end on the host: the interface of the result that is the other end of the container's.
fn host_end(
    result: &Success,
    config: &Config,
    namespaces: &Namespaces,
    container: &VethEnd,
) -> Result<VethEnd, Error> {
    let inside = namespaces.container()?.link(container.name.as_str())?;
    let candidates: Vec<&Interface> = result
        .interfaces
        .iter()
        .filter(|one| one.sandbox.is_empty() && one.name != config.bridge.as_str())
        .collect();
    let is_peer = |one: &&&Interface| {
        let link = namespaces.host().link(&one.name);
        link.is_ok_and(|link| Some(link.index) == inside.parent)
    };
    candidates
        .iter()
        .find(is_peer)
        .or(candidates.first())
        .ok_or_else(|| missing("the host's end of the link", container.name.as_str()))
        .and_then(|one| end(one))
}

fn end(interface: &Interface) -> Result<VethEnd, Error> {
    let invalid = |error: &dyn std::fmt::Display| {
        Error::new(
            ErrorCode::DECODING_FAILURE,
            format!(
                "prevResult has an invalid interface {:?}: {error}",
                interface.name
            ),
        )
        .with_details(COMPARES)
    };
    Ok(VethEnd {
        name: interface.name.clone(),
        mac: interface
            .mac
            .parse::<MacAddr>()
            .map_err(|error| invalid(&error))?,
    })
}

fn missing(what: &str, whose: &str) -> Error {
    Error::new(
        ErrorCode::INVALID_NETWORK_CONFIG,
        format!("prevResult does not have {what} of {whose}"),
    )
    .with_details(COMPARES)
}

const COMPARES: &str = "CHECK compares with the result of ADD; the runtime must send it as it was";
