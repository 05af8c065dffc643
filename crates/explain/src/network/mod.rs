//! What ADD would do for a container of a network on this host, without doing it.
//!
//! The plugins themselves tell ([`Plugin::foresee`](linkspan_plugin::Plugin::foresee)): each is called as the runtime would
//! call it, with the result that the one before would have. No process is started, nothing is changed and no lock taken.

mod capability;
mod removal;
mod whose;

use std::path::PathBuf;

use linkspan_plugin::spec::{Error, IpConfig, NetworkList, PluginType, Route, Success};
use linkspan_plugin::{Foreseen, Foresight, Invocation, find};
use linkspan_plugins::PLUGINS;
use linkspan_runtime::{Endpoint, Runtime};

pub use capability::Capability;
pub use removal::Removal;
use whose::Files;
pub use whose::Whose;

/// What ADD would do.
#[derive(Debug)]
pub struct Explanation {
    /// The plugins of the chain, in order.
    pub plugins: Vec<Explained>,
    /// The result that the runtime would get, in words where something is not known yet; `None` when ADD would fail.
    pub result: Option<Outcome>,
    /// What DEL would do about it.
    pub removal: Removal,
}

/// One plugin of the chain.
#[derive(Debug)]
pub struct Explained {
    /// The plugin itself.
    pub program: Program,
    /// The IPAM plugin that its configuration names.
    pub ipam: Option<Program>,
    /// What it would do, in order; with what its IPAM plugin would do.
    pub steps: Vec<Foreseen>,
    /// Why ADD would fail here.
    pub failure: Option<Error>,
    /// Whether ADD would come to it.
    pub is_reached: bool,
    /// What a runtime may hand in.
    pub capabilities: Vec<Capability>,
}

/// A plugin as a runtime would run it.
#[derive(Debug)]
pub struct Program {
    /// Its type.
    pub name: String,
    /// What it does in one line, where that is known.
    pub about: Option<&'static str>,
    /// Whose it is.
    pub whose: Whose,
    /// The names in CNI_ARGS that it reads.
    pub args: &'static [&'static str],
}

impl Program {
    fn of(plugin: &PluginType, plugin_dirs: &[PathBuf], files: &mut Files) -> Self {
        let handler = find(PLUGINS, plugin.as_str());
        Self {
            name: plugin.to_string(),
            about: handler.map(|handler| handler.about()),
            whose: Whose::of(plugin, handler.is_some(), plugin_dirs, files),
            args: handler
                .and_then(|handler| handler.args())
                .unwrap_or_default(),
        }
    }
}

/// What a container would have.
#[derive(Debug)]
pub struct Outcome {
    /// The container's interface, of the result's.
    pub interface: String,
    /// The addresses of the result.
    pub addresses: Vec<String>,
    /// Its routes.
    pub routes: Vec<String>,
    /// Its name servers.
    pub nameservers: Vec<String>,
}

/// Explains what ADD would do for this end of a container, with the plugins of these directories.
///
/// # Errors
/// When a plugin of the list has no type.
pub fn explain(
    network: &NetworkList,
    endpoint: &Endpoint,
    plugin_dirs: &[PathBuf],
) -> Result<Explanation, linkspan_runtime::Error> {
    let (mut foresight, mut files) = (Foresight::default(), Files::default());
    let mut before: Option<Success> = None;
    let mut plugins: Vec<Explained> = Vec::new();
    for index in 0..network.plugins.len() {
        let is_reached = plugins.iter().all(|plugin| plugin.failure.is_none());
        let told = foresight.steps().len();
        let mut plugin = Explained::of(network, index, (plugin_dirs, &mut files))?;
        if is_reached {
            let asked = (endpoint, plugin_dirs);
            match plugin.foresee(network, index, asked, before.take(), &mut foresight) {
                Ok(result) => {
                    before = Some(result);
                    let (earlier, own) = foresight.steps().split_at(told);
                    let is_other =
                        |step: &Foreseen| Some(step.plugin.as_str()) == plugin.other_half();
                    if !own.is_empty() && earlier.iter().any(is_other) {
                        foresight.of(&plugin.program.name, |foresight| foresight.tell(passage()));
                    }
                }
                Err(error) => plugin.failure = Some(error),
            }
        }
        plugin.is_reached = is_reached;
        plugin.steps = foresight.steps()[told..].to_vec();
        plugins.push(plugin);
    }
    let removal = Removal::of(plugins.iter().flat_map(|plugin| &plugin.steps), endpoint);
    Ok(Explanation {
        result: before.map(|result| Outcome::of(&result, endpoint, &foresight)),
        plugins,
        removal,
    })
}

impl Explanation {
    /// The plugin with which ADD would fail, and why.
    pub fn failure(&self) -> Option<(&Explained, &Error)> {
        let mut plugins = self.plugins.iter();
        plugins.find_map(|plugin| Some((plugin, plugin.failure.as_ref()?)))
    }
}

/// What firewall and portmap do together, whichever comes last: each knows from the other's record.
fn passage() -> Foreseen {
    let words = "have the host forward what the published ports lead to the container";
    Foreseen::made("passage", words).note(
        "by rules in the chain LINKSPAN-PORTS of the filter tables of iptables, for connections that came by these ports",
    )
}

impl Explained {
    /// The plugin that has published ports forwarded together with this one.
    fn other_half(&self) -> Option<&'static str> {
        match self.program.name.as_str() {
            "firewall" => Some("portmap"),
            "portmap" => Some("firewall"),
            _ => None,
        }
    }

    fn of(
        network: &NetworkList,
        index: usize,
        (plugin_dirs, files): (&[PathBuf], &mut Files),
    ) -> Result<Self, linkspan_runtime::Error> {
        let config = &network.plugins[index];
        let unusable = |source| linkspan_runtime::Error::Network {
            network: network.name.clone(),
            source,
        };
        let plugin = config.plugin_type().map_err(unusable)?;
        // What is wrong with its name is told by the plugin that delegates to it.
        let ipam = config.ipam_type().unwrap_or_default();
        let program = Program::of(&plugin, plugin_dirs, files);
        Ok(Self {
            ipam: ipam.map(|ipam| Program::of(&ipam, plugin_dirs, files)),
            steps: Vec::new(),
            failure: None,
            is_reached: false,
            capabilities: Capability::of(config, find(PLUGINS, &program.name)),
            program,
        })
    }

    fn foresee(
        &self,
        network: &NetworkList,
        index: usize,
        (endpoint, plugin_dirs): (&Endpoint, &[PathBuf]),
        before: Option<Success>,
        foresight: &mut Foresight,
    ) -> Result<Success, Error> {
        let config = Runtime::plugin_config(network, index, endpoint, before.as_ref())
            .map_err(|error| Error::new(error.code(), error.to_string()))?;
        let attachment = (endpoint.container_id.clone(), endpoint.ifname.clone());
        let args = endpoint.cni_args();
        let dirs = plugin_dirs.to_vec();
        let invocation = Invocation::imagined(config, attachment, args, dirs, PLUGINS)?;
        match find(PLUGINS, &self.program.name) {
            Some(handler) => handler.foresee(&invocation, foresight),
            None => foresight.of(&self.program.name, |foresight| {
                let words = match before {
                    None => format!("{UNKNOWN} that it gives the container {:?}, one end of a pair of links, and an address", endpoint.ifname.as_str()),
                    Some(_) => format!("{UNKNOWN} that it leaves the result as it is"),
                };
                foresight.unknown_plugin(&invocation, words)
            }),
        }
    }
}

/// Of a plugin that Linkspan does not have.
const UNKNOWN: &str = "what it does is not known here; what follows supposes";

impl Outcome {
    fn of(result: &Success, endpoint: &Endpoint, foresight: &Foresight) -> Self {
        let words = |text: String| foresight.in_words(&text);
        let address = |ip: &IpConfig| words(ip.address.to_string());
        let gateway_for = |route: &Route| {
            let mut gateways = result.ips.iter().filter_map(|ip| ip.gateway);
            gateways.find(|gateway| gateway.is_ipv4() == route.dst.addr().is_ipv4())
        };
        let route = |route: &Route| match route.gw.or_else(|| gateway_for(route)) {
            Some(gateway) => words(format!("{} via {gateway}", route.dst)),
            None => words(route.dst.to_string()),
        };
        let mut inside = result
            .interfaces
            .iter()
            .filter(|one| !one.sandbox.is_empty());
        let ifname = endpoint.ifname.to_string();
        let interface = inside.find(|one| one.name == ifname).or(inside.next());
        Self {
            interface: interface.map_or(ifname, |one| one.name.clone()),
            addresses: result.ips.iter().map(address).collect(),
            routes: result.routes.iter().map(route).collect(),
            nameservers: result.dns.nameservers.clone(),
        }
    }
}
