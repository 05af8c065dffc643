//! The keys of `dhcp`. Those that are about the server are the daemon's too ([`linkspan_dhcp::request`]).

use std::path::PathBuf;

use linkspan_dhcp::request::Keys;
use linkspan_dhcp::rpc::DEFAULT_SOCKET;
use linkspan_plugin::config::{Configuration, Deferred, Key, joined};
use linkspan_plugin::keys;
use linkspan_plugin::spec::{Error, ErrorCode, PluginConfig};

keys! {
    /// The key that every command needs.
    pub struct PlaceKeys {
        /// The socket at which the daemon listens.
        "ipam.daemonSocketPath" => socket: String, default = "/run/cni/dhcp.sock", read by [Add, Check, Del, Gc, Status];
    }
}

/// A configuration of `dhcp`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the daemon listens.
    pub socket: PathBuf,
    /// What is asked of the server. To give a lease back it must not matter what has become of it since.
    pub request: Deferred<Request>,
}

impl Configuration for Config {
    const KEYS: &'static [Key] = &joined::<{ 1 + Keys::KEYS.len() }>(PlaceKeys::KEYS, Keys::KEYS);

    fn read(config: &PluginConfig) -> Result<Self, Error> {
        // What is wrong with it is told with the rest of the request: DEL looks where ADD would have been.
        let socket = PlaceKeys::read(config).map_or_else(|_| String::new(), |keys| keys.socket);
        Ok(Self {
            socket: match socket.as_str() {
                "" => DEFAULT_SOCKET.into(),
                path => path.into(),
            },
            request: Deferred::read(config)?,
        })
    }

    fn judge(config: &PluginConfig) -> Result<(), Error> {
        Request::judge(config)
    }
}

/// What a configuration asks for.
#[derive(Clone, Debug)]
pub struct Request(pub Keys);

impl Configuration for Request {
    const KEYS: &'static [Key] = Keys::KEYS;

    fn read(config: &PluginConfig) -> Result<Self, Error> {
        if config.ipam().is_none() {
            return Err(Error::new(
                ErrorCode::INVALID_NETWORK_CONFIG,
                "IPAM config missing 'ipam' key",
            )
            .with_details("dhcp reads the object ipam of the configuration that delegates to it"));
        }
        PlaceKeys::read(config)?;
        Keys::read(config).map(Self)
    }
}
