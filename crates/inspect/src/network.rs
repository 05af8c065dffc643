//! The networks of the configuration directories.

use std::path::PathBuf;

use ipnet::IpNet;
use linkspan_ipam::config::Config;
use linkspan_ipam::range::Range;
use linkspan_plugin::config::Configuration;
use linkspan_runtime::{NetworkFile, load_all};
use linkspan_spec::{NetworkList, PluginConfig, Value};
use serde::Serialize;

use crate::Problem;

/// A configuration file, and the network in it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// The network's name; `None` where the file cannot be read.
    pub name: Option<String>,
    /// The configuration's file.
    pub file: PathBuf,
    /// The version of its configuration.
    pub cni_version: Option<String>,
    /// The plugins of its chain, in order.
    pub plugins: Vec<String>,
    /// The IPAM plugins, in the order of the plugins that delegate to them.
    pub ipam: Vec<String>,
    /// Why the file cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// The file that has a network of the same name and comes first: this one is never used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadowed_by: Option<PathBuf>,
    /// The configuration itself.
    #[serde(skip)]
    pub list: Option<NetworkList>,
}

impl Network {
    fn of(file: NetworkFile) -> Self {
        let (list, problem) = match file.network {
            Ok(list) => (Some(list), None),
            Err(error) => (None, Some(Problem::from(&error))),
        };
        let plugins = || list.iter().flat_map(|list| &list.plugins);
        let type_of = |plugin: &PluginConfig| Some(plugin.plugin_type().ok()?.to_string());
        let ipam_of = |plugin: &PluginConfig| Some(plugin.ipam_type().ok()??.to_string());
        Self {
            name: list.as_ref().map(|list| list.name.to_string()),
            file: file.path,
            cni_version: list.as_ref().map(|list| list.cni_version.to_string()),
            plugins: plugins().filter_map(type_of).collect(),
            ipam: plugins().filter_map(ipam_of).collect(),
            problem,
            shadowed_by: None,
            list,
        }
    }

    /// The configurations of those plugins of its chain that are of a type.
    pub fn plugins_of_type<'a>(
        &'a self,
        wanted: &'a str,
    ) -> impl Iterator<Item = &'a PluginConfig> {
        let plugins = self.list.iter().flat_map(|list| &list.plugins);
        plugins.filter(move |plugin| {
            plugin
                .plugin_type()
                .is_ok_and(|kind| kind.as_str() == wanted)
        })
    }

    /// Whether it is the one that a runtime uses by its name.
    pub fn is_in_force(&self) -> bool {
        self.list.is_some() && self.shadowed_by.is_none()
    }

    /// The bridges of its plugins. What stands where none is named is the plugin's default.
    pub fn bridges(&self) -> Vec<String> {
        let plugins = self.plugins_of_type("bridge");
        let bridge = |plugin: &PluginConfig| {
            let named = plugin.as_map().get("bridge").and_then(Value::as_str);
            named.unwrap_or("cni0").to_owned()
        };
        plugins.map(bridge).collect()
    }

    /// The gateways of the subnets that host-local gives addresses of.
    pub(crate) fn gateways(&self) -> Vec<IpNet> {
        let ranges = self.ranges().into_iter();
        ranges
            .map(|range| range.with_prefix(range.gateway()))
            .collect()
    }

    /// The subnets that host-local gives addresses of, in the order of its ranges.
    pub fn subnets(&self) -> Vec<IpNet> {
        let mut subnets = Vec::new();
        for range in self.ranges() {
            if !subnets.contains(&range.subnet()) {
                subnets.push(range.subnet());
            }
        }
        subnets
    }

    fn ranges(&self) -> Vec<Range> {
        let requests = self.pools();
        let requests = requests.filter_map(|config| Some(config.request.get().ok()?.sets.clone()));
        requests
            .flatten()
            .flat_map(|set| set.ranges().to_vec())
            .collect()
    }

    /// The configurations of host-local in it, each read by its keys. What the runtime alone asks for is not in it.
    pub(crate) fn pools(&self) -> impl Iterator<Item = Config> {
        let plugins = self.list.iter().flat_map(|list| {
            let plugins = list.plugins.iter().cloned();
            plugins.map(|plugin| plugin.with_network(&list.name, list.cni_version))
        });
        plugins.filter_map(|plugin| {
            let is_host_local = plugin
                .ipam_type()
                .is_ok_and(|kind| kind.is_some_and(|kind| kind.as_str() == "host-local"));
            is_host_local.then(|| Config::read(&plugin).ok()).flatten()
        })
    }
}

/// Reads the networks of directories. A directory that cannot be read is a problem of its own.
pub(crate) fn read(directories: &[PathBuf], problems: &mut Vec<Problem>) -> Vec<Network> {
    let mut networks = Vec::new();
    for directory in directories {
        match load_all(directory) {
            Ok(files) => networks.extend(shadow(files.into_iter().map(Network::of))),
            Err(error) => problems.push(Problem::from(&error).at(directory)),
        }
    }
    networks
}

/// Marks those whose name an earlier file of the directory has.
fn shadow(networks: impl Iterator<Item = Network>) -> Vec<Network> {
    let mut seen: Vec<Network> = Vec::new();
    for mut network in networks {
        let same = seen
            .iter()
            .find(|earlier| earlier.name.is_some() && earlier.name == network.name);
        network.shadowed_by = same.map(|earlier| earlier.file.clone());
        seen.push(network);
    }
    seen
}
