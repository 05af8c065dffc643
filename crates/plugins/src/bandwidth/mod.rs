//! `bandwidth`: limits what the container receives and sends.
//!
//! See [the reference's documentation](https://www.cni.dev/plugins/current/meta/bandwidth/). What the container
//! receives is shaped where the host's end of its link sends it. What it sends is shaped on a link of its own
//! (ifb), out of reach of the container; that link is the only thing that does not go with the container. Its
//! name is made from network and container as the reference makes it, so that either detaches what the other
//! attached, and its alias names the attachment.

pub mod config;
mod leftovers;
mod plan;

use linkspan_kernel::rtnl::tc::{Handle, Target};
use linkspan_kernel::rtnl::{Change, Link, Rtnl};
use linkspan_netfilter::Owner;
use linkspan_plan::fault::{all, explain};
use linkspan_plan::identity;
use linkspan_plan::words;
use linkspan_plan::{Namespaces, On, Step};
use linkspan_plugin::config::Deferred;
use linkspan_plugin::spec::{Error, ErrorCode, Interface, Success};
use linkspan_plugin::{Call, Foresight, Gc, Needs, Plugin, Role};
use linkspan_spans::during;

use crate::attach::owner_of;
use crate::attach::{Work, host_end, host_interface, require_prev_result, told};
use config::Config;
use plan::Chosen;

/// The plugin.
pub struct Bandwidth;

impl Plugin for Bandwidth {
    type Config = Deferred<Config>;
    const NAME: &'static str = "bandwidth";
    const ABOUT: &'static str = "limits what the container receives and sends";
    const ROLE: Role = Role::Chained {
        needs: Needs::HostEnd,
    };

    fn add(&self, call: &Call<'_, Deferred<Config>>) -> Result<Success, Error> {
        let config = call.config.get()?;
        let result = require_prev_result(call, CHAINED)?;
        if config.is_empty() {
            return Ok(result);
        }
        let namespaces = crate::attach::namespaces(call)?;
        Work::done(&namespaces, |work| attach(call, config, result, work))
    }

    fn foresee(
        &self,
        call: &Call<'_, Deferred<Config>>,
        foresight: &mut Foresight,
    ) -> Result<Success, Error> {
        let config = call.config.get()?;
        let result = require_prev_result(call, CHAINED)?;
        if config.is_empty() {
            return Ok(result);
        }
        told(call, foresight, |work| attach(call, config, result, work))
    }

    fn check(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        let config = call.config.get()?;
        require_prev_result(call, "must be called as a chained plugin")?;
        if config.is_empty() {
            return Ok(());
        }
        let namespaces = crate::attach::namespaces(call)?;
        let host = require_host_end(call, &namespaces)?;
        let mut chosen = chosen(&owner_of(call)?, &host);
        if config.egress.is_some()
            && let Some(ifb) = redirected_to(&host, &namespaces)?
        {
            // By whichever name.
            chosen.ifb_names = vec![ifb.name.clone()];
            namespaces.host().remember(&ifb.name.clone(), ifb);
        }
        namespaces.host().remember(&host.name.clone(), host);
        linkspan_plan::check(&plan::plan(config, &chosen), &namespaces)
    }

    /// Removes the limits. The namespace need not be there: what would be left then is the ifb alone, and that
    /// is found by its name.
    fn del(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        let owner = owner_of(call)?;
        let config = call.config.get().ok();
        if config.is_some_and(Config::is_empty) && nothing_was_made(call, &owner) {
            return Ok(());
        }
        let rtnl = Rtnl::open().map_err(explain)?;
        let result = call.prev_result().ok().flatten();
        let ifbs = leftovers::own_ifbs(&owner, result.as_ref(), &rtnl)?;
        // The redirection first: what goes to a link that is gone is lost.
        let lifted = during(
            || "lift the limits",
            || lift(call, config, &owner, !ifbs.is_empty()),
        );
        let removed = during(
            || "remove the links",
            || all(ifbs.iter().map(|link| leftovers::remove(link, &rtnl))),
        );
        all([lifted, removed])
    }

    fn gc(&self, gc: &Gc<'_, Deferred<Config>>) -> Result<(), Error> {
        leftovers::collect(gc.network().as_str(), &gc.valid)
    }

    fn status(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        call.config.get().map(drop)
    }
}

/// What ADD says where there is no plugin before it.
const CHAINED: &str = "must be called as chained plugin";

/// The work of ADD.
fn attach(
    call: &Call<'_, Deferred<Config>>,
    config: &Config,
    mut result: Success,
    work: &mut Work<'_, '_>,
) -> Result<Success, Error> {
    let namespaces = work.namespaces();
    let host = require_host_end(call, namespaces)?;
    let plan = plan::plan(config, &chosen(&owner_of(call)?, &host));
    namespaces.host().remember(&host.name.clone(), host);
    work.apply(&plan)?;
    for planned in &plan.steps {
        if let Step::Ifb(ifb) = &planned.step {
            let link = namespaces.link(&ifb.link())?;
            result.interfaces.push(host_interface(&link));
        }
    }
    Ok(result)
}

fn chosen(owner: &Owner, host: &Link) -> Chosen {
    Chosen {
        host: host.name.clone(),
        mtu: host.mtu,
        owner: owner.to_string(),
        ifb_names: identity::ifb_names(owner).into(),
    }
}

/// The end of the container's interface on the host, where alone traffic can be limited.
fn require_host_end(
    call: &Call<'_, Deferred<Config>>,
    namespaces: &Namespaces,
) -> Result<Link, Error> {
    let ifname = call.ifname()?.as_str();
    let no_peer = format!("container interface {ifname} has no veth peer: ");
    let missing = format!("{no_peer}could not look up {ifname:?}: Link not found");
    let link = words::link(namespaces, ifname, missing)?;
    host_end(namespaces, &link)?.ok_or_else(|| {
        let kind = link.kind.as_deref().unwrap_or("device");
        Error::new(
            ErrorCode::INVALID_NETWORK_CONFIG,
            match kind {
                "veth" => format!("{no_peer}none is in the host's namespace"),
                _ => format!("{no_peer}interface {ifname:?} was not a veth interface"),
            },
        )
        .with_details(format!(
            "it is a {kind}; traffic is limited on the host's end of a veth, as bridge and ptp make it \
             (plugins#656)"
        ))
    })
}

/// The link that what the host's end receives is redirected to.
fn redirected_to(host: &Link, namespaces: &Namespaces) -> Result<Option<Link>, Error> {
    let rtnl = namespaces.host().rtnl();
    let filters = rtnl
        .filters(host.index, Handle::INGRESS_FILTERS)
        .map_err(explain)?;
    let target = filters.iter().find_map(|filter| match filter.target {
        Target::Redirect(index) => Some(index),
        Target::Class(_) => None,
    });
    match target.map(|index| rtnl.link_at(index)) {
        Some(Err(error)) if !error.is_not_found() => Err(explain(error)),
        link => Ok(link.and_then(Result::ok)),
    }
}

/// Whether the result of ADD tells that nothing was made. That of an ADD that failed is not there.
fn nothing_was_made(call: &Call<'_, Deferred<Config>>, owner: &Owner) -> bool {
    let names = identity::ifb_names(owner);
    let is_ifb = |interface: &Interface| names.contains(&interface.name);
    let result = call.prev_result().ok().flatten();
    result.is_some_and(|result| !result.interfaces.iter().any(is_ifb))
}

/// Takes the limits from the host's end, as far as it is there and they are ours: after an ADD that failed, what
/// was in its way is somebody else's.
fn lift(
    call: &Call<'_, Deferred<Config>>,
    config: Option<&Config>,
    owner: &Owner,
    has_ifb: bool,
) -> Result<(), Error> {
    let Some(config) = config else {
        return Ok(());
    };
    let Some(namespaces) = crate::attach::namespaces_if_there(call)? else {
        return Ok(());
    };
    let inside = match namespaces.container()?.rtnl().link(call.ifname()?.as_str()) {
        Ok(link) => link,
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(explain(error)),
    };
    let Some(host) = host_end(&namespaces, &inside)? else {
        return Ok(());
    };
    // An ADD that was refused because the container has such an interface is followed by a DEL, too.
    let is_of_another = |alias: &String| Owner::is_named_by(alias) && *alias != owner.to_string();
    if host.alias.as_ref().is_some_and(is_of_another) {
        return Ok(());
    }
    let rtnl = namespaces.host().rtnl();
    let mut changes = Vec::new();
    for planned in plan::plan(config, &chosen(owner, &host)).steps {
        match planned.step {
            Step::Redirect(..) if has_ifb || redirects_nowhere(&host, rtnl)? => {
                changes.push(Change::DeleteQdisc(host.index, Handle::INGRESS));
            }
            Step::Shape(On(link, shape))
                if link.name == host.name && shape.is_of(&host, rtnl)? =>
            {
                changes.push(Change::DeleteQdisc(host.index, Handle::ROOT));
            }
            _ => {}
        }
    }
    let outcomes = rtnl.commit(&changes).map_err(explain)?;
    all(outcomes.into_iter().map(|outcome| match outcome {
        // ENOENT and EINVAL: there is none, or only what the kernel puts there itself.
        Err(error) if !error.is_not_found() && error.errno() != Some(INVALID) => {
            Err(explain(error))
        }
        _ => Ok(()),
    }))
}

/// Whether what the host's end receives is redirected to a link that is gone.
fn redirects_nowhere(host: &Link, rtnl: &Rtnl) -> Result<bool, Error> {
    let filters = rtnl
        .filters(host.index, Handle::INGRESS_FILTERS)
        .map_err(explain)?;
    let is_gone = |index| rtnl.link_at(index).is_err_and(|error| error.is_not_found());
    // Of a link that is gone the kernel tells the index 0.
    Ok(filters.iter().any(|filter| match filter.target {
        Target::Redirect(index) => index == 0 || is_gone(index),
        Target::Class(_) => false,
    }))
}

/// `EINVAL`
const INVALID: i32 = 22;
