//! A tap device in the container.

use std::fmt;
use std::process::Command;

use linkspan_kernel::rtnl::{Change, Link, LinkChange, LinkData};
use linkspan_kernel::tap::NewTap;
use linkspan_kernel::{Error as KernelError, selinux};
use linkspan_plugin::Undo;
use linkspan_spec::{Error, ErrorCode, MacAddr};

use crate::difference::{self, Difference, unless};
use crate::fault::{explain, explain_step, gone};
use crate::foresee::Outlook;
use crate::imagined::ETHERNET_MTU;
use crate::link::{LinkRef, Place};
use crate::namespaces::{Namespaces, Side};
use crate::object::{Made, Object};

/// Where tap devices are asked for.
const DEVICE: &str = "/dev/net/tun";

/// A tap device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tap {
    /// Its name.
    pub name: String,
    /// Whose it is; `None` leaves it without an alias, and compares none.
    pub alias: Option<String>,
    /// Bytes; `None` leaves it to the kernel.
    pub mtu: Option<u32>,
    /// `None` leaves it to the kernel.
    pub mac: Option<MacAddr>,
    /// The number of the user who may attach to it.
    pub owner: Option<u32>,
    /// The number of the group that may attach to it.
    pub group: Option<u32>,
    /// It has several queues.
    pub multi_queue: bool,
    /// The bridge in the container that it is a port of.
    pub bridge: Option<String>,
    /// Its SELinux context.
    pub selinux_context: Option<String>,
}

impl fmt::Display for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "create the tap device {:?} in the container", self.name)
    }
}

/// Whether this host has tap devices.
///
/// # Errors
/// [`ErrorCode::PLUGIN_NOT_AVAILABLE`] when not.
pub fn tap_status() -> Result<(), Error> {
    std::fs::metadata(DEVICE).map(drop).map_err(|error| {
        Error::new(
            ErrorCode::PLUGIN_NOT_AVAILABLE,
            format!("tap devices cannot be made: {DEVICE}: {error}"),
        )
        .with_details("load the kernel's module tun, which makes this file")
    })
}

impl Object for Tap {
    fn differences(&self, namespaces: &Namespaces) -> Result<Vec<Difference>, Error> {
        let link = LinkRef::container(self.name.as_str());
        let Some(found) = namespaces.link_if_there(&link)? else {
            return Ok(difference::missing(&link));
        };
        let is_tap = matches!(found.data, LinkData::Tap { .. });
        let object = format!("the link {link}");
        let mut differences = difference::kind(is_tap, &object, "a tap device", &found);
        if let LinkData::Tap { owner, group, .. } = found.data {
            let show = |id: Option<u32>| id.map_or("nobody".to_owned(), |id| id.to_string());
            let rows = [("owner", self.owner, owner), ("group", self.group, group)];
            for (what, wanted, found) in rows {
                let is_right = wanted.is_none() || wanted == found;
                let object = format!("the {what} of {link}");
                differences.extend(unless(is_right, object, show(wanted), show(found)));
            }
        }
        differences.extend(difference::mac(&link, self.mac, &found));
        if let Some(bridge) = &self.bridge {
            let expected = namespaces.container()?.link_if_there(bridge)?;
            let expected = expected.map(|bridge| bridge.index);
            let is_port = expected.is_some() && found.master == expected;
            let object = format!("the bridge of {link}");
            differences.extend(unless(is_port, object, bridge, "another, or none"));
        }
        differences.extend(difference::mtu(&link, self.mtu, &found));
        Ok(differences)
    }

    fn foresee(&self, namespaces: &Namespaces) -> Result<Vec<Outlook>, Error> {
        tap_status()?;
        namespaces.refuse_taken_name(&self.name)?;
        namespaces.imagine(Place::Container, self.imagined());
        let details = [
            self.owner.map(|id| format!("for user {id}")),
            self.group.map(|id| format!("for group {id}")),
            self.multi_queue.then(|| "with several queues".to_owned()),
            self.bridge
                .as_ref()
                .map(|name| format!("a port of {name:?} in the container")),
            self.selinux_context
                .as_ref()
                .map(|context| format!("with the SELinux context {context}")),
        ];
        let details: Vec<String> = details.into_iter().flatten().collect();
        Ok(vec![Outlook::made().words(
            [vec![self.to_string()], details].concat().join(", "),
        )])
    }
}

impl Tap {
    /// The device as it would be; nobody can tell of a bridge in a container that does not exist yet.
    fn imagined(&self) -> Link {
        Link {
            name: self.name.clone(),
            kind: Some("tun".to_owned()),
            mtu: self.mtu.unwrap_or(ETHERNET_MTU),
            mac: self.mac.map(MacAddr::octets),
            ..Link::default()
        }
    }
}

impl Made for Tap {
    /// Makes the device, switched off.
    fn make<'a>(&self, namespaces: &'a Namespaces, undo: &mut Undo<'a>) -> Result<(), Error> {
        let container = namespaces.container()?;
        let master = self
            .bridge
            .as_deref()
            .map(|bridge| require_bridge(bridge, container))
            .transpose()?;
        let failed = |error: KernelError| explain_step(self, &error);
        match create(self, container)? {
            Err(error) if error.is_exists() => {
                namespaces.refuse_taken_name(&self.name)?;
                return Err(failed(error));
            }
            made => made.map_err(failed)?,
        }
        let name = self.name.clone();
        undo.on_failure(format!("the tap device {name:?}"), move || {
            gone(container.rtnl().delete_link(&name))
        });
        let index = container.rtnl().link(&self.name).map_err(failed)?.index;
        let change = LinkChange {
            alias: self.alias.clone(),
            mtu: self.mtu,
            mac: self.mac.map(|mac| mac.octets()),
            master,
            ..LinkChange::default()
        };
        let change = Change::SetLink(index, change);
        container.rtnl().change(change).map_err(failed)?;
        // With the settings that it has now.
        let made = container.rtnl().link_at(index).map_err(failed)?;
        container.remember(&self.name, made);
        Ok(())
    }
}

fn create(wanted: &Tap, container: &Side) -> Result<Result<(), KernelError>, Error> {
    let Some(context) = &wanted.selinux_context else {
        let new = NewTap {
            owner: wanted.owner,
            group: wanted.group,
            multi_queue: wanted.multi_queue,
            ..NewTap::new(wanted.name.as_str())
        };
        return container.run(|| new.create());
    };
    let Some(netns) = container.netns() else {
        return Ok(Ok(()));
    };
    // Threads of a thread have its context; the program is started by one that is in the container.
    let labelled = selinux::with_exec_context(context, || netns.run(|| by_program(wanted)));
    labelled
        .map_err(|error| not_labelled(context, &error))?
        .map_err(explain)?
        .map(Ok)
}

/// Has a program make the device: the kernel labels it as it labels its maker, and the exec context is
/// that of programs that are started.
fn by_program(wanted: &Tap) -> Result<(), Error> {
    let mut ip = Command::new("ip");
    ip.args(["tuntap", "add", "mode", "tap", "name", &wanted.name]);
    for (word, number) in [("user", wanted.owner), ("group", wanted.group)] {
        if let Some(number) = number {
            ip.args([word, &number.to_string()]);
        }
    }
    if wanted.multi_queue {
        ip.arg("multi_queue");
    }
    let failed = |reason: &str| {
        Error::new(
            ErrorCode::INTERNAL,
            format!("cannot {wanted} by the command ip: {reason}"),
        )
        .with_details("\"selinuxContext\" needs iproute2, and a policy that allows the context")
    };
    let output = ip.output().map_err(|error| failed(&error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim()))
}

fn not_labelled(context: &str, error: &KernelError) -> Error {
    if error.is_unsupported() {
        return Error::new(
            ErrorCode::INVALID_NETWORK_CONFIG,
            format!("\"selinuxContext\" {context:?} cannot be: SELinux is off on this host"),
        )
        .with_details("remove \"selinuxContext\", or switch SELinux on");
    }
    Error::new(ErrorCode::INTERNAL, error.to_string()).with_details(
        "the policy must know the context and allow this plugin to start programs in it",
    )
}

fn require_bridge(name: &str, container: &Side) -> Result<u32, Error> {
    match container.rtnl().link(name) {
        Ok(link) if link.is_kind("bridge") => Ok(link.index),
        Ok(_) => Err(no_bridge(name, "is no bridge")),
        Err(error) if error.is_not_found() => Err(no_bridge(name, "is not there")),
        Err(error) => Err(explain(error)),
    }
}

fn no_bridge(name: &str, why: &str) -> Error {
    Error::new(
        ErrorCode::INVALID_NETWORK_CONFIG,
        format!("failed to get bridge {name:?}: it {why} in the container"),
    )
    .with_details(
        "\"bridge\" names a bridge in the container's namespace, made by an earlier plugin of the chain",
    )
}
