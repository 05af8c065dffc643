//! The context of a trace, as it goes from process to process: the W3C's
//! [Trace Context](https://www.w3.org/TR/trace-context/), in environment variables.

use std::fmt;
use std::io;

/// Which trace it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TraceId(pub [u8; 16]);

/// Which span of a trace it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpanId(pub [u8; 8]);

/// What another process has to know of a span to have its own spans inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The trace.
    pub trace: TraceId,
    /// The span that what follows is a part of.
    pub span: SpanId,
    /// Whether anybody keeps it ([`SAMPLED`](Self::SAMPLED)).
    pub flags: u8,
    /// What the systems that the trace went through say of it (`tracestate`), which is theirs; empty for nothing.
    pub state: String,
}

impl Context {
    /// The flag of a trace that is kept.
    pub const SAMPLED: u8 = 1;

    /// The flags that there are: sampled, and that the trace's number is random.
    const KNOWN_FLAGS: u8 = 3;

    /// As long as the specification lets others cut it.
    const MAX_STATE: usize = 512;

    /// Reads `TRACEPARENT` and `TRACESTATE`; `None` where the first is none. A second that is none is as good as missing.
    pub fn parse(parent: &str, state: &str) -> Option<Self> {
        let mut parts = parent.split('-');
        let [version, trace, span, flags] = [(); 4].map(|()| parts.next().unwrap_or_default());
        let [version] = hex::<1>(version)?;
        // Later versions may have more behind; there is none of this number.
        if version == 0xff || (version == 0 && parts.next().is_some()) {
            return None;
        }
        let [flags] = hex::<1>(flags)?;
        let is_state =
            state.len() <= Self::MAX_STATE && state.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        Some(Self {
            trace: TraceId(hex(trace).filter(|id| *id != [0; 16])?),
            span: SpanId(hex(span).filter(|id| *id != [0; 8])?),
            flags: flags & Self::KNOWN_FLAGS,
            state: if is_state {
                state.to_owned()
            } else {
                String::new()
            },
        })
    }

    /// Whether somebody keeps the trace.
    pub fn is_sampled(&self) -> bool {
        self.flags & Self::SAMPLED != 0
    }
}

/// As `TRACEPARENT` has it.
impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.span, self.flags)
    }
}

impl TraceId {
    /// A new one.
    pub(crate) fn random() -> io::Result<Self> {
        Ok(Self(random()?))
    }

    /// Reads 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        hex(text).map(Self)
    }
}

impl SpanId {
    /// Reads 16 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        hex(text).map(Self)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Bytes that nobody guesses, and that are not all zero.
pub(crate) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty())?;
    bytes[N - 1] |= 1;
    Ok(bytes)
}

/// Bytes as hexadecimal digits, in small letters as the specification wants them.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_the_specification_allows_is_read_and_nothing_else() {
        let context = Context::parse(PARENT, "a=1,b=2").unwrap();
        assert!(context.is_sampled());
        assert_eq!(context.state, "a=1,b=2");
        assert_eq!(context.to_string(), PARENT);
        let good = [
            (PARENT.replace("-01", "-00"), false),
            (PARENT.replace("-01", "-03"), true),
            (PARENT.replace("-01", "-fe"), false),
            (format!("cc{}-what-comes-later", &PARENT[2..]), true),
        ];
        for (text, is_sampled) in good {
            let context = Context::parse(&text, "").unwrap_or_else(|| panic!("{text}"));
            assert_eq!(context.is_sampled(), is_sampled, "{text}");
        }
        let zeros = |digits: &str| PARENT.replace(digits, &"0".repeat(digits.len()));
        let bad = [
            String::new(),
            "-".into(),
            PARENT.to_uppercase(),
            format!(" {PARENT}"),
            format!("{PARENT}\n"),
            format!("{PARENT}-more"),
            format!("ff{}", &PARENT[2..]),
            format!("0{PARENT}"),
            PARENT[..54].into(),
            PARENT.replace('-', "_"),
            PARENT.replace("0af", "0ag"),
            PARENT.replace("b7ad6b7169203331", "b7ad6b716920333"),
            zeros("0af7651916cd43dd8448eb211c80319c"),
            zeros("b7ad6b7169203331"),
            "é".repeat(27),
            "00-".repeat(4096),
        ];
        for text in bad {
            assert_eq!(Context::parse(&text, ""), None, "{text}");
        }
    }

    #[test]
    fn a_state_that_is_none_is_left_out() {
        for state in ["a=\n", "ä=1", &"x".repeat(513)] {
            assert_eq!(Context::parse(PARENT, state).unwrap().state, "", "{state}");
        }
    }

    #[test]
    fn new_numbers_differ_and_are_not_zero() {
        let (one, other) = (TraceId::random().unwrap(), TraceId::random().unwrap());
        assert_ne!(one, other);
        assert_eq!(TraceId::parse(&one.to_string()), Some(one));
        let parsed = Context::parse(&format!("00-{one}-b7ad6b7169203331-01"), "");
        assert_eq!(parsed.map(|context| context.trace), Some(one));
    }
}
