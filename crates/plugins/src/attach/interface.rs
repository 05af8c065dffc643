//! The interfaces of a result.

use linkspan_kernel::rtnl::Link;
use linkspan_plan::{Namespaces, VethEnd};
use linkspan_plugin::Call;
use linkspan_plugin::spec::{Error, ErrorCode, Interface, MacAddr, Success, Version};

use super::{host_end, owner_of};

/// A link of the host, as a result tells of it.
pub fn host_interface(link: &Link) -> Interface {
    let mac = link.mac.map(|mac| MacAddr::new(mac).to_string());
    Interface::new(link.name.as_str()).with_mac(mac.unwrap_or_default())
}

/// A link of the host that is the attachment's own, as the result of this call tells of it; with its MTU in
/// the version that has brought that.
pub fn own_interface<C>(link: &Link, call: &Call<'_, C>) -> Interface {
    let tells_mtu = call.version() >= Version::V1_1_0;
    host_interface(link).with_mtu(tells_mtu.then_some(link.mtu))
}

/// The same of a link of the container.
///
/// # Errors
/// When the call names no namespace.
pub fn container_interface<C>(link: &Link, call: &Call<'_, C>) -> Result<Interface, Error> {
    Ok(own_interface(link, call).with_sandbox(call.netns()?.to_string_lossy()))
}

/// The container's interface in the result of ADD, with its position.
///
/// # Errors
/// [`ErrorCode::INVALID_NETWORK_CONFIG`] when it is not there.
pub fn attached<'r, C>(
    call: &Call<'_, C>,
    result: &'r Success,
) -> Result<(usize, &'r Interface), Error> {
    let (name, netns) = (call.ifname()?, call.netns()?.to_string_lossy());
    let owner = owner_of(call)?;
    let mut interfaces = result.interfaces.iter().enumerate();
    interfaces
        .find(|(_, one)| one.name == name.as_str() && one.sandbox == netns)
        .ok_or_else(|| missing(&format!("the container's interface of {owner}")))
}

/// The interface of this name on the host, in the result of ADD.
///
/// # Errors
/// [`ErrorCode::INVALID_NETWORK_CONFIG`] when it is not there.
pub fn attached_on_host<'r>(result: &'r Success, name: &str) -> Result<&'r Interface, Error> {
    let is_it = |one: &&Interface| one.name == name && one.sandbox.is_empty();
    let found = result.interfaces.iter().find(is_it);
    found.ok_or_else(|| missing(&format!("the interface {name:?} of the host")))
}

/// The host's end of the pair whose other end is this link of the container, in the result of ADD: the
/// interface of the host that is that end, else the first of those that are not in `others`.
///
/// # Errors
/// [`ErrorCode::INVALID_NETWORK_CONFIG`] when the result has no interface of the host.
pub fn attached_host_end<'r>(
    result: &'r Success,
    namespaces: &Namespaces,
    container: &str,
    others: &[&str],
) -> Result<&'r Interface, Error> {
    // That it is gone is told by the comparison that comes after.
    let peer = match namespaces.container()?.link_if_there(container)? {
        Some(inside) => host_end(namespaces, &inside)?,
        None => None,
    };
    let candidates = || {
        let outside = result
            .interfaces
            .iter()
            .filter(|one| one.sandbox.is_empty());
        outside.filter(|one| !others.contains(&one.name.as_str()))
    };
    let is_peer = |one: &&Interface| peer.as_ref().is_some_and(|peer| peer.name == one.name);
    candidates()
        .find(is_peer)
        .or_else(|| candidates().next())
        .ok_or_else(|| missing(&format!("the host's end of {container:?}")))
}

/// One end of a pair, as the result of ADD has it.
///
/// # Errors
/// [`ErrorCode::DECODING_FAILURE`] when its MAC address is none.
pub fn veth_end(interface: &Interface) -> Result<VethEnd, Error> {
    Ok(VethEnd {
        name: interface.name.clone(),
        mac: required_mac(interface)?,
    })
}

/// The MAC address of an interface in the result of ADD.
///
/// # Errors
/// [`ErrorCode::DECODING_FAILURE`] when it is none.
fn required_mac(interface: &Interface) -> Result<MacAddr, Error> {
    interface.mac.parse().map_err(|error| {
        Error::new(
            ErrorCode::DECODING_FAILURE,
            format!(
                "prevResult has an invalid interface {:?}: {error}",
                interface.name
            ),
        )
        .with_details(COMPARES)
    })
}

/// The same; `None` when the result tells none.
///
/// # Errors
/// [`ErrorCode::DECODING_FAILURE`] when it is there and is no MAC address.
pub fn told_mac(interface: &Interface) -> Result<Option<MacAddr>, Error> {
    if interface.mac.is_empty() {
        return Ok(None);
    }
    required_mac(interface).map(Some)
}

fn missing(what: &str) -> Error {
    Error::new(
        ErrorCode::INVALID_NETWORK_CONFIG,
        format!("prevResult does not have {what}"),
    )
    .with_details(COMPARES)
}

const COMPARES: &str = "CHECK compares with the result of ADD; the runtime must send it as it was";
