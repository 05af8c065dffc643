//! `test`.

use std::net::{IpAddr, SocketAddr};

use clap::Args;

use super::Places;

const EXAMPLES: &str = "\
Examples:
  linkspan test mynet

  # The plugins that are in another folder; an address in the real world as well
  linkspan test mynet --cni-path /usr/lib/cni --outside 9.9.9.9:53

  # Look around in the containers afterwards, and remove them
  linkspan test mynet --keep
  linkspan test mynet --clean";

/// `test`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Test {
    /// Name of the network
    #[arg(value_name = "NET")]
    pub(crate) network: String,
    /// Also reach this address in the real world, by ping, or by TCP at the port; can be given several times
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = address)]
    pub(crate) outside: Vec<(IpAddr, Option<u16>)>,
    /// Leave the containers attached, for somebody to look at
    #[arg(long)]
    pub(crate) keep: bool,
    /// Remove the containers that --keep has left, or a test that was killed, and do nothing else
    #[arg(long, conflicts_with_all = ["keep", "outside"])]
    pub(crate) clean: bool,
    /// Name of the interface in the containers
    #[arg(short, long, value_name = "NAME", default_value = "eth0")]
    pub(crate) ifname: String,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// An address, with a port or without.
fn address(text: &str) -> Result<(IpAddr, Option<u16>), String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok((address.ip(), Some(address.port())));
    }
    text.parse()
        .map(|address| (address, None))
        .map_err(|error| {
            format!("{error}; write an address, such as 9.9.9.9, 9.9.9.9:53 or [2620:fe::fe]:53")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_have_a_port() {
        for (text, address_of, port) in [
            ("9.9.9.9", "9.9.9.9", None),
            ("9.9.9.9:53", "9.9.9.9", Some(53)),
            ("2620:fe::fe", "2620:fe::fe", None),
            ("[2620:fe::fe]:53", "2620:fe::fe", Some(53)),
        ] {
            assert_eq!(address(text), Ok((address_of.parse().unwrap(), port)));
        }
        for text in ["", "example.com", "9.9.9", "9.9.9.9:", "9.9.9.9:70000"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
