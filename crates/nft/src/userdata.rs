//! User data: what the kernel keeps for `nft` without looking at it.
//!
//! It is a list of (type, length, value) with one byte each for type and length, as libnftnl writes it.

/// The longest comment in bytes that `nft` accepts; longer ones are cut at this length.
pub const MAX_COMMENT: usize = 128;

/// Comments of tables, chains, rules and elements have this type; those of sets [`SET_COMMENT`].
const COMMENT: u8 = 0;

pub(crate) const SET_KEY_BYTE_ORDER: u8 = 0;
pub(crate) const SET_DATA_BYTE_ORDER: u8 = 1;
const SET_COMMENT: u8 = 7;

/// Whose a rule is, for us alone: no type of libnftnl, so `nft` and iptables take no notice. Where a comment would be
/// one more condition of the rule (iptables), it would be another rule than the one without.
const OWNER: u8 = 200;

/// The user data of a table, chain, rule or element that has only a comment.
pub(crate) fn comment(comment: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(comment.len() + 3);
    push_comment(&mut bytes, COMMENT, comment);
    bytes
}

/// The user data of a rule.
pub(crate) fn of_rule(comment: Option<&str>, owner: Option<&str>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, text) in [(COMMENT, comment), (OWNER, owner)] {
        if let Some(text) = text {
            push_comment(&mut bytes, kind, text);
        }
    }
    bytes
}

/// Appends a set's comment.
pub(crate) fn push_set_comment(bytes: &mut Vec<u8>, comment: &str) {
    push_comment(bytes, SET_COMMENT, comment);
}

/// Appends a number.
pub(crate) fn push_u32(bytes: &mut Vec<u8>, kind: u8, value: u32) {
    bytes.extend_from_slice(&[kind, 4]);
    bytes.extend_from_slice(&value.to_ne_bytes());
}

fn push_comment(bytes: &mut Vec<u8>, kind: u8, comment: &str) {
    let mut end = comment.len().min(MAX_COMMENT);
    while !comment.is_char_boundary(end) {
        end -= 1;
    }
    let length = u8::try_from(end + 1).unwrap_or(u8::MAX);
    bytes.extend_from_slice(&[kind, length]);
    bytes.extend_from_slice(&comment.as_bytes()[..end]);
    bytes.push(0);
}

/// The comment of a table, chain, rule or element.
pub(crate) fn read_comment(bytes: &[u8]) -> Option<String> {
    find(bytes, COMMENT)
}

/// The owner of a rule.
pub(crate) fn read_owner(bytes: &[u8]) -> Option<String> {
    find(bytes, OWNER)
}

/// The comment of a set.
pub(crate) fn read_set_comment(bytes: &[u8]) -> Option<String> {
    find(bytes, SET_COMMENT)
}

fn find(mut bytes: &[u8], wanted: u8) -> Option<String> {
    while let [kind, length, rest @ ..] = bytes {
        let value = rest.get(..usize::from(*length))?;
        if *kind == wanted {
            let text = value.strip_suffix(&[0]).unwrap_or(value);
            return Some(String::from_utf8_lossy(text).into_owned());
        }
        bytes = &rest[value.len()..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_read_back() {
        assert_eq!(
            read_comment(&comment("mynet/c1/eth0")).as_deref(),
            Some("mynet/c1/eth0")
        );
        assert_eq!(comment("x"), [0, 2, b'x', 0]);
    }

    #[test]
    fn an_owner_is_no_comment() {
        let owned = of_rule(None, Some("mynet/c1/eth0"));
        assert_eq!(read_comment(&owned), None);
        assert_eq!(read_owner(&owned).as_deref(), Some("mynet/c1/eth0"));
        let both = of_rule(Some("replies"), Some("mynet/c1/eth0"));
        assert_eq!(read_comment(&both).as_deref(), Some("replies"));
        assert_eq!(read_owner(&both).as_deref(), Some("mynet/c1/eth0"));
    }

    #[test]
    fn a_long_comment_is_cut_at_a_character() {
        let long = "ä".repeat(100);
        let read = read_comment(&comment(&long)).expect("a comment");
        assert_eq!(read, "ä".repeat(64));
        let odd = format!("a{long}");
        let read = read_comment(&comment(&odd)).expect("a comment");
        assert_eq!(read.len(), 127);
    }

    #[test]
    fn lying_lengths_are_no_comment() {
        assert_eq!(read_comment(&[]), None);
        assert_eq!(read_comment(&[0]), None);
        assert_eq!(read_comment(&[0, 9, b'x']), None);
        assert_eq!(read_comment(&[1, 1, 5, 0, 1, b'y']).as_deref(), Some("y"));
    }
}
