//! From which boot and for which network namespace a reservation was made.
//!
//! It stands in an extended attribute of the reservation file: the file's text stays the reference's,
//! no other file is needed, and it vanishes with the file. Short enough to lie inside an ext4 inode of
//! 256 bytes, so that it costs no block of its own.

use std::cell::OnceCell;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The extended attribute.
pub const XATTR: &str = "user.linkspan.origin";

/// The most bytes of the attribute that are read.
pub const MAX_XATTR: usize = 128;

/// How long before the boot a file must have been written to be certainly of an earlier one: clocks
/// are set by some seconds when the network comes up.
const MARGIN: Duration = Duration::from_secs(60);

/// The boot that the machine is in.
#[derive(Clone, Debug)]
pub struct Boot {
    id: String,
    started: OnceCell<Option<SystemTime>>,
}

impl Boot {
    /// The present one.
    ///
    /// # Errors
    /// When /proc does not tell.
    pub fn current() -> io::Result<Self> {
        let mut text = [0; 64];
        let size = File::open("/proc/sys/kernel/random/boot_id")?.read(&mut text)?;
        let digits = text[..size].iter().filter(|byte| byte.is_ascii_hexdigit());
        Ok(Self {
            id: digits.map(|digit| char::from(*digit)).collect(),
            started: OnceCell::new(),
        })
    }

    /// The kernel's random ID of this boot, 32 hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When it began, or earlier.
    fn started(&self) -> Option<SystemTime> {
        *self.started.get_or_init(started)
    }
}

/// From which boot and for which namespace a reservation was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    boot: String,
    /// The inode of the network namespace, when there was one.
    netns: Option<u64>,
}

impl Origin {
    /// The origin of what is reserved now for the namespace at `netns`.
    pub fn now(boot: &Boot, netns: Option<&Path>) -> Self {
        Self {
            boot: boot.id.clone(),
            netns: netns.and_then(namespace_inode),
        }
    }

    /// Reads the attribute; `None` when it is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let boot = words.next().filter(|boot| !boot.is_empty())?.to_owned();
        let netns = words.next().and_then(|inode| inode.parse().ok());
        Some(Self { boot, netns })
    }

    /// The attribute: the boot's ID and the namespace's inode, or `-` for none.
    pub fn to_text(&self) -> String {
        match self.netns {
            Some(inode) => format!("{} {inode}", self.boot),
            None => format!("{} -", self.boot),
        }
    }
}

/// When and from where a reservation comes, as far as it is known.
#[derive(Clone, Debug)]
pub struct Provenance {
    /// When the file was written.
    pub written: SystemTime,
    /// Absent in files of the reference, and where the file system has no such attributes.
    pub origin: Option<Origin>,
}

impl Provenance {
    /// Whether it is certainly from an earlier boot, so that nothing can use the address any more.
    pub fn is_of_earlier_boot(&self, boot: &Boot) -> bool {
        match &self.origin {
            Some(origin) => origin.boot != boot.id,
            None => boot
                .started()
                .is_some_and(|started| self.written + MARGIN < started),
        }
    }

    /// Why the attachment that it was made for may still be there; `None` when that is certainly gone:
    /// it was made in an earlier boot, or its namespace is nowhere.
    pub fn reason_to_live(&self, boot: &Boot) -> Option<String> {
        if self.is_of_earlier_boot(boot) {
            return None;
        }
        let Some(inode) = self.origin.as_ref().and_then(|origin| origin.netns) else {
            return Some("it is not known which network namespace it was made for".to_owned());
        };
        match find_namespace(inode) {
            Ok(place) => place.map(|place| format!("its network namespace still exists: {place}")),
            Err(error) => Some(format!(
                "it cannot be told whether its network namespace exists: {error}"
            )),
        }
    }
}

/// When this boot began, or earlier.
///
/// Of two sources the earlier is taken, because either can be wrong by years on a machine without a
/// clock that runs while it is off: the kernel's `btime` moves when the clock is set, and the birth of
/// /dev was stamped by the clock as it was then.
fn started() -> Option<SystemTime> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    let booted = UNIX_EPOCH + Duration::from_secs(seconds.trim().parse().ok()?);
    let dev = fs::metadata("/dev").ok()?;
    let stamped = dev.created().or_else(|_| dev.modified()).ok()?;
    Some(booted.min(stamped))
}

/// The inode of the namespace at `path`; `None` when there is no namespace.
fn namespace_inode(path: &Path) -> Option<u64> {
    let namespaces = fs::metadata("/proc/thread-self/ns/net").ok()?.dev();
    let found = fs::metadata(path).ok()?;
    (found.dev() == namespaces).then_some(found.ino())
}

/// Where the network namespace with this inode is found: in a process, or kept by a mount.
///
/// # Errors
/// When not every process can be looked at: then the absence of the namespace is not certain.
fn find_namespace(inode: u64) -> io::Result<Option<String>> {
    let name = format!("net:[{inode}]");
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    if let Some(mount) = mounts.lines().find_map(|line| mount_of(line, &name)) {
        return Ok(Some(mount.to_owned()));
    }
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let is_process = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit));
        if !is_process {
            continue;
        }
        match fs::read_link(path.join("ns/net")) {
            Ok(link) if link.as_os_str() == name.as_str() => {
                return Ok(Some(path.display().to_string()));
            }
            Ok(_) => {}
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// The process ended, or is a zombie that has no namespaces any more.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound)
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// The mount point of a line of mountinfo whose root is `name`.
fn mount_of<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let mut words = line.split(' ').skip(3);
    (words.next()? == name).then(|| words.next()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(id: &str) -> Boot {
        Boot {
            id: id.to_owned(),
            started: OnceCell::new(),
        }
    }

    fn provenance(written: SystemTime, text: &str) -> Provenance {
        Provenance {
            written,
            origin: Origin::parse(text),
        }
    }

    #[test]
    fn the_attribute_is_read_as_it_is_written_and_lies_inside_the_inode() {
        let boot = Boot::current().unwrap();
        assert_eq!(boot.id().len(), 32);
        for netns in [None, Some(Path::new("/proc/self/ns/net"))] {
            let origin = Origin::now(&boot, netns);
            assert_eq!(origin.netns.is_some(), netns.is_some());
            assert_eq!(Origin::parse(&origin.to_text()), Some(origin.clone()));
            assert!(origin.to_text().len() <= 52, "{origin:?}");
        }
        assert_eq!(
            Origin::now(&boot, Some(Path::new("/proc/self/exe"))).netns,
            None
        );
        assert_eq!(Origin::parse(""), None);
    }

    #[test]
    fn without_an_attribute_the_time_decides_and_doubt_is_for_life() {
        let (boot, booted) = (boot("a"), started().unwrap());
        let at = |seconds: i64| {
            let time = if seconds < 0 {
                booted - Duration::from_secs(seconds.unsigned_abs())
            } else {
                booted + Duration::from_secs(seconds.unsigned_abs())
            };
            provenance(time, "")
        };
        assert!(at(-100).is_of_earlier_boot(&boot));
        assert_eq!(at(-100).reason_to_live(&boot), None);
        assert!(!at(-10).is_of_earlier_boot(&boot));
        assert!(!at(100).is_of_earlier_boot(&boot));
        assert!(at(100).reason_to_live(&boot).unwrap().contains("not known"));
    }

    #[test]
    fn an_attribute_outweighs_the_time() {
        let old = UNIX_EPOCH + Duration::from_secs(1);
        assert!(!provenance(old, "a -").is_of_earlier_boot(&boot("a")));
        assert!(provenance(SystemTime::now(), "a 1").is_of_earlier_boot(&boot("b")));
    }

    #[test]
    fn a_namespace_is_found_by_its_inode() {
        linkspan_testkit::sandbox(|host| {
            let own = namespace_inode(Path::new("/proc/self/ns/net")).unwrap();
            assert!(find_namespace(own).unwrap().is_some(), "in a process");
            let netns = host.netns("a");
            let inode = namespace_inode(netns.path()).unwrap();
            let place = find_namespace(inode).unwrap();
            assert_eq!(place.as_deref(), Some("/run/netns/a"), "kept by a mount");
            netns.delete();
            assert_eq!(find_namespace(inode).unwrap(), None);
        });
    }
}
