//! The host that a history happens on: a sandbox, and what a runtime knows of its containers.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, Instant};

use linkspan_testkit::{Netns, Outside, PLUGIN_NAMES, Plugins, Sandbox};
use serde_json::Value;
use serde_json::json;

use crate::networks;
use crate::schedule::{Attachment, Net, Op, Who};

/// The variable that names the release of before: its multi-call binary.
pub(crate) const OLD_PLUGINS: &str = "LINKSPAN_OLD_PLUGINS";

/// How long processes that nobody waits for any more may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a runtime keeps of an attachment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    /// The result of its ADD, while that is in use.
    pub(crate) result: Option<Value>,
    /// The host port that was last asked for, which goes with DEL as well.
    pub(crate) port: Option<u16>,
}

/// A turn of an operation, until it is dropped.
#[derive(Debug)]
#[expect(dead_code, reason = "what is held is a lock")]
pub(crate) enum Turn<'a> {
    Shared(RwLockReadGuard<'a, ()>),
    Alone(RwLockWriteGuard<'a, ()>),
    Nobodys,
}

/// The host.
#[derive(Debug)]
pub(crate) struct Host<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) outside: Outside,
    folders: BTreeMap<Who, Plugins>,
    /// Nobody is attached to a network while it is collected, and nobody collects while somebody is attached.
    collecting: BTreeMap<Net, RwLock<()>>,
    kept: Mutex<BTreeMap<Attachment, Kept>>,
    namespaces: Mutex<BTreeSet<u16>>,
    boots: AtomicU32,
    started: Instant,
}

impl<'a> Host<'a> {
    pub(crate) fn new(sandbox: &'a Sandbox) -> Self {
        let outside = sandbox.outside();
        sandbox.run("mkdir -p /etc/cni/net.d");
        let tool =
            json!({ "cniVersion": "1.1.0", "name": "tool", "plugins": networks::chain(Net::Tool) });
        if let Err(error) = fs::write("/etc/cni/net.d/tool.conflist", tool.to_string()) {
            panic!("cannot configure a network: {error}");
        }
        let mut folders = BTreeMap::from([(Who::Ours, linkspan_proof::plugins())]);
        if Path::new("/usr/lib/cni/bridge").exists() || env::var_os("CNI_REFERENCE").is_some() {
            folders.insert(Who::Reference, Plugins::reference());
        }
        if let Some(old) = env::var_os(OLD_PLUGINS) {
            folders.insert(Who::Old, linked(sandbox, Path::new(&old)));
        }
        Self {
            sandbox,
            outside,
            folders,
            collecting: Net::ALL.map(|net| (net, RwLock::new(()))).into(),
            kept: Mutex::default(),
            namespaces: Mutex::default(),
            boots: AtomicU32::new(0),
            started: Instant::now(),
        }
    }

    /// Microseconds since the beginning.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Waits for the turn of an operation: GC has its network for itself, as the specification wants it of a runtime. The runtime
    /// library sees to that by itself.
    pub(crate) fn turn(&self, op: Op) -> Turn<'_> {
        match op {
            Op::Add(at, _) | Op::Check(at) | Op::Del(at) if at.net != Net::Tool => {
                let lock = self.collecting[&at.net].read();
                Turn::Shared(lock.unwrap_or_else(PoisonError::into_inner))
            }
            Op::Gc(net) if net != Net::Tool => {
                let lock = self.collecting[&net].write();
                Turn::Alone(lock.unwrap_or_else(PoisonError::into_inner))
            }
            _ => Turn::Nobodys,
        }
    }

    /// Somebody's plugins.
    #[track_caller]
    pub(crate) fn plugins(&self, who: Who) -> &Plugins {
        match self.folders.get(&who) {
            Some(plugins) => plugins,
            None => {
                panic!("there are no plugins of {who:?}: {OLD_PLUGINS} names a release of before")
            }
        }
    }

    pub(crate) fn kept(&self) -> MutexGuard<'_, BTreeMap<Attachment, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn namespaces(&self) -> MutexGuard<'_, BTreeSet<u16>> {
        self.namespaces
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The attachments whose result is in use.
    pub(crate) fn in_use(&self) -> Vec<Attachment> {
        let kept = self.kept();
        kept.iter()
            .filter(|(_, kept)| kept.result.is_some())
            .map(|(at, _)| *at)
            .collect()
    }

    /// The container's namespace, if it has one.
    pub(crate) fn netns(&self, container: u16) -> Option<Netns> {
        let is_there = self.namespaces().contains(&container);
        is_there.then(|| self.sandbox.existing_netns(&id(container)))
    }

    /// The same, made now if need be.
    pub(crate) fn make_netns(&self, container: u16) -> Netns {
        self.netns(container).unwrap_or_else(|| {
            let netns = self.sandbox.netns(&id(container));
            self.namespaces().insert(container);
            netns
        })
    }

    /// Deletes a container's namespace; false where there was none.
    pub(crate) fn lose(&self, container: u16) -> bool {
        let Some(netns) = self.netns(container) else {
            return false;
        };
        self.namespaces().remove(&container);
        for kept in self
            .kept()
            .iter_mut()
            .filter(|(at, _)| at.container == container)
            .map(|(_, kept)| kept)
        {
            kept.result = None;
        }
        netns.delete();
        true
    }

    /// The machine has been rebooted, as far as it shows. Nobody operates meanwhile.
    pub(crate) fn reboot(&self) {
        self.wait_for_orphans();
        let number = self.boots.fetch_add(1, Ordering::Relaxed) + 1;
        let id = format!("00000000-0000-4000-8000-{number:012}");
        self.sandbox.run(&format!(
            "echo {id} >/run/boot_id_{number}; mount --bind /run/boot_id_{number} /proc/sys/kernel/random/boot_id
             for link in $(ls /sys/class/net); do
                 case $link in lo|{}) ;; *) ip link delete $link 2>/dev/null || true ;; esac
             done
             nft flush ruleset; rm -rf /run/cni; echo 0 >/proc/sys/net/ipv4/ip_forward",
            Outside::UPLINK
        ));
        let names = std::mem::take(&mut *self.namespaces());
        for container in names {
            self.sandbox
                .existing_netns(&crate::host::id(container))
                .delete();
        }
        self.kept().values_mut().for_each(|kept| kept.result = None);
    }

    /// Waits until no process is left but this one: plugins whose runtime was killed go on for a while.
    #[track_caller]
    pub(crate) fn wait_for_orphans(&self) {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = others();
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < end, "processes that do not end: {left:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Processes of the sandbox but this one, by their command lines; those that have ended are none.
fn others() -> Vec<String> {
    let own = std::process::id().to_string();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().into_string().ok());
    numbers
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && *name != own)
        .filter_map(|name| fs::read_to_string(format!("/proc/{name}/cmdline")).ok())
        .filter(|line| !line.is_empty())
        .map(|line| line.replace('\0', " "))
        .collect()
}

/// A folder with a multi-call binary under all names.
#[track_caller]
fn linked(sandbox: &Sandbox, binary: &Path) -> Plugins {
    let dir: PathBuf = sandbox.dir();
    for name in PLUGIN_NAMES {
        if let Err(error) = symlink(binary, dir.join(name)) {
            panic!("cannot link {name} to {}: {error}", binary.display());
        }
    }
    Plugins::at(dir)
}

/// A container's ID, which is its namespace's name too.
pub(crate) fn id(container: u16) -> String {
    format!("c{container}")
}

/// The addresses of a result.
pub(crate) fn addresses(result: &Value) -> Vec<IpAddr> {
    let ips = result["ips"].as_array().into_iter().flatten();
    ips.filter_map(|ip| ip["address"].as_str()?.split('/').next()?.parse().ok())
        .collect()
}
