//! The tables of the older iptables, without nf_tables: what a chain of theirs leads to.
//!
//! They are read by the socket options that `iptables-legacy` itself uses, so that nobody needs to be
//! started in order to know that nothing has to be done. They are not written here: a table is written as a
//! whole, under the lock of the commands.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use linkspan_nft::{Action, Outline};
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};

use crate::Error;

/// `IPT_SO_GET_INFO`, `IP6T_SO_GET_INFO`
const GET_INFO: libc::c_int = 64;
/// `IPT_SO_GET_ENTRIES`, `IP6T_SO_GET_ENTRIES`
const GET_ENTRIES: libc::c_int = 65;

/// How often a table is read again because it changed between its size and its content.
const ATTEMPTS: u32 = 100;

/// The largest table that is read.
const MAX_BYTES: usize = 256 << 20;

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `iptables-legacy`
    Ipv4,
    /// `ip6tables-legacy`
    Ipv6,
}

impl Protocol {
    /// The file in which the kernel lists the tables.
    fn table_names(self) -> &'static str {
        match self {
            Self::Ipv4 => "/proc/thread-self/net/ip_tables_names",
            Self::Ipv6 => "/proc/thread-self/net/ip6_tables_names",
        }
    }

    /// Offset of `target_offset` in `struct ipt_entry`, `struct ip6t_entry`; `next_offset` follows it.
    fn offsets_at(self) -> usize {
        match self {
            Self::Ipv4 => 88,
            Self::Ipv6 => 140,
        }
    }

    /// The source (0) or destination (1) address of an entry, if it is about one and not a network. The two
    /// begin the entry, and their masks follow.
    fn address(self, entry: &[u8], which: usize) -> Option<IpAddr> {
        fn pair<const LEN: usize>(entry: &[u8], which: usize) -> Option<[u8; LEN]> {
            let address = entry.get(which * LEN..)?.first_chunk::<LEN>()?;
            let mask = entry.get((which + 2) * LEN..)?.first_chunk::<LEN>()?;
            (*mask == [0xff; LEN]).then_some(*address)
        }
        match self {
            Self::Ipv4 => pair::<4>(entry, which).map(IpAddr::from),
            Self::Ipv6 => pair::<16>(entry, which).map(IpAddr::from),
        }
    }

    /// What an entry is about by itself, without its matches and its target.
    fn outline(self, entry: &[u8]) -> Option<Outline> {
        let (length, interfaces, protocol, inverted) = match self {
            Self::Ipv4 => (4, 16, 80, 83),
            Self::Ipv6 => (16, 64, 128, 132),
        };
        let net = |which: usize| -> Option<(IpAddr, u8)> {
            let at = |place: usize| entry.get(place * length..(place + 1) * length);
            let (address, mask) = (at(which)?, at(which + 2)?);
            let address = match self {
                Self::Ipv4 => <[u8; 4]>::try_from(address).ok()?.into(),
                Self::Ipv6 => <[u8; 16]>::try_from(address).ok()?.into(),
            };
            let ones: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
            (ones > 0).then_some((address, u8::try_from(ones).ok()?))
        };
        let interface = |which: usize| -> Option<String> {
            let name = entry
                .get(interfaces + which * IFNAMSIZ..)?
                .get(..IFNAMSIZ)?;
            let mask = entry.get(interfaces + (which + 2) * IFNAMSIZ..)?;
            let name = text(name);
            match (name.is_empty(), mask.get(name.len())) {
                (true, _) => None,
                // It is kept as it was written, with a plus.
                (_, Some(0)) => Some(name.trim_end_matches('+').to_owned() + "*"),
                _ => Some(name),
            }
        };
        Some(Outline {
            input: interface(0),
            output: interface(1),
            source: net(0),
            destination: net(1),
            is_ipv6: Some(self == Self::Ipv6),
            protocol: u16_at(entry, protocol)
                .and_then(|number| u8::try_from(number).ok())
                .filter(|number| *number != 0),
            is_partial: *entry.get(inverted)? != 0,
            ..Outline::default()
        })
    }

    /// The length of the same, after which its matches begin.
    fn entry_len(self) -> usize {
        match self {
            Self::Ipv4 => 112,
            Self::Ipv6 => 168,
        }
    }
}

/// Whether a table is in use in the namespace of the calling thread. To ask for its content makes it.
///
/// # Errors
/// When it cannot be told. A kernel without these tables has no list of them; one that nobody may read counts as empty.
pub fn is_in_use(protocol: Protocol, table: &str) -> Result<bool, Error> {
    let path = protocol.table_names();
    match fs::read_to_string(path) {
        Ok(names) => Ok(names.lines().any(|name| name == table)),
        // Nobody may read it in a network that was made before its user namespace knew who is root there, as `unshare -Urn` does;
        // whoever is root on a host may.
        Err(error)
            if [io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied]
                .contains(&error.kind()) =>
        {
            Ok(false)
        }
        Err(error) => Err(Error::new("read", path, error)),
    }
}

/// A table in the namespace of the calling thread; `None` when it is not in use.
///
/// # Errors
/// Those of the kernel: `EPERM` without CAP_NET_ADMIN.
pub fn table(protocol: Protocol, name: &str) -> Result<Option<Table>, Error> {
    if !is_in_use(protocol, name)? {
        return Ok(None);
    }
    read(protocol, name)
        .map(|(hooks, entries)| Some(parse(protocol, hooks, &entries)))
        .map_err(|error| {
            Error::new(
                "read",
                format!("the table {name} of iptables-legacy"),
                error,
            )
        })
}

/// A table as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The chains that are not the kernel's own.
    pub chains: Vec<String>,
    /// The rules of all chains, in order.
    pub rules: Vec<Rule>,
}

impl Table {
    /// Whether somebody has placed a rule in it beside these chains: else the kernel's own have a policy each, and there are no
    /// others.
    pub fn has_rules(&self, beside: &dyn Fn(&str) -> bool) -> bool {
        let is_policy = |rule: &Rule| {
            let policy = Outline {
                is_ipv6: rule.outline.is_ipv6,
                action: rule.outline.action.clone(),
                ..Outline::default()
            };
            rule.outline == policy && [Action::Accept, Action::Drop].contains(&policy.action)
        };
        let is_beside = |name: &Option<String>| name.as_deref().is_some_and(beside);
        !self.chains.iter().all(|chain| beside(chain))
            || !self
                .rules
                .iter()
                .all(|rule| is_policy(rule) || is_beside(&rule.chain) || is_beside(&rule.jump))
    }
}

/// A rule of a [`Table`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its chain; `None` in a chain of the kernel's own.
    pub chain: Option<String>,
    /// It is in FORWARD, whose last rule is the policy.
    pub is_of_forward: bool,
    /// The text of `-m comment`.
    pub comment: Option<String>,
    /// The chain that it jumps or goes to.
    pub jump: Option<String>,
    /// It lets pass what it is about.
    pub accepts: bool,
    /// The one source address that it is about.
    pub source: Option<IpAddr>,
    /// The one destination address that it is about.
    pub destination: Option<IpAddr>,
    /// What it says, as far as it decides on the first packet of a connection.
    pub outline: Outline,
}

/// Where FORWARD is among the entries: from its first to its policy. A table without it has it nowhere.
type Forward = Option<[usize; 2]>;

fn read(protocol: Protocol, table: &str) -> io::Result<(Forward, Vec<u8>)> {
    let (family, ip) = match protocol {
        Protocol::Ipv4 => (AddressFamily::INET, libc::IPPROTO_IP),
        Protocol::Ipv6 => (AddressFamily::INET6, libc::IPPROTO_IPV6),
    };
    let socket = socket_with(
        family,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(ipproto::RAW),
    )?;
    for _ in 0..ATTEMPTS {
        let mut info = request(table, INFO_LEN);
        get_option(&socket, ip, GET_INFO, &mut info)?;
        let size = u32_at(&info, NAME_LEN + INFO_LEN - 4)
            .and_then(|size| usize::try_from(size).ok())
            .filter(|size| *size <= MAX_BYTES)
            .ok_or(io::ErrorKind::InvalidData)?;
        let mut entries = request(table, ENTRIES_AT - NAME_LEN + size);
        let header = u32::try_from(size).unwrap_or(u32::MAX).to_ne_bytes();
        entries[NAME_LEN..NAME_LEN + 4].copy_from_slice(&header);
        match get_option(&socket, ip, GET_ENTRIES, &mut entries) {
            Ok(()) => return Ok((forward(&info), entries.split_off(ENTRIES_AT))),
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::from_raw_os_error(libc::EAGAIN))
}

/// What `struct ipt_getinfo` says of FORWARD.
fn forward(info: &[u8]) -> Forward {
    /// `NF_INET_FORWARD`
    const HOOK: usize = 2;
    const HOOKS: usize = 5;
    let number = |at: usize| u32_at(info, NAME_LEN + 4 * at);
    let offset = |at: usize| usize::try_from(number(at)?).ok();
    let is_valid = number(0)? & (1 << HOOK) != 0;
    is_valid.then_some([offset(1 + HOOK)?, offset(1 + HOOKS + HOOK)?])
}

/// The verdict NF_ACCEPT as a standard target has it: `-NF_ACCEPT - 1`.
const ACCEPT: u32 = (-2_i32).cast_unsigned();

/// The longest name of an interface, with the zero behind it.
const IFNAMSIZ: usize = 16;

/// `XT_TABLE_MAXNAMELEN`
const NAME_LEN: usize = 32;

/// What follows the name in `struct ipt_getinfo`: hooks, two offsets for each of five hooks, two counts.
const INFO_LEN: usize = 4 * 13;

/// Where the entries begin in `struct ipt_get_entries`, which are aligned to 8 bytes.
const ENTRIES_AT: usize = 40;

/// A request begins with the table's name.
fn request(table: &str, more: usize) -> Vec<u8> {
    let mut bytes = vec![0; NAME_LEN + more];
    let length = table.len().min(NAME_LEN - 1);
    bytes[..length].copy_from_slice(&table.as_bytes()[..length]);
    bytes
}

/// No safe wrapper knows these options, whose value is a request too.
fn get_option(socket: &OwnedFd, level: i32, option: i32, value: &mut [u8]) -> io::Result<()> {
    let mut length = libc::socklen_t::try_from(value.len()).unwrap_or_default();
    // SAFETY: the kernel reads and writes at most `length` bytes at the pointer, which is as long; it
    // keeps neither pointer.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            option,
            value.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    match outcome {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// One entry: a rule, or what names the chain that follows it.
struct Entry<'a> {
    at: usize,
    comment: Option<String>,
    addresses: [Option<IpAddr>; 2],
    outline: Outline,
    target: &'a str,
    data: &'a [u8],
}

/// Ends at what cannot be an entry.
pub(crate) fn parse(protocol: Protocol, forward: Forward, bytes: &[u8]) -> Table {
    let entries = entries(protocol, bytes);
    // A chain's first rule follows the entry that names it.
    let name_of = |entry: &Entry<'_>| (entry.target == "ERROR").then(|| text(entry.data));
    let chains: Vec<(usize, String)> = entries
        .windows(2)
        .filter_map(|pair| Some((pair[1].at, name_of(&pair[0])?)))
        .collect();
    let mut chain = None;
    let mut rules = Vec::new();
    for entry in &entries {
        if let Some(name) = name_of(entry) {
            chain = Some(name);
            continue;
        }
        let verdict = (entry.target.is_empty())
            .then(|| u32_at(entry.data, 0))
            .flatten();
        let to = verdict.and_then(|verdict| usize::try_from(verdict.cast_signed()).ok());
        let jump = chains.iter().find(|(at, _)| Some(*at) == to);
        rules.push(Rule {
            chain: chain.clone(),
            is_of_forward: forward.is_some_and(|[first, last]| (first..=last).contains(&entry.at)),
            comment: entry.comment.clone(),
            jump: jump.map(|(_, name)| name.clone()),
            accepts: verdict == Some(ACCEPT),
            source: entry.addresses[0],
            destination: entry.addresses[1],
            outline: Outline {
                action: action(entry, verdict, jump.map(|(_, name)| name)),
                ..entry.outline.clone()
            },
        });
    }
    Table {
        chains: chains.into_iter().map(|(_, name)| name).collect(),
        rules,
    }
}

/// What becomes of a packet that meets an entry.
fn action(entry: &Entry<'_>, verdict: Option<u32>, jump: Option<&String>) -> Action {
    const DROP: u32 = (-1_i32).cast_unsigned();
    const RETURN: u32 = (-5_i32).cast_unsigned();
    match (verdict, jump) {
        (None, _) => entry.outline.action.clone(),
        // A goto is told by a flag of the entry; what it leads to may come back here, too, in the eyes of who is careful.
        (_, Some(chain)) => Action::Jump(chain.clone()),
        (Some(ACCEPT), _) => Action::Accept,
        (Some(DROP), _) => Action::Drop,
        (Some(RETURN), _) => Action::Return,
        // On to the next rule, by its offset.
        (Some(verdict), _) if verdict.cast_signed() >= 0 => Action::Nothing,
        _ => Action::Unknown,
    }
}

fn entries(protocol: Protocol, bytes: &[u8]) -> Vec<Entry<'_>> {
    let mut entries = Vec::new();
    let mut at = 0;
    while let Some(entry) = bytes.get(at..) {
        let offsets = protocol.offsets_at();
        let (Some(target), Some(next)) = (u16_at(entry, offsets), u16_at(entry, offsets + 2))
        else {
            break;
        };
        let (target, next) = (usize::from(target), usize::from(next));
        let (Some(matches), Some(target)) = (
            entry.get(protocol.entry_len()..target),
            entry.get(target..next),
        ) else {
            break;
        };
        let Some((name, data)) = extension(target) else {
            break;
        };
        let mut outline = protocol.outline(entry).unwrap_or_default();
        read_matches(matches, |name, info| outline.matched(name, info));
        outline.targeted(name);
        entries.push(Entry {
            at,
            comment: comment(matches),
            outline,
            addresses: [0, 1].map(|which| protocol.address(entry, which)),
            target: name,
            data,
        });
        at += next;
    }
    entries
}

/// `-m comment` among the matches.
fn comment(matches: &[u8]) -> Option<String> {
    let mut found = None;
    read_matches(matches, |name, data| {
        if name == "comment" {
            found = found.take().or(Some(text(data)));
        }
    });
    found
}

/// Shows each match, its name and its data, as far as they can be read.
fn read_matches(mut matches: &[u8], mut show: impl FnMut(&str, &[u8])) {
    while let Some(length) = u16_at(matches, 0)
        .map(usize::from)
        .filter(|length| *length != 0)
    {
        let Some((name, data)) = matches.get(..length).and_then(extension) else {
            return;
        };
        show(name, data);
        matches = &matches[length..];
    }
}

/// The name and the data of a match or target.
fn extension(bytes: &[u8]) -> Option<(&str, &[u8])> {
    const HEADER_LEN: usize = 32;
    let (header, data) = bytes.split_at_checked(HEADER_LEN)?;
    // After its size, and before its revision.
    let name = &header[2..HEADER_LEN - 1];
    let end = name
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(name.len());
    Some((std::str::from_utf8(&name[..end]).ok()?, data))
}

fn text(data: &[u8]) -> String {
    let end = data
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(data.len());
    String::from_utf8_lossy(&data[..end]).into_owned()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry whose match and target have these lengths, of which the headers tell.
    fn entry(protocol: Protocol, match_len: usize, target_len: usize) -> Vec<u8> {
        let target_at = protocol.entry_len() + match_len;
        let mut bytes = vec![0; target_at + target_len];
        let u16_of = |number: usize| (number as u16).to_ne_bytes();
        let offsets = protocol.offsets_at();
        let next = bytes.len();
        bytes[offsets..offsets + 2].copy_from_slice(&u16_of(target_at));
        bytes[offsets + 2..offsets + 4].copy_from_slice(&u16_of(next));
        if match_len >= 2 {
            let at = protocol.entry_len();
            bytes[at..at + 2].copy_from_slice(&u16_of(match_len));
        }
        bytes
    }

    #[test]
    fn whatever_the_lengths_are_nothing_is_read_beyond_them() {
        for protocol in [Protocol::Ipv4, Protocol::Ipv6] {
            for match_len in (0..=40).chain([64]) {
                for target_len in 0..=40 {
                    let bytes = entry(protocol, match_len, target_len);
                    let rules = parse(protocol, None, &bytes).rules.len();
                    assert_eq!(
                        rules,
                        usize::from(target_len >= 32),
                        "{match_len} {target_len}"
                    );
                }
            }
            let whole = entry(protocol, 36, 40);
            for end in 0..whole.len() {
                assert_eq!(
                    parse(protocol, None, &whole[..end]),
                    Table::default(),
                    "{end}"
                );
            }
        }
    }
}
