//! What an attachment can want of netfilter. Each kind has a module of its own that says all there is to
//! say about it; here is only which module that is.
//!
//! A new kind takes a module with a [`Want`] and a [`Nature`], a variant of [`Part`] and one of [`Kind`],
//! and a line each in [`Part::want`], [`Part::kind`], [`Kind::nature`] and [`Kind::ALL`].

mod admission;
mod confinement;
mod masquerade;
pub(super) mod passage;
mod published;
mod spoof_guard;

use std::fmt;

use linkspan_nft::{Chain, Table};
use linkspan_spec::Error;
use serde::{Deserialize, Serialize};

pub use admission::Admission;
pub use confinement::{Confinement, PortIsolation};
pub use masquerade::Masquerade;
pub(crate) use published::PORT_TAKEN;
#[cfg(feature = "fuzzing")]
pub(crate) use published::published_in;
pub use published::{
    Conditions, NotUnderstood, Port, PortRange, PublishedPorts, SourceNat, Transport,
};
pub use spoof_guard::SpoofGuard;

use super::backend::Backend;
use super::foresee::Foreseen;
use super::group::{Group, Placed};
use super::head::Head;
use super::owner::Owner;
use super::records::Records;

/// What one plugin made for one attachment.
pub type Record = crate::record::Record<Part>;

/// One thing that an attachment wants of netfilter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    /// The container's address is hidden behind the host's.
    Masquerade(Masquerade),
    /// The container sends from its own MAC address only.
    SpoofGuard(SpoofGuard),
    /// Ports of the host lead to the container.
    PublishedPorts(PublishedPorts),
    /// The host forwards for the container.
    Admission(Admission),
    /// The container's bridge is out of reach of others.
    Confinement(Confinement),
    /// The container is out of reach of its neighbours.
    PortIsolation(PortIsolation),
}

/// The kinds of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`Part::Masquerade`]
    Masquerade,
    /// [`Part::SpoofGuard`]
    SpoofGuard,
    /// [`Part::PublishedPorts`]
    PublishedPorts,
    /// [`Part::Admission`]
    Admission,
    /// [`Part::Confinement`]
    Confinement,
    /// [`Part::PortIsolation`]
    PortIsolation,
}

impl Part {
    pub(super) fn want(&self) -> &dyn Want {
        match self {
            Self::Masquerade(part) => part,
            Self::SpoofGuard(part) => part,
            Self::PublishedPorts(part) => part,
            Self::Admission(part) => part,
            Self::Confinement(part) => part,
            Self::PortIsolation(part) => part,
        }
    }

    /// The container's address that it is for, if it is for one.
    pub(super) fn address(&self) -> Option<std::net::IpAddr> {
        match self {
            Self::Masquerade(part) => Some(part.address.addr()),
            Self::PublishedPorts(part) => Some(part.container.addr()),
            Self::Admission(part) => Some(part.address),
            Self::SpoofGuard(_) | Self::Confinement(_) | Self::PortIsolation(_) => None,
        }
    }

    /// Which kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Masquerade(_) => Kind::Masquerade,
            Self::SpoofGuard(_) => Kind::SpoofGuard,
            Self::PublishedPorts(_) => Kind::PublishedPorts,
            Self::Admission(_) => Kind::Admission,
            Self::Confinement(_) => Kind::Confinement,
            Self::PortIsolation(_) => Kind::PortIsolation,
        }
    }
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 6] = [
        Self::Masquerade,
        Self::SpoofGuard,
        Self::PublishedPorts,
        Self::Admission,
        Self::Confinement,
        Self::PortIsolation,
    ];

    /// What is so of all parts of this kind.
    pub(super) fn nature(self) -> &'static dyn Nature {
        match self {
            Self::Masquerade => &masquerade::Nature,
            Self::SpoofGuard => &spoof_guard::Nature,
            Self::PublishedPorts => &published::Nature,
            Self::Admission => &admission::Nature,
            Self::Confinement => &confinement::Nature,
            Self::PortIsolation => &confinement::PortNature,
        }
    }

    /// How parts of this kind are set up in what others own, if that is what `backend` does with them.
    pub(super) fn beyond(self, backend: Backend) -> Option<&'static dyn Beyond> {
        self.nature().beyond(backend)
    }
}

/// One part: what it is in nf_tables, and what it does as that stands after "cannot" or in a list.
pub(super) trait Want: fmt::Display {
    /// What belongs to this attachment alone. The owner is added as the comment.
    fn elements(&self) -> Vec<Placed>;

    /// What its elements need: what many attachments share.
    fn groups(&self) -> Vec<Group>;

    /// What it does, for people who ask before it is set up.
    fn told(&self) -> String {
        self.to_string()
    }

    /// What else they should know.
    fn aside(&self) -> Option<String> {
        None
    }

    /// What is done beside it, outside of tables.
    fn beside(&self) -> Option<Foreseen> {
        None
    }

    /// The error of [`reserve`](Self::reserve) for an attachment of this owner, as far as the records tell; nothing is taken
    /// or locked.
    fn refuse_taken(&self, _owner: &Owner) -> Result<(), Error> {
        Ok(())
    }

    /// Takes, before anything is set up, what only one attachment can have.
    ///
    /// The error names who has it.
    fn reserve(&self, _holder: &Holder<'_>) -> Result<Reserved, Error> {
        Ok(Reserved::Whole)
    }

    /// The chains of others whose rules may be in its way.
    fn rivals(&self) -> Vec<Chain> {
        Vec::new()
    }

    /// Removes what is in its way and belongs to nobody any more.
    ///
    /// The error names whose it is.
    fn clear_way(&self, _holder: &Holder<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// What is in its way, a sentence each.
    fn obstacles(&self, _holder: &Holder<'_>) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    /// Does, after it was set up by either backend, what is not in tables.
    fn settle(&self, _holder: &Holder<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// What is not as `settle` leaves it, a sentence each.
    fn unsettled(&self) -> Vec<String> {
        Vec::new()
    }

    /// Leaves what this backend set up to the reference plugins: what is not in tables they would have done as well, and what
    /// they do not know goes, unless the container needs it.
    fn hand_over(&self, _holder: &Holder<'_>, _backend: Backend) -> Result<(), Error> {
        Ok(())
    }

    /// What of it neither this attachment nor another of the same container has reserved, a sentence each.
    fn unreserved(&self, _holder: &Holder<'_>) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    /// Does, after it was removed, what is not in tables; gives back what was reserved, and returns those who have
    /// waited for that.
    fn leave(&self, _holder: &Holder<'_>) -> Result<Vec<Head>, Error> {
        Ok(Vec::new())
    }
}

/// An attachment that wants a part.
pub(super) struct Holder<'a> {
    pub(super) owner: &'a Owner,
    /// The name of its record.
    pub(super) record: String,
    pub(super) records: &'a Records,
}

/// What came of reserving.
pub(super) enum Reserved {
    /// All that the part is about.
    Whole,
    /// No more than this, or nothing: the rest is another attachment's of the same container.
    Partly(Option<Part>),
    /// These have it, and their containers are gone.
    HeldByDead(Vec<Head>),
}

/// What is so of all parts of a kind.
pub(super) trait Nature: Sync {
    /// The table that its sets are in.
    fn table(&self) -> Table;

    /// Whether the set of this name in its table is one of its own.
    fn owns(&self, set: &str) -> bool;

    /// How this backend does it in what others own; `None` when it leaves this kind to tables of ours.
    fn beyond(&self, _backend: Backend) -> Option<&dyn Beyond> {
        None
    }

    /// Whether several attachments of a container may want the same, of which one gets it.
    fn is_shared_within_container(&self) -> bool {
        false
    }

    /// Whether what the reference plugins make for an attachment is there, for all of these parts and whatever
    /// made it.
    fn has_reference(&self, owner: &Owner, parts: &[Part]) -> Result<bool, Error>;

    /// Removes what the reference plugins made for an attachment, whatever made it. `parts` are those that
    /// are known of it.
    fn remove_reference(&self, owner: &Owner, parts: &[Part]) -> Result<(), Error>;

    /// Puts back what all attachments but this one lack, after somebody has removed what they share. Whoever calls this holds
    /// no record: two who each wait for the other's would wait for ever.
    fn restore_others(&self, _owner: &Owner) -> Result<(), Error> {
        Ok(())
    }

    /// Sets up anew what an earlier version has set up in another way. No record is held, as above.
    fn replace_former(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Forgets what is kept beside the records for attachments that have none.
    fn tidy(&self, _records: &Records) -> Result<(), Error> {
        Ok(())
    }

    /// Removes what the reference plugins made for a network's attachments other than these, as far as
    /// that can be told apart.
    fn collect_reference(&self, _network: &str, _valid: &[Owner]) -> Result<(), Error> {
        Ok(())
    }

    /// Undoes what stays as long as there is any attachment with a part of this kind, once there is none.
    fn restore(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// A kind of parts, set up in what others own: the tables of iptables with the reference plugins' chains, firewalld's
/// zones.
///
/// The chain of a container is named by the network and the container, not by the interface, so all
/// attachments of one container to one network share it: `siblings` are the parts of the others.
pub(super) trait Beyond {
    fn install(&self, owner: &Owner, parts: &[Part], siblings: &[Part])
    -> Result<Installed, Error>;

    fn remove(&self, owner: &Owner, parts: &[Part], siblings: &[Part]) -> Result<(), Error>;

    /// What is not as it is after `install`, a sentence each.
    fn differences(&self, owner: &Owner, parts: &[Part]) -> Result<Vec<String>, Error>;
}

/// What came of setting up parts in what others own.
#[derive(Debug, Default)]
pub(super) struct Installed {
    /// What people should know of it, a sentence each.
    pub(super) notices: Vec<String>,
    /// What all attachments share was not there, so others lack theirs, too.
    pub(super) others_lack: bool,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.want().fmt(f)
    }
}

/// The elements of all parts, each once.
pub(super) fn elements(parts: &[Part]) -> Vec<Placed> {
    unique(parts.iter().flat_map(|part| part.want().elements()))
}

/// What the elements of all parts need, each once.
pub(super) fn groups(parts: &[Part]) -> Vec<Group> {
    unique(parts.iter().flat_map(|part| part.want().groups()))
}

/// The kinds of these parts, each once.
pub(super) fn kinds(parts: &[Part]) -> Vec<Kind> {
    unique(parts.iter().map(Part::kind))
}

/// The items in order, each once. They are a handful.
pub(super) fn unique<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    items.fold(Vec::new(), |mut kept, item| {
        if !kept.contains(&item) {
            kept.push(item);
        }
        kept
    })
}
