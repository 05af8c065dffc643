//! Any bytes as what a client sends, in pieces as long as the first byte says. Seeds are in `tests/wire`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkspan_dhcp::rpc::server::Connection;

fuzz_target!(|bytes: &[u8]| {
    let Some((piece, bytes)) = bytes.split_first() else {
        return;
    };
    let mut connection = Connection::new();
    for piece in bytes.chunks(usize::from(*piece) + 1) {
        let Ok(requests) = connection.feed(piece) else {
            return;
        };
        for request in &requests {
            connection.answer_unknown(request);
        }
        connection.output();
    }
});
