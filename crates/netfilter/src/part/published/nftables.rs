//! Published ports by nf_tables.
//!
//! ```text
//! map ports4     { type inet_proto . inet_service : ipv4_addr . inet_service
//!                  elements = { tcp . 8080 comment "mynet/c1/eth0" : 10.22.0.2 . 80 } }
//! map hostports4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service }
//! set hairpin4-16     { type ipv4_addr . inet_proto . inet_service; elements = { 10.22.0.0 . tcp . 8080 … } }
//! set hosthairpin4-16 { type ipv4_addr . ipv4_addr . inet_proto . inet_service }
//!
//! chain prerouting { type nat hook prerouting priority dstnat + 1; fib daddr type local jump ports }
//! chain output     { type nat hook output priority -99; ip6 daddr ::1 return; fib daddr type local jump ports }
//! chain ports      { meta nfproto ipv4 jump conditional4; meta nfproto ipv4 goto ports4; … }
//! chain ports4     { jump hairpin4
//!                    dnat ip to ip daddr . meta l4proto . th dport map @hostports4
//!                    dnat ip to meta l4proto . th dport map @ports4 }
//! chain hairpin4   { ip saddr & 255.255.0.0 . meta l4proto . th dport @hairpin4-16 jump mark13; … }
//! chain mark13     { meta mark set meta mark | 0x00002000 }
//! chain hairpin    { type nat hook postrouting priority srcnat - 1
//!                    meta mark & 0x00002000 == 0x00002000 ct status dnat masquerade }
//! chain martians   { type filter hook prerouting priority raw; iifname != "lo" ip daddr 127.0.0.0/8 drop; … }
//! ```
//!
//! A port of every address takes an element of `ports4`, one of a single address an element of
//! `hostports4`, which is looked at first. What must come back through the host, so that its answers are
//! translated too, is marked before the translation, since afterwards nobody could tell what the port was:
//! connections from the host's loopback and from the container's own subnet, an element for each port, and
//! with `masqAll` those from everywhere (prefix 0). The number of rules depends on how many lengths of
//! prefixes occur, not on the number of containers.
//!
//! Mappings with conditions, or with another bit for the mark, have maps, sets and a chain of their own for
//! each such list of conditions ([`Class`]), which the chain `conditional4` leads to before the others.
//!
//! What others translate at `dstnat`, such as the addresses of services, is theirs, whoever came first: a port
//! of the host must not take a service's traffic (CVE-2019-9946).
//!
//! Marked and translated connections are masqueraded ahead of `srcnat`: what ipMasq and others decide there
//! about traffic within a subnet would leave the source as it is.
//!
//! # Kernel
//! All sets and maps are hash tables, for the reason given in [`masquerade`](crate::part::masquerade).
//! NAT chains see a connection's first packet only, so neither the mark nor the lookups burden the others.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use linkspan_nft::{Chain, CtStatus, DataType, Element, Field, Hook, Key, Rule, Set, Value};

use super::conditions::Conditions;
use super::{Group, Placed, Port, PublishedPorts, SourceNat};
use crate::inet::{DESTINATION_NAT, IPV4, IPV6, IpVersion, SOURCE_NAT, table};
use crate::owner::hex_sha512;

/// The chains that the kernel calls.
const PREROUTING: &str = "prerouting";
const OUTPUT: &str = "output";
const HAIRPIN: &str = "hairpin";
const MARTIANS: &str = "martians";

/// The chain that they lead to.
const PORTS: &str = "ports";

/// Behind the destination NAT of others.
const LATE_NAT: i32 = DESTINATION_NAT + 1;

/// Ahead of connection tracking (`NF_IP_PRI_RAW`).
const RAW: i32 = -300;

/// The mark's bit unless the configuration says another: that of the reference plugins.
pub(super) const DEFAULT_MARK_BIT: u8 = 13;

/// Whether a set of the table is one of these.
pub(super) fn owns(set: &str) -> bool {
    ["ports", "hostports", "hairpin", "hosthairpin"]
        .iter()
        .any(|name| set.starts_with(name))
}

/// The mappings that share maps, sets and a chain: those of one IP version with the same conditions and mark.
struct Class<'p> {
    version: &'static IpVersion,
    /// What tells its names from those of others; empty for mappings without conditions and with the default mark.
    suffix: String,
    conditions: &'p [String],
    mark_bit: u8,
}

impl<'p> Class<'p> {
    fn of(part: &'p PublishedPorts) -> Self {
        const DIGITS: usize = 12;
        let text = format!("{} {:?}", part.mark_bit, part.conditions);
        let is_plain = part.conditions.is_empty() && part.mark_bit == DEFAULT_MARK_BIT;
        Self {
            version: IpVersion::of(part.container.addr()),
            suffix: match is_plain {
                true => String::new(),
                false => format!("-{}", &hex_sha512(&text)[..DIGITS]),
            },
            conditions: &part.conditions,
            mark_bit: part.mark_bit,
        }
    }

    fn plain(version: &'static IpVersion) -> Self {
        Self {
            version,
            suffix: String::new(),
            conditions: &[],
            mark_bit: DEFAULT_MARK_BIT,
        }
    }

    fn is_plain(&self) -> bool {
        self.suffix.is_empty()
    }

    fn name(&self, of: &str) -> String {
        format!("{of}{}{}", self.version.digit, self.suffix)
    }

    /// The target of a mapping: the container's address and port.
    fn target(&self) -> [DataType; 2] {
        [self.version.address, DataType::InetService]
    }

    /// Ports of every address.
    fn ports(&self) -> Set {
        Set::new(&table(), self.name("ports"), PORT_TYPES)
            .to_values(self.target())
            .comment("ports of the host, whatever its address")
    }

    /// Ports of single addresses.
    fn host_ports(&self) -> Set {
        let [protocol, port] = PORT_TYPES;
        let key = [self.version.address, protocol, port];
        Set::new(&table(), self.name("hostports"), key)
            .to_values(self.target())
            .comment("ports of single addresses of the host")
    }

    /// Where connections come from that are masqueraded on their way to a port: networks of this length.
    fn hairpins(&self, prefix: u8) -> Set {
        let [protocol, port] = PORT_TYPES;
        let name = format!("hairpin{}-{prefix}{}", self.version.digit, self.suffix);
        Set::new(&table(), name, [self.version.address, protocol, port])
            .comment("from where a port's connections are masqueraded")
    }

    fn host_hairpins(&self, prefix: u8) -> Set {
        let [protocol, port] = PORT_TYPES;
        let address = self.version.address;
        let name = format!("hosthairpin{}-{prefix}{}", self.version.digit, self.suffix);
        Set::new(&table(), name, [address, address, protocol, port])
            .comment("the same for ports of single addresses")
    }

    fn ports_chain(&self) -> Chain {
        Chain::regular(&table(), self.name("ports"))
    }

    fn hairpin_chain(&self) -> Chain {
        Chain::regular(&table(), self.name("hairpin"))
    }

    /// What is there whether or not a port is published.
    fn objects(&self) -> [linkspan_nft::Object; 4] {
        [
            self.ports().into(),
            self.host_ports().into(),
            self.ports_chain().into(),
            self.hairpin_chain().into(),
        ]
    }

    /// The rules of its chain.
    fn rules(&self) -> [Rule; 3] {
        let Self { version, .. } = self;
        let chain = self.ports_chain().name;
        let [protocol, port] = PORT_FIELDS;
        let to_address = [version.destination, protocol, port];
        [
            version
                .rule(&chain)
                .jump(self.hairpin_chain().name)
                .comment("what must come back through the host"),
            version
                .rule(&chain)
                .dnat_by_map(version.family, to_address, self.host_ports().name)
                .comment("ports of single addresses"),
            version
                .rule(&chain)
                .dnat_by_map(version.family, PORT_FIELDS, self.ports().name)
                .comment("ports of every address"),
        ]
    }
}

const PORT_TYPES: [DataType; 2] = [DataType::InetProto, DataType::InetService];
const PORT_FIELDS: [Field; 2] = [Field::L4Proto, Field::DestinationPort];

fn conditional_chain(version: &IpVersion) -> Chain {
    Chain::regular(&table(), format!("conditional{}", version.digit))
}

fn mark_chain(bit: u8) -> Chain {
    Chain::regular(&table(), format!("mark{bit}"))
}

/// The networks whose connections to the ports are masqueraded.
fn masqueraded(part: &PublishedPorts) -> Vec<IpNet> {
    let of_length = |prefix| IpNet::new(part.container.addr(), prefix).map(|net| net.trunc());
    match (part.source, part.container) {
        (SourceNat::Keep, _) => Vec::new(),
        (SourceNat::All, _) => of_length(0).into_iter().collect(),
        (SourceNat::Hairpin, IpNet::V6(_)) => vec![part.container.trunc()],
        (SourceNat::Hairpin, IpNet::V4(_)) => {
            let mut networks = vec![loopback_network()];
            // In a subnet as large as this, it would be the same element twice.
            networks.extend(Some(part.container.trunc()).filter(|own| *own != networks[0]));
            networks
        }
    }
}

/// 127.0.0.0/8
fn loopback_network() -> IpNet {
    ipnet::Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8).into()
}

/// The elements of all ports.
pub(super) fn elements(part: &PublishedPorts) -> Vec<Placed> {
    let class = Class::of(part);
    let networks = masqueraded(part);
    part.single_ports()
        .flat_map(|port| port_elements(&class, part.container.addr(), &networks, port))
        .collect()
}

fn port_elements(
    class: &Class<'_>,
    container: IpAddr,
    networks: &[IpNet],
    port: Port,
) -> Vec<Placed> {
    let address = port.host_address.map(Value::from);
    let own = [
        Value::Protocol(port.protocol.number()),
        Value::Port(port.host_port),
    ];
    let key = |network: Option<Value>| -> Key {
        let values = network
            .into_iter()
            .chain(address.clone())
            .chain(own.clone());
        values.collect::<Vec<_>>().into()
    };
    let target = [Value::from(container), Value::Port(port.container_port)];
    let map = match port.host_address {
        None => class.ports(),
        Some(_) => class.host_ports(),
    };
    let mut placed = vec![Placed::new(map, Element::new(key(None)).to_values(target))];
    for network in networks {
        let set = match port.host_address {
            None => class.hairpins(network.prefix_len()),
            Some(_) => class.host_hairpins(network.prefix_len()),
        };
        let from = Value::from(network.network());
        placed.push(Placed::new(set, Element::new(key(Some(from)))));
    }
    placed
}

/// What the elements need.
pub(super) fn groups(part: &PublishedPorts) -> Vec<Group> {
    let class = Class::of(part);
    let networks = masqueraded(part);
    let mut groups = vec![constant_group()];
    if !networks.is_empty() {
        groups.push(mark_group(class.mark_bit));
    }
    if !class.is_plain() {
        groups.push(class_group(&class));
    }
    for network in networks {
        groups.push(hairpin_group(&class, network.prefix_len()));
    }
    groups
}

/// What all published ports share.
fn constant_group() -> Group {
    let regular = |name: &str| Chain::regular(&table(), name);
    let prerouting = Chain::nat(&table(), PREROUTING, Hook::Prerouting, LATE_NAT);
    let output = Chain::nat(&table(), OUTPUT, Hook::Output, LATE_NAT);
    let martians = Chain::filter(&table(), MARTIANS, Hook::Prerouting, RAW);
    let mut objects = vec![table().into(), regular(PORTS).into()];
    let mut chains = vec![
        regular(PORTS),
        prerouting.clone(),
        output.clone(),
        martians.clone(),
    ];
    let mut rules = entry_rules();
    for version in IpVersion::both() {
        let class = Class::plain(version);
        objects.push(conditional_chain(version).into());
        objects.extend(class.objects());
        chains.push(class.ports_chain());
        rules.extend(class.rules());
    }
    objects.extend([output.into(), martians.into()]);
    rules.extend(martian_rules());
    Group {
        objects,
        marker: prerouting.into(),
        chains,
        rules,
    }
}

/// From the kernel's hooks to the chains of each IP version.
fn entry_rules() -> Vec<Rule> {
    let to_this_host = |chain| {
        Rule::new(&table(), chain)
            .to_this_host()
            .jump(PORTS)
            .comment("to an address of this host")
    };
    let mut rules = vec![
        to_this_host(PREROUTING),
        // The kernel does not let what is sent from ::1 leave the host, whatever it is translated to. Left alone,
        // the connection is refused at once, and a client that asked for "localhost" goes on to 127.0.0.1.
        IPV6.rule(OUTPUT)
            .is(IPV6.destination, IPV6.loopback)
            .return_()
            .comment("::1 leads to no container"),
        to_this_host(OUTPUT),
    ];
    for version in IpVersion::both() {
        rules.extend([
            version
                .rule(PORTS)
                .jump(conditional_chain(version).name)
                .comment(format!("{}, mappings with conditions", version.name())),
            version
                .rule(PORTS)
                .goto(Class::plain(version).ports_chain().name)
                .comment(format!("{}, all others", version.name())),
        ]);
    }
    rules
}

/// What no honest neighbour sends, and route_localnet would let in: 127.0.0.0/8 is the host's own.
fn martian_rules() -> [Rule; 2] {
    let net = loopback_network();
    let rule = |field: Field, what: &str| {
        IPV4.rule(MARTIANS)
            .is(field.masked(net.prefix_len()), net.network())
            .is_not(Field::IifName, Value::IfName("lo".into()))
            .drop()
            .comment(format!("{what} 127.0.0.0/8, which is on no wire"))
    };
    [rule(IPV4.destination, "to"), rule(IPV4.source, "from")]
}

/// What all marked with one bit share.
fn mark_group(bit: u8) -> Group {
    let chain = mark_chain(bit);
    let bits = 1 << bit;
    let set = Rule::new(&table(), chain.name.clone())
        .set_mark_bits(bits)
        .comment("to be masqueraded");
    let masquerade = Rule::new(&table(), HAIRPIN)
        .mark_has(bits)
        .ct_status(CtStatus::DNAT)
        .masquerade()
        .comment(format!("marked with bit {bit}"));
    let hairpin = Chain::nat(&table(), HAIRPIN, Hook::Postrouting, SOURCE_NAT - 1);
    Group {
        objects: vec![hairpin.into()],
        marker: chain.clone().into(),
        chains: vec![chain],
        rules: vec![set, masquerade],
    }
}

/// What all mappings with the same conditions share.
fn class_group(class: &Class<'_>) -> Group {
    let chain = class.ports_chain();
    let [ports, host_ports, _, hairpin] = class.objects();
    let from = conditional_chain(class.version);
    let mut rules: Vec<Rule> = class.rules().into();
    // A configuration whose conditions cannot be translated has been refused before it comes to this.
    let alternatives = Conditions::parse(class.conditions).unwrap_or_default();
    let entries = alternatives.rules(class.version, &from.name).into_iter();
    let ends = entries.enumerate().map(|(number, rule)| {
        let comment = format!("conditions {}, {}", &class.suffix[1..], number + 1);
        rule.jump(chain.name.clone()).comment(comment)
    });
    rules.extend(ends);
    Group {
        objects: vec![from.into(), ports, host_ports, hairpin],
        marker: chain.clone().into(),
        chains: vec![chain],
        rules,
    }
}

/// What all ports share whose connections are masqueraded when they come from a network of this length.
fn hairpin_group(class: &Class<'_>, prefix: u8) -> Group {
    let Class { version, .. } = class;
    let (any, single) = (class.hairpins(prefix), class.host_hairpins(prefix));
    let chain = class.hairpin_chain().name;
    let [protocol, port] = PORT_FIELDS.map(Into::into);
    let source = version.source.masked(prefix);
    let mark = mark_chain(class.mark_bit).name;
    let rules = [
        version
            .rule(&chain)
            .in_set([source, protocol, port], any.name.clone())
            .jump(mark.clone())
            .comment(format!("from /{prefix}")),
        version
            .rule(&chain)
            .in_set(
                [source, version.destination.into(), protocol, port],
                single.name.clone(),
            )
            .jump(mark)
            .comment(format!("from /{prefix}, to a single address")),
    ];
    Group {
        objects: vec![class.hairpin_chain().into(), single.into()],
        marker: any.into(),
        chains: Vec::new(),
        rules: rules.into(),
    }
}
