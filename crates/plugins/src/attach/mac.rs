//! The MAC address of the container's interface, from whoever asks for one.

use std::fmt::Display;

use linkspan_plugin::spec::{Error, ErrorCode, MacAddr};

/// The MAC address that is asked for, if any. `wishes` are ordered, the strongest first:
/// `runtimeConfig.mac`, `args.cni.mac`, `MAC` in CNI_ARGS, and where the plugin has it the key `mac`.
/// An empty text is no wish.
///
/// # Errors
/// [`ErrorCode::INVALID_NETWORK_CONFIG`] when the strongest wish is no MAC address that an interface can
/// have.
pub fn requested<'a>(
    wishes: impl IntoIterator<Item = Option<&'a str>>,
) -> Result<Option<MacAddr>, Error> {
    let strongest = wishes.into_iter().flatten().find(|text| !text.is_empty());
    let Some(text) = strongest else {
        return Ok(None);
    };
    let invalid = |reason: &dyn Display| {
        let msg = format!("invalid args {text} for MAC addr: address {text}: invalid MAC address");
        let details =
            format!("{reason}; write six bytes as in 02:42:ac:11:00:02; the first must be even");
        Error::new(ErrorCode::INVALID_NETWORK_CONFIG, msg).with_details(details)
    };
    let mac: MacAddr = text.parse().map_err(|error| invalid(&error))?;
    match mac.octets() {
        [first, ..] if first & 1 != 0 => Err(invalid(&"it is that of a multicast group")),
        [0, 0, 0, 0, 0, 0] => Err(invalid(&"it is nobody's")),
        _ => Ok(Some(mac)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_not_empty_wins() {
        let mac =
            |wishes: [Option<&str>; 3]| requested(wishes).map(|mac| mac.map(|mac| mac.to_string()));
        let (a, b) = ("02:00:00:00:00:0a", "02:00:00:00:00:0b");
        assert_eq!(mac([Some(a), Some(b), None]), Ok(Some(a.into())));
        assert_eq!(mac([Some(""), None, Some(b)]), Ok(Some(b.into())));
        assert_eq!(mac([None, Some(""), None]), Ok(None));
        let error = mac([Some("02:00"), Some(b), None]).unwrap_err();
        assert!(
            error.msg.starts_with("invalid args 02:00 for MAC addr"),
            "{error}"
        );
    }
}
