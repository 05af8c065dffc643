//! What an attachment asks of a DHCP server.

use std::fmt;

use linkspan_spec::PluginConfig;
use serde::{Deserialize, Serialize};

use super::container::Container;
use super::flags::Flags;
use crate::machine::Settings;
use crate::request::{Request, client_id};
use crate::rpc::CmdArgs;

/// Bytes of the headers of IPv4 and UDP.
const HEADERS: u32 = 28;

/// The least that every host receives (RFC 2131, 2).
const LEAST_MESSAGE: u16 = 576;

/// An attachment, and what is asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wish {
    /// The container's ID.
    pub(super) container_id: String,
    /// The network's name.
    pub(super) network: String,
    /// The interface's name.
    pub(super) ifname: String,
    /// By what the server knows it: option 61 with its type byte.
    pub(super) client_id: Vec<u8>,
    /// The options that are asked for.
    pub(super) requested: Vec<u8>,
    /// The options that are sent along.
    pub(super) provided: Vec<(u8, Vec<u8>)>,
    /// The priority of the routes.
    pub(super) priority: Option<u32>,
}

impl Wish {
    /// What a plugin asks for.
    ///
    /// # Errors
    /// When its configuration cannot be read, in words.
    pub(super) fn read(arguments: &CmdArgs) -> Result<Self, String> {
        let failed = |error: String| format!("error parsing netconf: {error}");
        let config = PluginConfig::parse(&arguments.stdin_data)
            .map_err(|error| failed(error.to_string()))?;
        let network = config.name().map_err(|error| failed(error.to_string()))?;
        let Request {
            requested,
            provided,
            priority,
        } = Request::read(&config, &arguments.args).map_err(|error| error.msg)?;
        Ok(Self {
            client_id: client_id(&arguments.container_id, network.as_str(), &arguments.ifname),
            requested,
            provided,
            priority,
            container_id: arguments.container_id.clone(),
            network: network.to_string(),
            ifname: arguments.ifname.clone(),
        })
    }

    /// What a client of this daemon is told.
    pub(super) fn settings(&self, container: &Container, flags: &Flags) -> Settings {
        let longest = u16::try_from(container.mtu.saturating_sub(HEADERS)).unwrap_or(u16::MAX);
        Settings {
            client_id: self.client_id.clone(),
            hardware: container.mac,
            requested: self.requested.clone(),
            provided: self.provided.clone(),
            broadcast: flags.broadcast || container.needs_broadcast,
            longest_message: longest.max(LEAST_MESSAGE),
            timeout: flags.timeout,
            resend_max: flags.resend_max,
            give_up: flags.resend_timeout,
        }
    }
}

/// As the reference's daemon logs it.
impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.container_id, self.network, self.ifname)
    }
}
