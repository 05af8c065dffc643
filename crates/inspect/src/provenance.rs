//! From which boot and for which network namespace an attachment is: whether it can still be there.
//!
//! `add` notes it in an extended attribute of the cached result, whose text stays the reference's. That nothing is seen at a
//! namespace's path is no proof: it may be that of another mount namespace, or have been unmounted with processes inside.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use linkspan_kernel::netns::Netns;
use linkspan_state::origin::{Boot, MAX_XATTR, Origin, Provenance, XATTR};
use rustix::fs::{XattrFlags, getxattr, setxattr};

/// Notes with a cached result for which namespace it is. As far as that is possible: without it, it counts as in use.
pub fn note(file: &Path, netns: Option<&Path>) {
    let netns = netns.and_then(|path| Netns::open(path).ok());
    let (Ok(boot), Ok(meta)) = (Boot::current(), fs::metadata(file)) else {
        return;
    };
    let origin = Origin::now(&boot, netns.as_ref()).to_text();
    let text = format!("{origin} {}", stamp(&meta));
    let _ = setxattr(file, XATTR, text.as_bytes(), XattrFlags::empty());
}

/// Why the attachment of a cached result may still be there, though nothing is at its namespace's path; `None` when it certainly
/// is not: it was made in an earlier boot, or its namespace is nowhere.
pub fn reason_to_live(file: &Path) -> Option<String> {
    let provenance = match of(file) {
        Ok(provenance) => provenance,
        Err(error) => return Some(format!("its cached result cannot be looked at: {error}")),
    };
    let boot = match Boot::current() {
        Ok(boot) => boot,
        Err(error) => return Some(format!("the boot is not known: {error}")),
    };
    provenance.reason_to_live(&boot)
}

/// When a cached result was written, and for which namespace as far as that was noted.
///
/// # Errors
/// When it cannot be looked at.
pub fn of(file: &Path) -> io::Result<Provenance> {
    let meta = fs::metadata(file)?;
    Ok(Provenance {
        written: meta.modified()?,
        origin: noted(file, &meta).as_deref().and_then(Origin::parse),
    })
}

/// What was noted, unless the file has been written since: the reference's runtime knows nothing of it.
fn noted(file: &Path, meta: &Metadata) -> Option<String> {
    let mut bytes = [0; MAX_XATTR];
    let length = getxattr(file, XATTR, &mut bytes[..]).ok()?;
    let text = str::from_utf8(bytes.get(..length)?).ok()?;
    let (origin, written) = text.rsplit_once(' ')?;
    (written == stamp(meta)).then(|| origin.to_owned())
}

/// Not a number, so that it is taken for none of the namespace's.
fn stamp(meta: &Metadata) -> String {
    format!("@{}.{:09}", meta.mtime(), meta.mtime_nsec())
}
