//! What is written, attribute by attribute.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that uses it"
)]

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use linkspan_netlink::{Attributes, Messages};
use linkspan_nft::{
    Batch, Chain, CtState, DataType, Element, Family, Field, Hook, Rule, Set, Table, Value, Verdict,
};

/// Messages as text: type, flags and the tree of attributes. What looks like attributes is shown as such.
fn render(bytes: &[u8]) -> String {
    let mut text = String::new();
    for message in Messages::new(bytes) {
        let (kind, flags) = (message.kind, message.flags);
        let header = &message.payload[..4];
        writeln!(
            text,
            "message {kind:#06x} flags {flags:#05x} header {header:02x?}"
        )
        .unwrap();
        render_attributes(&mut text, message.attributes(4), 1);
    }
    text
}

fn render_attributes(text: &mut String, bytes: &[u8], depth: usize) {
    let mut rest = bytes;
    while let [a, b, kind, high, ..] = rest {
        let length = usize::from(u16::from_ne_bytes([*a, *b]));
        let payload = &rest[4..length];
        let indent = "  ".repeat(depth);
        if high & 0x80 != 0 {
            writeln!(text, "{indent}{kind}:").unwrap();
            render_attributes(text, payload, depth + 1);
        } else {
            let shown = payload.escape_ascii();
            writeln!(text, "{indent}{kind} = {shown}").unwrap();
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
}

fn table() -> Table {
    Table::new(Family::Inet, "t")
}

fn encode(fill: impl FnOnce(&mut Batch)) -> String {
    let mut batch = Batch::new();
    fill(&mut batch);
    render(&batch.encode(1).bytes)
}

#[test]
fn tables_and_chains() {
    let text = encode(|batch| {
        batch
            .require_generation(7)
            .add(table().comment("ours"))
            .create(Chain::nat(&table(), "postrouting", Hook::Postrouting, 100).comment("c"))
            .add(Chain::filter(&table(), "forward", Hook::Forward, -10).drop_by_default())
            .delete(Chain::regular(&table(), "old"))
            .flush_chain(Chain::regular(&table(), "again"))
            .destroy(Table::new(Family::Bridge, "other"));
    });
    insta::assert_snapshot!(text);
}

#[test]
fn sets_and_maps() {
    use DataType::{EtherAddr, IfName, InetProto, InetService, Ipv4Addr, Mark};
    let text = encode(|batch| {
        batch
            .add(Set::new(&table(), "a", [Ipv4Addr]).comment("hello"))
            .add(Set::new(&table(), "b", [IfName, EtherAddr]))
            .add(
                Set::new(&table(), "c", [InetProto, InetService])
                    .to_values([Ipv4Addr, InetService])
                    .constant(),
            )
            .add(Set::new(&table(), "d", [Mark]).to_verdicts())
            .add(
                Set::new(&table(), "e", [Ipv4Addr, InetService])
                    .with_intervals()
                    .default_timeout(Duration::from_secs(3)),
            )
            .flush_set(Set::new(&table(), "f", [Mark]))
            .delete(Set::new(&table(), "g", [Mark]));
    });
    insta::assert_snapshot!(text);
}

#[test]
fn elements() {
    let address = Ipv4Addr::new(10, 22, 0, 2);
    let service = Value::Port(80);
    let text = encode(|batch| {
        batch
            .add_elements(&table(), "a", [Element::new(address).comment("x")])
            .create_elements(
                &table(),
                "maps",
                [Element::new([Value::Protocol(6), service.clone()])
                    .to_values([address.into(), Value::Port(8080)])],
            )
            .add_elements(
                &table(),
                "verdicts",
                [Element::new(Value::Mark(1)).to_verdict(Verdict::Goto("there".into()))],
            )
            .add_elements(
                &table(),
                "ranges",
                [Element::range(address, Ipv4Addr::new(10, 22, 0, 255))],
            )
            .delete_elements(
                &table(),
                "concatenated ranges",
                [Element::range(
                    [address.into(), service.clone()],
                    [address.into(), Value::Port(90)],
                )
                .timeout(Duration::from_secs(1))],
            );
    });
    insta::assert_snapshot!(text);
}

#[test]
fn rules() {
    let text = encode(|batch| {
        batch
            .add(
                Rule::new(&table(), "c")
                    .is_ipv4()
                    .in_set([Field::IpSaddr.into(), Field::IpDaddr.masked(24)], "local")
                    .accept()
                    .comment("inside"),
            )
            .insert(
                Rule::new(&table(), "c")
                    .ct_state(CtState::ESTABLISHED | CtState::RELATED)
                    .masquerade(),
            );
    });
    insta::assert_snapshot!(text);
}

/// Bytes that the `nft` command sent for the same objects (version 1.0.6).
#[test]
fn a_set_is_written_as_nft_writes_it() {
    let mut batch = Batch::new();
    batch.add(Set::new(&table(), "a", [DataType::Ipv4Addr]).comment("hello"));
    let bytes = batch.encode(2).bytes;
    let message = Messages::new(&bytes).nth(1).expect("a set");
    #[rustfmt::skip]
    let expected: &[(u16, &[u8])] = &[
        (0x1, b"t\0"),
        (0x2, b"a\0"),
        (0x3, b"\0\0\0\0"),
        (0x4, b"\0\0\0\x07"),
        (0x5, b"\0\0\0\x04"),
        (0xa, b"\0\0\0\x03"),
        (0xd, b"\x00\x04\x02\x00\x00\x00\x07\x06hello\0"),
    ];
    let written: Vec<_> = Attributes::new(message.attributes(4))
        .map(|attribute| (attribute.kind, attribute.payload))
        .collect();
    assert_eq!(written, expected);
}

#[test]
fn no_message_is_longer_than_an_attribute_may_be() {
    let elements = (0..50_000u32)
        .map(|number| Element::new(Ipv6Addr::from(u128::from(number))).comment("x".repeat(200)));
    let mut batch = Batch::new();
    batch.add_elements(&table(), "many", elements);
    let bytes = batch.encode(1).bytes;
    let list = 3;
    let mut count = 0;
    for message in Messages::new(&bytes).skip(1).take(batch.len()) {
        let list = Attributes::new(message.attributes(4)).get(list);
        let payload = list.expect("elements").payload;
        assert!(payload.len() < 65_000, "{} bytes", payload.len());
        count += Attributes::new(payload).count();
    }
    assert_eq!(count, 50_000);
}

#[test]
fn sequence_numbers_lead_back_to_items() {
    let mut batch = Batch::new();
    batch
        .add(table())
        .add_elements(&table(), "s", [Element::new(Ipv4Addr::LOCALHOST)])
        .delete_elements(&table(), "s", [Element::new(Ipv4Addr::LOCALHOST)]);
    let encoded = batch.encode(u32::MAX);
    let sequences: Vec<u32> = Messages::new(&encoded.bytes).map(|m| m.sequence).collect();
    assert_eq!(sequences, [u32::MAX, 0, 1, 2, 3]);
    assert_eq!(encoded.acknowledged_sequence(), 2);
    let items: Vec<_> = sequences.iter().map(|s| encoded.item_of(*s)).collect();
    assert_eq!(items, [None, Some(0), Some(1), Some(2), None]);
    assert_eq!(batch.describe(0), "add table inet t");
    assert_eq!(
        batch.describe(2),
        "delete element 127.0.0.1 from set inet t s"
    );
    assert_eq!(batch.describe(99), "");
}
