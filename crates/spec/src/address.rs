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
    if !bits.bytes().all(|byte| byte.is_ascii_digit()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers of the reference's plugins (`static`), asked with each of these texts.
    const CIDRS: &[(&str, Option<&str>)] = &[
        ("1.2.3.4/24", Some("1.2.3.4/24")),
        ("1.2.3.4/0", Some("1.2.3.4/0")),
        ("1.2.3.4/32", Some("1.2.3.4/32")),
        ("1.2.3.4/024", Some("1.2.3.4/24")),
        ("1.2.3.4/000000032", Some("1.2.3.4/32")),
        ("fd00::1/128", Some("fd00::1/128")),
        ("FD00::A/64", Some("fd00::a/64")),
        ("::/0", Some("::/0")),
        ("1:2:3:4:5:6:7::/64", Some("1:2:3:4:5:6:7:0/64")),
        ("1:0:0:2:0:0:0:3/64", Some("1:0:0:2::3/64")),
        ("1:0:2:3:4:5:6:7/64", Some("1:0:2:3:4:5:6:7/64")),
        ("64:ff9b::1.2.3.4/96", Some("64:ff9b::102:304/96")),
        ("::1.2.3.4/64", Some("::102:304/64")),
        ("::ffff:1.2.3.4/120", Some("1.2.3.4/24")),
        ("::ffff:1.2.3.4/96", Some("1.2.3.4/0")),
        ("::ffff:1.2.3.4/64", Some("1.2.3.4/0")),
        ("1.2.3.4", None),
        ("1.2.3.4/", None),
        ("1.2.3.4/33", None),
        ("fd00::1/129", None),
        ("1.2.3.4/+24", None),
        ("1.2.3.4/-1", None),
        ("1.2.3.4/0x18", None),
        ("1.2.3.4/24/", None),
        ("1.2.3.4/24 ", None),
        (" 1.2.3.4/24", None),
        ("1.2.3.4/4294967320", None),
        ("1.2.3.4/99999999999999999999", None),
        ("01.2.3.4/24", None),
        ("1.2.3.04/24", None),
        ("1.2.3/24", None),
        ("1.2.3.4.5/24", None),
        ("256.1.1.1/24", None),
        ("1..2.3/24", None),
        ("::1.2.3.04/24", None),
        ("1.2.3.4::/24", None),
        ("1::2:3:4:5:6:7:8/64", None),
        ("::1::/64", None),
        ("00001::/64", None),
        ("fe80::1%eth0/64", None),
        ("/24", None),
        ("", None),
    ];

    #[test]
    fn addresses_with_a_prefix_are_read_as_the_reference_reads_them() {
        for (text, expected) in CIDRS {
            let read = parse_cidr(text).map(|net| net.to_string());
            assert_eq!(read.as_deref(), *expected, "{text:?}");
        }
    }

    #[test]
    fn addresses_are_read_as_the_reference_reads_them() {
        for (text, expected) in CIDRS {
            let Some((text, _)) = text.split_once('/') else {
                continue;
            };
            let read = parse_ip(text);
            assert!(read.is_some() || expected.is_none(), "{text:?}");
        }
        assert_eq!(parse_ip("::ffff:10.0.0.1"), "10.0.0.1".parse().ok());
        assert_eq!(parse_ip("10.0.0.01"), None);
        assert_eq!(parse_ip("fe80::1%eth0"), None);
        assert_eq!(parse_ip("10.0.0.1/24"), None);
    }
}
