//! Any bytes as a stream.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkspan_dhcp::gob::Decoder;

fuzz_target!(|bytes: &[u8]| {
    let mut decoder = Decoder::new();
    decoder.feed(bytes);
    while let Ok(Some(_)) = decoder.read() {}
});
