//! Ports that rules of iptables lead to other containers: those of the reference plugins, or of the backend iptables, put back
//! at boot by whoever saves the rules.
//!
//! Such a rule comes before ours, so a container that publishes the same port would get nothing. Rules tell whose they are, not
//! whether the container is still there; what libcni and host-local have kept of it does.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use linkspan_spec::{Error, ErrorCode};
use linkspan_state::origin::{Boot, MAX_XATTR, Origin, Provenance, XATTR};
use serde_json::Value;

use super::iptables::{DNAT, chain};
use super::{Holder, Owner, Port, PublishedPorts};
use crate::iptables::{NAT, Protocol, SavedRule, remove_chains, saved_where_led_from};

/// Where libcni keeps what ADD answered.
const RESULTS: &str = "/var/lib/cni/results";

/// Where host-local keeps who has which address.
const NETWORKS: &str = "/var/lib/cni/networks";

/// A container whose ports are published by rules of iptables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Other {
    protocol: Protocol,
    network: String,
    container: String,
    /// The container's own chain.
    chain: String,
    ports: Vec<Mapping>,
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
            && (self.container != owner.container() || self.network == owner.network());
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
        self.network == owner.network() && self.container == owner.container()
    }

    /// Whether its chain has the name that belongs to what its comment says.
    fn is_consistent(&self) -> bool {
        chain(&Owner::from_texts(&self.network, &self.container, "")) == self.chain
    }

    /// Why the container may still be there; `None` when it is certainly gone, or has another address by now.
    fn reason_to_live(&self, mapping: &Mapping) -> Option<String> {
        let boot = match Boot::current() {
            Ok(boot) => boot,
            Err(error) => return Some(format!("it cannot be told which boot this is: {error}")),
        };
        let reservation = mapping
            .target
            .and_then(|address| Reservation::of(&self.network, address));
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
        let results = self.results();
        if results.is_empty() {
            return Some("nobody has kept whether it is still there".to_owned());
        }
        results.iter().find_map(|result| reason_of(result, &boot))
    }

    fn results(&self) -> Vec<PathBuf> {
        let beginning = format!("{}-{}-", self.network, self.container);
        let entries = fs::read_dir(RESULTS).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(&beginning))
            .map(|entry| entry.path())
            .collect()
    }

    fn remove(&self) -> Result<(), Error> {
        remove_chains(DNAT, std::slice::from_ref(&self.chain))
    }
}

/// Who has an address, as host-local keeps it.
struct Reservation {
    container: String,
    provenance: Provenance,
}

impl Reservation {
    fn of(network: &str, address: IpAddr) -> Option<Self> {
        let path = Path::new(NETWORKS).join(network).join(address.to_string());
        let text = fs::read_to_string(&path).ok()?;
        let mut attribute = [0; MAX_XATTR];
        let length = rustix::fs::getxattr(&path, XATTR, &mut attribute[..]).unwrap_or_default();
        let origin = std::str::from_utf8(&attribute[..length]).ok();
        Some(Self {
            container: text.lines().next()?.trim().to_owned(),
            provenance: Provenance {
                written: written(&path),
                origin: origin.and_then(Origin::parse),
            },
        })
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
    let there = sandboxes.find(|sandbox| fs::symlink_metadata(sandbox).is_ok())?;
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
                "expected host port {}/{} to lead to {}, found the chain {} of {} in its way, which leads to container {} \
                 (network {})",
                mapping.host_port,
                mapping.transport,
                part.container.addr(),
                other.chain,
                other.protocol.command(),
                other.container,
                other.network,
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
        .filter(|other| other.network == network && other.is_consistent() && !is_valid(other))
        .try_for_each(Other::remove)
}

/// Published twice, this container would get nothing, and nobody would know why.
fn taken(other: &Other, mapping: &Mapping, reason: &str) -> Error {
    let msg = format!(
        "host port {}/{} is already published by container {} (network {})",
        mapping.host_port, mapping.transport, other.container, other.network
    );
    Error::new(ErrorCode::FIRST_OF_PLUGINS, msg).with_details(format!(
        "rules of {command} lead there, which come first; {reason}; detach it, or choose another hostPort. If it is gone: \
         {command} -t {NAT} -F {}",
        other.chain,
        command = other.protocol.command(),
    ))
}

/// All of them. Starts a process where there is any.
fn all() -> Result<Vec<Other>, Error> {
    let mut all = Vec::new();
    for protocol in Protocol::BOTH {
        for saved in saved_where_led_from(protocol, DNAT)? {
            all.extend(read(protocol, &saved));
        }
    }
    Ok(all)
}

/// Reads what `iptables-save` prints of the nat table.
fn read(protocol: Protocol, saved: &str) -> Vec<Other> {
    let mut others: Vec<Other> = Vec::new();
    for rule in SavedRule::of_chain(saved, DNAT) {
        let Some(mut other) = entry(protocol, &rule) else {
            continue;
        };
        if !others.iter().any(|one| one.chain == other.chain) {
            let rules = SavedRule::of_chain(saved, &other.chain);
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
        network: network.to_owned(),
        container: container.to_owned(),
        chain: rule.value("-j")?.to_owned(),
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
        assert_eq!((&*others[0].network, &*others[0].container), ("net", "c1"));
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
        assert!(!others[0].is_consistent());
    }

    #[test]
    fn the_reference_writes_ipv6_targets_in_brackets() {
        let saved = SAVED.replace("10.22.0.2:80", "[fd22::2]:80");
        let target = read(Protocol::Ipv6, &saved)[0].ports[0].target;
        assert_eq!(target, Some("fd22::2".parse().unwrap()));
    }
}
