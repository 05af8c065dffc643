//! Whether a file is this executable.

use std::fs::{File, Metadata};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::called::started;
use crate::identity::Identity;

/// Where the headers of an executable are, and its notes.
const BEGINNING: usize = 1024;

/// Whether the file at `path` is this executable, or a copy of it.
pub(crate) fn is_this(path: &Path, file: &Metadata) -> bool {
    // By the path that the kernel was given, which is quick; by the executable itself when something else is there, or nothing.
    Identity::at(started()) == Some(Identity::of(file)) || is_running(path, file).unwrap_or(false)
}

fn is_running(path: &Path, file: &Metadata) -> Option<bool> {
    let running = File::open("/proc/self/exe").ok()?;
    let metadata = running.metadata().ok()?;
    if Identity::of(&metadata) == Identity::of(file) {
        return Some(true);
    }
    if metadata.len() != file.len() {
        return Some(false);
    }
    let own = beginning(&running)?;
    let other = beginning(&File::open(path).ok()?)?;
    Some(own == other && has_build_id(&own))
}

fn beginning(file: &File) -> Option<[u8; BEGINNING]> {
    let mut bytes = [0; BEGINNING];
    file.read_exact_at(&mut bytes, 0).ok()?;
    Some(bytes)
}

/// Whether there is the linker's note that tells builds apart: a hash of all that is in them. Without it, two builds may begin
/// alike.
///
/// A note is the length of its name, that of its content, its kind and its name.
fn has_build_id(beginning: &[u8]) -> bool {
    const NAME: &[u8] = b"GNU\0";
    /// `NT_GNU_BUILD_ID`
    const KIND: u32 = 3;
    /// Shorter ones are no hashes.
    const LENGTHS: std::ops::RangeInclusive<u32> = 8..=64;
    let word = |bytes: &[u8]| bytes.try_into().map(u32::from_ne_bytes).unwrap_or_default();
    beginning.windows(16).any(|note| {
        let [name, length, kind] = [0, 4, 8].map(|at| word(&note[at..at + 4]));
        &note[12..] == NAME && name == 4 && kind == KIND && LENGTHS.contains(&length)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_id_is_told_from_other_notes() {
        let note = |length: u32, kind: u32| {
            let mut bytes = vec![7; 5];
            for word in [4, length, kind] {
                bytes.extend(word.to_ne_bytes());
            }
            bytes.extend(b"GNU\0");
            bytes.resize(BEGINNING, 1);
            bytes
        };
        assert!(has_build_id(&note(20, 3)));
        for other in [note(16, 1), note(0, 3), note(4, 3), vec![0; BEGINNING]] {
            assert!(!has_build_id(&other));
        }
    }

    #[test]
    fn a_copy_is_this_executable_and_a_changed_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("copy");
        std::fs::copy("/proc/self/exe", &path).unwrap();
        let is_this = |path: &Path| is_this(path, &path.metadata().unwrap());
        assert!(is_this(Path::new("/proc/self/exe")));
        assert!(is_this(&path));
        // Another build of the same length.
        let bytes = std::fs::read(&path).unwrap();
        let note = bytes.windows(4).position(|four| four == b"GNU\0").unwrap();
        let mut other = bytes.clone();
        other[note + 4] ^= 1;
        std::fs::write(&path, &other).unwrap();
        assert!(!is_this(&path));
        std::fs::write(&path, [bytes.as_slice(), b"\0"].concat()).unwrap();
        assert!(!is_this(&path));
        assert!(!is_this(Path::new("/proc/self/cmdline")));
    }
}
