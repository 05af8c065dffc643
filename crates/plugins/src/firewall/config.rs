//! The keys of `firewall`, and what they come to.

use std::fmt;

use linkspan_plugin::config::{Configuration, FromKey, Key, Wrong};
use linkspan_plugin::keys;
use linkspan_plugin::spec::{Error, ErrorCode, PluginConfig, Value};

use crate::attach::not_empty;

keys! {
    /// The keys of `firewall` as they stand in a configuration.
    pub struct Keys {
        /// What filters: nftables, iptables or firewalld. By default firewalld where it is running, else
        /// nftables.
        "backend" => backend: Option<BackendKey>, read by [Add, Check, Status];
        /// The chain of the filter tables of iptables whose rules come before those of containers; by
        /// default CNI-ADMIN.
        "iptablesAdminChainName" => admin_chain: Option<String>, read by [Add, Check];
        /// The zone of firewalld that containers' addresses are put into; only with the backend firewalld. By
        /// default trusted.
        "firewalldZone" => firewalld_zone: Option<String>, read by [Add, Check, Del];
        /// Who may connect to the container: open, whoever the host lets pass; same-bridge, nobody on
        /// other bridges that have a policy; isolated, nobody on the same bridge either. By default open.
        "ingressPolicy" => ingress_policy: Option<IngressPolicy>, read by [Add, Check];
    }
}

/// A configuration of `firewall`.
#[derive(Clone, Debug)]
pub struct Config {
    /// What filters; `None` leaves the choice to us.
    pub backend: Option<Filter>,
    /// The administrator's chain.
    pub admin_chain: String,
    /// The zone of firewalld.
    pub firewalld_zone: String,
    /// Who may connect.
    pub ingress_policy: IngressPolicy,
}

/// As if nothing were configured.
impl Default for Config {
    fn default() -> Self {
        Self {
            backend: None,
            admin_chain: ADMIN_CHAIN.to_owned(),
            firewalld_zone: ZONE.to_owned(),
            ingress_policy: IngressPolicy::default(),
        }
    }
}

impl Configuration for Config {
    const KEYS: &'static [Key] = Keys::KEYS;

    fn read(config: &PluginConfig) -> Result<Self, Error> {
        let keys = Keys::read(config)?;
        Ok(Self {
            backend: keys.backend.and_then(|backend| backend.0),
            admin_chain: admin_chain(keys.admin_chain)?,
            firewalld_zone: not_empty(keys.firewalld_zone).unwrap_or_else(|| ZONE.to_owned()),
            ingress_policy: keys.ingress_policy.unwrap_or_default(),
        })
    }
}

/// The zone that lets everything pass.
const ZONE: &str = "trusted";

/// The chain that the reference has for it.
const ADMIN_CHAIN: &str = "CNI-ADMIN";

/// The longest name of a chain that iptables takes.
const CHAIN_MAX: usize = 28;

/// The chains that a packet has come by when the administrator's is asked, or by which it does not come: no chain may lead to
/// one of them.
const TAKEN: [&str; 5] = [
    "INPUT",
    "FORWARD",
    "OUTPUT",
    "CNI-FORWARD",
    "LINKSPAN-PORTS",
];

/// What iptables would not take as a chain's name, or would take as something else.
fn admin_chain(name: Option<String>) -> Result<String, Error> {
    let Some(name) = not_empty(name) else {
        return Ok(ADMIN_CHAIN.to_owned());
    };
    let is_plain = name
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"\"'\\".contains(&byte));
    let is_taken = TAKEN.contains(&name.as_str());
    if name.len() <= CHAIN_MAX && is_plain && !is_taken && !name.starts_with(['-', '!', '#']) {
        return Ok(name);
    }
    let error = Error::new(
        ErrorCode::INVALID_NETWORK_CONFIG,
        format!("invalid \"iptablesAdminChainName\" {name:?}"),
    );
    if is_taken {
        return Err(error.with_details(
            "the rules of containers are in a chain that this one leads to, or it is that chain: choose one of your own, such \
             as CNI-ADMIN",
        ));
    }
    Err(error.with_details(format!(
        "a chain of iptables has at most {CHAIN_MAX} letters, digits and signs other than spaces, quotes and \
         backslashes, and does not begin with -, ! or #"
    )))
}

/// What filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// A table of ours, over netlink.
    Nftables,
    /// The iptables commands, with the reference's chains.
    Iptables,
    /// firewalld, over D-Bus.
    Firewalld,
}

/// [`Filter`] as it stands in a configuration, where an empty one is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendKey(pub Option<Filter>);

impl FromKey for BackendKey {
    const KIND: &'static str = "\"nftables\", \"iptables\" or \"firewalld\"";

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        match text(json, Self::KIND)? {
            "" => Ok(Self(None)),
            "nftables" => Ok(Self(Some(Filter::Nftables))),
            "iptables" => Ok(Self(Some(Filter::Iptables))),
            "firewalld" => Ok(Self(Some(Filter::Firewalld))),
            _ => Err(Wrong::Value(format!("it must be {}", Self::KIND))),
        }
    }
}

/// Who may connect to a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IngressPolicy {
    /// Whoever the host lets pass.
    #[default]
    Open,
    /// Nobody on another bridge that has a policy.
    SameBridge,
    /// Nobody on the same bridge either.
    Isolated,
}

impl FromKey for IngressPolicy {
    const KIND: &'static str = "\"open\", \"same-bridge\" or \"isolated\"";

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        match text(json, Self::KIND)? {
            "" | "open" => Ok(Self::Open),
            "same-bridge" => Ok(Self::SameBridge),
            "isolated" => Ok(Self::Isolated),
            other => Err(Wrong::Whole(format!("unknown ingress policy: {other:?}"))),
        }
    }
}

fn text<'a>(json: &'a Value, kind: &str) -> Result<&'a str, Wrong> {
    json.as_str().ok_or_else(|| Wrong::Type(kind.to_owned()))
}

impl fmt::Display for IngressPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::SameBridge => "same-bridge",
            Self::Isolated => "isolated",
        })
    }
}
