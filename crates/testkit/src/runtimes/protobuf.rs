//! As much of protobuf as a few messages of CRI need: <https://protobuf.dev/programming-guides/encoding/>.

/// A field that is a number.
pub(super) fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

/// A field that is a message, or a string.
pub(super) fn bytes(field: u64, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    [
        &varint(field << 3 | 2),
        &varint(value.len() as u64)[..],
        value,
    ]
    .concat()
}

/// A field that is a map of strings, which is a message for each pair.
pub(super) fn map(field: u64, pairs: &[(String, String)]) -> Vec<u8> {
    let pair =
        |(key, value): &(String, String)| bytes(field, [bytes(1, key), bytes(2, value)].concat());
    pairs.iter().flat_map(pair).collect()
}

/// What has been received.
#[derive(Debug, Default)]
pub(super) struct Message(Vec<(u64, Value)>);

#[derive(Debug)]
enum Value {
    Number(u64),
    Bytes(Vec<u8>),
}

impl Message {
    /// Takes bytes apart; what is cut off or of a kind that CRI does not have ends it.
    pub(super) fn parse(mut bytes: &[u8]) -> Self {
        let mut fields = Vec::new();
        while let Some(field) = read_field(&mut bytes) {
            fields.push(field);
        }
        Self(fields)
    }

    /// All messages in a repeated field.
    pub(super) fn messages(&self, field: u64) -> impl Iterator<Item = Self> {
        self.values(field).map(|bytes| Self::parse(bytes))
    }

    /// The message in a field; an empty one where it is missing, as protobuf has it.
    pub(super) fn message(&self, field: u64) -> Self {
        self.messages(field).next().unwrap_or_default()
    }

    /// The string in a field.
    pub(super) fn text(&self, field: u64) -> String {
        let bytes = self.values(field).next().map_or(&[][..], |bytes| bytes);
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// The number in a field; of `bool`, 1 is true.
    pub(super) fn number(&self, field: u64) -> u64 {
        let number = self.0.iter().find_map(|(number, value)| match value {
            Value::Number(value) if *number == field => Some(*value),
            _ => None,
        });
        number.unwrap_or_default()
    }

    fn values(&self, field: u64) -> impl Iterator<Item = &Vec<u8>> {
        self.0
            .iter()
            .filter_map(move |(number, value)| match value {
                Value::Bytes(bytes) if *number == field => Some(bytes),
                _ => None,
            })
    }
}

fn read_field(bytes: &mut &[u8]) -> Option<(u64, Value)> {
    let key = read_varint(bytes)?;
    let number = read_varint(bytes)?;
    let value = match key & 7 {
        0 => Value::Number(number),
        2 => {
            let (value, rest) = bytes.split_at_checked(usize::try_from(number).ok()?)?;
            *bytes = rest;
            Value::Bytes(value.to_vec())
        }
        _ => return None,
    };
    Some((key >> 3, value))
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut encoded = Vec::new();
    while number > 0x7f {
        encoded.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    encoded.push(number.to_le_bytes()[0]);
    encoded
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of protobuf's own description, and what it says of a field that is missing.
    #[test]
    fn fields_come_back() {
        assert_eq!(number(1, 150), [0x08, 0x96, 0x01]);
        assert_eq!(bytes(2, "testing"), b"\x12\x07testing");
        let pairs = [("a".to_owned(), "b".to_owned())];
        let sent = [number(1, 150), bytes(2, "x"), bytes(2, "y"), map(3, &pairs)].concat();
        let message = Message::parse(&sent);
        assert_eq!(message.number(1), 150);
        assert_eq!(message.text(2), "x");
        assert_eq!(message.messages(2).count(), 2);
        assert_eq!(message.message(3).text(2), "b");
        assert_eq!((message.number(9), message.text(9)), (0, String::new()));
        assert_eq!(
            Message::parse(&sent[..sent.len() - 1]).messages(3).count(),
            0
        );
    }
}
