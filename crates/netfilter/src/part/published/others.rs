//! Ports that rules of others lead to containers: those of the reference plugins, by iptables or nftables, or of the backend
//! iptables, put back at boot by whoever saves the rules.
//!
//! Of two such rules one gets all the traffic, so a container that publishes the same port would get nothing. Rules tell whose they are, not
//! whether the container is still there; what libcni and host-local have kept of it does.

use std::fmt;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use linkspan_spec::{Error, ErrorCode};
use linkspan_state::origin::{Boot, MAX_XATTR, Origin, Provenance, XATTR};
use serde_json::Value;

use super::iptables::{DNAT, chain};
use super::{Holder, Owner, Port, PublishedPorts, Transport, reference};
use crate::iptables::{NAT, Protocol, SavedRule, remove_chains, saved_where_led_from};
use crate::reference::translations;

/// Where libcni keeps what ADD answered.
const RESULTS: &str = "/var/lib/cni/results";

/// Where host-local keeps who has which address.
const NETWORKS: &str = "/var/lib/cni/networks";

/// A container whose ports are published by such rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Other {
    protocol: Protocol,
    /// `None` where the rules tell the container alone.
    network: Option<String>,
    container: String,
    rules: Rules,
    ports: Vec<Mapping>,
}

/// Where its rules are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Rules {
    /// In a chain of iptables of its own.
    Chain(String),
    /// In the table that the reference's nftables backend has for all containers.
    Table,
}

/// What a rule of its chain says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mapping {
    transport: String,
    host_address: Option<IpAddr>,
    host_port: u16,
    target: Option<IpAddr>,
}

impl Mapping {
    fn is_in_the_way_of(&self, port: Port) -> bool {
        let is_apart = match (self.host_address, port.host_address) {
            (Some(one), Some(other)) => one != other,
            _ => false,
        };
        self.transport == port.protocol.to_string() && self.host_port == port.host_port && !is_apart
    }
}

impl Other {
    /// Those of its ports that are in the way of a part.
    fn in_the_way_of<'o>(
        &'o self,
        part: &'o PublishedPorts,
        owner: &Owner,
    ) -> impl Iterator<Item = &'o Mapping> {
        let is_other = part.conditions.is_empty()
            && self.protocol == Protocol::of(part.container.addr())
            // On several networks, the first gets the traffic.
            && (self.container != owner.container() || self.is_of_network(owner.network()));
        let conflicts = |mapping: &&Mapping| {
            part.single_ports()
                .any(|port| mapping.is_in_the_way_of(port))
        };
        self.ports
            .iter()
            .filter(move |_| is_other)
            .filter(conflicts)
    }

    fn is_of(&self, owner: &Owner) -> bool {
        self.is_of_network(owner.network()) && self.container == owner.container()
    }

    fn is_of_network(&self, network: &str) -> bool {
        self.network.as_deref() == Some(network)
    }

    /// Whether its chain has the name that belongs to what its comment says of this network.
    fn has_chain_of(&self, network: &str) -> bool {
        let owner = Owner::from_texts(network, &self.container, "");
        self.is_of_network(network) && self.rules == Rules::Chain(chain(&owner))
    }

    /// Container and network, as far as they are known.
    fn name(&self) -> String {
        let network = self.network.as_ref();
        let network = network.map(|network| format!(" (network {network})"));
        format!(
            "container {}{}",
            self.container,
            network.unwrap_or_default()
        )
    }

    /// Why the container may still be there; `None` when it is certainly gone, or has another address by now.
    fn reason_to_live(&self, mapping: &Mapping) -> Option<String> {
        let boot = match Boot::current() {
            Ok(boot) => boot,
            Err(error) => return Some(format!("it cannot be told which boot this is: {error}")),
        };
        let reservation = mapping
            .target
            .map(|address| Reservation::of(self.network.as_deref(), address));
        let reservation = match reservation.transpose() {
            Ok(reservation) => reservation.flatten(),
            Err(error) => return Some(format!("who has its address cannot be read: {error}")),
        };
        if let Some(reservation) = reservation {
            if reservation.container != self.container {
                return None;
            }
            let provenance = &reservation.provenance;
            if provenance.is_of_earlier_boot(&boot) {
                return None;
            }
            if provenance.origin.is_some() {
                return provenance.reason_to_live(&boot);
            }
        }
        let results = match self.results() {
            Ok(results) => results,
            Err(error) => return Some(format!("{RESULTS} cannot be read: {error}")),
        };
        if results.is_empty() {
            return Some("nobody has kept whether it is still there".to_owned());
        }
        results.iter().find_map(|result| reason_of(result, &boot))
    }

    fn results(&self) -> io::Result<Vec<PathBuf>> {
        let name = format!(
            "{}-{}-",
            self.network.as_deref().unwrap_or_default(),
            self.container
        );
        let is_its = |file: &str| match self.network {
            Some(_) => file.starts_with(&name),
            None => file.contains(&name),
        };
        let mut results = Vec::new();
        for entry in if_there(fs::read_dir(RESULTS))?.into_iter().flatten() {
            let entry = entry?;
            if is_its(&entry.file_name().to_string_lossy()) {
                results.push(entry.path());
            }
        }
        Ok(results)
    }

    fn remove(&self) -> Result<(), Error> {
        match &self.rules {
            Rules::Chain(chain) => remove_chains(DNAT, std::slice::from_ref(chain)),
            Rules::Table => reference::remove_rules_of(&self.container),
        }
    }
}

/// What it is called in errors.
impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain(chain) => write!(f, "the chain {chain} of iptables"),
            Self::Table => write!(f, "the table {} of nftables", reference::TABLE),
        }
    }
}

/// Who has an address, as host-local keeps it.
struct Reservation {
    container: String,
    provenance: Provenance,
}

impl Reservation {
    /// That of a network, or of whichever has one.
    fn of(network: Option<&str>, address: IpAddr) -> io::Result<Option<Self>> {
        if let Some(network) = network {
            return Self::at(&Path::new(NETWORKS).join(network), address);
        }
        for network in if_there(fs::read_dir(NETWORKS))?.into_iter().flatten() {
            let found = Self::at(&network?.path(), address)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn at(network: &Path, address: IpAddr) -> io::Result<Option<Self>> {
        let path = network.join(address.to_string());
        let Some(text) = if_there(fs::read_to_string(&path))? else {
            return Ok(None);
        };
        let mut attribute = [0; MAX_XATTR];
        let length = rustix::fs::getxattr(&path, XATTR, &mut attribute[..]).unwrap_or_default();
        let origin = std::str::from_utf8(&attribute[..length]).ok();
        Ok(text.lines().next().map(|container| Self {
            container: container.trim().to_owned(),
            provenance: Provenance {
                written: written(&path),
                origin: origin.and_then(Origin::parse),
            },
        }))
    }
}

/// What was found; `None` where nothing is.
fn if_there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// What cannot be told counts as written now.
fn written(path: &Path) -> SystemTime {
    let modified = fs::metadata(path).and_then(|meta| meta.modified());
    modified.unwrap_or_else(|_| SystemTime::now())
}

/// Why the attachment may be there whose result is in a file.
fn reason_of(path: &Path, boot: &Boot) -> Option<String> {
    let provenance = Provenance {
        written: written(path),
        origin: None,
    };
    if provenance.is_of_earlier_boot(boot) {
        return None;
    }
    let kept = fs::read(path).ok();
    let kept: Value = kept
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    let interfaces = kept.pointer("/result/interfaces").and_then(Value::as_array);
    let mut sandboxes = interfaces
        .into_iter()
        .flatten()
        .filter_map(|interface| interface.get("sandbox")?.as_str())
        .filter(|sandbox| !sandbox.is_empty())
        .peekable();
    if sandboxes.peek().is_none() {
        return Some(format!("{} does not say where it is", path.display()));
    }
    let is_gone = |sandbox| matches!(if_there(fs::symlink_metadata(sandbox)), Ok(None));
    let there = sandboxes.find(|sandbox: &&str| !is_gone(*sandbox))?;
    Some(format!("its network namespace exists: {there}"))
}

/// Removes what is in the way of a part and belongs to containers that are gone, or to an earlier life of this one.
pub(super) fn clear(part: &PublishedPorts, holder: &Holder<'_>) -> Result<(), Error> {
    for other in all()? {
        let Some(mapping) = other.in_the_way_of(part, holder.owner).next() else {
            continue;
        };
        if !other.is_of(holder.owner)
            && let Some(reason) = other.reason_to_live(mapping)
        {
            return Err(taken(&other, mapping, &reason));
        }
        other.remove()?;
    }
    Ok(())
}

/// What is in the way of a part, a sentence each.
pub(super) fn differences(part: &PublishedPorts, owner: &Owner) -> Result<Vec<String>, Error> {
    let all = all()?;
    let others = all.iter().filter(|other| !other.is_of(owner));
    let found = others.flat_map(|other| {
        let ports = other.in_the_way_of(part, owner);
        ports.map(|mapping| {
            format!(
                "expected host port {}/{} to lead to {}, found {} in its way, which leads to {}",
                mapping.host_port,
                mapping.transport,
                part.container.addr(),
                other.rules,
                other.name(),
            )
        })
    });
    Ok(found.collect())
}

/// Removes what belongs to containers of a network other than these.
pub(super) fn collect(network: &str, valid: &[Owner]) -> Result<(), Error> {
    let is_valid = |other: &Other| valid.iter().any(|owner| other.is_of(owner));
    all()?
        .iter()
        .filter(|other| other.has_chain_of(network) && !is_valid(other))
        .try_for_each(Other::remove)
}

/// Published twice, this container would get nothing, and nobody would know why.
fn taken(other: &Other, mapping: &Mapping, reason: &str) -> Error {
    let msg = format!(
        "host port {}/{} is already published by {}",
        mapping.host_port,
        mapping.transport,
        other.name()
    );
    let remedy = match &other.rules {
        Rules::Chain(chain) => format!("{} -t {NAT} -F {chain}", other.protocol.command()),
        Rules::Table => format!(
            "`nft -a list table {} {}` shows its rules, by their comment, and `nft delete rule` removes them",
            other.protocol.family(),
            reference::TABLE
        ),
    };
    Error::new(ErrorCode::FIRST_OF_PLUGINS, msg).with_details(format!(
        "{} leads there; {reason}; detach it, or choose another hostPort. If it is gone: {remedy}",
        other.rules
    ))
}

/// All of them. Starts a process where iptables has any.
fn all() -> Result<Vec<Other>, Error> {
    let mut all = by_nftables()?;
    for protocol in Protocol::BOTH {
        for saved in saved_where_led_from(protocol, DNAT)? {
            all.extend(read(protocol, &saved));
        }
    }
    Ok(all)
}

/// Those of the reference's nftables backend.
fn by_nftables() -> Result<Vec<Other>, Error> {
    let mut others: Vec<Other> = Vec::new();
    for (protocol, chain) in reference::leading_chains() {
        for (rule, translation) in translations(&chain)? {
            let transport = Transport::ALL
                .into_iter()
                .find(|one| one.number() == translation.protocol);
            let (Some(container), Some(transport)) = (rule.comment, transport) else {
                continue;
            };
            let mapping = Mapping {
                transport: transport.to_string(),
                host_address: rule.destination,
                host_port: translation.port,
                target: Some(translation.to),
            };
            let is_its = |one: &&mut Other| one.protocol == protocol && one.container == container;
            match others.iter_mut().find(is_its) {
                Some(other) => other.ports.push(mapping),
                None => others.push(Other {
                    protocol,
                    network: None,
                    container,
                    rules: Rules::Table,
                    ports: vec![mapping],
                }),
            }
        }
    }
    Ok(others)
}

/// Reads it, for a fuzzer.
#[cfg(feature = "fuzzing")]
pub(crate) fn published_in(saved: &str) {
    for protocol in Protocol::BOTH {
        let _ = read(protocol, saved);
    }
}

/// Reads what `iptables-save` prints of the nat table.
fn read(protocol: Protocol, saved: &str) -> Vec<Other> {
    let mut others: Vec<Other> = Vec::new();
    for rule in SavedRule::of_chain(saved, DNAT) {
        let Some(mut other) = entry(protocol, &rule) else {
            continue;
        };
        if !others.iter().any(|one| one.rules == other.rules)
            && let Rules::Chain(chain) = &other.rules
        {
            let rules = SavedRule::of_chain(saved, chain);
            other.ports = rules.iter().filter_map(mapping).collect();
            others.push(other);
        }
    }
    others
}

/// What leads to a container, unless it does so on conditions.
fn entry(protocol: Protocol, rule: &SavedRule) -> Option<Other> {
    const USUAL: [&str; 6] = [
        "-p",
        "-m",
        "--comment",
        "--dports",
        "--destination-ports",
        "-j",
    ];
    let (network, container) = rule.label("dnat ")?;
    rule.has_only(&USUAL).then_some(())?;
    Some(Other {
        protocol,
        network: Some(network.to_owned()),
        container: container.to_owned(),
        rules: Rules::Chain(rule.value("-j")?.to_owned()),
        ports: Vec::new(),
    })
}

fn mapping(rule: &SavedRule) -> Option<Mapping> {
    let (target, _) = rule.value("--to-destination")?.rsplit_once(':')?;
    let address = |text: &str| text.trim_matches(['[', ']']).parse().ok();
    let host_address = rule
        .value("-d")
        .and_then(|text| address(text.split('/').next()?));
    Some(Mapping {
        transport: rule.value("-p")?.to_owned(),
        host_address,
        host_port: rule.value("--dport")?.parse().ok()?,
        target: address(target),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVED: &str = r#"*nat
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \"net\" id: \"c1\"" -m multiport --dports 8080,8081 -j CNI-DN-1
-A CNI-HOSTPORT-DNAT -p udp -m comment --comment "dnat name: \"net\" id: \"c1\"" -m multiport --dports 53 -j CNI-DN-1
-A CNI-HOSTPORT-DNAT -s 192.0.2.0/24 -p tcp -m comment --comment "dnat name: \"net\" id: \"c2\"" -m multiport --dports 8080 -j CNI-DN-2
-A CNI-DN-1 -s 10.22.0.0/16 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK
-A CNI-DN-1 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.22.0.2:80
-A CNI-DN-1 -d 192.0.2.1/32 -p udp -m udp --dport 53 -j DNAT --to-destination 10.22.0.2:5353
COMMIT
"#;

    #[test]
    fn what_is_saved_tells_whose_a_port_is() {
        let others = read(Protocol::Ipv4, SAVED);
        assert_eq!(others.len(), 1, "what has conditions is in nobody's way");
        assert_eq!(others[0].name(), "container c1 (network net)");
        let mapping = |transport: &str, host_address: Option<&str>, host_port| Mapping {
            transport: transport.to_owned(),
            host_address: host_address.map(|text| text.parse().unwrap()),
            host_port,
            target: Some("10.22.0.2".parse().unwrap()),
        };
        assert_eq!(
            others[0].ports,
            [
                mapping("tcp", None, 8080),
                mapping("udp", Some("192.0.2.1"), 53)
            ]
        );
        assert!(!others[0].has_chain_of("net"));
    }

    #[test]
    fn the_reference_writes_ipv6_targets_in_brackets() {
        let saved = SAVED.replace("10.22.0.2:80", "[fd22::2]:80");
        let target = read(Protocol::Ipv6, &saved)[0].ports[0].target;
        assert_eq!(target, Some("fd22::2".parse().unwrap()));
    }
}
