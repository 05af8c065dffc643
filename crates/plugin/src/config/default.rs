//! Defaults, which are judged where they are compiled.

/// The default as it was declared.
///
/// # Panics
/// Where it is compiled, with `words`, when it is not JSON.
#[doc(hidden)]
pub const fn declared(text: &'static str, words: &'static str) -> &'static str {
    let bytes = text.as_bytes();
    match value(bytes, 0) {
        Some(end) if blank(bytes, end) == bytes.len() => text,
        _ => panic!("{}", words),
    }
}

const fn at(text: &[u8], index: usize) -> u8 {
    match index < text.len() {
        true => text[index],
        false => 0,
    }
}

/// Where the white space at `index` ends.
const fn blank(text: &[u8], mut index: usize) -> usize {
    while matches!(at(text, index), b' ' | b'\n' | b'\r' | b'\t') {
        index += 1;
    }
    index
}

/// Where the value at `index` ends; `None` where there is none. Brackets and quotes are in pairs, as those of any Rust are.
const fn value(text: &[u8], index: usize) -> Option<usize> {
    let index = blank(text, index);
    match at(text, index) {
        b'"' => string(text, index + 1),
        b'[' => parts(text, index + 1, b']'),
        b'{' => parts(text, index + 1, b'}'),
        b't' => word(text, index, b"true"),
        b'f' => word(text, index, b"false"),
        b'n' => word(text, index, b"null"),
        _ => number(text, index),
    }
}

/// Those of a list or an object.
const fn parts(text: &[u8], index: usize, end: u8) -> Option<usize> {
    let mut index = blank(text, index);
    if at(text, index) == end {
        return Some(index + 1);
    }
    loop {
        if end == b'}' {
            index = blank(text, index);
            index = match at(text, index) == b'"' {
                true => match string(text, index + 1) {
                    Some(end) => blank(text, end),
                    None => return None,
                },
                false => return None,
            };
            if at(text, index) != b':' {
                return None;
            }
            index += 1;
        }
        index = match value(text, index) {
            Some(end) => blank(text, end),
            None => return None,
        };
        match at(text, index) {
            b',' => index += 1,
            byte if byte == end => return Some(index + 1),
            _ => return None,
        }
    }
}

const fn string(text: &[u8], mut index: usize) -> Option<usize> {
    loop {
        match at(text, index) {
            b'"' => return Some(index + 1),
            b'\\' => match at(text, index + 1) {
                b'"' | b'\\' | b'n' | b'r' | b't' => index += 2,
                // Rust's other escapes are none of JSON's.
                _ => return None,
            },
            0..=31 => return None,
            _ => index += 1,
        }
    }
}

const fn word(text: &[u8], mut index: usize, word: &[u8]) -> Option<usize> {
    let mut read = 0;
    while read < word.len() {
        if at(text, index) != word[read] {
            return None;
        }
        (read, index) = (read + 1, index + 1);
    }
    Some(index)
}

const fn number(text: &[u8], mut index: usize) -> Option<usize> {
    if at(text, index) == b'-' {
        index += 1;
    }
    index = match at(text, index) {
        b'0' => index + 1,
        _ => match digits(text, index) {
            Some(end) => end,
            None => return None,
        },
    };
    if at(text, index) == b'.' {
        index = match digits(text, index + 1) {
            Some(end) => end,
            None => return None,
        };
    }
    if matches!(at(text, index), b'e' | b'E') {
        index += 1;
        if matches!(at(text, index), b'+' | b'-') {
            index += 1;
        }
        return digits(text, index);
    }
    Some(index)
}

/// Where at least one digit ends.
const fn digits(text: &[u8], mut index: usize) -> Option<usize> {
    let begin = index;
    while at(text, index).is_ascii_digit() {
        index += 1;
    }
    match index > begin {
        true => Some(index),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is taken is what is read when a plugin runs.
    #[test]
    fn what_is_declared_is_json() {
        for text in [
            "1",
            "-5",
            "0",
            "1.5",
            "1e9",
            "-0.25E-3",
            "true",
            "false",
            "\"\"",
            "\"a \\\"b\\\" \\n é\"",
            "[]",
            "[ ]",
            "[1, -2, true, null, \"x\"]",
            "{}",
            "{ \"a\": 1, \"b\": { \"c\": [{}] } }",
        ] {
            assert_eq!(declared(text, "no"), text);
            serde_json::from_str::<serde_json::Value>(text).unwrap();
        }
        for text in [
            "",
            "1_000",
            "0x10",
            "5u32",
            "1.",
            ".5",
            "01",
            "-",
            "1e",
            "'c'",
            "r\"x\"",
            "b\"x\"",
            "\"\\x41\"",
            "\"\\u{e9}\"",
            "\"\\0\"",
            "[1,]",
            "[1 2]",
            "[,]",
            "[x]",
            "{ a: 1 }",
            "{ \"a\" }",
            "{ \"a\": 1, }",
            "tru",
            "nan",
            "1 2",
            "[",
            "\"a",
            "\"a\nb\"",
        ] {
            let refused = std::panic::catch_unwind(|| declared(text, "refused"));
            assert!(refused.is_err(), "{text}");
            assert!(
                serde_json::from_str::<serde_json::Value>(text).is_err(),
                "{text}"
            );
        }
    }
}
