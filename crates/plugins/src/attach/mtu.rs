//! The key `mtu` of the plugins that make an interface.

use linkspan_kernel::rtnl::Link;
use linkspan_plugin::config::{FromKey, Wrong};
use linkspan_plugin::spec::{Error, Value};

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
}

impl Mtu {
    /// Bytes; `None` leaves it to the kernel. `uplink` is asked for the link whose MTU `"auto"` takes.
    ///
    /// # Errors
    /// Those of `uplink`.
    pub fn resolve(
        self,
        uplink: impl FnOnce() -> Result<Link, Error>,
    ) -> Result<Option<u32>, Error> {
        match self {
            Self::Kernel => Ok(None),
            Self::Bytes(bytes) => Ok(Some(bytes)),
            Self::Auto => Ok(Some(uplink()?.mtu)),
        }
    }
}

impl FromKey for Mtu {
    const KIND: &'static str = "a whole number or \"auto\"";

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        if json == "auto" {
            return Ok(Self::Auto);
        }
        match u32::from_json(json) {
            Ok(0) => Ok(Self::Kernel),
            Ok(bytes) => Ok(Self::Bytes(bytes)),
            Err(Wrong::Type(_)) => Err(Wrong::Type(Self::KIND.to_owned())),
            Err(wrong) => Err(wrong),
        }
    }

    fn number(&self) -> Option<i64> {
        match self {
            Self::Kernel => Some(0),
            Self::Auto => None,
            Self::Bytes(bytes) => Some(i64::from(*bytes)),
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
        assert_eq!(read("\"auto\""), Ok(Mtu::Auto));
        assert_eq!(
            read("\"1400\""),
            Err(Wrong::Type("a whole number or \"auto\"".to_owned()))
        );
        assert!(matches!(read("-1"), Err(Wrong::Value(_))));
    }
}
