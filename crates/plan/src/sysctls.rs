//! Kernel parameters, written and put back, and those that attachments set.

use std::fmt;

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::sysctl::LinkParameters;
use linkspan_plugin::Undo;
use linkspan_spec::Error;

use crate::fault::{explain, gone};
use crate::foresee::Outlook;
use crate::link::{LinkRef, Place};
use crate::namespaces::{Namespaces, Side};
use crate::object::Object;
use crate::words;

/// A kernel parameter. In the container it is put back when ADD fails; on the host, where others need it as
/// well, it stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctl {
    /// In which namespace.
    pub place: Place,
    /// Its path below `/proc/sys`, with slashes: names of links can hold dots.
    pub path: String,
    /// The value.
    pub value: String,
    /// Whether it is an error when it is not there, as IPv6's are on a host without IPv6.
    pub required: bool,
}

impl fmt::Display for Sysctl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "set {} to {}", self.path, self.value)
    }
}

impl Object for Sysctl {
    fn foresee(&self, namespaces: &Namespaces) -> Result<Vec<Outlook>, Error> {
        let outlook = match self.place {
            Place::Host if !self.is_of_imagined_link(namespaces) => self.on_the_host()?,
            _ => Outlook::made(),
        };
        let place = match self.place {
            Place::Host => "on the host",
            Place::Container => "in the container",
        };
        let words = format!("set {} to {} {place}", self.name(), self.value);
        let outlook = outlook.words(words);
        Ok(vec![match reason(&self.path) {
            Some(why) => outlook.why(why),
            None => outlook,
        }])
    }
}

impl Sysctl {
    /// Its name as sysctl(8) has it.
    fn name(&self) -> String {
        match self.path.contains('.') {
            true => self.path.clone(),
            false => self.path.replace('/', "."),
        }
    }

    fn is_of_imagined_link(&self, namespaces: &Namespaces) -> bool {
        let link = self.path.split('/').nth(3).map(LinkRef::host);
        let imagined = namespaces.imagined();
        link.is_some_and(|link| imagined.is_some_and(|imagined| imagined.link(&link).is_some()))
    }

    /// What there is of it on the host.
    fn on_the_host(&self) -> Result<Outlook, Error> {
        let parameters = LinkParameters::of_the_caller();
        match parameters.read(&self.path) {
            Ok(value) if value == self.value => Ok(Outlook::there(format!("is {value} already"))),
            Ok(value) => Ok(Outlook::made().note(format!("is {value} now"))),
            Err(error) if self.required => Err(missing(self, &parameters, error)),
            Err(error) if error.is_not_found() => Ok(Outlook::there(
                "this host has no such parameter, so there is nothing to set",
            )),
            Err(error) => Ok(Outlook::unknown(format!("it cannot be read: {error}"))),
        }
    }
}

/// Why attachments set a parameter, where the configuration does not ask for it.
fn reason(path: &str) -> Option<&'static str> {
    Some(match path.rsplit('/').next()? {
        "accept_ra" => "so that nobody on the link becomes the host's router (CVE-2020-10749)",
        "disable_ipv6" => "so that the IPv6 address can be used",
        "keep_addr_on_down" => "so that the IPv6 address stays when the link goes down",
        "ndisc_notify" => "so that neighbours are told of the IPv6 address",
        "accept_dad" => "so that IPv6 addresses can be used at once",
        _ => return None,
    })
}

/// Router advertisements are not listened to: whoever can send on the link would become the host's
/// router (CVE-2020-10749).
pub fn no_router_advertisements(link: &LinkRef) -> Sysctl {
    of_link(link, "accept_ra", "0", false)
}

/// The same at once, for a link of the host. Best effort, as the host's routes matter more to it than to us.
pub(crate) fn ignore_router_advertisements(link: &str) {
    at_once(link, "accept_ra");
}

/// The link-local address of a new link of the host is usable at once.
///
/// # Kernel
/// Until it is, no neighbour is asked for on behalf of those whose packets the host forwards (`ndisc_send_ns`): the
/// first container would not be reached for two seconds.
pub(crate) fn ready_at_once(link: &str) {
    at_once(link, "accept_dad");
}

fn at_once(link: &str, key: &str) {
    let path = format!("net/ipv6/conf/{link}/{key}");
    drop(LinkParameters::of_the_caller().replace(&path, "0"));
}

/// Whether the link's own IPv6 addresses are checked for duplicates.
pub fn duplicate_address_detection(link: &LinkRef, enabled: bool) -> Vec<Sysctl> {
    if enabled {
        vec![
            of_link(link, "enhanced_dad", "1", false),
            of_link(link, "accept_dad", "1", false),
        ]
    } else {
        vec![of_link(link, "accept_dad", "0", false)]
    }
}

/// Neighbours are told the link's IPv6 addresses when it comes up or its MAC is set.
pub fn announced_ipv6(link: &LinkRef) -> Sysctl {
    of_link(link, "ndisc_notify", "1", false)
}

/// IPv6 is on, for the link and the loopback link of its namespace, and addresses survive that the
/// link goes down.
pub fn ipv6(link: &LinkRef) -> Vec<Sysctl> {
    let lo = LinkRef {
        place: link.place,
        name: "lo".to_owned(),
    };
    vec![
        of_link(&lo, "disable_ipv6", "0", true),
        of_link(link, "disable_ipv6", "0", true),
        of_link(link, "keep_addr_on_down", "1", true),
    ]
}

/// The host forwards packets of IPv4.
pub fn forward_ipv4() -> Sysctl {
    host("net/ipv4/ip_forward", "1")
}

/// The host forwards packets of IPv6.
pub fn forward_ipv6() -> Sysctl {
    host("net/ipv6/conf/all/forwarding", "1")
}

fn host(path: &str, value: &str) -> Sysctl {
    Sysctl {
        place: Place::Host,
        path: path.to_owned(),
        value: value.to_owned(),
        required: true,
    }
}

/// A parameter of IPv6: those of IPv4 that attachments set are changed by netlink.
fn of_link(link: &LinkRef, key: &str, value: &str, required: bool) -> Sysctl {
    Sysctl {
        place: link.place,
        path: format!("net/ipv6/conf/{}/{key}", link.name),
        value: value.to_owned(),
        required,
    }
}

/// Writes parameters of one place. Those of the container are put back when ADD fails.
pub(crate) fn write<'a>(
    wanted: &[&Sysctl],
    place: Place,
    namespaces: &'a Namespaces,
    undo: &mut Undo<'a>,
) -> Result<(), Error> {
    let side = namespaces.side(place)?;
    let mut replaced = Vec::new();
    let paths = wanted.iter().map(|sysctl| sysctl.path.as_str());
    let outcome = within(side, paths, |parameters| {
        wanted.iter().try_for_each(|sysctl| {
            replaced.extend(write_one(sysctl, parameters)?);
            Ok(())
        })
    })?;
    if place == Place::Container && !replaced.is_empty() {
        undo.on_failure("kernel parameters", move || {
            let paths = replaced.iter().map(|(path, _)| path.as_str());
            within(side, paths, |parameters| {
                let mut last_first = replaced.iter().rev();
                // Those of a link go with it.
                last_first.try_for_each(|(path, value)| gone(parameters.write(path, value)))
            })?
        });
    }
    outcome
}

/// Runs `work` where it can use these parameters: those of links from here, others inside alone.
fn within<'p, T: Send>(
    side: &Side,
    mut paths: impl Iterator<Item = &'p str>,
    work: impl FnOnce(&LinkParameters) -> T + Send,
) -> Result<T, Error> {
    if paths.all(LinkParameters::include) {
        return Ok(work(side.parameters().map_err(explain)?));
    }
    side.run(|| work(&LinkParameters::of_the_caller()))
}

/// A parameter's path and the value that it had.
type Replaced = (String, String);

/// Writes a parameter unless it has the value. Returns what it replaced.
fn write_one(wanted: &Sysctl, parameters: &LinkParameters) -> Result<Option<Replaced>, Error> {
    match parameters.replace(&wanted.path, &wanted.value) {
        Ok(before) => Ok(before.map(|before| (wanted.path.clone(), before))),
        Err(error) if wanted.required || error.is_for_now() => {
            Err(missing(wanted, parameters, error))
        }
        Err(_) => Ok(None),
    }
}

/// Why a required parameter was not written.
fn missing(wanted: &Sysctl, parameters: &LinkParameters, error: KernelError) -> Error {
    let is_missing = |path| {
        let found = parameters.read(path);
        found.is_err_and(|error| error.is_not_found())
    };
    let no_ipv6 = wanted.path.starts_with("net/ipv6") && is_missing(ANY_IPV6);
    let refused = words::of_parameter(&wanted.path, error);
    match no_ipv6 {
        false => refused,
        true => refused.with_details(
            "this kernel runs without IPv6 (ipv6.disable=1, or not built in); remove what is of IPv6 \
             from the configuration",
        ),
    }
}

/// What is there when there is IPv6.
const ANY_IPV6: &str = "net/ipv6/conf/all/disable_ipv6";
