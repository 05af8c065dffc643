//! Leases that the reference's daemon held, whose attachments live: it kept them in memory alone, and what is known of them
//! stands in the caches of runtimes.

use std::path::{Path, PathBuf};

use ipnet::IpNet;
use linkspan_runtime::{CachedAttachment, DEFAULT_CACHE_DIR, Runtime};
use linkspan_spec::{PluginConfig, Success, Value};
use linkspan_state::origin::{Boot, Provenance};

use super::container::Container;
use super::flags::Flags;
use super::journal::log;
use super::wish::Wish;
use crate::machine::{Lease, Parameters};
use crate::message::Route;
use crate::rpc::{CmdArgs, DEFAULT_SOCKET};

/// The IPAM plugin whose leases these are.
const PLUGIN: &str = "dhcp";

/// The directories below the prefix where runtimes keep libcni's cache: its own, and Multus'.
const CACHES: [&str; 2] = [DEFAULT_CACHE_DIR, "/var/lib/cni/multus"];

/// A lease that nobody keeps any more.
#[derive(Debug)]
pub(super) struct Adopted {
    /// For which attachment.
    pub(super) wish: Wish,
    /// Where its interface is.
    pub(super) container: Container,
    /// What ADD told of it.
    pub(super) lease: Lease,
}

/// Those of the attachments in the runtimes' caches that ask this daemon and whose interface is there with its address.
pub(super) fn leases(flags: &Flags) -> Vec<Adopted> {
    let of_cache = |cache: &str| {
        let directory = format!("{}{cache}", flags.host_prefix);
        let runtime = Runtime::builder().cache_dir(&directory).build();
        runtime.cached_files().unwrap_or_else(|error| {
            log(&format!(
                "leases of another daemon cannot be looked for in {directory}: {error}"
            ));
            Vec::new()
        })
    };
    let Ok(boot) = Boot::current() else {
        return Vec::new();
    };
    let files = CACHES.into_iter().flat_map(of_cache);
    let of_this_boot = files.filter(|file| is_of(&boot, &file.path));
    let attachments = of_this_boot.filter_map(|file| file.attachment.ok());
    attachments
        .filter_map(|cached| adopt(&cached, flags))
        .collect()
}

/// Whether a file may be of this boot: the namespaces of an earlier one are gone, and their paths lead elsewhere.
fn is_of(boot: &Boot, file: &Path) -> bool {
    let written = std::fs::metadata(file).and_then(|status| status.modified());
    written.is_ok_and(|written| {
        let provenance = Provenance {
            written,
            origin: None,
        };
        !provenance.is_of_earlier_boot(boot)
    })
}

fn adopt(cached: &CachedAttachment, flags: &Flags) -> Option<Adopted> {
    let network = cached.network_list().ok()?;
    let plugin = network
        .plugins
        .iter()
        .find(|plugin| asks_this_daemon(plugin, flags))?;
    let config = plugin
        .clone()
        .with_network(&network.name, network.cni_version);
    let endpoint = &cached.endpoint;
    let pairs: Vec<String> = endpoint
        .args
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let wish = Wish::read(&CmdArgs {
        container_id: endpoint.container_id.to_string(),
        ifname: endpoint.ifname.to_string(),
        args: pairs.join(";"),
        stdin_data: config.to_string().into_bytes(),
        ..CmdArgs::default()
    })
    .ok()?;
    let netns = endpoint.netns.as_ref()?.display();
    let path = PathBuf::from(format!("{}{netns}", flags.host_prefix));
    let lease = lease(&cached.success().ok()??, endpoint.ifname.as_str())?;
    // That the interface has the address is how it is known to be the one.
    let container = Container::find(&path, &wish.ifname, false)
        .ok()
        .filter(|container| container.has(lease.address))?;
    Some(Adopted {
        wish,
        container,
        lease,
    })
}

fn asks_this_daemon(plugin: &PluginConfig, flags: &Flags) -> bool {
    let is_dhcp = plugin
        .ipam_type()
        .ok()
        .flatten()
        .is_some_and(|name| name.as_str() == PLUGIN);
    let path = plugin
        .ipam()
        .and_then(|ipam| linkspan_spec::key(ipam, "daemonSocketPath"))
        .and_then(Value::as_str)
        .filter(|path| !path.is_empty())
        .unwrap_or(DEFAULT_SOCKET);
    is_dhcp && path == flags.socket_path
}

/// What the result of ADD tells of the interface's lease.
fn lease(result: &Success, ifname: &str) -> Option<Lease> {
    let is_own = |index: usize| {
        let interface = result.interfaces.get(index);
        interface.is_some_and(|one| one.name == ifname && !one.sandbox.is_empty())
    };
    let found = result.ips.iter().find_map(|ip| match ip.address {
        IpNet::V4(address) if ip.interface.is_none_or(is_own) => Some((address, ip.gateway)),
        _ => None,
    });
    let (address, gateway) = found?;
    let v4 = |address: std::net::IpAddr| match address {
        std::net::IpAddr::V4(address) => Some(address),
        std::net::IpAddr::V6(_) => None,
    };
    let route = |route: &linkspan_spec::Route| match route.dst {
        IpNet::V4(destination) => Some(Route {
            destination,
            via: route.gw.and_then(v4),
        }),
        IpNet::V6(_) => None,
    };
    let parameters = Parameters {
        routers: gateway.and_then(v4).into_iter().collect(),
        routes: result.routes.iter().filter_map(route).collect(),
        ..Parameters::default()
    };
    Some(Lease::adopted(address, parameters))
}
