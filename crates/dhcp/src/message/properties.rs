//! Any bytes are read without a panic, and what is written is read back.

use proptest::prelude::*;

use super::options::{CLASSLESS_ROUTES, DOMAIN_SEARCH, KIND};
use super::{Message, Op, Options};

fn options() -> impl Strategy<Value = Options> {
    let value = prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..40),
        1 => prop::collection::vec(any::<u8>(), 250..600),
    ];
    let code = prop_oneof![
        any::<u8>(),
        Just(DOMAIN_SEARCH),
        Just(CLASSLESS_ROUTES),
        Just(KIND)
    ];
    prop::collection::vec((code, value), 0..12).prop_map(|pairs| {
        let mut options = Options::default();
        for (code, value) in pairs {
            options.set(code, &value);
        }
        options
    })
}

prop_compose! {
    fn message()(
        reply: bool, xid: u32, secs: u16, broadcast: bool, addresses: [[u8; 4]; 4], chaddr: [u8; 6], options in options(),
    ) -> Message {
        let [ciaddr, yiaddr, siaddr, giaddr] = addresses.map(Into::into);
        let op = if reply { Op::Reply } else { Op::Request };
        Message { op, xid, secs, broadcast, ciaddr, yiaddr, siaddr, giaddr, chaddr, options }
    }
}

/// Asks for everything that can be read.
fn read_all(message: &Message) {
    let options = &message.options;
    let _ = (
        options.kind(),
        options.server_id(),
        options.lease_time(),
        options.renewal_time(),
    );
    let _ = (
        options.rebinding_time(),
        options.prefix(),
        options.routers(),
        options.dns(),
    );
    let _ = (
        options.domain(),
        options.search(),
        options.mtu(),
        options.routes(),
        options.text(),
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(message in message()) {
        prop_assert_eq!(Message::parse(&message.to_bytes()), Ok(message));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..1600)) {
        if let Ok(message) = Message::parse(&bytes) {
            read_all(&message);
        }
    }

    /// Random bytes have no cookie, so nothing behind it would be reached with them.
    #[test]
    fn a_message_that_was_tampered_with_is_read_without_a_panic(
        message in message(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = message.to_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            if !(236..240).contains(&at) && at > 2 {
                bytes[at] = byte;
            }
        }
        bytes.truncate(240 + cut.index(bytes.len() - 239));
        if let Ok(message) = Message::parse(&bytes) {
            read_all(&message);
            prop_assert_eq!(Message::parse(&message.to_bytes()), Ok(message));
        }
    }
}
