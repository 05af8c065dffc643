//! `new`, and `network create`, which is the same.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum, ValueHint};
use ipnet::IpNet;
use linkspan_draft::Stretch;
use linkspan_spec::{IfName, NetworkName, Version};

use super::Look;
use crate::complete;

/// `new`.
#[derive(Args, Debug)]
pub(crate) struct New {
    /// What to make.
    #[command(subcommand)]
    pub(crate) command: NewCommand,
}

/// What to make.
#[derive(Debug, Subcommand)]
pub(crate) enum NewCommand {
    /// Write the configuration of a new network, which works on this host.
    ///
    /// What is not said is chosen: the subnet is one that no network, pool, link and route of this host has, out of 10.90.0.0 and
    /// upward, for IPv6 a random one (RFC 4193); the bridge's name is free; the version is the newest that the plugins
    /// here speak. What was chosen is told with the reason, the configuration is linted, and the file is put behind
    /// all others, so that no runtime takes another network than before for its default.
    #[command(alias = "net")]
    Network(Box<NewNetwork>),
    /// Write a crate with a CNI plugin, which builds and whose tests pass.
    ///
    /// It is one of the two that the book makes step by step (docs/authors), under another name: put your own work in its place.
    Plugin(NewPlugin),
}

const PLUGIN_EXAMPLES: &str = "\
Examples:
  # A plugin that follows others in a list
  linkspan new plugin my-routes
  cd my-routes && cargo test

  # One that gives addresses
  linkspan new plugin my-ipam --kind ipam

  # Against a checkout of Linkspan instead of what is published
  linkspan new plugin my-routes --path ~/src/linkspan

Exit status:
  0  it is written
  1  the directory is there already, or cannot be written
  2  the name is not that of a crate";

/// `new plugin`.
#[derive(Args, Debug)]
#[command(after_help = PLUGIN_EXAMPLES)]
pub(crate) struct NewPlugin {
    /// Name of the plugin, its file and its crate: a letter, then letters, digits, '-' and '_'
    #[arg(value_name = "NAME", value_parser = crate_name)]
    pub(crate) name: String,
    /// What it is: chained (follows others in a list) or ipam (gives addresses)
    #[arg(
        long,
        value_name = "KIND",
        default_value = "chained",
        hide_possible_values = true
    )]
    pub(crate) kind: PluginKind,
    /// The directory of the crate, which must not be there; ./NAME without this
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
    /// A checkout of Linkspan, whose crates it uses instead of published ones
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) path: Option<PathBuf>,
}

/// What a new plugin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PluginKind {
    /// It follows others in a list.
    #[value(help = None)]
    Chained,
    /// It gives addresses.
    #[value(help = None)]
    Ipam,
}

/// Names that Cargo or what the crate uses has taken.
const TAKEN: [&str; 6] = [
    "build",
    "deps",
    "examples",
    "incremental",
    "linkspan-kernel",
    "linkspan-plugin",
];

/// As long as a name may be on crates.io, in bytes.
const MAX_NAME: usize = 64;

/// A name that is a plugin's and a crate's.
fn crate_name(text: &str) -> Result<String, String> {
    if TAKEN.contains(&text.replace('_', "-").as_str()) {
        return Err("Cargo, or a crate that it uses, has taken it".to_owned());
    }
    if text.len() > MAX_NAME {
        return Err(format!("it is longer than {MAX_NAME} letters"));
    }
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    let begins = text.starts_with(|letter: char| letter.is_ascii_alphabetic());
    match begins && text.chars().all(is_word) {
        true => Ok(text.to_owned()),
        false => Err("it is a letter, then letters, digits, '-' and '_'".to_owned()),
    }
}

const EXAMPLES: &str = "\
Examples:
  # After a few questions
  linkspan new network

  # A bridge with published ports, both families
  linkspan new network web --ports --ipv6

  # Containers on the wire of eth0, with addresses of its DHCP server, or of a part of its subnet
  linkspan new network lan --macvlan eth0
  linkspan new network lan --macvlan eth0 --subnet 192.0.2.0/24 --range 192.0.2.100-192.0.2.199

  # See it first; it needs no root
  linkspan new network web --ports --stdout

  # As Podman has it
  linkspan network create web --driver bridge --subnet 10.91.7.0/24 --ip-range 10.91.7.128/25

Exit status:
  0  it is written
  1  something that was named is not free, or it would not work here
  2  the flags contradict each other
  5  only root may write it";

/// `new network`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("kind").multiple(false))]
pub(crate) struct NewNetwork {
    /// Name of the network
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<NetworkName>,
    /// Connect containers by a bridge of the host, new and of this name: the default
    #[arg(long, value_name = "BRIDGE", num_args = 0..=1, require_equals = true, group = "kind")]
    pub(crate) bridge: Option<Option<IfName>>,
    /// Connect each container with the host by a pair of links of its own
    #[arg(long, group = "kind")]
    pub(crate) ptp: bool,
    /// Put containers on the wire of a link of the host, with MAC addresses of their own
    #[arg(long, value_name = "MASTER", group = "kind", add = complete::links())]
    pub(crate) macvlan: Option<String>,
    /// Put containers on the wire of a link of the host, with its MAC address
    #[arg(long, value_name = "MASTER", group = "kind", add = complete::links())]
    pub(crate) ipvlan: Option<String>,
    /// Put containers into a VLAN on the wire of a link of the host, such as eth0:100
    #[arg(long, value_name = "MASTER:ID", group = "kind", value_parser = vlan)]
    pub(crate) vlan: Option<(String, u16)>,
    /// The kind, as Podman names it; the link of the host is -o parent=MASTER then
    #[arg(short, long, value_name = "DRIVER", group = "kind")]
    pub(crate) driver: Option<Driver>,
    /// Let ports of containers be published (portmap)
    #[arg(long)]
    pub(crate) ports: bool,
    /// Admit containers in the host's firewall; so it is where the plugin is there
    #[arg(long)]
    pub(crate) firewall: bool,
    /// Leave the host's firewall alone
    #[arg(long, conflicts_with = "firewall")]
    pub(crate) no_firewall: bool,
    /// Let runtimes limit how much a container sends and gets
    #[arg(long)]
    pub(crate) bandwidth: bool,
    /// The subnet; one of each family can be given
    #[arg(long, value_name = "CIDR")]
    pub(crate) subnet: Vec<IpNet>,
    /// The part of the subnet that containers get addresses of: FIRST-LAST or a prefix
    #[arg(long, value_name = "RANGE", visible_alias = "ip-range")]
    pub(crate) range: Vec<Stretch>,
    /// The gateway; of a bridge and of pairs of links it is the host
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) gateway: Vec<IpAddr>,
    /// Give containers addresses of both families
    #[arg(long)]
    pub(crate) ipv6: bool,
    /// Give containers no way to anywhere else: no default route, no masquerading
    #[arg(long)]
    pub(crate) internal: bool,
    /// Have a DHCP server give the addresses
    #[arg(long)]
    pub(crate) dhcp: bool,
    /// The largest packet, in bytes
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(68..=65535))]
    pub(crate) mtu: Option<u32>,
    /// The bridge's name, or the link of the host of the other kinds; as Podman has it
    #[arg(long, value_name = "LINK", conflicts_with_all = ["bridge", "macvlan", "ipvlan", "vlan", "ptp"])]
    pub(crate) interface_name: Option<IfName>,
    /// As Podman has it: parent=MASTER, mtu=BYTES, vlan=ID, mode=MODE
    #[arg(short, long = "opt", value_name = "KEY=VALUE")]
    pub(crate) options: Vec<String>,
    /// The version of the configuration
    #[arg(long, value_name = "VERSION")]
    pub(crate) cni_version: Option<Version>,
    /// Write it to this file, which must not be there
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// Print it, and write nothing
    #[arg(long, conflicts_with_all = ["file", "yes"])]
    pub(crate) stdout: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) look: Look,
}

/// What Podman calls kinds of networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Driver {
    /// A bridge of the host.
    Bridge,
    /// Pairs of links.
    Ptp,
    /// On the wire of a link of the host, with MAC addresses of their own.
    Macvlan,
    /// On the wire of a link of the host, with its MAC address.
    Ipvlan,
    /// In a VLAN on the wire of a link of the host.
    Vlan,
}

/// A link of the host and the number of a VLAN.
fn vlan(text: &str) -> Result<(String, u16), String> {
    let parts = text.rsplit_once(':');
    let parts = parts.and_then(|(master, id)| Some((master, id.parse::<u16>().ok()?)));
    match parts {
        Some((master, id @ 1..=4094)) if !master.is_empty() => Ok((master.to_owned(), id)),
        _ => Err("write MASTER:ID, such as eth0:100; VLANs have the numbers 1 to 4094".to_owned()),
    }
}
