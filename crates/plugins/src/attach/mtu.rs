//! The key `mtu` of the plugins that make an interface.

use linkspan_kernel::rtnl::Link;
use linkspan_plan::LinkRef;
use linkspan_plugin::config::{FromKey, Wrong};
use linkspan_plugin::spec::{Error, ErrorCode, Interface, Success, Value};

/// What every link must be able to carry, in bytes (RFC 791, 3.2), and what the kernel asks of bridges.
const LEAST: u32 = 68;

/// The largest MTU that a link of the kernel can have.
const MOST: u32 = 65535;

/// The same for IPv6 (RFC 8200, 5): below it a link has no IPv6.
const LEAST_WITH_IPV6: u32 = 1280;

/// How large packets may be.
///
/// `"auto"` takes the MTU of the link that the traffic will leave the host by, instead of a number that
/// has to be kept in step with it (moby#22028, podman#20009).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mtu {
    /// 0, or no key: what the kernel gives an interface of this kind.
    #[default]
    Kernel,
    /// `"auto"`: that of the uplink, which is the master, or the link of the default route.
    Auto,
    /// So many bytes.
    Bytes(u32),
    /// A negative number: none for most of the reference plugins, refused by those that compare it with a master's.
    Negative(i64),
}

impl Mtu {
    /// Where there is no master to compare it with: a negative number is none, as in the reference.
    ///
    /// # Errors
    /// [`ErrorCode::INVALID_NETWORK_CONFIG`] when no link can have it.
    pub fn without_master(self) -> Result<Self, Error> {
        match self {
            Self::Negative(_) => Ok(Self::Kernel),
            Self::Bytes(bytes) if bytes > MOST => Err(Error::new(
                ErrorCode::INVALID_NETWORK_CONFIG,
                format!("invalid \"mtu\" {bytes}: it must be from 0 to {MOST}"),
            )
            .with_details("mtu is the largest packet in bytes")),
            mtu => Ok(mtu),
        }
    }

    /// Bytes; `None` leaves it to the kernel. `uplink` is asked for the link whose MTU `"auto"` takes.
    ///
    /// # Errors
    /// Those of `uplink`.
    pub fn resolve(
        self,
        uplink: impl FnOnce() -> Result<Link, Error>,
    ) -> Result<Option<u32>, Error> {
        match self {
            Self::Kernel | Self::Negative(_) => Ok(None),
            Self::Bytes(bytes) => Ok(Some(bytes)),
            Self::Auto => uplink().map(|link| Some(link.mtu)).map_err(|error| {
                Error::new(error.code, format!("\"mtu\": \"auto\": {}", error.msg))
                    .with_details("give \"mtu\" a number, or add a default route")
            }),
        }
    }
}

impl Mtu {
    /// Bytes of an interface on a master, at most the master's; `None` leaves it to the kernel, which takes
    /// the master's, or less where that is needed.
    ///
    /// # Errors
    /// [`ErrorCode::INVALID_NETWORK_CONFIG`] when the master's is smaller.
    pub fn on(self, master: &LinkRef, link: &Link) -> Result<Option<u32>, Error> {
        let number = match self {
            Self::Kernel | Self::Auto => return Ok(None),
            Self::Bytes(bytes) if bytes <= link.mtu => return Ok(Some(bytes)),
            Self::Bytes(bytes) => bytes.into(),
            Self::Negative(number) => number,
        };
        Err(Error::new(
            ErrorCode::INVALID_NETWORK_CONFIG,
            format!(
                "invalid MTU {number}, must be [0, master MTU({})]",
                link.mtu
            ),
        )
        .with_details(format!(
            "the master {master} carries no larger packets; correct \"mtu\", write \"auto\" to follow the \
             master, or raise the master's"
        )))
    }

    /// What CHECK finds when nobody has changed it: what the result of ADD tells of the interface, which a
    /// later plugin of the chain may have changed, else what the configuration says; `None` when
    /// neither says anything.
    pub fn expected(self, attached: &Interface) -> Option<u32> {
        match self {
            Self::Kernel | Self::Negative(_) => None,
            Self::Auto => attached.mtu,
            Self::Bytes(bytes) => attached.mtu.or(Some(bytes)),
        }
    }
}

/// An error when there is an IPv6 address, and the packets are to be too small for IPv6: the link would have
/// none at all.
///
/// # Errors
/// [`ErrorCode::INVALID_NETWORK_CONFIG`]
pub fn require_room(mtu: Option<u32>, result: &Success) -> Result<(), Error> {
    let address = result.ips.iter().find(|ip| ip.address.addr().is_ipv6());
    match (mtu, address) {
        (Some(bytes), Some(ip)) if bytes < LEAST_WITH_IPV6 => Err(Error::new(
            ErrorCode::INVALID_NETWORK_CONFIG,
            format!(
                "an MTU of {bytes} is too small for the IPv6 address {}",
                ip.address
            ),
        )
        .with_details(format!(
            "IPv6 needs at least {LEAST_WITH_IPV6}; correct \"mtu\" or remove the IPv6 range"
        ))),
        _ => Ok(()),
    }
}

impl FromKey for Mtu {
    const KIND: &'static str = "a whole number or \"auto\"";

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        if json == "auto" {
            return Ok(Self::Auto);
        }
        if let Some(number) = json.as_i64().filter(|number| *number < 0) {
            return Ok(Self::Negative(number));
        }
        match u32::from_json(json) {
            Ok(0) => Ok(Self::Kernel),
            Ok(bytes) if bytes < LEAST => Err(Wrong::Value(format!(
                "it must be 0, or at least {LEAST}, and at least {LEAST_WITH_IPV6} for IPv6"
            ))),
            Ok(bytes) => Ok(Self::Bytes(bytes)),
            Err(Wrong::Type(_)) => Err(Wrong::Type(Self::KIND.to_owned())),
            Err(wrong) => Err(wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_auto_are_read() {
        let read = |text: &str| Mtu::from_json(&serde_json::from_str(text).unwrap());
        assert_eq!(read("0"), Ok(Mtu::Kernel));
        assert_eq!(read("1400"), Ok(Mtu::Bytes(1400)));
        assert_eq!(read("68"), Ok(Mtu::Bytes(68)));
        assert!(matches!(read("67"), Err(Wrong::Value(_))));
        assert_eq!(read("\"auto\""), Ok(Mtu::Auto));
        assert_eq!(
            read("\"1400\""),
            Err(Wrong::Type("a whole number or \"auto\"".to_owned()))
        );
        assert_eq!(read("-1"), Ok(Mtu::Negative(-1)));
    }
}
