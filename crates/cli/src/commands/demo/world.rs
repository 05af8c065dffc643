//! The sandbox of the demo: a machine with a network card, two containers, and a world outside.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ipnet::{IpNet, Ipv4Net};
use linkspan_kernel::Error;
use linkspan_kernel::netns::Netns;
use linkspan_kernel::rtnl::{
    Address, Change, Kind as LinkKind, LinkChange, NewLink, Peer, Route, Rtnl,
};
use linkspan_kernel::sandbox::Sandbox;

use super::super::install;
use crate::failure::{Failure, Kind};

/// Where plugins are installed. Below `/run`, since not every system has the `/opt` of `/opt/cni/bin`.
pub(super) const PLUGIN_DIR: &str = "/run/cni/bin";
/// Where namespaces have their names.
const NAMESPACES: &str = "/run/netns";
/// Directories that plugins and runtimes write to; empty and private in the sandbox.
pub(super) const PRIVATE: [&str; 3] = ["/run", "/var/lib/cni", "/etc/cni"];

/// The interface of the machine that leads outside.
const UPLINK: &str = "uplink";
/// Its address, and that of the world outside (documentation addresses, RFC 5737).
pub(super) const HOST: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
pub(super) const OUTSIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);

/// A network namespace with a name.
pub(super) struct Place {
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
    pub(super) netns: Netns,
}

/// The sandbox and what is in it.
pub(super) struct World {
    /// Whether this is an ordinary user's.
    pub(super) of_user: bool,
    /// Plugins that were installed, or `None` when they are somebody's.
    pub(super) installed: Option<usize>,
    /// How long their installation took.
    pub(super) elapsed: Duration,
    pub(super) host: Place,
    pub(super) outside: Place,
    pub(super) containers: [Place; 2],
}

impl World {
    /// Enters a sandbox and makes the world.
    pub(super) fn enter(plugins: Option<&Path>) -> Result<Self, Failure> {
        // In another mount namespace the kernel does not know any more, in a chroot, where this program is.
        let source = Source::find(plugins)?;
        let sandbox = Sandbox::enter().map_err(no_sandbox)?;
        // What is opened now can be shown, whatever private directories cover it.
        let plugins = source.open()?;
        for dir in PRIVATE {
            sandbox.empty(Path::new(dir))?;
        }
        for dir in [NAMESPACES, PLUGIN_DIR] {
            fs::create_dir_all(dir)
                .map_err(|error| cannot("create", Path::new(dir)).because(error))?;
        }
        let begun = Instant::now();
        let installed = source.install(&plugins, &sandbox)?;
        let elapsed = begun.elapsed();
        let [outside, c1, c2] = ["outside", "c1", "c2"].map(place);
        let world = Self {
            of_user: sandbox.has_user_namespace(),
            installed,
            elapsed,
            host: Place {
                name: "host",
                path: "/proc/self/ns/net".into(),
                netns: Netns::current()?,
            },
            outside: outside?,
            containers: [c1?, c2?],
        };
        world.connect()?;
        Ok(world)
    }

    /// Every namespace of the world.
    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        [&self.host, &self.outside]
            .into_iter()
            .chain(&self.containers)
    }

    /// Lays a cable from the machine to the outside, which knows no way back to any network behind the
    /// machine: what gets an answer from there came with the machine's own address.
    fn connect(&self) -> Result<(), Error> {
        let host = Rtnl::open_in(&self.host.netns)?;
        let outside = Rtnl::open_in(&self.outside.netns)?;
        let far_end = Peer::new("eth0").inside(self.outside.netns.as_fd());
        let mut uplink = NewLink::new(UPLINK, LinkKind::Veth(far_end));
        uplink.up = true;
        let uplink = host.create_link(&uplink)?.index;
        let everywhere = IpNet::from(Ipv4Net::default());
        host.change(Change::AddAddress(uplink, address(HOST)))?;
        let far_end = outside.link("eth0")?.index;
        outside.change(Change::SetLink(far_end, switched_on()))?;
        outside.change(Change::AddAddress(far_end, address(OUTSIDE)))?;
        host.change(Change::AddRoute(Route::new(
            everywhere,
            Some(IpAddr::V4(OUTSIDE)),
            uplink,
        )))?;
        // As a machine has it, and as runtimes do it for containers, with the plugin `loopback`.
        self.places()
            .try_for_each(|place| switch_on_loopback(&place.netns))
    }
}

fn address(address: Ipv4Addr) -> Address {
    Address::new(Ipv4Net::new_assert(address, 24).into())
}

fn switch_on_loopback(netns: &Netns) -> Result<(), Error> {
    let rtnl = Rtnl::open_in(netns)?;
    rtnl.change(Change::SetLink(rtnl.link("lo")?.index, switched_on()))
}

fn switched_on() -> LinkChange {
    LinkChange {
        up: Some(true),
        ..LinkChange::default()
    }
}

fn place(name: &'static str) -> Result<Place, Failure> {
    let path = Path::new(NAMESPACES).join(name);
    let netns = Netns::create(&path)?;
    Ok(Place { name, path, netns })
}

fn no_sandbox(error: Error) -> Failure {
    Failure::from(error).advise(
        "This machine lets its user make no namespaces of its own. Run it as root; or see what sysctl \
         says of user.max_user_namespaces, kernel.unprivileged_userns_clone and \
         kernel.apparmor_restrict_unprivileged_userns. A container must be privileged, and the root of a \
         chroot a mount point.",
    )
}

/// The plugins to be shown.
enum Source {
    /// The file of our own.
    Ours(PathBuf),
    /// A directory of anybody's plugins.
    Others(PathBuf),
}

impl Source {
    fn find(plugins: Option<&Path>) -> Result<Self, Failure> {
        let Some(dir) = plugins else {
            let path = install::plugins_file().map_err(|failure| {
                failure.advise(
                    "`make demo` builds it beside this program. A directory of other plugins can be \
                     named with --plugins.",
                )
            })?;
            return Ok(Self::Ours(path));
        };
        let needed = ["bridge", "host-local"].map(|name| dir.join(name));
        match needed.iter().find(|path| !path.is_file()) {
            Some(path) => Err(cannot("find", path).advise(
                "The demo needs the plugins \"bridge\" and \"host-local\" in the directory that \
                 --plugins names.",
            )),
            None => Ok(Self::Others(dir.to_owned())),
        }
    }

    fn open(&self) -> Result<File, Failure> {
        let (Self::Ours(path) | Self::Others(path)) = self;
        File::open(path).map_err(|error| cannot("read", path).because(error))
    }

    /// Puts the plugins, which were opened, into their directory in the sandbox; says how many, if they
    /// are ours.
    fn install(&self, plugins: &File, sandbox: &Sandbox) -> Result<Option<usize>, Failure> {
        let source = PathBuf::from(format!("/proc/self/fd/{}", plugins.as_raw_fd()));
        let target = Path::new(PLUGIN_DIR);
        match self {
            Self::Ours(_) => install::place(&source, target).map(Some),
            Self::Others(_) => {
                sandbox.show(&source, target)?;
                Ok(None)
            }
        }
    }
}

fn cannot(operation: &str, path: &Path) -> Failure {
    let words = format!("cannot {operation} {}", path.display());
    Failure::new(Kind::Failed, words)
}
