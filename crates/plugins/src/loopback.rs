//! `loopback`: switches the container's `lo` on.
//!
//! The interface of the call is ignored, whatever CNI_IFNAME says: this works on `lo` alone. Every container has one, and
//! no result tells it from another's; so its alias says whose it is.

use linkspan_kernel::rtnl::{Change, Link, LinkChange};
use linkspan_netfilter::Owner;
use linkspan_plan::Side;
use linkspan_plan::fault::{explain, gone};
use linkspan_plugin::config::NoKeys;
use linkspan_plugin::spec::{Error, ErrorCode, Interface, IpConfig, Success};
use linkspan_plugin::{Call, Plugin, Role, Undo};

use crate::attach::owner_of;

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
        let container = namespaces.container()?;
        let link = container.link(LO)?;
        let owner = owner_of(call)?.to_string();
        // What others have written there stays.
        let is_free = link.alias.as_deref().is_none_or(Owner::is_named_by);
        let alias = |text: String| is_free.then_some(text);
        let mut undo = Undo::new();
        undo.on_failure("that \"lo\" is switched on", || {
            let before = LinkChange {
                alias: alias(link.alias.clone().unwrap_or_default()),
                up: Some(link.is_up()),
                ..LinkChange::default()
            };
            set(container, &link, before)
        });
        let wanted = LinkChange {
            alias: alias(owner),
            ..LinkChange::up()
        };
        set(container, &link, wanted)?;
        let ips = addresses(container, &link)?;
        undo.commit();
        if let Some(result) = prev_result {
            return Ok(result);
        }
        Ok(Success {
            interfaces: vec![Interface {
                name: LO.to_owned(),
                mac: "00:00:00:00:00:00".to_owned(),
                sandbox: call.netns()?.to_string_lossy().into_owned(),
                ..Interface::default()
            }],
            ips,
            ..Success::default()
        })
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

fn set(side: &Side, link: &Link, change: LinkChange) -> Result<(), Error> {
    let change = Change::SetLink(link.index, change);
    side.rtnl().change(change).map_err(explain)
}

/// The first address of each family. Another than a loopback address says that this is no container's
/// loopback interface.
fn addresses(side: &Side, link: &Link) -> Result<Vec<IpConfig>, Error> {
    let held = side.rtnl().addresses(link.index).map_err(explain)?;
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
            ips.push(IpConfig {
                interface: Some(0),
                address,
                gateway: None,
            });
        }
    }
    Ok(ips)
}
