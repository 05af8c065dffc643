//! The link that traffic is redirected to in order to be shaped.

use std::fmt;

use linkspan_kernel::rtnl::tc::{Handle, Target};
use linkspan_kernel::rtnl::{Kind, Link, NewLink};
use linkspan_plugin::Undo;
use linkspan_spec::{Error, ErrorCode};

use crate::fault::{explain, explain_step, gone};
use crate::foresee::Outlook;
use crate::imagined::IFF_UP;
use crate::link::{LinkRef, Place};
use crate::lost::undone;
use crate::namespaces::Namespaces;
use crate::object::{Made, Object};

/// A link of the kind ifb on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ifb {
    /// Its name, and others in the order in which they are tried when that is another's.
    pub names: Vec<String>,
    /// Whose it is, written on it.
    pub owner: String,
    /// The link whose traffic will be redirected.
    pub source: LinkRef,
    /// Bytes.
    pub mtu: u32,
}

impl Ifb {
    /// By which a plan speaks of it, whichever name it has got.
    pub fn link(&self) -> LinkRef {
        LinkRef::host(self.names.first().map_or("", String::as_str))
    }
}

/// As it stands after "cannot" or in a list.
impl fmt::Display for Ifb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (link, source) = (self.link(), &self.source);
        write!(f, "create {link}, that shapes what {source} receives")
    }
}

impl Object for Ifb {
    fn foresee(&self, namespaces: &Namespaces) -> Result<Vec<Outlook>, Error> {
        let link = Link {
            name: self.link().name,
            kind: Some("ifb".to_owned()),
            mtu: self.mtu,
            flags: IFF_UP,
            ..Link::default()
        };
        namespaces.imagine(Place::Host, link);
        Ok(vec![
            Outlook::made().why("since a link can make wait only what it sends"),
        ])
    }
}

impl Made for Ifb {
    /// Creates it. Of the same owner there may be one that a killed ADD has left, which is replaced.
    fn make<'a>(&self, namespaces: &'a Namespaces, undo: &mut Undo<'a>) -> Result<(), Error> {
        let rtnl = namespaces.host().rtnl();
        for name in &self.names {
            if let Some(link) = create_one(self, name, namespaces)? {
                let name = name.clone();
                namespaces.host().remember(&self.link().name, link);
                undo.on_failure(format!("the link {name:?}"), move || {
                    gone(rtnl.delete_link(&name))
                });
                return Ok(());
            }
        }
        Err(Error::new(
            ErrorCode::INTERNAL,
            format!(
                "{} exist already and are of others",
                self.names.join(" and ")
            ),
        )
        .with_details("`ip link` shows them; remove those that nobody needs"))
    }
}

/// Creates it under this name; `None` when that is another's.
fn create_one(wanted: &Ifb, name: &str, namespaces: &Namespaces) -> Result<Option<Link>, Error> {
    let rtnl = namespaces.host().rtnl();
    let new = NewLink {
        mtu: Some(wanted.mtu),
        up: true,
        alias: Some(wanted.owner.clone()),
        // As the reference: what waits is in the queues of the shaping.
        tx_queue_len: Some(0),
        ..NewLink::new(name, Kind::Ifb)
    };
    // To look first is enough: runtimes do not work on one container twice at a time.
    match rtnl.link(name) {
        Ok(found) if found.alias.as_ref() == Some(&wanted.owner) => {
            refuse_in_use(wanted, &found, namespaces)?;
            gone(rtnl.delete_link(name))?;
        }
        Ok(_) => return Ok(None),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(explain(error)),
    }
    let made = rtnl.create_link(&new);
    // There was none of this owner before.
    let is_ours =
        |found: &Link| found.is_kind("ifb") && found.alias.as_ref() == Some(&wanted.owner);
    made.map(Some)
        .map_err(|error| undone(error, name, rtnl, is_ours))
        .map_err(|error| explain_step(wanted, &error))
}

/// One that traffic goes through is of an ADD that succeeded.
fn refuse_in_use(wanted: &Ifb, found: &Link, namespaces: &Namespaces) -> Result<(), Error> {
    let source = namespaces.link(&wanted.source)?;
    let filters = namespaces
        .side(wanted.source.place)?
        .rtnl()
        .filters(source.index, Handle::INGRESS_FILTERS)
        .map_err(explain)?;
    let target = Target::Redirect(found.index);
    if filters.iter().all(|filter| filter.target != target) {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::INVALID_ENVIRONMENT,
        format!(
            "{} is shaped already, through {:?}",
            wanted.source, found.name
        ),
    )
    .with_details("detach the container with DEL before it is attached again"))
}
