//! The bytes in `tests/wire` were written by Go.

use proptest::prelude::*;

use super::wire::{Reader, put_int, put_uint};
use super::{Decoder, Encoder, Field, GobError, MAX_DEFINITION, MAX_MESSAGE, Shape, Struct, Value};

const ODD: &[u8] = include_bytes!("../../tests/wire/odd.gob");
const FULL: &[u8] = include_bytes!("../../tests/wire/full.gob");
const DEBIAN: &[u8] = include_bytes!("../../tests/wire/debian-add.daemon");

fn read(bytes: &[u8]) -> Result<Vec<Value>, GobError> {
    let mut decoder = Decoder::new();
    decoder.feed(bytes);
    std::iter::from_fn(|| decoder.read().transpose()).collect()
}

#[test]
fn numbers_are_written_as_go_writes_them() {
    let unsigned: &[(u64, &[u8])] = &[
        (0, &[0]),
        (127, &[127]),
        (128, &[0xff, 128]),
        (255, &[0xff, 255]),
        (256, &[0xfe, 1, 0]),
        (1 << 56, &[0xf8, 1, 0, 0, 0, 0, 0, 0, 0]),
        (u64::MAX, &[0xf8, 255, 255, 255, 255, 255, 255, 255, 255]),
    ];
    for (number, bytes) in unsigned {
        let mut out = Vec::new();
        put_uint(&mut out, *number);
        assert_eq!(out, *bytes, "{number}");
        assert_eq!(Reader::new(bytes).uint(), Ok(*number));
    }
    for (number, bytes) in [
        (0, &[0][..]),
        (1, &[2]),
        (-1, &[1]),
        (-129, &[0xfe, 1, 1]),
        (i64::MIN, &[0xf8, 255, 255, 255, 255, 255, 255, 255, 255]),
    ] {
        let mut out = Vec::new();
        put_int(&mut out, number);
        assert_eq!(out, bytes, "{number}");
        assert_eq!(Reader::new(bytes).int(), Ok(number));
    }
    for cut_off in [
        &[][..],
        &[0xff],
        &[0xf7, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        &[0x80],
    ] {
        assert_eq!(Reader::new(cut_off).uint(), Err(GobError::Malformed));
    }
}

#[test]
fn types_that_nobody_here_has_are_read_and_skipped() {
    let values = read(ODD).unwrap();
    let [odd, number, list, map] = values.as_slice() else {
        panic!("{values:?}");
    };
    assert_eq!(odd.text("Name"), "n");
    assert_eq!(odd.number("N"), Some(i64::MIN));
    assert_eq!(odd.number("U"), Some(1_u32 << 31));
    assert_eq!(odd.field("B"), Some(&Value::Bool(true)));
    assert_eq!(odd.field("T"), Some(&Value::Other));
    assert_eq!(odd.field("E"), None);
    let numbers = [1, -2, 3].map(Value::Int);
    assert_eq!(odd.list("Arr"), numbers);
    assert_eq!(odd.list("L")[1].number("B"), Some(7));
    assert_eq!(odd.field("P").and_then(|inner| inner.number("A")), Some(5));
    assert_eq!(*number, Value::Int(-129));
    assert_eq!(
        *list,
        Value::List(vec![Value::Text("a".into()), Value::Text("b".into())])
    );
    assert_eq!(*map, Value::Other);
}

#[test]
fn a_message_may_come_in_any_pieces() {
    let mut decoder = Decoder::new();
    let mut values = Vec::new();
    for byte in ODD {
        decoder.feed(&[*byte]);
        values.extend(decoder.read().unwrap());
    }
    assert_eq!(values, read(ODD).unwrap());
}

static INNER: Struct = Struct {
    name: "Inner",
    fields: &[Field("Number", Shape::Int), Field("Bytes", Shape::Bytes)],
};

static OUTER: Struct = Struct {
    name: "Outer",
    fields: &[
        Field("Text", Shape::Text),
        Field("List", Shape::List("[]Inner", &Shape::Struct(&INNER))),
        Field("Count", Shape::Uint),
        Field("Inner", Shape::Struct(&INNER)),
    ],
};

#[test]
fn what_is_written_is_read_again_and_types_are_defined_once() {
    let inner = Value::of(
        &INNER,
        [Some(Value::Int(-5)), Some(Value::Bytes(vec![0, 1]))],
    );
    let list = Value::List(vec![inner.clone(), Value::of(&INNER, [None, None])]);
    let fields = [None, Some(list), Some(Value::Uint(u64::MAX)), Some(inner)];
    let outer = Value::of(&OUTER, fields);
    let mut encoder = Encoder::new();
    let mut first = Vec::new();
    encoder.write(&OUTER, &outer, &mut first);
    let mut second = Vec::new();
    encoder.write(&OUTER, &outer, &mut second);
    assert!(second.len() < first.len() && first.ends_with(&second));
    first.append(&mut second);
    assert_eq!(read(&first), Ok(vec![outer.clone(), outer]));
}

#[test]
fn what_is_of_another_type_than_its_shape_is_left_out() {
    let wrong = [
        Some(Value::Int(1)),
        Some(Value::List(vec![Value::Bool(true)])),
        None,
        None,
    ];
    let mut out = Vec::new();
    Encoder::new().write(&OUTER, &Value::of(&OUTER, wrong), &mut out);
    assert_eq!(read(&out), Ok(vec![Value::Fields(Vec::new())]));
}

/// A definition of the type 65: `kind` is the place among the parts of a definition, `rest` comes behind name and number.
fn defined(kind: u8, rest: &[u8], value: &[u8]) -> Vec<u8> {
    let definition = [
        &[0xff, 129, kind, 1, 1, 1, b'T', 1, 0xff, 130, 0],
        rest,
        &[0, 0],
    ]
    .concat();
    let value = [&[0xff, 130], value].concat();
    let message = |bytes: Vec<u8>| [vec![bytes.len() as u8], bytes].concat();
    [message(definition), message(value)].concat()
}

#[test]
fn what_is_no_gob_or_too_much_of_it_is_refused() {
    let itself = [1, 0xff, 130];
    let nested = [&[0][..], &[1; 40]].concat();
    let cases: &[(&str, Vec<u8>, GobError)] = &[
        (
            "a length without end",
            vec![0xf8, 255, 255, 255, 255, 255, 255, 255, 255],
            GobError::TooLong(u64::MAX),
        ),
        ("a length of nine bytes", vec![0xf7], GobError::Malformed),
        ("a message of nothing", vec![0], GobError::Malformed),
        (
            "an unknown type",
            vec![3, 0xff, 130, 0],
            GobError::UnknownType(65),
        ),
        (
            "a type below those of streams",
            vec![2, 19, 0],
            GobError::BadType(10),
        ),
        (
            "the type that is its own negation",
            vec![9, 0xf8, 255, 255, 255, 255, 255, 255, 255, 255],
            GobError::Malformed,
        ),
        (
            "a definition of nothing",
            vec![3, 0xff, 129, 0],
            GobError::BadType(65),
        ),
        (
            "a field behind the last",
            vec![4, 0xff, 129, 9, 0],
            GobError::Malformed,
        ),
        (
            "bytes behind the value",
            vec![4, 4, 0, 2, 2],
            GobError::Trailing(1),
        ),
        (
            "text longer than its message",
            vec![4, 12, 0, 9, b'x'],
            GobError::Malformed,
        ),
        (
            "a list that holds itself",
            defined(2, &itself, &nested),
            GobError::TooDeep,
        ),
    ];
    for (what, bytes, error) in cases {
        assert_eq!(read(bytes).as_ref(), Err(error), "{what}");
    }
    let twice = [&ODD[..0x6a], &ODD[..0x6a]].concat();
    assert_eq!(read(&twice), Err(GobError::BadType(75)));
    // A list of a million structs without fields takes a byte for each.
    let mut many = [&[0][..], &[0xfd, 0x0f, 0x42, 0x40], &vec![0; 1_000_000]].concat();
    let mut bytes = defined(2, &[1, 2], &[]);
    bytes.truncate(bytes.len() - 3);
    let mut length = Vec::new();
    put_uint(&mut length, many.len() as u64 + 2);
    bytes.append(&mut length);
    bytes.extend_from_slice(&[0xff, 130]);
    bytes.append(&mut many);
    assert_eq!(read(&bytes), Err(GobError::TooManyValues));
}

#[test]
fn a_stream_has_only_so_many_types() {
    let mut bytes = Vec::new();
    for id in 64..400_i64 {
        let mut body = Vec::new();
        put_int(&mut body, -id);
        body.extend_from_slice(&[2, 1, 1, 1, b'T', 0, 1, 2, 0, 0]);
        bytes.push(body.len() as u8);
        bytes.append(&mut body);
    }
    assert_eq!(read(&bytes), Err(GobError::TooManyTypes));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever comes ends in values or in an error, and what waits is no more than came.
    #[test]
    fn anything_is_read_or_refused(
        which in 0_usize..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
        behind in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let fixture = [ODD, FULL, &DEBIAN[35..]][which];
        let mut bytes = fixture[..cut.index(fixture.len() + 1)].to_vec();
        for (place, byte) in changes {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
        }
        bytes.extend(behind);
        if let Ok(values) = read(&bytes) {
            prop_assert!(values.len() <= bytes.len());
        }
    }

    #[test]
    fn what_is_random_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = read(&bytes);
    }
}

#[test]
fn the_largest_message_is_read() {
    static ONE: Struct = Struct {
        name: "One",
        fields: &[Field("Bytes", Shape::Bytes)],
    };
    let value = |length| Value::of(&ONE, [Some(Value::Bytes(vec![7; length]))]);
    let mut out = Vec::new();
    Encoder::new().write(&ONE, &value(MAX_MESSAGE - 16), &mut out);
    assert!(read(&out).is_ok());
    out.clear();
    Encoder::new().write(&ONE, &value(MAX_MESSAGE), &mut out);
    assert!(matches!(read(&out), Err(GobError::TooLong(_))));
    let name = vec![b'x'; MAX_DEFINITION];
    let mut length = Vec::new();
    put_uint(&mut length, name.len() as u64);
    let body = [&[0xff, 129, 2, 1, 1][..], &length, &name, &[0, 0, 0]].concat();
    out.clear();
    put_uint(&mut out, body.len() as u64);
    out.extend(body);
    assert!(matches!(read(&out), Err(GobError::TooLong(_))));
}
