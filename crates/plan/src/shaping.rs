//! Limits on what links send, and redirections of what they receive.
//!
//! One limit for everything is a token bucket (tbf). Where only some traffic is limited it is a tree (htb) of two
//! classes: one that has the limit, and one that has none.

use std::fmt;

use linkspan_kernel::rtnl::tc::{
    Filter, Handle, Htb, HtbClass, Match, Qdisc, QdiscKind, Target, Tbf,
};
use linkspan_kernel::rtnl::{Change, Link, Rtnl};
use linkspan_plugin::Undo;
use linkspan_spec::Error;

use crate::difference::{Difference, unless};
use crate::fault::{explain, gone};
use crate::link::{LinkRef, On};
use crate::namespaces::Namespaces;
use crate::object::Object;
use crate::send::{Batch, Sent};

/// A limit on what a link sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The rate, what may leave at once, and what may wait.
    pub bucket: Tbf,
    /// Burst and queue follow from the rate and the MTU, which may change; so CHECK compares the rate alone.
    pub derived: bool,
    /// What is limited.
    pub traffic: Traffic,
}

/// What the first link receives is sent out of the second, to arrive only then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect(pub LinkRef, pub LinkRef);

/// What a limit is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// Everything.
    All,
    /// These packets alone.
    Only(Vec<Match>),
    /// Everything but these packets.
    Except(Vec<Match>),
}

/// The qdisc of a tree.
const ROOT: Handle = Handle::new(1, 0);
/// The class that has the limit.
const SHAPED: Handle = Handle::new(1, 48);
/// The class that has none.
const UNSHAPED: Handle = Handle::new(1, 1);
/// The queues of the two.
const SHAPED_QUEUE: Handle = Handle::new(48, 0);
const UNSHAPED_QUEUE: Handle = Handle::new(49, 0);

/// More than any link can do, in bits for each second.
const UNLIMITED: u64 = 800_000_000_000;
/// What may leave at once, and may wait, where there is no limit, in bytes: what takes a tenth of a
/// millisecond.
const UNLIMITED_BURST: u32 = 10_000_000;
/// Bytes that a class sends at a turn: nearly the largest packet of segmentation offload.
const QUANTUM: u32 = 60_000;
/// Bytes that may wait in a class at least: two of the largest packets of segmentation offload, which a tree,
/// unlike a bucket, does not take apart.
const SHORTEST_QUEUE: u32 = 2 << 16;

/// Filters of one priority are of one protocol; these are those of the reference.
const IPV6_PRIORITY: u16 = 15;
const IPV4_PRIORITY: u16 = 16;
const REDIRECT_PRIORITY: u16 = 1;

impl Shape {
    fn qdisc(&self) -> Qdisc {
        Qdisc::root(match &self.traffic {
            Traffic::All => QdiscKind::Tbf(self.bucket),
            Traffic::Only(_) => htb(UNSHAPED),
            Traffic::Except(_) => htb(SHAPED),
        })
    }

    /// The classes of a tree; none for a bucket.
    fn classes(&self) -> Vec<HtbClass> {
        if self.traffic == Traffic::All {
            return Vec::new();
        }
        let quantum = Some(QUANTUM);
        vec![
            HtbClass {
                quantum,
                ..HtbClass::new(SHAPED, self.bucket.rate, self.bucket.burst)
            },
            HtbClass {
                quantum,
                ..HtbClass::new(UNSHAPED, UNLIMITED, UNLIMITED_BURST)
            },
        ]
    }

    fn filters(&self) -> Vec<Filter> {
        let (matches, class) = match &self.traffic {
            Traffic::All => return Vec::new(),
            Traffic::Only(matches) => (matches, SHAPED),
            Traffic::Except(matches) => (matches, UNSHAPED),
        };
        let filter = |matches: &Match| Filter {
            parent: ROOT,
            priority: match matches {
                Match::Source(net) | Match::Destination(net) if net.addr().is_ipv6() => {
                    IPV6_PRIORITY
                }
                _ => IPV4_PRIORITY,
            },
            matches: *matches,
            target: Target::Class(class),
        };
        matches.iter().map(filter).collect()
    }

    /// What belongs to the qdisc.
    fn members(&self, index: u32) -> Vec<Change> {
        let mut changes: Vec<Change> = self
            .classes()
            .into_iter()
            .map(|class| Change::AddHtbClass(index, class))
            .collect();
        if !changes.is_empty() {
            // By themselves they would be as long as the link's own queue, which may have no length.
            let queue = |handle, parent, bytes| Qdisc {
                handle,
                parent,
                kind: QdiscKind::Bfifo(bytes),
            };
            let limit = self.bucket.limit.max(SHORTEST_QUEUE);
            let queues = [
                queue(SHAPED_QUEUE, SHAPED, limit),
                queue(UNSHAPED_QUEUE, UNSHAPED, UNLIMITED_BURST),
            ];
            changes.extend(queues.map(|queue| Change::AddQdisc(index, queue)));
        }
        changes.extend(
            self.filters()
                .into_iter()
                .map(|filter| Change::AddFilter(index, filter)),
        );
        changes
    }
}

fn htb(default: Handle) -> QdiscKind {
    QdiscKind::Htb(Htb {
        default_class: default.minor(),
    })
}

fn redirection(to: u32) -> Filter {
    Filter {
        parent: Handle::INGRESS_FILTERS,
        priority: REDIRECT_PRIORITY,
        matches: Match::All,
        target: Target::Redirect(to),
    }
}

impl fmt::Display for On<Shape> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(link, shape) = self;
        write!(f, "limit what {link} sends to {shape}")
    }
}

impl fmt::Display for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(from, to) = self;
        write!(f, "redirect what {from} receives to {to}")
    }
}

impl Object for On<Shape> {
    fn differences(&self, namespaces: &Namespaces) -> Result<Vec<Difference>, Error> {
        let Self(link, wanted) = self;
        let object = format!("the limit on what {link} sends");
        let Some(found) = namespaces.link_if_there(link)? else {
            return Ok(unless(false, object, wanted, "no such link"));
        };
        let rtnl = namespaces.side(link.place)?.rtnl();
        let qdisc = rtnl.qdisc(found.index, Handle::ROOT).map_err(explain)?;
        let classes = match qdisc.as_ref().map(|qdisc| &qdisc.kind) {
            Some(QdiscKind::Htb(_)) => rtnl.htb_classes(found.index).map_err(explain)?,
            _ => Vec::new(),
        };
        let bucket = bucket(qdisc.as_ref(), &classes);
        let is_right = bucket.is_some_and(|bucket| wanted.is_kept_by(&bucket));
        let has = bucket.map_or_else(
            || "none".to_owned(),
            |bucket| describe(&bucket, &wanted.traffic),
        );
        let mut differences = unless(is_right, &object, wanted, has);
        if is_right && wanted.traffic != Traffic::All {
            let filters = rtnl.filters(found.index, ROOT).map_err(explain)?;
            let default = qdisc.is_some_and(|qdisc| qdisc.kind == wanted.qdisc().kind);
            let is_right = default
                && wanted
                    .filters()
                    .iter()
                    .all(|filter| filters.contains(filter));
            differences.extend(unless(is_right, object, wanted, "other subnets"));
        }
        Ok(differences)
    }
}

impl Object for Redirect {
    fn differences(&self, namespaces: &Namespaces) -> Result<Vec<Difference>, Error> {
        let Self(from, to) = self;
        let object = format!("what {from} receives");
        let expected = format!("redirected to {to}");
        let (source, target) = (
            namespaces.link_if_there(from)?,
            namespaces.link_if_there(to)?,
        );
        let (Some(source), Some(target)) = (source, target) else {
            return Ok(unless(false, object, expected, "no such link"));
        };
        let rtnl = namespaces.side(from.place)?.rtnl();
        let filters = rtnl
            .filters(source.index, Handle::INGRESS_FILTERS)
            .map_err(explain)?;
        let target = Target::Redirect(target.index);
        let is_there = filters.iter().any(|filter| filter.target == target);
        Ok(unless(is_there, object, expected, "not redirected"))
    }
}

/// First all qdiscs, and when all of these are ours, what belongs to them.
impl Sent for On<Shape> {
    fn batch(&self) -> Batch {
        Batch::Traffic(self.0.place)
    }

    fn changes(&self, namespaces: &Namespaces) -> Result<Vec<Change>, Error> {
        let index = namespaces.link(&self.0)?.index;
        Ok(vec![Change::AddQdisc(index, self.1.qdisc())])
    }

    fn rest(&self, namespaces: &Namespaces) -> Result<Vec<Change>, Error> {
        Ok(self.1.members(namespaces.link(&self.0)?.index))
    }

    fn after<'a>(&self, namespaces: &'a Namespaces, undo: &mut Undo<'a>) -> Result<(), Error> {
        remove_on_failure(&self.0, Handle::ROOT, namespaces, undo)
    }

    /// A limit of others was in the way, and stays.
    fn in_doubt<'a>(&self, namespaces: &'a Namespaces, undo: &mut Undo<'a>) -> Result<(), Error> {
        let Self(link, shape) = self;
        let (found, rtnl) = (namespaces.link(link)?, namespaces.side(link.place)?.rtnl());
        let shape = shape.clone();
        undo.on_failure(
            format!("the traffic control of {link}"),
            move || match shape.is_of(&found, rtnl)? {
                true => gone(rtnl.change(Change::DeleteQdisc(found.index, Handle::ROOT))),
                false => Ok(()),
            },
        );
        Ok(())
    }
}

impl Sent for Redirect {
    fn batch(&self) -> Batch {
        Batch::Traffic(self.0.place)
    }

    fn changes(&self, namespaces: &Namespaces) -> Result<Vec<Change>, Error> {
        let index = namespaces.link(&self.0)?.index;
        namespaces.link(&self.1)?;
        Ok(vec![Change::AddQdisc(index, Qdisc::ingress())])
    }

    fn rest(&self, namespaces: &Namespaces) -> Result<Vec<Change>, Error> {
        let (from, to) = (namespaces.link(&self.0)?, namespaces.link(&self.1)?);
        Ok(vec![Change::AddFilter(from.index, redirection(to.index))])
    }

    fn after<'a>(&self, namespaces: &'a Namespaces, undo: &mut Undo<'a>) -> Result<(), Error> {
        remove_on_failure(&self.0, Handle::INGRESS, namespaces, undo)
    }

    /// Whoever else looks at what the link receives has filters there.
    fn in_doubt<'a>(&self, namespaces: &'a Namespaces, undo: &mut Undo<'a>) -> Result<(), Error> {
        let link = &self.0;
        let (index, rtnl) = (
            namespaces.link(link)?.index,
            namespaces.side(link.place)?.rtnl(),
        );
        undo.on_failure(format!("the traffic control of {link}"), move || {
            let filters = rtnl.filters(index, Handle::INGRESS_FILTERS);
            match filters.map_err(explain)?.is_empty() {
                true => gone(rtnl.change(Change::DeleteQdisc(index, Handle::INGRESS))),
                false => Ok(()),
            }
        });
        Ok(())
    }
}

fn remove_on_failure<'a>(
    link: &LinkRef,
    parent: Handle,
    namespaces: &'a Namespaces,
    undo: &mut Undo<'a>,
) -> Result<(), Error> {
    let (index, rtnl) = (
        namespaces.link(link)?.index,
        namespaces.side(link.place)?.rtnl(),
    );
    undo.on_failure(format!("the traffic control of {link}"), move || {
        gone(rtnl.change(Change::DeleteQdisc(index, parent)))
    });
    Ok(())
}

/// The bucket of a link: that of its qdisc, or of a tree's class. Versions 1.5 and 1.6 of the reference made a
/// tree in any case.
fn bucket(qdisc: Option<&Qdisc>, classes: &[HtbClass]) -> Option<Tbf> {
    match &qdisc?.kind {
        QdiscKind::Tbf(tbf) => Some(*tbf),
        QdiscKind::Htb(_) => {
            let shaped = classes.iter().find(|class| class.handle == SHAPED)?;
            Some(Tbf {
                rate: shaped.rate,
                burst: shaped.burst,
                limit: 0,
                whole_microseconds: false,
            })
        }
        _ => None,
    }
}

impl Shape {
    /// Whether a link has this limit, or a part of it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn is_of(&self, link: &Link, rtnl: &Rtnl) -> Result<bool, Error> {
        let Some(found) = rtnl.qdisc(link.index, Handle::ROOT).map_err(explain)? else {
            return Ok(false);
        };
        Ok(match found.kind {
            QdiscKind::Tbf(tbf) => self.traffic == Traffic::All && self.is_kept_by(&tbf),
            // One that is being made has no classes yet.
            QdiscKind::Htb(htb) => {
                let default = Handle::new(ROOT.major(), htb.default_class);
                found.handle == ROOT && [SHAPED, UNSHAPED].contains(&default)
            }
            _ => false,
        })
    }

    /// Whether a bucket that was read back is as wanted. Of a class, the queue is not known.
    fn is_kept_by(&self, found: &Tbf) -> bool {
        let limit = if found.limit == 0 || self.derived {
            found.limit
        } else {
            self.bucket.limit
        };
        let burst = if self.derived {
            found.burst
        } else {
            self.bucket.burst
        };
        let wanted = Tbf {
            burst,
            limit,
            ..self.bucket
        };
        wanted.agrees_with(found)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&describe(&self.bucket, &self.traffic))
    }
}

fn describe(bucket: &Tbf, traffic: &Traffic) -> String {
    let Tbf { rate, burst, .. } = bucket;
    let limit = format!("{rate} bit/s, {burst} bytes at once");
    let list = |matches: &[Match]| {
        let matches: Vec<_> = matches.iter().map(ToString::to_string).collect();
        matches.join(", ")
    };
    match traffic {
        Traffic::All => limit,
        Traffic::Only(matches) => format!("{limit}, for {}", list(matches)),
        Traffic::Except(matches) => format!("{limit}, but not for {}", list(matches)),
    }
}
