//! Whose an element is.

use std::fmt;
use std::str::FromStr;

use linkspan_nft::MAX_COMMENT;
use linkspan_spec::{ContainerId, IfName, NetworkName};
use sha2::{Digest, Sha512};

/// An attachment, as the comment of each of its elements names it: `network/container/interface`.
///
/// None of the three can hold a slash, so the comment can be taken apart again. When it would be longer
/// than `nft` allows a comment to be, or would hold what `nft` cannot read back, hashes stand in its
/// place: `#network/attachment`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    network: String,
    container: String,
    ifname: String,
}

impl Owner {
    /// The attachment of a container's interface to a network.
    pub fn new(network: &NetworkName, container: &ContainerId, ifname: &IfName) -> Self {
        Self::from_texts(network.as_str(), container.as_str(), ifname.as_str())
    }

    /// The same from texts that a runtime sent to compare with, such as GC's valid attachments.
    pub fn from_texts(network: &str, container: &str, ifname: &str) -> Self {
        Self {
            network: network.to_owned(),
            container: container.to_owned(),
            ifname: ifname.to_owned(),
        }
    }

    /// The network's name.
    pub fn network(&self) -> &str {
        &self.network
    }

    /// The container's ID.
    pub fn container(&self) -> &str {
        &self.container
    }

    /// The name of the container's interface.
    pub fn ifname(&self) -> &str {
        &self.ifname
    }

    /// Whether a text has the form of a comment that names an attachment.
    pub fn is_named_by(text: &str) -> bool {
        text.parse::<Self>().is_ok() || text.starts_with('#')
    }

    /// Whether a comment names an attachment to this network, whichever it is.
    pub fn is_of_network(comment: &str, network: &str) -> bool {
        let is_first = |first: &str| {
            comment
                .strip_prefix(first)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        is_first(network) || is_first(&hashed(network))
    }
}

/// The comment.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attachment = format!("{}/{}", self.container, self.ifname);
        let plain = format!("{}/{attachment}", self.network);
        let readable = plain
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"');
        if plain.len() <= MAX_COMMENT && readable {
            f.write_str(&plain)
        } else {
            let attachment = &hex_sha512(&attachment)[..HASH_DIGITS];
            write!(f, "{}/{attachment}", hashed(&self.network))
        }
    }
}

/// A comment that does not name an attachment in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not network/container/interface")]
pub struct NotAnOwner;

impl FromStr for Owner {
    type Err = NotAnOwner;

    fn from_str(comment: &str) -> Result<Self, NotAnOwner> {
        let mut parts = comment.split('/');
        match [parts.next(), parts.next(), parts.next(), parts.next()] {
            [Some(network), Some(container), Some(ifname), None]
                if ![network, container, ifname].contains(&"") =>
            {
                Ok(Self::from_texts(network, container, ifname))
            }
            _ => Err(NotAnOwner),
        }
    }
}

/// Hexadecimal digits of a hash that stands for a name.
const HASH_DIGITS: usize = 32;

fn hashed(network: &str) -> String {
    format!("#{}", &hex_sha512(network)[..HASH_DIGITS])
}

/// All 128 hexadecimal digits of the SHA-512 of a text.
pub(super) fn hex_sha512(text: &str) -> String {
    Sha512::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_can_be_taken_apart() {
        let owner = Owner::from_texts("mynet", "c1", "eth0");
        assert_eq!(owner.to_string(), "mynet/c1/eth0");
        assert_eq!("mynet/c1/eth0".parse(), Ok(owner));
        for wrong in ["", "a/b", "a/b/c/d", "/b/c", "#0/1"] {
            assert_eq!(wrong.parse::<Owner>(), Err(NotAnOwner), "{wrong}");
        }
    }

    #[test]
    fn a_usual_container_id_is_readable() {
        let owner = Owner::from_texts("k8s-pod-network", &"f".repeat(64), "eth0");
        assert_eq!(owner.to_string().parse(), Ok(owner));
    }

    #[test]
    fn long_and_unreadable_names_become_hashes_that_differ() {
        let long = "c".repeat(200);
        let one = Owner::from_texts("mynet", &long, "eth0").to_string();
        let other = Owner::from_texts("mynet", &long, "eth1").to_string();
        let quoted = Owner::from_texts("mynet", "c1", "a\"b").to_string();
        for comment in [&one, &other, &quoted] {
            assert!(
                comment.len() <= MAX_COMMENT && comment.starts_with('#'),
                "{comment}"
            );
            assert!(Owner::is_of_network(comment, "mynet"));
            assert!(!Owner::is_of_network(comment, "mynet2"));
        }
        assert_ne!(one, other);
    }

    #[test]
    fn a_network_is_told_from_one_whose_name_begins_alike() {
        assert!(Owner::is_of_network("net/c/eth0", "net"));
        assert!(!Owner::is_of_network("net2/c/eth0", "net"));
        assert!(!Owner::is_of_network("net", "net"));
    }
}
