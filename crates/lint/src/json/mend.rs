//! Going on behind a fault: the text as it was probably meant, in the same length, so that places stay what they are.

use super::Fault;
use crate::source::Span;

/// The text without the fault; `None` where what was meant cannot be told, or not in the same length.
pub(super) fn mend(text: &str, fault: &Fault) -> Option<String> {
    if let Some((span, character)) = fault.reading {
        let filling: String = text[span.range()]
            .bytes()
            .map(|byte| match (byte, character) {
                (b'\n', ' ') => '\n',
                _ => character,
            })
            .collect();
        return replaced(text, span, &filling);
    }
    let fix = fault.fix.as_ref()?;
    match fix.edits.as_slice() {
        [edit] if edit.text.len() <= edit.span.end - edit.span.start => {
            let width = edit.span.end - edit.span.start;
            replaced(text, edit.span, &format!("{:width$}", edit.text))
        }
        _ => None,
    }
}

fn replaced(text: &str, span: Span, filling: &str) -> Option<String> {
    let (before, after) = (text.get(..span.start)?, text.get(span.end..)?);
    let made = format!("{before}{filling}{after}");
    (made.len() == text.len() && made != text).then_some(made)
}
