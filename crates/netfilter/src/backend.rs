//! What translates addresses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What translates addresses and filters packets for an attachment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// nf_tables, over netlink.
    #[default]
    Nftables,
    /// The iptables commands, whichever variant is installed, with the reference plugins' chains.
    Iptables,
    /// firewalld, over D-Bus, beside nf_tables. Only filters, so it translates no addresses.
    Firewalld,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nftables => "nftables",
            Self::Iptables => "iptables",
            Self::Firewalld => "firewalld",
        })
    }
}

impl FromStr for Backend {
    type Err = UnknownBackend;

    fn from_str(name: &str) -> Result<Self, UnknownBackend> {
        match name {
            "nftables" => Ok(Self::Nftables),
            "iptables" => Ok(Self::Iptables),
            _ => Err(UnknownBackend),
        }
    }
}

/// A name of no backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is neither \"nftables\" nor \"iptables\"")]
pub struct UnknownBackend;
