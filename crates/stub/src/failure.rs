//! Why the holder cannot be executed, as a plugin answers.

use core::ffi::c_int;

use crate::Path;
use crate::text::Text;

/// Why the holder cannot be executed. Numbers are the kernel's.
pub(crate) enum Failure {
    /// The stub is executed with more rights than its caller has.
    Privileged,
    /// Where it is cannot be told.
    NoPath,
    NotOpened(c_int),
    NotRead(c_int),
    /// It is another stub.
    Stub,
    /// It is not Linkspan's.
    Foreign,
    NotExecuted(c_int),
}

impl Failure {
    /// Prints it as an error of the specification: code 5, a failure of input or output.
    pub(crate) fn tell(&self, holder: &Path) {
        let mut text = Text::<{ 2 * libc::PATH_MAX as usize }>::new();
        text.push(
            b"{\n    \"cniVersion\": \"1.1.0\",\n    \"code\": 5,\n    \"msg\": \"cannot execute ",
        );
        match holder.as_bytes() {
            [] => text.push(linkspan_stub::HOLDER.as_bytes()),
            path => path.iter().for_each(|byte| text.push_byte(shown(*byte))),
        }
        text.push(b", the file of Linkspan's plugins: ");
        let (why, number, advice) = self.words();
        text.push(why.as_bytes());
        if let Some(number) = number {
            text.push(b" (os error ");
            push_number(&mut text, number);
            text.push(b")");
        }
        text.push(b"\",\n    \"details\": \"");
        text.push(advice.as_bytes());
        text.push(b"\"\n}\n");
        write(text.as_bytes());
    }

    /// Why, the kernel's number, and what to do.
    fn words(&self) -> (&'static str, Option<c_int>, &'static str) {
        const WHOLE: &str = "this plugin is a stub that needs it in its own folder: unpack Linkspan's plugins there again, all of \
            them, or run linkspan install";
        match *self {
            Self::Privileged => (
                "the stub has rights that its caller has not",
                None,
                "take the setuid and setgid bits and capabilities away from this file: plugins run with their runtime's rights",
            ),
            Self::NoPath => ("its path is not known or too long", None, WHOLE),
            Self::NotOpened(libc::ENOENT) => ("it is not there", Some(libc::ENOENT), WHOLE),
            Self::NotOpened(number) => ("it cannot be opened", Some(number), WHOLE),
            Self::NotRead(number) => ("it cannot be read", Some(number), WHOLE),
            Self::Stub => ("it is a stub, too", None, WHOLE),
            Self::Foreign => ("it is the plugin of somebody else", None, WHOLE),
            Self::NotExecuted(number) => (
                "the kernel refuses it",
                Some(number),
                "see that it may be executed (chmod 755), that its file system is not mounted noexec, and that it is for this processor",
            ),
        }
    }
}

/// A byte of a path as it can stand in JSON as it is.
fn shown(byte: u8) -> u8 {
    match byte {
        b'"' | b'\\' => b'?',
        b' '..=b'~' => byte,
        _ => b'?',
    }
}

fn push_number<const ROOM: usize>(text: &mut Text<ROOM>, number: c_int) {
    let number = number.unsigned_abs();
    let mut unit = 1_000_000_000;
    while unit > 0 {
        if number >= unit || unit == 1 {
            let digit = u8::try_from(number / unit % 10).unwrap_or_default();
            text.push_byte(b'0' + digit);
        }
        unit /= 10;
    }
}

/// Writes all of it to standard output, as far as anybody takes it.
fn write(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: so many bytes are there.
        let length =
            unsafe { libc::write(libc::STDOUT_FILENO, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(length) {
            Ok(length @ 1..) => bytes = bytes.get(length..).unwrap_or_default(),
            _ => return,
        }
    }
}
