//! Kernel parameters: which may be set, and which path a name means.

use std::io;

use linkspan_kernel::netns::{Netns, OpenError};
use linkspan_kernel::sysctl;
use linkspan_plan::fault::explain;
use linkspan_plan::words;
use linkspan_plan::{Namespaces, Place, Sysctl};
use linkspan_plugin::spec::{Error, ErrorCode};

/// What stands for the interface in a name.
const IFNAME: &str = "IFNAME";

/// Below which the parameters of a network namespace are, as paths of the container see them. Those that the
/// kernel keeps for all namespaces together are not there, or cannot be written, in any but the first.
const NET: &str = "net/";

/// The parameters as the kernel has them.
///
/// # Errors
/// [`ErrorCode::INVALID_NETWORK_CONFIG`] when one is not of the network, or the namespace is the host's.
pub(super) fn resolve(
    wanted: &[(String, String)],
    ifname: &str,
    namespaces: &Namespaces,
) -> Result<Vec<Sysctl>, Error> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let candidates = || {
        let all = wanted.iter();
        all.map(|(name, value)| Ok((candidates(name, ifname)?, value)))
            .collect::<Result<Vec<_>, Error>>()
    };
    let sysctl = |path, value: &String| Sysctl {
        place: Place::Container,
        path,
        value: value.clone(),
        required: true,
    };
    if namespaces.imagined().is_some() {
        let first = |(mut paths, value): (Vec<String>, _)| sysctl(paths.swap_remove(0), value);
        return Ok(candidates()?.into_iter().map(first).collect());
    }
    let container = namespaces.container()?;
    container.netns().map_or(Ok(()), refuse_host)?;
    let candidates = candidates()?;
    let choose = |(candidates, value): (Vec<String>, _)| sysctl(choose(candidates), value);
    if candidates.iter().all(|(paths, _)| paths.len() == 1) {
        return Ok(candidates.into_iter().map(choose).collect());
    }
    container.run(|| candidates.into_iter().map(choose).collect())
}

/// The first that exists, else the first.
fn choose(mut candidates: Vec<String>) -> String {
    let exists = |path: &String| !sysctl::read(path).is_err_and(|error| error.is_not_found());
    match candidates.len() {
        1 => candidates.remove(0),
        _ => {
            let found = candidates.iter().position(exists);
            candidates.swap_remove(found.unwrap_or(0))
        }
    }
}

/// In the host's namespace there are parameters of the whole machine, and those of all others' traffic.
fn refuse_host(container: &Netns) -> Result<(), Error> {
    let is_host = |host: &Netns| container.same_as(host);
    let own = Netns::current().map_err(explain)?;
    let is_first = match Netns::open("/proc/1/ns/net") {
        Ok(first) => is_host(&first),
        // Not to be seen from here.
        Err(OpenError::Missing) => false,
        Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::PermissionDenied => false,
        Err(error) => {
            return Err(Error::new(
                ErrorCode::TRY_AGAIN_LATER,
                format!("cannot tell whether CNI_NETNS is the host's network namespace: {error}"),
            ));
        }
    };
    if is_host(&own) || is_first {
        return Err(Error::new(
            ErrorCode::INVALID_NETNS,
            "kernel parameters of the host's namespace are not set",
        )
        .with_details(
            "CNI_NETNS names the host's own network namespace; set them with sysctl.d(5), or remove \
             \"sysctl\" from the configuration",
        ));
    }
    Ok(())
}

/// The paths below `/proc/sys` that a name can mean, the reference's reading first: dots and slashes
/// separate alike. A name that has both can also be meant as sysctl(8) reads it: what comes first separates,
/// and the other is part of a link's name.
fn candidates(name: &str, ifname: &str) -> Result<Vec<String>, Error> {
    let is_separator = |c| c == '.' || c == '/';
    let mut candidates = vec![join(name.split(is_separator))];
    if name.contains('.') && name.contains('/') {
        candidates.push(match name.find(is_separator) {
            Some(first) if name[first..].starts_with('/') => join(name.split('/')),
            _ => {
                let swapped: Vec<String> =
                    name.split('.').map(|part| part.replace('/', ".")).collect();
                join(swapped.iter().map(String::as_str))
            }
        });
    }
    let candidates: Vec<String> = candidates
        .into_iter()
        .filter(|path| is_safe(path))
        .map(|path| path.replacen(IFNAME, ifname, 1))
        .collect();
    if candidates.is_empty() {
        return Err(Error::new(
            ErrorCode::INVALID_NETWORK_CONFIG,
            format!("invalid net sysctl key: {name:?}"),
        )
        .with_details(
            "only parameters of the network can be set, whose names begin with net, as in \
             net.ipv4.conf.IFNAME.arp_filter",
        ));
    }
    Ok(candidates)
}

fn join<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    parts.join("/")
}

fn is_safe(path: &str) -> bool {
    path.starts_with(NET) && path.split('/').all(|part| part != "." && part != "..")
}

/// How a parameter differs from what is wanted, as CHECK sees it; `None` when it does not.
///
/// # Errors
/// When it cannot be read.
pub(super) fn difference(wanted: &Sysctl) -> Result<Option<String>, Error> {
    let found = match sysctl::read(&wanted.path) {
        Ok(found) => found,
        // It can only be written.
        Err(error) if error.errno() == Some(ACCESS) => return Ok(None),
        Err(error) => return Err(words::of_parameter(&wanted.path, error)),
    };
    // Of several numbers, the kernel separates by tabs what was written with spaces.
    if found.split_whitespace().eq(wanted.value.split_whitespace()) {
        return Ok(None);
    }
    Ok(Some(found))
}

/// `EACCES`
const ACCESS: i32 = 13;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, ifname: &str) -> Option<Vec<String>> {
        candidates(name, ifname).ok()
    }

    #[test]
    fn dots_and_slashes_separate_and_ifname_is_the_interface() {
        let paths = |paths: &[&str]| Some(paths.iter().map(|path| (*path).to_owned()).collect());
        let somaxconn = paths(&["net/core/somaxconn"]);
        assert_eq!(read("net.core.somaxconn", "eth0"), somaxconn);
        assert_eq!(read("net/core/somaxconn", "eth0"), somaxconn);
        assert_eq!(read("/net/core/somaxconn", "eth0"), somaxconn);
        assert_eq!(
            read("net.ipv4.conf.IFNAME.arp_filter", "eth0.5"),
            paths(&["net/ipv4/conf/eth0.5/arp_filter"])
        );
    }

    #[test]
    fn what_has_both_is_read_as_sysctl_reads_it_as_well() {
        let expected = Some(vec![
            "net/ipv4/conf/eth0/5/arp_filter".to_owned(),
            "net/ipv4/conf/eth0.5/arp_filter".to_owned(),
        ]);
        assert_eq!(read("net/ipv4/conf/eth0.5/arp_filter", "x"), expected);
        assert_eq!(read("net.ipv4.conf.eth0/5.arp_filter", "x"), expected);
    }

    #[test]
    fn what_is_not_of_the_network_has_no_path() {
        for name in [
            "",
            "net",
            "kernel.shmmax",
            "netfilter.x",
            "..net.core.somaxconn/../../../kernel.shmmax",
            "/etc/passwd",
        ] {
            let paths = read(name, "eth0");
            let stays = |paths: Vec<String>| paths.iter().all(|path| is_safe(path));
            assert!(paths.is_none_or(stays), "{name}");
        }
        assert_eq!(read("kernel.shmmax", "eth0"), None);
        assert_eq!(read("/etc/passwd", "eth0"), None);
        // With slashes first, .. would be a part of its own.
        let upwards = read("net/../kernel/shmmax", "eth0");
        assert_eq!(upwards, Some(vec!["net/kernel/shmmax".to_owned()]));
    }
}
