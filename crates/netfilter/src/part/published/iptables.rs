//! Published ports by iptables: the reference portmap's chains.
//!
//! A chain for each container in each network translates; a chain that all share leads to it, and is led to
//! from where the kernel begins. What all share is made when it is missing, by one plugin at a time.

use linkspan_spec::Error;

use super::{
    Beyond, Installed, Owner, Part, Port, PublishedPorts, SourceNat, Transport, published,
};
use crate::iptables::{
    Existing, NAT, Protocol, chain_name, locked, remove_chains, remove_chains_of, restore,
};

/// What all published ports share.
pub(super) const DNAT: &str = "CNI-HOSTPORT-DNAT";
const SET_MARK: &str = "CNI-HOSTPORT-SETMARK";
const MASQUERADE: &str = "CNI-HOSTPORT-MASQ";
/// Ours alone: drops what route_localnet would let in.
const MARTIANS: &str = "CNI-HOSTPORT-LO";

const RAW: &str = "raw";
const PREROUTING: &str = "PREROUTING";
const OUTPUT: &str = "OUTPUT";
const POSTROUTING: &str = "POSTROUTING";

/// The longest comment that iptables takes, in bytes.
const MAX_COMMENT: usize = 255;

/// The most ports in one multiport match; a range counts twice.
const MAX_PORTS: usize = 15;

/// Published ports by iptables.
pub(super) struct Iptables;

impl Beyond for Iptables {
    fn install(
        &self,
        owner: &Owner,
        parts: &[Part],
        siblings: &[Part],
    ) -> Result<Installed, Error> {
        if !siblings.is_empty() {
            remove_chain(owner)?;
        }
        let all: Vec<&PublishedPorts> = published(parts)
            .into_iter()
            .chain(published(siblings))
            .collect();
        publish(owner, &all)?;
        Ok(Installed::default())
    }

    fn remove(&self, owner: &Owner, _parts: &[Part], siblings: &[Part]) -> Result<(), Error> {
        remove_chain(owner)?;
        publish(owner, &published(siblings))
    }

    fn differences(&self, owner: &Owner, parts: &[Part]) -> Result<Vec<String>, Error> {
        let mut differences = Vec::new();
        for protocol in Protocol::BOTH {
            let parts = of_protocol(&published(parts), protocol);
            if !parts.is_empty() {
                differences.extend(missing(owner, protocol, &parts)?);
            }
        }
        Ok(differences)
    }
}

pub(super) fn chain(owner: &Owner) -> String {
    chain_name("DN-", owner)
}

/// Whether a container's chain is led to for all of these ports, whoever called iptables.
pub(super) fn is_led_to(owner: &Owner, parts: &[Part]) -> Result<bool, Error> {
    for protocol in Protocol::BOTH {
        if of_protocol(&published(parts), protocol).is_empty() {
            continue;
        }
        let existing = Existing::anywhere(protocol)?;
        let is_led_to =
            existing.leads(NAT, PREROUTING, DNAT)? && existing.leads(NAT, DNAT, &chain(owner))?;
        if !is_led_to {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes a container's chain, whoever called iptables: there is one name for both.
pub(super) fn remove_chain(owner: &Owner) -> Result<(), Error> {
    remove_chains(DNAT, &[chain(owner)])
}

/// Removes the rules against [`MARTIANS`](martian_lines), once nobody needs them.
pub(super) fn remove_guard() -> Result<(), Error> {
    remove_chains_of(RAW, PREROUTING, &[MARTIANS.to_owned()])
}

fn of_protocol<'p>(parts: &[&'p PublishedPorts], protocol: Protocol) -> Vec<&'p PublishedPorts> {
    let is_such = |part: &&&PublishedPorts| Protocol::of(part.container.addr()) == protocol;
    parts.iter().filter(is_such).copied().collect()
}

fn publish(owner: &Owner, parts: &[&PublishedPorts]) -> Result<(), Error> {
    for protocol in Protocol::BOTH {
        let parts = of_protocol(parts, protocol);
        if !parts.is_empty() {
            publish_by(owner, protocol, &parts)?;
        }
    }
    Ok(())
}

fn publish_by(owner: &Owner, protocol: Protocol, parts: &[&PublishedPorts]) -> Result<(), Error> {
    let needs = Needs::of(parts);
    let attempt = |missing: &Missing| {
        let mut lines = needs.lines(missing);
        lines.extend(own_lines(owner, protocol, parts));
        lines.push("COMMIT\n".to_owned());
        restore(protocol, &lines.join("\n"))
    };
    let missing = needs.missing(&Existing::of_default(protocol)?)?;
    if missing.is_nothing() && attempt(&missing).is_ok() {
        return Ok(());
    }
    locked(|| {
        let missing = needs.missing(&Existing::of_default(protocol)?)?;
        // Those who do not know the lock have made it meanwhile; or it is of the other iptables.
        attempt(&missing).or_else(|_| attempt(&needs.missing(&Existing::as_saved(protocol)?)?))
    })
}

/// A rule that leads on: the table, the chain that it is in, the chain that it leads to.
type Lead<'a> = (&'a str, &'a str, &'a str);

/// Those of the rules that are not there.
fn not_there<'a>(leads: Vec<Lead<'a>>, existing: &Existing) -> Result<Vec<Lead<'a>>, Error> {
    let mut missing = Vec::new();
    for lead @ (table, from, to) in leads {
        if !existing.leads(table, from, to)? {
            missing.push(lead);
        }
    }
    Ok(missing)
}

/// What of the shared chains these ports need.
struct Needs {
    /// The bit, when our own chain sets the mark.
    mark_bit: Option<u8>,
    /// The host reaches the ports by 127.0.0.1.
    localnet: bool,
}

impl Needs {
    fn of(parts: &[&PublishedPorts]) -> Self {
        let mark = |part: &&&PublishedPorts| {
            part.source != SourceNat::Keep && part.set_mark_chain.is_none()
        };
        Self {
            mark_bit: parts.iter().find(mark).map(|part| part.mark_bit),
            localnet: parts.iter().any(|part| part.localnet.is_some()),
        }
    }

    /// What leads to the shared chains.
    fn leads(&self) -> Vec<Lead<'static>> {
        let mut leads = vec![(NAT, PREROUTING, DNAT), (NAT, OUTPUT, DNAT)];
        if self.mark_bit.is_some() {
            leads.push((NAT, POSTROUTING, MASQUERADE));
        }
        if self.localnet {
            leads.push((RAW, PREROUTING, MARTIANS));
        }
        leads
    }

    /// What of it has to be made.
    fn missing(&self, existing: &Existing) -> Result<Missing, Error> {
        Ok(Missing {
            leads: not_there(self.leads(), existing)?,
            dnat_chain: !existing.has_chain(NAT, DNAT)?,
        })
    }

    /// What `iptables-restore` is to read for it, up to the rules of the nat table.
    fn lines(&self, missing: &Missing) -> Vec<String> {
        let mut lines = Vec::new();
        if missing.leads_to(MARTIANS) {
            lines.extend(martian_lines());
        }
        lines.push(format!("*{NAT}"));
        if let Some(bit) = self.mark_bit {
            lines.extend(mark_lines(bit));
        }
        if missing.leads_to(MASQUERADE) {
            // Ahead of what ipMasq of bridge and ptp decides about traffic within the subnet.
            lines.push(format!(
                "-I {POSTROUTING} 1 -m comment --comment \"CNI portfwd requiring masquerade\" -j {MASQUERADE}"
            ));
        }
        if missing.dnat_chain {
            // Unlike naming it at the beginning, this empties no chain that somebody has made meanwhile.
            lines.push(format!("-N {DNAT}"));
        }
        let to_dnat = missing.leads.iter().filter(|(_, _, to)| *to == DNAT);
        lines.extend(
            to_dnat.map(|(_, from, _)| format!("-A {from} -m addrtype --dst-type LOCAL -j {DNAT}")),
        );
        lines
    }
}

/// What of the shared chains is not there.
struct Missing {
    leads: Vec<Lead<'static>>,
    dnat_chain: bool,
}

impl Missing {
    fn is_nothing(&self) -> bool {
        self.leads.is_empty() && !self.dnat_chain
    }

    fn leads_to(&self, chain: &str) -> bool {
        self.leads.iter().any(|(_, _, to)| *to == chain)
    }
}

fn missing(
    owner: &Owner,
    protocol: Protocol,
    parts: &[&PublishedPorts],
) -> Result<Vec<String>, Error> {
    let existing = Existing::anywhere(protocol)?;
    let own = chain(owner);
    let mut leads: Vec<Lead<'_>> = Needs::of(parts).leads();
    leads.push((NAT, DNAT, &own));
    let difference = |(table, from, to): Lead<'_>| {
        format!(
            "expected a rule of the {table} table of {} that leads from {from} to {to}, found none",
            protocol.command()
        )
    };
    let missing = not_there(leads, &existing)?;
    Ok(missing.into_iter().map(difference).collect())
}

/// What no honest neighbour sends: see the nf_tables backend.
fn martian_lines() -> Vec<String> {
    let rule = |side: &str, word: &str| {
        format!(
            "-A {MARTIANS} ! -i lo {side} 127.0.0.0/8 -m comment --comment \"{word} 127.0.0.0/8, which is on no wire\" -j DROP"
        )
    };
    vec![
        format!("*{RAW}"),
        format!(":{MARTIANS} - [0:0]"),
        rule("-d", "to"),
        rule("-s", "from"),
        format!("-A {PREROUTING} -j {MARTIANS}"),
        "COMMIT".to_owned(),
    ]
}

/// The chain that marks, and the one that masquerades what is marked: the same for everybody.
fn mark_lines(bit: u8) -> Vec<String> {
    let mark = 1_u32 << bit;
    let mark = format!("{mark:#x}/{mark:#x}");
    vec![
        format!(":{SET_MARK} - [0:0]"),
        format!(":{MASQUERADE} - [0:0]"),
        format!(
            "-A {SET_MARK} -m comment --comment \"CNI portfwd masquerade mark\" -j MARK --set-xmark {mark}"
        ),
        format!("-A {MASQUERADE} -m mark --mark {mark} -j MASQUERADE"),
    ]
}

/// The container's own chain, and the rules that lead to it.
fn own_lines(owner: &Owner, protocol: Protocol, parts: &[&PublishedPorts]) -> Vec<String> {
    let chain = chain(owner);
    // Naming the chain creates it, or empties it.
    let mut lines = vec![format!(":{chain} - [0:0]")];
    for part in parts {
        for port in part.single_ports() {
            lines.extend(port_lines(&chain, protocol, part, port));
        }
        lines.extend(entry_lines(&chain, owner, part));
    }
    lines
}

fn port_lines(chain: &str, protocol: Protocol, part: &PublishedPorts, port: Port) -> Vec<String> {
    let address = port.host_address.map(|address| format!(" -d {address}"));
    let to = format!(
        "-A {chain} -p {} --dport {}{}",
        port.protocol,
        port.host_port,
        address.unwrap_or_default()
    );
    let marker = part.set_mark_chain.as_deref().unwrap_or(SET_MARK);
    let everywhere = match protocol {
        Protocol::Ipv4 => "0.0.0.0/0",
        Protocol::Ipv6 => "::/0",
    };
    let sources = match (part.source, protocol) {
        (SourceNat::Keep, _) => Vec::new(),
        (SourceNat::All, _) => vec![everywhere.to_owned()],
        (SourceNat::Hairpin, Protocol::Ipv4) => {
            vec![part.container.trunc().to_string(), "127.0.0.1".to_owned()]
        }
        (SourceNat::Hairpin, Protocol::Ipv6) => vec![part.container.trunc().to_string()],
    };
    let marks = sources
        .iter()
        .map(|source| format!("{to} -s {source} -j {marker}"));
    let target = std::net::SocketAddr::new(part.container.addr(), port.container_port);
    marks
        .chain([format!("{to} -j DNAT --to-destination {target}")])
        .collect()
}

fn entry_lines(chain: &str, owner: &Owner, part: &PublishedPorts) -> Vec<String> {
    let (network, container) = (owner.network(), owner.container());
    let mut comment = format!("dnat name: \"{network}\" id: \"{container}\"");
    if comment.len() > MAX_COMMENT {
        comment.truncate(MAX_COMMENT - 2);
        comment.push_str("...");
    }
    let conditions: Vec<String> = part
        .conditions
        .iter()
        .map(|word| format!(" {}", quoted(word)))
        .collect();
    let line = |(transport, ports): (Transport, String)| {
        format!(
            "-A {DNAT} -m comment --comment {} -m multiport -p {transport} --destination-ports {ports}{} -j {chain}",
            quoted(&comment),
            conditions.concat()
        )
    };
    multiports(part).into_iter().map(line).collect()
}

/// The host's ports as multiport takes them, so many for each rule.
fn multiports(part: &PublishedPorts) -> Vec<(Transport, String)> {
    let mut all = Vec::new();
    for transport in Transport::ALL {
        let (mut words, mut count): (Vec<String>, usize) = (Vec::new(), 0);
        let ranges = part
            .ports
            .iter()
            .filter(|range| range.protocol == transport);
        for range in ranges {
            let last = range.host_port.saturating_add(range.count - 1);
            let (word, size) = match range.count {
                1 => (range.host_port.to_string(), 1),
                _ => (format!("{}:{last}", range.host_port), 2),
            };
            if count + size > MAX_PORTS {
                all.push((transport, std::mem::take(&mut words).join(",")));
                count = 0;
            }
            words.push(word);
            count += size;
        }
        if !words.is_empty() {
            all.push((transport, words.join(",")));
        }
    }
    all
}

/// As `iptables-restore` takes a word that may hold anything but the end of a line.
fn quoted(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part::PortRange;

    fn range(host_port: u16, container_port: u16, count: u16) -> PortRange {
        PortRange {
            host_address: None,
            protocol: Transport::Tcp,
            host_port,
            container_port,
            count,
        }
    }

    fn part(container: &str, ports: Vec<PortRange>) -> PublishedPorts {
        PublishedPorts {
            container: container.parse().expect("an address"),
            ports,
            source: SourceNat::Hairpin,
            mark_bit: 13,
            set_mark_chain: None,
            conditions: vec![
                "-m".into(),
                "comment".into(),
                "--comment".into(),
                "a \"b\" \\".into(),
            ],
            localnet: None,
        }
    }

    #[test]
    fn the_lines_of_a_container() {
        let owner = Owner::from_texts("mynet", "c1", "eth0");
        let single = PortRange {
            host_address: Some("192.0.2.1".parse().expect("an address")),
            protocol: Transport::Udp,
            ..range(53, 5353, 1)
        };
        let v4 = part("10.22.0.2/16", vec![range(8080, 80, 2), single]);
        let v6 = part("fd22::2/64", vec![range(8080, 80, 1)]);
        let mut lines = martian_lines();
        lines.extend(mark_lines(13));
        lines.extend(own_lines(&owner, Protocol::Ipv4, &[&v4]));
        lines.extend(own_lines(&owner, Protocol::Ipv6, &[&v6]));
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_rule_takes_fifteen_ports_and_a_range_counts_twice() {
        let ports: Vec<PortRange> = (0..9).map(|number| range(100 * number + 1, 1, 2)).collect();
        let rules = multiports(&part("10.22.0.2/16", ports));
        let lengths: Vec<usize> = rules
            .iter()
            .map(|(_, ports)| ports.split(',').count())
            .collect();
        assert_eq!(lengths, [7, 2]);
        let ports: Vec<PortRange> = (0..16).map(|number| range(2 * number + 1, 1, 1)).collect();
        assert_eq!(multiports(&part("10.22.0.2/16", ports)).len(), 2);
    }
}
