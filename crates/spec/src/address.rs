//! Addresses as text, read and written exactly as the reference's language does.
//!
//! No leading zeros in an IPv4 address, no zones, at most 32 or 128 bits of prefix; an
//! IPv4-mapped IPv6 address (`::ffff:10.0.0.1`) is the IPv4 address that it maps.

use std::net::IpAddr;

use ipnet::IpNet;

/// The bits that come before the IPv4 address in an IPv4-mapped IPv6 address.
const MAPPED_PREFIX_BITS: u8 = 96;

/// Reads an address; `None` when it is not one.
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>()
        .ok()
        .map(|address| address.to_canonical())
}

/// Reads an address with the length of its prefix, such as `10.22.0.2/16`, and keeps the bits of
/// the host; `None` when it is not one.
pub fn parse_cidr(text: &str) -> Option<IpNet> {
    let (address, bits) = text.split_once('/')?;
    if bits.is_empty() || !bits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let net = IpNet::new(address.parse().ok()?, bits.parse().ok()?).ok()?;
    Some(canonical(net))
}

/// The same network, with an IPv4-mapped IPv6 address as the IPv4 address that it maps.
pub fn canonical(net: IpNet) -> IpNet {
    let bits = match (net.addr(), net.addr().to_canonical()) {
        (IpAddr::V6(_), IpAddr::V4(_)) => net.prefix_len().saturating_sub(MAPPED_PREFIX_BITS),
        _ => net.prefix_len(),
    };
    IpNet::new(net.addr().to_canonical(), bits).unwrap_or(net)
}
