//! `loopback`: switches the container's `lo` on.
//!
//! The interface of the call is ignored, whatever CNI_IFNAME says: this works on `lo` alone. Every container has one, and
//! no result tells it from another's; so its alias says whose it is.

use std::rc::Rc;

use linkspan_kernel::rtnl::{Change, Link, LinkChange};
use linkspan_netfilter::Owner;
use linkspan_plan::fault::{explain, gone};
use linkspan_plan::{LinkRef, Namespaces, Side};
use linkspan_plugin::config::NoKeys;
use linkspan_plugin::spec::{Error, ErrorCode, Interface, IpConfig, Success};
use linkspan_plugin::{Call, Foreseen, Foresight, Plugin, Role, Undo};

use crate::attach::{Work, owner_of, told};

/// The name of the link.
const LO: &str = "lo";

/// The plugin.
pub struct Loopback;

impl Plugin for Loopback {
    type Config = NoKeys;
    const NAME: &'static str = "loopback";
    const ABOUT: &'static str = "switches the container's loopback interface on";
    const ROLE: Role = Role::Independent;

    fn add(&self, call: &Call<'_, NoKeys>) -> Result<Success, Error> {
        let prev_result = call.prev_result()?;
        let namespaces = crate::attach::namespaces(call)?;
        Work::done(&namespaces, |work| attach(call, prev_result, work))
    }

    fn foresee(
        &self,
        call: &Call<'_, NoKeys>,
        foresight: &mut Foresight,
    ) -> Result<Success, Error> {
        let prev_result = call.prev_result()?;
        told(call, foresight, |work| attach(call, prev_result, work))
    }

    fn check(&self, call: &Call<'_, NoKeys>) -> Result<(), Error> {
        call.prev_result()?;
        let namespaces = crate::attach::namespaces(call)?;
        if namespaces.container()?.link(LO)?.is_up() {
            return Ok(());
        }
        Err(
            Error::new(ErrorCode::INTERNAL, "loopback interface is down").with_details(
                "expected \"lo\" in the container switched on, found it switched off; ADD switches it on",
            ),
        )
    }

    /// Switches `lo` off, in the container's namespace only: the kit has taken the namespace away when
    /// it is the host's, as a path can be once its process has died (kubernetes#100648). One that is marked as
    /// another attachment's stays on for the same reason.
    fn del(&self, call: &Call<'_, NoKeys>) -> Result<(), Error> {
        let Some(namespaces) = crate::attach::namespaces_if_there(call)? else {
            return Ok(());
        };
        let container = namespaces.container()?;
        let link = match container.rtnl().link(LO) {
            Ok(link) => link,
            // Whoever is root in there can have renamed it.
            Err(error) => return gone(Err(error)),
        };
        let alias = link.alias.as_deref();
        let is_own = alias == Some(owner_of(call)?.to_string().as_str());
        if alias.is_some_and(Owner::is_named_by) && !is_own {
            return Ok(());
        }
        let change = LinkChange {
            alias: is_own.then(String::new),
            ..LinkChange::down()
        };
        set(container, &link, change)
    }
}

/// The work of ADD.
fn attach(
    call: &Call<'_, NoKeys>,
    prev_result: Option<Success>,
    work: &mut Work<'_, '_>,
) -> Result<Success, Error> {
    let (namespaces, owner) = (work.namespaces(), owner_of(call)?);
    let told = || {
        let words = "switch on the loopback link \"lo\" in the container";
        let why = "so that its programs reach each other by 127.0.0.1 and ::1";
        Foreseen::made("settings", words).because(why)
    };
    work.act(told, |undo| {
        switch_on(namespaces.container()?, &owner, undo)
    })?;
    let ips = addresses(namespaces)?;
    if let Some(result) = prev_result {
        return Ok(result);
    }
    let lo = Interface::new(LO)
        .with_mac("00:00:00:00:00:00")
        .with_sandbox(call.netns()?.to_string_lossy());
    Ok(Success::default().with_interfaces([lo]).with_ips(ips))
}

/// Switches it on, and writes on it whose it is.
fn switch_on<'n>(container: &'n Side, owner: &Owner, undo: &mut Undo<'n>) -> Result<(), Error> {
    let link = container.link(LO)?;
    // What others have written there stays.
    let is_free = link.alias.as_deref().is_none_or(Owner::is_named_by);
    let alias = move |text: String| is_free.then_some(text);
    let before = Rc::clone(&link);
    undo.on_failure("that \"lo\" is switched on", move || {
        let change = LinkChange {
            alias: alias(before.alias.clone().unwrap_or_default()),
            up: Some(before.is_up()),
            ..LinkChange::default()
        };
        set(container, &before, change)
    });
    let wanted = LinkChange {
        alias: alias(owner.to_string()),
        ..LinkChange::up()
    };
    set(container, &link, wanted)
}

fn set(side: &Side, link: &Link, change: LinkChange) -> Result<(), Error> {
    let change = Change::SetLink(link.index, change);
    side.rtnl().change(change).map_err(explain)
}

/// The first address of each family. Another than a loopback address says that this is no container's
/// loopback interface.
fn addresses(namespaces: &Namespaces) -> Result<Vec<IpConfig>, Error> {
    let link = namespaces.link(&LinkRef::container(LO))?;
    let held = namespaces.addresses_inside(link.index)?;
    let mut ips: Vec<IpConfig> = Vec::new();
    for address in held.iter().map(|address| address.net) {
        if !address.addr().is_loopback() {
            return Err(Error::new(
                ErrorCode::INTERNAL,
                format!(
                    "loopback interface found with non-loopback address {:?}",
                    address.addr().to_string()
                ),
            )
            .with_details("remove the address from \"lo\" in the container's namespace"));
        }
        let is_first = |ip: &IpConfig| ip.address.addr().is_ipv4() != address.addr().is_ipv4();
        if ips.iter().all(is_first) {
            ips.push(IpConfig::new(address).with_interface(0));
        }
    }
    Ok(ips)
}
