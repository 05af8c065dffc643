//! What is done: operations of several workers, as data, as text that people read, and drawn from a seed.
//!
//! ```text
//! # seed 17
//! 1 add c4 lan port=8001 by=ours
//! 2 add c7 tool by=ours kill=1800us
//! 1 lose c4
//! * reboot
//! 2 del c7 tool by=reference
//! ```
//!
//! A line begins with the worker that does it; workers run at the same time, each its lines one after the other. `*` is done by
//! nobody: all workers have ended before it, and go on behind it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A network of the host; `Networks` has their configurations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Net {
    /// `bridge`, masqueraded, `portmap`, `firewall`; eight addresses.
    Lan,
    /// `bridge` on the bridge of [`Net::Lan`], dual stack; the second interface of its containers.
    Also,
    /// `ptp`, masqueraded, `portmap`.
    Ptp,
    /// As [`Net::Lan`] on a bridge of its own, attached by the runtime library behind `linkspan add`, with its cache and locks.
    Tool,
}

/// Whose plugins do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// The release that is tested.
    Ours,
    /// A release of Linkspan before it.
    Old,
    /// The reference's, as Debian ships them.
    Reference,
}

/// What is attached: a container to a network. Each network has an interface name of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Attachment {
    pub(crate) container: u16,
    pub(crate) net: Net,
}

/// An operation. All but the last three are asked of plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Add(Attachment, Option<u16>),
    Check(Attachment),
    Del(Attachment),
    Gc(Net),
    Status(Net),
    /// `linkspan reconcile`.
    Reconcile,
    /// The container's namespace is deleted behind everybody's back.
    Lose(u16),
    /// Somebody's `nft flush ruleset`.
    FlushNft,
    /// Somebody's `iptables -F`, `-X`, of the tables nat and filter.
    FlushIptables,
}

/// An operation, by whom, and after what time its process is killed by SIGKILL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) worker: u16,
    pub(crate) op: Op,
    pub(crate) who: Who,
    pub(crate) kill: Option<Duration>,
}

/// A line of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Step(Step),
    /// Another boot: no links, no namespaces, nothing in memory; what is on disk stays.
    Reboot,
    /// All workers wait for each other.
    Wait,
}

/// A whole schedule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Schedule(pub(crate) Vec<Line>);

impl Net {
    pub(crate) const ALL: [Self; 4] = [Self::Lan, Self::Also, Self::Ptp, Self::Tool];

    /// Its name, as configurations have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lan => "lan",
            Self::Also => "also",
            Self::Ptp => "ptp",
            Self::Tool => "tool",
        }
    }

    /// The interface that its containers have.
    pub(crate) fn ifname(self) -> &'static str {
        match self {
            Self::Also => "net1",
            _ => "eth0",
        }
    }

    /// How many addresses a container has of it.
    pub(crate) fn addresses(self) -> usize {
        match self {
            Self::Also => 2,
            Self::Lan | Self::Ptp | Self::Tool => 1,
        }
    }

    /// How many containers have room in it.
    pub(crate) fn capacity(self) -> usize {
        match self {
            Self::Lan | Self::Tool => 8,
            Self::Also => 6,
            Self::Ptp => 5,
        }
    }
}

impl Who {
    /// Its name in schedules and counts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Old => "old",
            Self::Reference => "reference",
        }
    }
}

impl Op {
    /// Its word in schedules and counts.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Add(..) => "add",
            Self::Check(_) => "check",
            Self::Del(_) => "del",
            Self::Gc(_) => "gc",
            Self::Status(_) => "status",
            Self::Reconcile => "reconcile",
            Self::Lose(_) => "lose",
            Self::FlushNft => "flush-nft",
            Self::FlushIptables => "flush-iptables",
        }
    }

    /// Whether it is a process that may be of several builds, and be killed.
    pub(crate) fn is_process(self) -> bool {
        !matches!(self, Self::Lose(_) | Self::FlushNft | Self::FlushIptables)
    }
}

impl Schedule {
    /// What is done by somebody.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.0.iter().filter_map(|line| match line {
            Line::Step(step) => Some(step),
            Line::Reboot | Line::Wait => None,
        })
    }

    /// Whether anything is done by these plugins.
    pub(crate) fn has(&self, who: Who) -> bool {
        self.steps().any(|step| step.who == who)
    }
}

impl fmt::Display for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{} {}", self.container, self.net.name())
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = self.verb();
        match self {
            Self::Add(at, Some(port)) => write!(f, "{verb} {at} port={port}"),
            Self::Add(at, None) | Self::Check(at) | Self::Del(at) => write!(f, "{verb} {at}"),
            Self::Gc(net) | Self::Status(net) => write!(f, "{verb} {}", net.name()),
            Self::Lose(container) => write!(f, "{verb} c{container}"),
            Self::Reconcile | Self::FlushNft | Self::FlushIptables => f.write_str(verb),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.worker, self.op)?;
        if self.op.is_process() {
            write!(f, " by={}", self.who.name())?;
        }
        if let Some(after) = self.kill {
            write!(f, " kill={}us", after.as_micros())?;
        }
        Ok(())
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.0 {
            match line {
                Line::Step(step) => writeln!(f, "{step}")?,
                Line::Reboot => writeln!(f, "* reboot")?,
                Line::Wait => writeln!(f, "* wait")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Schedule {
    type Err = String;

    /// Reads what `Display` writes; empty lines and such as begin with `#` are for people.
    fn from_str(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim);
        lines
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| parse_line(line).ok_or_else(|| format!("no line of a schedule: {line:?}")))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn parse_line(line: &str) -> Option<Line> {
    let (options, words): (Vec<&str>, Vec<&str>) =
        line.split_whitespace().partition(|word| word.contains('='));
    let option = |name: &str| {
        let mut values = options.iter().filter_map(|word| word.split_once('='));
        values.find_map(|(key, value)| (key == name).then_some(value))
    };
    let container = |word: &str| word.strip_prefix('c')?.parse::<u16>().ok();
    let net = |word: &str| Net::ALL.into_iter().find(|net| net.name() == word);
    let at = |word: &str, name: &str| {
        Some(Attachment {
            container: container(word)?,
            net: net(name)?,
        })
    };
    let op = match words[..] {
        ["*", "reboot"] => return Some(Line::Reboot),
        ["*", "wait"] => return Some(Line::Wait),
        [_, "add", word, name] => {
            let port = option("port").map(str::parse).transpose().ok()?;
            Op::Add(at(word, name)?, port)
        }
        [_, "check", word, name] => Op::Check(at(word, name)?),
        [_, "del", word, name] => Op::Del(at(word, name)?),
        [_, "gc", name] => Op::Gc(net(name)?),
        [_, "status", name] => Op::Status(net(name)?),
        [_, "reconcile"] => Op::Reconcile,
        [_, "lose", word] => Op::Lose(container(word)?),
        [_, "flush-nft"] => Op::FlushNft,
        [_, "flush-iptables"] => Op::FlushIptables,
        _ => return None,
    };
    let by = option("by").unwrap_or("ours");
    let kill = option("kill").map(|time| time.strip_suffix("us")?.parse().ok());
    Some(Line::Step(Step {
        worker: words.first()?.parse().ok()?,
        op,
        who: [Who::Ours, Who::Old, Who::Reference]
            .into_iter()
            .find(|who| who.name() == by)?,
        kill: match kill {
            Some(micros) => Some(Duration::from_micros(micros?)),
            None => None,
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let text = "1 add c4 lan port=8001 by=ours\n2 add c7 tool by=old kill=1800us\n1 check c4 lan by=ours\n1 lose c4\n\
                    * reboot\n2 del c7 tool by=reference\n* wait\n3 gc ptp by=ours kill=12us\n3 status also by=ours\n\
                    3 reconcile by=ours\n4 flush-nft\n4 flush-iptables\n";
        let schedule: Schedule = text.parse().unwrap();
        assert_eq!(schedule.to_string(), text);
        let commented = format!("# seed 5\n\n{text}");
        assert_eq!(commented.parse(), Ok(schedule));
    }

    #[test]
    fn what_is_no_schedule_is_told() {
        for line in [
            "1 add c4",
            "1 add 4 lan",
            "1 add c4 wan",
            "x lose c4",
            "1 lose c4 by=nobody",
            "1 gc lan kill=2ms",
            "* halt",
            "1 add c4 lan port=many",
        ] {
            let told = line.parse::<Schedule>().unwrap_err();
            assert!(told.contains(line), "{told}");
        }
    }
}
