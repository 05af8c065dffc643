//! Whether what something was made for is still there.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use linkspan_kernel::netns::{self, Known};
use linkspan_state::origin::{Boot, Provenance};
use serde::Serialize;

use crate::namespace::{Namespace, Namespaces};

/// Whether an attachment's container is still there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "state", content = "why")]
pub enum Life {
    /// Its network namespace was seen.
    Alive,
    /// It certainly is not, for a reason.
    Gone(String),
    /// It may be or not, for a reason.
    Unknown(String),
}

impl Life {
    /// Its network namespace was seen.
    pub fn is_alive(&self) -> bool {
        *self == Self::Alive
    }

    /// It certainly is not there any more.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Gone(_))
    }

    /// Whether all that tells that it is gone is that nothing of it was found.
    pub(crate) fn is_unseen(&self) -> bool {
        matches!(self, Self::Gone(why) if why == NOWHERE || why == NO_ADDRESS)
    }

    /// Why it is thought so; nothing of what was seen.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Alive => None,
            Self::Gone(why) | Self::Unknown(why) => Some(why),
        }
    }
}

/// What is known of a container's namespace.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traces<'t> {
    /// The path that it had at ADD.
    pub(crate) path: Option<&'t Path>,
    /// When and for which namespace it was kept.
    pub(crate) provenance: Option<&'t Provenance>,
    /// The container's interface.
    pub(crate) ifname: Option<&'t str>,
    /// The addresses that the interface got.
    pub(crate) addresses: &'t [IpAddr],
}

/// What is younger may be of an ADD that is still under way: reserved before the interface is there. Runtimes give a plugin two to
/// four minutes.
pub const UNDER_WAY: Duration = Duration::from_secs(300);

/// A container's namespace, and how it was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home<'n> {
    pub(crate) namespace: &'n Namespace,
    /// By nothing but the address, which may be another container's by now.
    pub(crate) by_address: bool,
}

impl<'n> Home<'n> {
    fn certain(namespace: &'n Namespace) -> Self {
        Self {
            namespace,
            by_address: false,
        }
    }
}

/// Where the container is, and whether it is.
pub(crate) fn judge<'n>(
    traces: Traces<'_>,
    namespaces: &'n Namespaces,
    boot: Option<&Boot>,
) -> (Life, Option<Home<'n>>) {
    let at_path = traces.path.and_then(|path| namespaces.at(path));
    let there = at_path.filter(|found| !found.host && traces.may_be_in(found));
    if let (Some(provenance), Some(boot)) = (traces.provenance, boot)
        && provenance.is_of_earlier_boot(boot)
    {
        // On a machine without a clock of its own what this boot wrote before its time was set looks older than the boot.
        return match there.filter(|_| provenance.origin.is_none()) {
            Some(found) => (Life::Alive, Some(Home::certain(found))),
            None => (
                gone("it was made before the machine was started again"),
                None,
            ),
        };
    }
    let noted = traces
        .provenance
        .and_then(|provenance| provenance.origin.as_ref()?.netns());
    if let Some(wanted) = noted {
        if let Some(found) = namespaces.all.iter().find(|one| one.is(wanted)) {
            return (Life::Alive, Some(Home::certain(found)));
        }
        return match netns::look_up(wanted) {
            Known::There(_) => (Life::Alive, None),
            Known::Gone => (gone("its network namespace is gone"), None),
            Known::Untold if namespaces.complete => (gone(NOWHERE), None),
            Known::Untold => (unknown(NOT_ALL), None),
        };
    }
    if let Some(found) = there {
        return (Life::Alive, Some(Home::certain(found)));
    }
    let (life, found) = by_interface(traces, namespaces);
    let by_address = |namespace| Home {
        namespace,
        by_address: true,
    };
    let life = match at_path {
        // A path below /proc is another's once the process has ended.
        Some(found) if life.is_gone() && found.host => {
            gone("its path leads to the host's own namespace by now")
        }
        Some(_) if life.is_gone() => Life::Unknown(format!(
            "the namespace at its path has no interface {} with its address",
            traces.ifname.unwrap_or_default()
        )),
        _ => life,
    };
    (life, found.map(by_address))
}

/// The same where nobody has noted which namespace it is, as the reference does not, and its path leads nowhere: what tells
/// then is the interface with its addresses.
fn by_interface<'n>(
    traces: Traces<'_>,
    namespaces: &'n Namespaces,
) -> (Life, Option<&'n Namespace>) {
    let mut others = namespaces.all.iter().filter(|one| !one.host);
    let found = others.find(|one| traces.has_left_address_in(one));
    let seen_into_all = namespaces.all.iter().all(|one| one.links.is_some());
    match (found, traces.path) {
        (Some(found), _) => (Life::Alive, Some(found)),
        (None, _) if !namespaces.complete || !seen_into_all => (unknown(NOT_ALL), None),
        (None, None) if traces.addresses.is_empty() => {
            (unknown("nothing tells its network namespace"), None)
        }
        (None, Some(_)) if traces.addresses.is_empty() => (
            unknown(
                "nothing is at its namespace's path, and it has no address by which to look for it",
            ),
            None,
        ),
        // What has a path was kept once ADD was done.
        (None, None) if traces.is_young() => (
            unknown("it was made a moment ago, and may not be ready yet"),
            None,
        ),
        (None, _) => (gone(NO_ADDRESS), None),
    }
}

const NOWHERE: &str = "its network namespace is nowhere";
const NO_ADDRESS: &str = "no network namespace has its address";
const NOT_ALL: &str = "not all processes and namespaces can be seen from here";

impl Traces<'_> {
    fn is_young(&self) -> bool {
        let age = |provenance: &Provenance| provenance.written.elapsed();
        // The clock may have been set back since.
        self.provenance
            .is_some_and(|provenance| age(provenance).is_ok_and(|age| age < UNDER_WAY))
    }

    /// Whether a link of a namespace has one of the addresses, under whatever name.
    fn has_left_address_in(&self, namespace: &Namespace) -> bool {
        let links = &namespace.links().links;
        self.addresses
            .iter()
            .any(|address| links.iter().any(|link| link.has(*address)))
    }

    /// Whether a namespace has the interface, with one of the addresses if there are any.
    fn may_be_in(&self, namespace: &Namespace) -> bool {
        let Some(links) = &namespace.links else {
            return true;
        };
        let may_be = |name: &str| self.ifname.is_none_or(|wanted| wanted == name);
        let has = |link: &crate::link::Link| {
            let mut addresses = self.addresses.iter();
            self.addresses.is_empty() || addresses.any(|address| link.has(*address))
        };
        links
            .links
            .iter()
            .any(|link| may_be(&link.name) && has(link))
    }
}

fn gone(why: &str) -> Life {
    Life::Gone(why.to_owned())
}

fn unknown(why: &str) -> Life {
    Life::Unknown(why.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use linkspan_testkit::rows;

    use super::*;
    use crate::link::{Link, Links};

    /// A namespace with an interface and its address.
    fn namespace(inode: u64, ifname: &str, address: &str) -> Namespace {
        let link = Link {
            name: ifname.to_owned(),
            addresses: vec![address.parse().unwrap()],
            ..Link::default()
        };
        Namespace {
            inode,
            links: Some(Links {
                links: vec![link],
                ..Links::default()
            }),
            ..Namespace::default()
        }
    }

    const PATH: &str = "/proc/self/ns/net";

    /// What becomes of an attachment with eth0 and 10.22.0.2, of which nothing is noted.
    fn judged(
        path: Option<&str>,
        all: Vec<Namespace>,
        complete: bool,
        written: SystemTime,
    ) -> (Life, Option<(u64, bool)>) {
        let namespaces = Namespaces { all, complete };
        let provenance = Provenance {
            written,
            origin: None,
        };
        let traces = Traces {
            path: path.map(Path::new),
            provenance: Some(&provenance),
            ifname: Some("eth0"),
            addresses: &["10.22.0.2".parse().unwrap()],
        };
        let boot = Boot::current().unwrap();
        let (life, home) = judge(traces, &namespaces, Some(&boot));
        (
            life,
            home.map(|home| (home.namespace.inode, home.by_address)),
        )
    }

    const MISSING: Option<&str> = Some("/no/such/namespace");

    fn own() -> u64 {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(PATH).unwrap().ino()
    }

    fn here() -> Namespace {
        namespace(own(), "eth0", "10.22.0.2/16")
    }

    fn another() -> Namespace {
        namespace(own(), "eth0", "10.22.0.9/16")
    }

    fn host() -> Namespace {
        Namespace {
            host: true,
            ..namespace(own(), "uplink", "192.0.2.1/24")
        }
    }

    fn elsewhere() -> Namespace {
        namespace(7, "eth0", "10.22.0.2/16")
    }

    fn unseen() -> Namespace {
        Namespace {
            inode: 8,
            ..Namespace::default()
        }
    }

    fn state(life: &Life) -> &'static str {
        match life {
            Life::Alive => "alive",
            Life::Gone(_) => "gone",
            Life::Unknown(_) => "unknown",
        }
    }

    #[test]
    fn doubt_is_for_life_and_certainty_needs_all_to_be_seen() {
        let at_path = Some((own(), false));
        let by_address = Some((7, true));
        let used_again = vec![another(), elsewhere()];
        let hosts = vec![host(), elsewhere()];
        for (path, all, complete, expected) in rows![
            (Some(PATH), vec![here()], false, ("alive", at_path)),
            // Its path was used again, and is the host's.
            (Some(PATH), vec![another()], true, ("unknown", None)),
            (Some(PATH), used_again, true, ("alive", by_address)),
            (Some(PATH), vec![host()], true, ("gone", None)),
            (Some(PATH), hosts, true, ("alive", by_address)),
            // Nothing is at its path; not all processes are seen; not all namespaces can be entered.
            (MISSING, vec![host()], true, ("gone", None)),
            (MISSING, vec![host()], false, ("unknown", None)),
            (MISSING, vec![host(), unseen()], true, ("unknown", None)),
            (MISSING, vec![elsewhere()], true, ("alive", by_address)),
            // Reserved a moment ago.
            (None, vec![host()], true, ("unknown", None)),
        ] {
            let told = format!("{path:?} {all:?}");
            let (life, home) = judged(path, all, complete, SystemTime::now());
            assert_eq!((state(&life), home), expected, "{told}: {life:?}");
        }
        // Before this boot, as it seems by the clock.
        for (all, expected) in rows![
            (vec![here()], ("alive", at_path)),
            (vec![another(), elsewhere()], ("gone", None)),
            (vec![host()], ("gone", None)),
        ] {
            let told = format!("{all:?}");
            let (life, home) = judged(Some(PATH), all, true, UNIX_EPOCH);
            assert_eq!((state(&life), home), expected, "{told}: {life:?}");
        }
    }
}
