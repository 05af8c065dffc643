//! DHCP as the outside world speaks it: servers, a daemon on the host, and a tap on the wire between them.

mod daemon;
mod message;
mod scripted;
mod server;
mod wiretap;

pub use daemon::DhcpDaemon;
pub use message::{DhcpMessage, dhcp_option};
pub use scripted::ScriptedServer;
pub use server::{DhcpServer, Given, Pool, Software};
pub use wiretap::{Content, Packet, Wiretap};
