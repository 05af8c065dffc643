//! Whether a file is this executable, or leads to it.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::FileExt;
use std::path::Path;

use linkspan_stub::{Kind, Mark};

use crate::called::started;
use crate::identity::Identity;

/// Where the headers of an executable are, and its notes.
const BEGINNING: usize = 1024;

/// A stub is smaller, by far: no other file is looked into for its mark.
const MAX_STUB: u64 = 1 << 16;

/// Whether the file at `path` is this executable, a copy of it, or a stub that executes one of these.
pub(crate) fn is_this(path: &Path, file: &Metadata) -> bool {
    // By the path that the kernel was given, which is quick; by the executable itself when something else is there, or nothing.
    Identity::at(started()) == Some(Identity::of(file))
        || File::open("/proc/self/exe").is_ok_and(|running| {
            is_copy(&running, path, file).unwrap_or(false)
                || leads_to(&running, path, file).unwrap_or(false)
        })
}

/// Whether the file is a stub beside what is running, or beside a copy of that.
fn leads_to(running: &File, path: &Path, file: &Metadata) -> Option<bool> {
    if file.len() > MAX_STUB || Mark::of(&File::open(path).ok()?).ok()??.kind != Kind::Stub {
        return Some(false);
    }
    let holder = linkspan_stub::holder(path).ok()?;
    is_copy(running, &holder, &fs::metadata(&holder).ok()?)
}

/// Whether the file is what is running, or a copy of that.
fn is_copy(running: &File, path: &Path, file: &Metadata) -> Option<bool> {
    let metadata = running.metadata().ok()?;
    if Identity::of(&metadata) == Identity::of(file) {
        return Some(true);
    }
    if metadata.len() != file.len() {
        return Some(false);
    }
    let own = beginning(running)?;
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
        fs::copy("/proc/self/exe", &path).unwrap();
        let is_this = |path: &Path| is_this(path, &path.metadata().unwrap());
        assert!(is_this(Path::new("/proc/self/exe")));
        assert!(is_this(&path));
        // Another build of the same length.
        let bytes = fs::read(&path).unwrap();
        let note = bytes.windows(4).position(|four| four == b"GNU\0").unwrap();
        let mut other = bytes.clone();
        other[note + 4] ^= 1;
        fs::write(&path, &other).unwrap();
        assert!(!is_this(&path));
        fs::write(&path, [bytes.as_slice(), b"\0"].concat()).unwrap();
        assert!(!is_this(&path));
        assert!(!is_this(Path::new("/proc/self/cmdline")));
    }

    #[test]
    fn a_stub_is_this_executable_where_its_holder_is() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("lib")).unwrap();
        let is_this = |name: &str| is_this(&at(name), &at(name).metadata().unwrap());
        let write = |name: &str, kind| {
            fs::write(at(name), linkspan_stub::Note::new(kind, "0.1.0").as_bytes()).unwrap();
        };
        write("bridge", Kind::Stub);
        std::os::unix::fs::symlink("../bridge", at("lib/bridge")).unwrap();
        // There is no holder, then one of somebody else, then a stub as the holder, then a copy.
        assert!(!is_this("bridge"));
        fs::write(at("loopback"), b"other").unwrap();
        assert!(!is_this("bridge"));
        write("loopback", Kind::Stub);
        assert!(!is_this("bridge"));
        fs::copy("/proc/self/exe", at("loopback")).unwrap();
        assert!(is_this("bridge") && is_this("lib/bridge"));
        // What holds plugins is no stub, and of what is too large for one nothing is read.
        write("other", Kind::Plugins);
        assert!(!is_this("other"));
        let large = File::options().write(true).open(at("bridge")).unwrap();
        large.set_len(MAX_STUB + 1).unwrap();
        assert!(!is_this("bridge"));
    }
}
