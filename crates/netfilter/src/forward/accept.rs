//! The rules of an attachment, as nf_tables takes them and as iptables does.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use linkspan_nft::{Connection, Field, Rule, Table};

use super::place::{ADMITTED, PUBLISHED, Place};
use crate::iptables::Protocol;

/// One thing that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Accept {
    /// Answers to this address.
    AnswersTo(IpAddr),
    /// Whatever this address sends.
    SentBy(IpAddr),
    /// Connections that a published port has led to a container.
    Published(Opening),
}

/// Ports of the host that lead to as many of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) container: IpAddr,
    /// The number of their protocol.
    pub(crate) protocol: u8,
    /// The one address of the host that has them.
    pub(crate) host_address: Option<IpAddr>,
    pub(crate) host_ports: RangeInclusive<u16>,
    pub(crate) container_ports: RangeInclusive<u16>,
}

impl Accept {
    pub(super) fn place(&self) -> &'static Place {
        match self {
            Self::AnswersTo(_) | Self::SentBy(_) => &ADMITTED,
            Self::Published(_) => &PUBLISHED,
        }
    }

    /// The container's address.
    pub(crate) fn address(&self) -> IpAddr {
        match self {
            Self::AnswersTo(address) | Self::SentBy(address) => *address,
            Self::Published(opening) => opening.container,
        }
    }

    /// Whether a rule about these addresses can be this one.
    pub(super) fn is_about(&self, source: Option<IpAddr>, destination: Option<IpAddr>) -> bool {
        let end = match self {
            Self::SentBy(_) => source,
            Self::AnswersTo(_) | Self::Published(_) => destination,
        };
        end == Some(self.address())
    }

    /// As `iptables -A` writes it, and its netlink messages say it.
    pub(super) fn rule(&self, table: &Table, owner: &str) -> Rule {
        let rule = Rule::new(table, self.place().chain).owner(owner);
        let [source, destination] = match self.address() {
            IpAddr::V4(_) => [Field::IpSaddr, Field::IpDaddr],
            IpAddr::V6(_) => [Field::Ip6Saddr, Field::Ip6Daddr],
        };
        let rule = match self {
            Self::SentBy(address) => rule.is(source, *address),
            Self::AnswersTo(address) => rule.is(destination, *address).matches(
                Connection {
                    states: Connection::RELATED | Connection::ESTABLISHED,
                    ..Connection::default()
                }
                .to_match(),
            ),
            Self::Published(opening) => rule
                .is(destination, opening.container)
                .matches(opening.connection().to_match()),
        };
        rule.counter().accept()
    }

    /// As `iptables-restore` takes it.
    pub(super) fn line(&self) -> String {
        let conditions = match self {
            Self::SentBy(address) => format!("-s {address}"),
            Self::AnswersTo(address) => {
                format!("-d {address} -m conntrack --ctstate RELATED,ESTABLISHED")
            }
            Self::Published(opening) => opening.conditions(),
        };
        format!("-A {} {conditions} -j ACCEPT", self.place().chain)
    }
}

impl fmt::Display for Accept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SentBy(address) => write!(f, "for what {address} sends"),
            Self::AnswersTo(address) => write!(f, "for what is sent to {address}"),
            Self::Published(opening) => {
                let (host, container) = (&opening.host_ports, &opening.container);
                let (first, last) = (host.start(), host.end());
                write!(
                    f,
                    "for the ports {first} to {last} published for {container}"
                )
            }
        }
    }
}

impl Opening {
    /// What tells connections that this port has led from those that others have: NodePorts, services.
    fn connection(&self) -> Connection {
        Connection {
            states: Connection::DNAT,
            protocol: Some(self.protocol),
            original_destination: self.host_address,
            original_port: Some(self.host_ports.clone()),
            answerer: Some(self.container),
            answering_port: Some(self.container_ports.clone()),
        }
    }

    fn conditions(&self) -> String {
        let ports = |range: &RangeInclusive<u16>| format!("{}:{}", range.start(), range.end());
        let host = self.host_address;
        format!(
            "-d {0} -m conntrack --ctstate DNAT --ctproto {1}{2} --ctorigdstport {3} --ctreplsrc {0} \
             --ctreplsrcport {4}",
            self.container,
            self.protocol,
            host.map_or_else(String::new, |host| format!(" --ctorigdst {host}")),
            ports(&self.host_ports),
            ports(&self.container_ports),
        )
    }
}

/// What an attachment wants of one chain in the filter table of one protocol.
#[derive(Clone, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) protocol: Protocol,
    pub(super) place: &'static Place,
    /// The administrator's chains that are jumped to first.
    pub(super) admin_chains: Vec<&'a str>,
    pub(super) accepts: Vec<&'a Accept>,
}

impl<'a> Wanted<'a> {
    /// What these are in one place, for each protocol that has any.
    pub(super) fn of(
        place: &'static Place,
        accepts: &'a [Accept],
        admin_chains: &[(Protocol, &'a str)],
    ) -> Vec<Self> {
        let of_protocol = |protocol| Self {
            protocol,
            place,
            admin_chains: admin_chains
                .iter()
                .filter(|(of, _)| *of == protocol && place.is_first())
                .map(|(_, chain)| *chain)
                .collect(),
            accepts: accepts
                .iter()
                .filter(|one| Protocol::of(one.address()) == protocol && one.place() == place)
                .collect(),
        };
        Protocol::BOTH
            .map(of_protocol)
            .into_iter()
            .filter(|wanted| !wanted.accepts.is_empty())
            .collect()
    }

    /// Whether a rule about these addresses is about one of the attachment's.
    pub(super) fn concerns(&self, source: Option<IpAddr>, destination: Option<IpAddr>) -> bool {
        self.accepts
            .iter()
            .any(|accept| [source, destination].contains(&Some(accept.address())))
    }

    pub(super) fn describe(&self, rule: impl fmt::Display) -> String {
        let command = self.protocol.command();
        format!("expected a rule {rule} of the filter table of {command}, found none")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_iptables_restore() {
        let container = "10.22.0.2".parse().expect("an address");
        let opening = Opening {
            container,
            protocol: 6,
            host_address: None,
            host_ports: 8080..=8089,
            container_ports: 80..=89,
        };
        let single = Opening {
            host_address: Some("192.0.2.1".parse().expect("an address")),
            protocol: 17,
            ..opening.clone()
        };
        let accepts = [
            Accept::AnswersTo(container),
            Accept::SentBy(container),
            Accept::Published(opening),
            Accept::Published(single),
        ];
        let lines: Vec<String> = accepts.iter().map(Accept::line).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
