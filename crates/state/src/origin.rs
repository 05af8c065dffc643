//! From which boot and for which network namespace a reservation was made.
//!
//! It stands in an extended attribute of the reservation file: the file's text stays the reference's,
//! no other file is needed, and it vanishes with the file. Short enough to lie inside an ext4 inode of
//! 256 bytes, so that it costs no block of its own.

use std::cell::OnceCell;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use linkspan_kernel::netns::{self, Identity, Known, Netns};

/// The extended attribute.
pub const XATTR: &str = "user.linkspan.origin";

/// The most bytes of the attribute that are read.
pub const MAX_XATTR: usize = 128;

/// The inode of the PID namespace that a kernel starts with (`PROC_PID_INIT_INO`, linux/nsfs.h): only there all processes are
/// seen.
const FIRST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// How long before the boot a file must have been written to be certainly of an earlier one: clocks
/// are set by some seconds when the network comes up.
const MARGIN: Duration = Duration::from_secs(60);

/// How many characters the ID of a boot has in `/proc`.
const UUID_LENGTH: usize = 36;

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
        // All of it: with a part of the ID whatever is kept here would be of another boot.
        let mut text = [0; UUID_LENGTH];
        File::open("/proc/sys/kernel/random/boot_id")?.read_exact(&mut text)?;
        let digits = text.iter().filter(|byte| byte.is_ascii_hexdigit());
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
    netns: Option<Identity>,
}

impl Origin {
    /// The origin of what is reserved now for a namespace.
    pub fn now(boot: &Boot, netns: Option<&Netns>) -> Self {
        Self {
            boot: boot.id.clone(),
            // Of one that cannot be told from its predecessors nothing is noted.
            netns: netns.and_then(|netns| Identity::of(netns).ok()),
        }
    }

    /// The namespace, if it is known.
    pub fn netns(&self) -> Option<Identity> {
        self.netns
    }

    /// Reads the attribute; `None` when it is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let boot = words.next().filter(|boot| !boot.is_empty())?.to_owned();
        let mut number = || words.next().and_then(|word| word.parse().ok());
        let netns = number().map(|inode| Identity {
            inode,
            cookie: number(),
        });
        Some(Self { boot, netns })
    }

    /// Whether it was made for this namespace, as far as it tells.
    pub fn may_be_for(&self, netns: &Netns) -> bool {
        let cookie = netns.cookie().ok().flatten();
        self.netns.is_none_or(|noted| {
            let is_other = |(one, other)| one != other;
            noted.inode == netns.id().ino && !noted.cookie.zip(cookie).is_some_and(is_other)
        })
    }

    /// The attribute: the boot's ID, the namespace's inode and its cookie, as far as there are any.
    pub fn to_text(&self) -> String {
        let inode = self.netns.map(|netns| netns.inode);
        let cookie = self.netns.and_then(|netns| netns.cookie);
        [inode, cookie]
            .into_iter()
            .flatten()
            .fold(self.boot.clone(), |text, number| format!("{text} {number}"))
    }
}

/// What has become of a network namespace.
#[derive(Debug)]
pub enum Found {
    /// It is there.
    Open(Netns),
    /// It certainly does not exist any more.
    Gone,
    /// It may exist, for a reason.
    Unseen(String),
}

/// Looks for the namespace that is told from others so, wherever it is: its path may be unmounted, and the process that
/// it was named by may have ended, while others are in it.
pub fn find(wanted: Identity) -> Found {
    match netns::look_up(wanted) {
        Known::There(netns) => Found::Open(netns),
        Known::Gone => Found::Gone,
        Known::Untold => match place_of(wanted) {
            Ok(Some((_, netns))) => Found::Open(netns),
            Ok(None) => Found::Gone,
            Err(why) => Found::Unseen(why),
        },
    }
}

/// Why a network namespace may still exist; `None` when it certainly does not.
pub fn reason_to_exist(wanted: Identity) -> Option<String> {
    let known = netns::look_up(wanted);
    if matches!(known, Known::Gone) {
        return None;
    }
    match (place_of(wanted), known) {
        (Ok(Some((place, _))), _) => {
            Some(format!("its network namespace exists: {}", place.display()))
        }
        (_, Known::There(netns)) => {
            drop(netns);
            (!is_about_to_go(wanted)).then(|| "its network namespace exists".to_owned())
        }
        (Ok(None), _) => None,
        (Err(why), _) => Some(why),
    }
}

/// Whether a namespace that is nowhere any more goes for good within a moment: the kernel knows one for some 20 ms after its
/// last place and its last process have gone, and tells nobody here when that is over.
fn is_about_to_go(wanted: Identity) -> bool {
    const TURNS: u32 = 20;
    const TURN: Duration = Duration::from_millis(5);
    (0..TURNS).any(|_| {
        std::thread::sleep(TURN);
        matches!(netns::look_up(wanted), Known::Gone)
    })
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
        match self.origin.as_ref().and_then(|origin| origin.netns) {
            Some(netns) => reason_to_exist(netns),
            None => Some("it is not known for which network namespace".to_owned()),
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

/// A place where a namespace is; `None` when there is certainly none.
///
/// # Errors
/// Why there may be one that is not seen.
fn place_of(wanted: Identity) -> Result<Option<(PathBuf, Netns)>, String> {
    let places = places(wanted.inode).map_err(|error| {
        format!("it cannot be told whether its network namespace exists: {error}")
    })?;
    let opened = places.iter().find_map(|place| {
        let netns = Netns::open(place).ok()?;
        let id = Identity::of(&netns).ok()?;
        (id.inode == wanted.inode).then(|| (place.clone(), netns, id))
    });
    match opened {
        // The inode was given again.
        Some((_, _, id)) if id.cookie != wanted.cookie && wanted.cookie.is_some() => Ok(None),
        Some((place, netns, _)) => Ok(Some((place, netns))),
        None if !places.is_empty() => Err("its network namespace may exist".to_owned()),
        None if sees_all_processes() => Ok(None),
        None => Err(
            "its network namespace may exist: not all processes are seen from this PID namespace"
                .to_owned(),
        ),
    }
}

/// Whether all processes of the machine are seen from here: only from the first PID namespace they are.
pub fn sees_all_processes() -> bool {
    fs::metadata("/proc/self/ns/pid").is_ok_and(|own| own.ino() == FIRST_PID_NAMESPACE)
}

/// Where a network namespace with this inode is: kept by mounts, here and where the machine's first process is, and in
/// processes.
///
/// # Errors
/// When not every process can be looked at: then the absence of the namespace is not certain.
fn places(inode: u64) -> io::Result<Vec<PathBuf>> {
    let name = format!("net:[{inode}]");
    let mut places = mounts("/proc/self", "/", &name)?;
    if places.is_empty() {
        places = mounts("/proc/1", "/proc/1/root", &name)?;
    }
    for entry in fs::read_dir("/proc")? {
        let file = entry?.path().join("ns/net");
        match fs::read_link(&file) {
            Ok(link) if link.as_os_str() == name.as_str() => places.push(file),
            Ok(_) => {}
            Err(error) if is_gone(&error) => {}
            Err(error) if places.is_empty() => return Err(error),
            Err(_) => {}
        }
    }
    Ok(places)
}

/// The mount points of a namespace in the mount namespace of a process, below the root that leads there.
fn mounts(process: &str, root: &str, name: &str) -> io::Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string(Path::new(process).join("mountinfo"))?;
    let points = mounts.lines().filter_map(|line| mount_of(line, name));
    Ok(points
        .map(|point| Path::new(root).join(point.trim_start_matches('/')))
        .collect())
}

/// It is no process, or one that ended.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    ) || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// The mount point of a line of mountinfo whose root is `name`.
fn mount_of<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let mut words = line.split(' ').skip(3);
    (words.next()? == name).then(|| words.next()).flatten()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

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
        for (netns, words) in [(None, 1), (Some(Path::new("/proc/self/ns/net")), 3)] {
            let opened = netns.and_then(|path: &Path| Netns::open(path).ok());
            let origin = Origin::now(&boot, opened.as_ref());
            assert_eq!(origin.to_text().split(' ').count(), words, "{origin:?}");
            assert_eq!(Origin::parse(&origin.to_text()), Some(origin.clone()));
            assert!(origin.to_text().len() <= 52, "{origin:?}");
        }
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
        assert!(!provenance(old, "a").is_of_earlier_boot(&boot("a")));
        assert!(provenance(SystemTime::now(), "a 1").is_of_earlier_boot(&boot("b")));
    }

    #[test]
    fn a_namespace_is_found_wherever_it_is_and_not_taken_for_a_later_one() {
        linkspan_testkit::sandbox(|host| {
            let id = |path: &Path| Identity::of(&Netns::open(path).unwrap()).unwrap();
            let own = id(Path::new("/proc/self/ns/net"));
            assert!(
                reason_to_exist(own).unwrap().contains("/proc/"),
                "in a process"
            );
            let netns = host.netns("a");
            let kept = id(netns.path());
            assert!(
                reason_to_exist(kept).unwrap().contains("/run/netns/a"),
                "by a mount"
            );
            let earlier = Identity {
                cookie: kept.cookie.map(|cookie| cookie - 1),
                ..kept
            };
            assert_eq!(
                reason_to_exist(earlier),
                None,
                "of which the inode was given again"
            );
            let mut inside = Command::new("ip")
                .args(["netns", "exec", "a", "sh", "-c", "echo; exec cat"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            inside
                .stdout
                .as_mut()
                .unwrap()
                .read_exact(&mut [0])
                .unwrap();
            netns.delete();
            assert!(
                reason_to_exist(kept).is_some(),
                "it lives on, where no path leads"
            );
            let Found::Open(found) = find(kept) else {
                panic!("it is not found: {:?}", find(kept));
            };
            assert_eq!(Identity::of(&found).unwrap(), kept);
            drop(found);
            drop(inside.stdin.take());
            inside.wait().unwrap();
            assert_eq!(reason_to_exist(kept), None);
            assert!(matches!(find(kept), Found::Gone));
        });
    }

    #[test]
    fn a_mount_is_known_by_its_root() {
        let line = "36 35 0:4 net:[4026532247] /run/netns/a rw shared:1 - nsfs nsfs rw";
        assert_eq!(mount_of(line, "net:[4026532247]"), Some("/run/netns/a"));
        assert_eq!(mount_of(line, "net:[402653224]"), None);
    }
}
