//! What plugin and daemon say to each other: Go's `net/rpc` over HTTP's CONNECT, with [gob](crate::gob) in both directions.
//!
//! It is the protocol of the reference, so that either side may be the reference's, of any release. After a line and its
//! answer a request is a header (the method, a number) and [`CmdArgs`], an answer a header (the same, and perhaps an error's
//! text) and a result. [`server`] is the daemon's side without I/O; [`client`] is the plugin's.

pub mod client;
pub mod server;

mod message;

use std::fmt;
use std::time::Duration;

pub use message::CmdArgs;

/// What a client sends first.
const CONNECT: &str = "CONNECT /_goRPC_ HTTP/1.0\n\n";

/// What a server answers to it.
const CONNECTED: &str = "HTTP/1.0 200 Connected to Go RPC\n\n";

/// The most bytes before the empty line that ends what either says first.
const MAX_GREETING: usize = 4 << 10;

/// Where the daemon listens when nobody says anything else.
pub const DEFAULT_SOCKET: &str = "/run/cni/dhcp.sock";

/// How long it may take a daemon to answer to CONNECT when it is asked whether it is there.
pub const GREETING: Duration = Duration::from_secs(1);

/// The same when something is wanted of it: hundreds may want something at once.
pub const GREETING_OF_BUSY: Duration = Duration::from_secs(10);

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// A lease for the attachment, the one that it has already if there is one.
    Allocate,
    /// The attachment's lease is given back.
    Release,
    /// Every lease of the network is given back whose attachment is not in the configuration's
    /// `cni.dev/valid-attachments`. The reference's daemon does not know it.
    Collect,
    /// Something that nobody knows.
    Other(String),
}

impl Method {
    /// As it travels.
    pub fn name(&self) -> &str {
        match self {
            Self::Allocate => "DHCP.Allocate",
            Self::Release => "DHCP.Release",
            Self::Collect => "Linkspan.GC",
            Self::Other(name) => name,
        }
    }

    fn of(name: &str) -> Self {
        match name {
            "DHCP.Allocate" => Self::Allocate,
            "DHCP.Release" => Self::Release,
            "Linkspan.GC" => Self::Collect,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What every server says of a method that it has not, before the method's name.
const CANNOT_FIND: &str = "rpc: can't find ";

/// The length of a greeting, with the empty line behind it; nothing where that has not come.
fn greeting_length(bytes: &[u8]) -> Option<usize> {
    let ends = ["\n\n", "\n\r\n"].map(|end| {
        let found = bytes
            .windows(end.len())
            .position(|part| part == end.as_bytes());
        found.map(|position| position + end.len())
    });
    ends.into_iter().flatten().min()
}

/// The first line of what a peer said, no longer than a message needs.
fn first_line(bytes: &[u8]) -> String {
    const LONGEST: usize = 80;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_GREETING)]);
    text.lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(LONGEST)
        .collect()
}

#[cfg(test)]
mod tests;
