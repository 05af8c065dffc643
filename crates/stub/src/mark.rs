//! What a file of Linkspan's is: an ELF note.

/// How many bytes of a file's beginning are read for its mark. The linker puts notes behind the headers.
pub const BEGINNING: usize = 1024;

/// The longest version that a mark has room for.
const VERSION: usize = 32;

/// The lengths of name and content, the kind, and the name (elf(5), "Notes"), at whose end zeros fill up a multiple of four.
const HEAD: usize = 24;
const NAME: &[u8; 12] = b"Linkspan\0\0\0\0";
const NAME_LENGTH: u32 = 9;

const LENGTH: usize = HEAD + VERSION;

/// What a marked file is, and of which version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What it is.
    pub kind: Kind,
    version: [u8; VERSION],
}

/// What a marked file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// It holds all plugins.
    Plugins,
    /// It executes the file that does.
    Stub,
}

/// A mark as it stands in a file. [`mark!`](macro@crate::mark) makes one.
#[derive(Debug)]
#[repr(C, align(4))]
pub struct Note([u8; LENGTH]);

/// Marks the program that this stands in, as `Plugins` or as a `Stub`, with the version of its package.
#[macro_export]
macro_rules! mark {
    ($kind:ident) => {
        #[used]
        #[unsafe(link_section = ".note.linkspan")]
        static MARK: $crate::Note =
            $crate::Note::new($crate::Kind::$kind, ::core::env!("CARGO_PKG_VERSION"));
    };
}

impl Note {
    /// That of a file of this kind.
    ///
    /// # Panics
    /// When there is no room for the version.
    #[must_use]
    pub const fn new(kind: Kind, version: &str) -> Self {
        let mut bytes = [0; LENGTH];
        put(&mut bytes, 0, &NAME_LENGTH.to_ne_bytes());
        put(&mut bytes, 4, &(VERSION as u32).to_ne_bytes());
        put(&mut bytes, 8, &kind.number().to_ne_bytes());
        put(&mut bytes, 12, NAME);
        put(&mut bytes, HEAD, version.as_bytes());
        Self(bytes)
    }

    /// What stands in the file.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

const fn put(bytes: &mut [u8; LENGTH], at: usize, what: &[u8]) {
    let mut index = 0;
    while index < what.len() {
        bytes[at + index] = what[index];
        index += 1;
    }
}

impl Mark {
    /// The mark in the first [`BEGINNING`] bytes of a file, if there is one of a kind that this release knows.
    #[must_use]
    pub fn read(beginning: &[u8]) -> Option<Self> {
        beginning.windows(LENGTH).find_map(Self::of_note)
    }

    fn of_note(note: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u32::from_ne_bytes(*note.get(at..)?.first_chunk()?));
        // Most windows differ in their first byte.
        let is_note = number(0)? == NAME_LENGTH
            && number(4)? == VERSION as u32
            && note.get(12..HEAD)? == NAME;
        if !is_note {
            return None;
        }
        Some(Self {
            kind: Kind::numbered(number(8)?)?,
            version: *note.get(HEAD..)?.first_chunk()?,
        })
    }

    /// The version of the release that the file is of; empty if it says none that can be read.
    #[must_use]
    pub fn version(&self) -> &str {
        let text = self.version.split(|byte| *byte == 0).next();
        text.and_then(|text| str::from_utf8(text).ok())
            .unwrap_or_default()
    }
}

impl Kind {
    const fn number(self) -> u32 {
        match self {
            Self::Plugins => 1,
            Self::Stub => 2,
        }
    }

    fn numbered(number: u32) -> Option<Self> {
        [Self::Plugins, Self::Stub]
            .into_iter()
            .find(|kind| kind.number() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_among_other_notes_and_no_other_is_taken_for_one() {
        let in_file = |note: &[u8]| {
            let mut bytes = vec![9; 660];
            bytes.extend(note);
            bytes.resize(BEGINNING, 0);
            bytes
        };
        for (kind, version) in [(Kind::Plugins, "0.1.0"), (Kind::Stub, "10.20.30-rc.1")] {
            let note = Note::new(kind, version).0;
            let mark = Mark::read(&in_file(&note)).unwrap();
            assert_eq!((mark.kind, mark.version()), (kind, version));
            // The lengths, a kind of a later release, the name.
            for at in [0, 4, 8, 12, 20] {
                let mut other = note;
                other[at] ^= 0x40;
                assert_eq!(Mark::read(&in_file(&other)), None, "{at}");
            }
            assert_eq!(Mark::read(&note[..LENGTH - 1]), None);
        }
        assert_eq!(Mark::read(b""), None);
    }
}
