//! What was looked at, and what came of it.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// Who sends or receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// The first container.
    First,
    /// The second container.
    Second,
    /// The host itself, by one of its addresses that is none of the network's.
    Host,
    /// The gateway of the network, an address of the host.
    Gateway,
    /// A namespace that plays the world outside.
    Outside,
    /// An address in the world outside that somebody named.
    World,
}

impl Who {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "c1",
            Self::Second => "c2",
            Self::Host => "host",
            Self::Gateway => "gateway",
            Self::Outside | Self::World => "outside",
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What of the network is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aspect {
    /// ADD.
    Attach,
    /// The container's interface: it is up, with the result's addresses and MTU.
    Interface,
    /// CHECK.
    Check,
    /// What the result says of name resolution; told, not tried.
    Dns,
    /// From one container to the other.
    Neighbour,
    /// From a container to its gateway.
    Gateway,
    /// From the host to a container.
    FromHost,
    /// From a container to the host.
    ToHost,
    /// From a container to the world outside.
    Outside,
    /// To a port of the host that leads to a container's.
    Published,
    /// The largest packet.
    Mtu,
    /// The rate of what a container receives or sends.
    Limit,
    /// DEL.
    Detach,
    /// DEL once more.
    DetachAgain,
    /// What is left after DEL.
    Left,
}

impl Aspect {
    /// Its name for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attach => "attach",
            Self::Interface => "interface",
            Self::Check => "check",
            Self::Dns => "dns",
            Self::Neighbour => "neighbour",
            Self::Gateway => "gateway",
            Self::FromHost => "fromHost",
            Self::ToHost => "toHost",
            Self::Outside => "outside",
            Self::Published => "published",
            Self::Mtu => "mtu",
            Self::Limit => "limit",
            Self::Detach => "detach",
            Self::DetachAgain => "detachAgain",
            Self::Left => "left",
        }
    }
}

/// What the network promises of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// It passes.
    #[default]
    Passes,
    /// It does not.
    Blocked,
}

/// How a check came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As promised.
    Passed,
    /// Otherwise.
    Failed {
        /// Why, as far as it can be told.
        why: String,
        /// What to do.
        next: Option<String>,
    },
    /// It was not tried, for this reason.
    Skipped(String),
}

/// Something that was looked at, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What of the network.
    pub aspect: Aspect,
    /// Who sent, or whom it is about.
    pub from: Option<Who>,
    /// To whom.
    pub to: Option<Who>,
    /// To which address.
    pub address: Option<IpAddr>,
    /// To which port of it.
    pub port: Option<u16>,
    /// `icmp`, `tcp` or `udp`.
    pub protocol: Option<&'static str>,
    /// What was promised.
    pub expected: Expected,
    /// What came of it.
    pub outcome: Outcome,
    /// The source address that was seen by the receiver.
    pub seen_as: Option<IpAddr>,
    /// How long it took.
    pub elapsed: Option<Duration>,
    /// What else there is to say.
    pub detail: String,
}

impl Check {
    /// A check of something that passed, unless it is said otherwise.
    pub fn new(aspect: Aspect) -> Self {
        Self {
            aspect,
            from: None,
            to: None,
            address: None,
            port: None,
            protocol: None,
            expected: Expected::Passes,
            outcome: Outcome::Passed,
            seen_as: None,
            elapsed: None,
            detail: String::new(),
        }
    }

    /// The same about a container, or from it.
    #[must_use]
    pub fn of(mut self, who: Who) -> Self {
        self.from = Some(who);
        self
    }

    /// The same with what else there is to say.
    #[must_use]
    pub fn detail(mut self, words: impl Into<String>) -> Self {
        self.detail = words.into();
        self
    }

    /// The same, which took so long.
    #[must_use]
    pub fn took(mut self, elapsed: Duration) -> Self {
        self.elapsed = Some(elapsed);
        self
    }

    /// The same, which came out so.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// The same, which failed.
    #[must_use]
    pub fn failed(self, why: impl Into<String>, next: Option<String>) -> Self {
        self.outcome(Outcome::Failed {
            why: why.into(),
            next,
        })
    }

    /// The same, which was not tried.
    #[must_use]
    pub fn skipped(self, why: impl Into<String>) -> Self {
        self.outcome(Outcome::Skipped(why.into()))
    }

    /// What it is about in words, such as `c1 → c2 10.22.0.3`.
    pub fn subject(&self) -> String {
        let who = self.from.map_or_else(String::new, |who| who.to_string());
        let verb = match self.aspect {
            Aspect::Attach => "ADD",
            Aspect::Interface => "interface of",
            Aspect::Check => "CHECK",
            Aspect::Dns => "DNS of",
            Aspect::Detach => "DEL",
            Aspect::DetachAgain => "DEL again",
            Aspect::Left => "left of",
            _ => return self.way(),
        };
        format!("{verb} {who}").trim_end().to_owned()
    }

    fn way(&self) -> String {
        let name = |who: Option<Who>| who.map_or("", Who::name);
        let address = match (self.address, self.port) {
            (Some(IpAddr::V6(address)), Some(port)) => format!(" [{address}]:{port}"),
            (Some(address), Some(port)) => format!(" {address}:{port}"),
            (Some(address), None) => format!(" {address}"),
            (None, _) => String::new(),
        };
        let published = match (self.aspect, self.protocol) {
            (Aspect::Published, Some(protocol)) => format!(" by {protocol}"),
            _ => String::new(),
        };
        format!(
            "{} → {}{published}{address}",
            name(self.from),
            name(self.to)
        )
    }
}
