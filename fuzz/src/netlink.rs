//! nf_tables' answers.

use linkspan_netlink::Messages;
use linkspan_nft::{Chain, Element, InstalledRule, Outline, Set, Table, Translation};

/// Reads a dump of tables, chains, sets, elements and rules. Elements are read by the sets that came before them.
pub(crate) fn nf_tables(bytes: &[u8]) {
    let mut sets: Vec<Set> = Vec::new();
    for message in Messages::new(bytes) {
        let _ = Table::decode(&message);
        let _ = Chain::decode(&message);
        let _ = InstalledRule::decode(&message);
        let _ = Outline::decode(&message);
        let _ = Translation::decode(&message);
        sets.extend(Set::decode(&message));
        for set in sets.iter().rev().take(4) {
            let _ = Element::decode_all(&message, set);
        }
    }
}
