//! Network namespaces, by every means: files that keep them, processes in them.

mod hidden;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::num::NonZero;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use linkspan_kernel::netns::{Identity, Netns};
use linkspan_kernel::rtnl::Rtnl;
use linkspan_state::origin::sees_all_processes;
use serde::Serialize;

use crate::Problem;
use crate::link::Links;
use hidden::Hidden;

/// Where `ip netns` keeps namespaces, and the older path that leads there.
pub const NAMED: [&str; 2] = ["/run/netns", "/var/run/netns"];

/// How many of a namespace's processes are told.
const PROCESSES: usize = 8;

/// What is at the path of a network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtPath {
    /// A namespace.
    There,
    /// Nothing, or a plain file: what was a mount point before the machine was started again.
    Gone,
    /// It cannot be looked at, for this reason.
    Unknown(io::ErrorKind),
}

impl AtPath {
    /// What is at a path.
    pub fn look(path: &Path) -> Self {
        match (fs::metadata(path), fs::metadata(OWN)) {
            (Ok(found), Ok(ours)) if found.dev() == ours.dev() => Self::There,
            (Ok(_), Ok(_)) => Self::Gone,
            (Err(error), _) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Gone,
                kind => Self::Unknown(kind),
            },
            (_, Err(error)) => Self::Unknown(error.kind()),
        }
    }
}

const OWN: &str = "/proc/self/ns/net";

/// A network namespace.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Namespace {
    /// By which it is found.
    pub inode: u64,
    /// A number that no other one of this boot gets; not known to kernels before 5.14.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie: Option<u64>,
    /// It is the one that this was asked from.
    pub host: bool,
    /// Files that keep it.
    pub files: Vec<PathBuf>,
    /// Some of the processes that are in it.
    pub processes: Vec<u32>,
    /// Where else it can be opened: by descriptors and threads of processes, and where other mount namespaces have it.
    #[serde(skip)]
    pub hidden: Vec<PathBuf>,
    /// What is in it; `None` where it cannot be looked at.
    #[serde(flatten)]
    pub links: Option<Links>,
    /// How it numbers the host's namespace, by which its links tell where their other ends are.
    #[serde(skip)]
    pub host_number: Option<i32>,
}

impl Namespace {
    /// What `ip netns` calls it.
    pub fn name(&self) -> Option<&str> {
        let named = |file: &&PathBuf| NAMED.iter().any(|folder| file.starts_with(folder));
        self.files.iter().find(named)?.file_name()?.to_str()
    }

    /// Whether it may be the one that is told from others so.
    pub fn is(&self, wanted: Identity) -> bool {
        let differs = |(one, other)| one != other;
        self.inode == wanted.inode && !self.cookie.zip(wanted.cookie).is_some_and(differs)
    }

    /// What is in it, or nothing.
    pub fn links(&self) -> &Links {
        static NOTHING: Links = Links {
            links: Vec::new(),
            routes: Vec::new(),
        };
        self.links.as_ref().unwrap_or(&NOTHING)
    }
}

/// All namespaces that are seen.
#[derive(Debug, Default)]
pub(crate) struct Namespaces {
    pub(crate) all: Vec<Namespace>,
    /// Whether there can be no others with a process in them or a file that keeps them, as far as processes tell.
    pub(crate) complete: bool,
}

impl Namespaces {
    /// Looks for them and into them.
    pub(crate) fn read(problems: &mut Vec<Problem>) -> Self {
        let (found, complete) = find(problems);
        let (all, unseen) = look_into(found);
        if unseen > 0 {
            problems.push(blind(unseen));
        }
        Self { all, complete }
    }

    /// Looks also where hardly any namespace is: in each descriptor, each thread and each mount namespace, which takes long. Whether
    /// that has told anything.
    pub(crate) fn look_deeper(&mut self) -> bool {
        let known: BTreeSet<u64> = self.all.iter().map(|one| one.inode).collect();
        let hidden = Hidden::read(&known);
        let is_told = !hidden.places.is_empty() || (hidden.incomplete && self.complete);
        self.complete &= !hidden.incomplete;
        let host = Netns::current().ok();
        for (inode, places) in hidden.places {
            let mut namespace = Namespace {
                inode,
                hidden: places,
                ..Namespace::default()
            };
            namespace.enter(host.as_ref());
            if !namespace.is_of_another_host() {
                self.all.push(namespace);
            }
        }
        is_told
    }

    /// The one at a path.
    pub(crate) fn at(&self, path: &Path) -> Option<&Namespace> {
        let inode = fs::metadata(path).ok()?.ino();
        match AtPath::look(path) {
            AtPath::There => self.all.iter().find(|one| one.inode == inode),
            AtPath::Gone | AtPath::Unknown(_) => None,
        }
    }

    pub(crate) fn host(&self) -> Option<&Namespace> {
        self.all.iter().find(|one| one.host)
    }
}

impl Namespace {
    /// Opens it, by a file or a process; `None` where it is gone by now, or may not be opened.
    pub(crate) fn open(&self) -> Option<Netns> {
        let processes = self.processes.iter();
        let processes = processes.map(|process| format!("/proc/{process}/ns/net").into());
        let files = self.files.iter().chain(&self.hidden);
        let places = files.cloned().chain(processes);
        let mut opened = places.filter_map(|place: PathBuf| Netns::open(place).ok());
        // A process may have ended, and its number be another's by now.
        opened.find(|netns| netns.id().ino == self.inode)
    }

    /// Whether its links lead to another namespace than the host: of a container in a container, or of another host in this one.
    fn is_of_another_host(&self) -> bool {
        let leads_out = |link: &crate::link::Link| link.parent_netns.is_some();
        self.host_number.is_none() && self.links().links.iter().any(leads_out)
    }

    /// Reads what is in it.
    fn enter(&mut self, host: Option<&Netns>) -> Option<()> {
        let netns = self.open()?;
        self.cookie = netns.cookie().ok().flatten();
        let rtnl = Rtnl::open_in(&netns).ok()?;
        self.host_number = host.and_then(|host| rtnl.netns_id(host).ok().flatten());
        self.links = Links::read(&rtnl).ok();
        self.links.as_ref().map(|_| ())
    }
}

/// Namespaces that one thread reads at least: starting another takes as long as to read some of them.
const FOR_A_THREAD: usize = 16;

/// Reads what is in namespaces, several at a time.
fn enter_all(namespaces: &mut [Namespace], host: Option<&Netns>) {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = namespaces.len().div_ceil(threads).max(FOR_A_THREAD);
    let (own, others) = namespaces.split_at_mut(share.min(namespaces.len()));
    let enter = |namespaces: &mut [Namespace]| {
        for namespace in namespaces {
            // What cannot be entered is told by its links that are missing.
            let _ = namespace.enter(host);
        }
    };
    thread::scope(|scope| {
        for share in others.chunks_mut(share) {
            scope.spawn(move || enter(share));
        }
        enter(own);
    });
}

fn blind(count: usize) -> Problem {
    Problem {
        what: format!("cannot look into {count} network namespaces"),
        why: vec!["that needs root's rights over them".to_owned()],
        next: Some("Run it as root.".to_owned()),
        path: None,
    }
}

/// The namespaces that a file or a process leads to, by inode, and whether there can be no others.
fn find(problems: &mut Vec<Problem>) -> (BTreeMap<u64, Namespace>, bool) {
    let mut found: BTreeMap<u64, Namespace> = BTreeMap::new();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    for (inode, file) in mounts.lines().filter_map(mounted) {
        let files = &mut found.entry(inode).or_default().files;
        // What is mounted twice at a place is one file.
        if !files.contains(&file) {
            files.push(file);
        }
    }
    let complete = match processes() {
        Ok((processes, complete)) => {
            for (inode, process) in processes {
                let namespace = found.entry(inode).or_default();
                if namespace.processes.len() < PROCESSES {
                    namespace.processes.push(process);
                }
            }
            complete
        }
        Err(error) => {
            let words = "cannot list the processes below /proc";
            problems.push(Problem::new(words, &error));
            false
        }
    };
    (found, complete)
}

/// Reads what is in them, and returns how many cannot be looked into. Of those some may have ended since they were found, which
/// are taken out: on a busy host there is always one.
fn look_into(found: BTreeMap<u64, Namespace>) -> (Vec<Namespace>, usize) {
    let host = Netns::current().ok();
    let own = fs::metadata(OWN).map(|meta| meta.ino()).ok();
    let told = |(inode, namespace): (u64, Namespace)| Namespace {
        inode,
        host: Some(inode) == own,
        ..namespace
    };
    let mut all: Vec<Namespace> = found.into_iter().map(told).collect();
    enter_all(&mut all, host.as_ref());
    if all.iter().any(|one| one.links.is_none()) {
        let (still, _) = find(&mut Vec::new());
        all.retain(|one| one.links.is_some() || still.contains_key(&one.inode));
    }
    let unseen = all.iter().filter(|one| one.links.is_none()).count();
    (all, unseen)
}

/// The inode and the mount point of a line of mountinfo that is about a network namespace.
fn mounted(line: &str) -> Option<(u64, PathBuf)> {
    let mut words = line.split(' ').skip(3);
    let inode = inode_of(words.next()?)?;
    Some((inode, unescaped(words.next()?).into()))
}

fn inode_of(link: &str) -> Option<u64> {
    link.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

/// A path of mountinfo, where white space and backslashes are three octal digits behind a backslash.
fn unescaped(path: &str) -> String {
    let mut parts = path.split('\\');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part
            .get(..3)
            .and_then(|code| u8::from_str_radix(code, 8).ok());
        match code {
            Some(code) => {
                text.push(char::from(code));
                text.push_str(&part[3..]);
            }
            None => {
                text.push('\\');
                text.push_str(part);
            }
        }
    }
    text
}

/// The network namespace's inode of each process, and whether that is all that there are.
fn processes() -> io::Result<(Vec<(u64, u32)>, bool)> {
    let mut found = Vec::new();
    let mut complete = sees_all_processes();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(process) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        match fs::read_link(entry.path().join("ns/net")) {
            Ok(link) => found.extend(
                link.to_str()
                    .and_then(inode_of)
                    .map(|inode| (inode, process)),
            ),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => complete = false,
            Err(_) => {}
        }
    }
    Ok((found, complete))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_that_has_ended_is_not_one_that_cannot_be_looked_into() {
        let mut process = std::process::Command::new("unshare")
            .args(["--user", "--map-root-user", "--net", "sleep", "60"])
            .spawn()
            .expect("a process in a namespace of its own");
        let own = fs::read_link(OWN).expect("a namespace");
        let place = format!("/proc/{}/ns/net", process.id());
        let is_new = |link: &PathBuf| *link != own;
        let link = (0..1000).find_map(|_| {
            thread::sleep(std::time::Duration::from_millis(5));
            fs::read_link(&place).ok().filter(is_new)
        });
        let inode = link.and_then(|link| inode_of(link.to_str()?)).expect("it");
        let only_it = || {
            let (mut found, _) = find(&mut Vec::new());
            found.retain(|one, _| *one == inode);
            found
        };
        let (before, found) = (only_it(), only_it());
        let seen = |found| {
            let (all, unseen) = look_into(found);
            (all.len(), unseen)
        };
        assert_eq!(seen(before), (1, 0));
        process.kill().expect("its end");
        process.wait().expect("its end");
        assert_eq!(seen(found), (0, 0));
    }

    #[test]
    fn a_mount_of_a_namespace_is_read() {
        let line =
            |root: &str, path: &str| format!("36 35 0:4 {root} {path} rw shared:1 - nsfs nsfs rw");
        for (root, path, expected) in [
            (
                "net:[4026532247]",
                "/run/netns/a",
                Some((4_026_532_247, "/run/netns/a")),
            ),
            (
                "net:[7]",
                r"/run/netns/a\040b\134",
                Some((7, r"/run/netns/a b\")),
            ),
            ("mnt:[7]", "/x", None),
            ("/", "/x", None),
        ] {
            let expected = expected.map(|(inode, path)| (inode, PathBuf::from(path)));
            assert_eq!(mounted(&line(root, path)), expected, "{path}");
        }
    }
}
