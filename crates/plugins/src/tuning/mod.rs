//! `tuning`: adjusts kernel parameters of the container's namespace and settings of its interface.
//!
//! See [the reference's documentation](https://www.cni.dev/plugins/current/meta/tuning/). The settings that are
//! replaced are kept in a file (`backup.rs`) and put back by DEL. Kernel parameters are not: they go with the
//! namespace.

pub mod allowlist;
mod backup;
pub mod config;
mod sysctl;

use linkspan_kernel::rtnl::Link;
use linkspan_plan::words;
use linkspan_plan::{
    self as plan, LinkRef, Namespaces, On, Place, Plan, Settings, Step, Sysctl, apply,
};
use linkspan_plugin::config::Deferred;
use linkspan_plugin::spec::{Error, ErrorCode, Interface, Success, Version};
use linkspan_plugin::{Call, Foreseen, Foresight, Gc, Needs, Plugin, Role, Undo, warn};

use crate::attach::owner_of;
use crate::attach::{PREV_RESULT_MISSING, Work, host_end, mac, require_prev_result, told};
use backup::Backup;
use config::Config;

/// The plugin.
pub struct Tuning;

impl Plugin for Tuning {
    type Config = Deferred<Config>;
    const NAME: &'static str = "tuning";
    const ABOUT: &'static str = "adjusts the container's kernel parameters and interface settings";
    const ROLE: Role = Role::Chained {
        needs: Needs::Interface,
    };
    const ARGS: Option<&'static [&'static str]> = Some(&["MAC"]);

    fn add(&self, call: &Call<'_, Deferred<Config>>) -> Result<Success, Error> {
        let config = call.config.get()?;
        let result = require_prev_result(call, PREV_RESULT_MISSING)?;
        let wanted = settings(call, config)?;
        allowlist::allows(names(config))?;
        let namespaces = crate::attach::namespaces(call)?;
        let plan = Work::done(&namespaces, |work| adjust(call, config, &wanted, work))?;
        Ok(updated(result, call, &plan))
    }

    fn foresee(
        &self,
        call: &Call<'_, Deferred<Config>>,
        foresight: &mut Foresight,
    ) -> Result<Success, Error> {
        let config = call.config.get()?;
        let result = require_prev_result(call, PREV_RESULT_MISSING)?;
        let wanted = settings(call, config)?;
        allowlist::allows(names(config))?;
        told(call, foresight, |work| {
            let plan = adjust(call, config, &wanted, work)?;
            Ok(updated(result, call, &plan))
        })
    }

    fn check(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        let config = call.config.get()?;
        require_prev_result(call, PREV_RESULT_MISSING)?;
        let namespaces = crate::attach::namespaces(call)?;
        let ifname = call.ifname()?.as_str();
        // That the interface is there at all.
        let missing = format!("Cannot find container link {ifname}");
        words::link(&namespaces, ifname, missing)?;
        let sysctls = sysctl::resolve(&config.sysctls, ifname, &namespaces)?;
        check_sysctls(&sysctls, &namespaces)?;
        let settings = On(LinkRef::container(ifname), settings(call, config)?);
        plan::check(&Plan::from_iter([settings]), &namespaces)
    }

    /// Puts the settings back, and forgets them once that is done.
    fn del(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        let backup = Backup::of(&owner_of(call)?, &config::data_dir(call.raw()));
        if let Some(kept) = backup.settings()? {
            put_back(call, &kept)?;
        }
        backup.remove()
    }

    fn gc(&self, gc: &Gc<'_, Deferred<Config>>) -> Result<(), Error> {
        backup::collect(gc.network().as_str(), &gc.valid)
    }

    fn status(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        let config = call.config.get()?;
        allowlist::allows(names(config))
            .map_err(|error| error.with_code(ErrorCode::PLUGIN_NOT_AVAILABLE))
    }
}

/// The work of ADD, and the plan of it.
fn adjust(
    call: &Call<'_, Deferred<Config>>,
    config: &Config,
    wanted: &Settings,
    work: &mut Work<'_, '_>,
) -> Result<Plan, Error> {
    let (namespaces, ifname) = (work.namespaces(), call.ifname()?.as_str());
    let sysctls = sysctl::resolve(&config.sysctls, ifname, namespaces)?;
    let mut plan = Plan::from_iter(sysctls).because("(sysctl)");
    if *wanted != Settings::default() {
        let missing = format!("failed to get {ifname:?}: Link not found");
        let link = words::link(namespaces, ifname, missing)?;
        keep(call, config, &wanted.of(&link), work)?;
        plan.extend(link_steps(&link, wanted, namespaces)?.because("(the keys of these names)"));
    }
    work.apply(&plan)?;
    Ok(plan)
}

fn names(config: &Config) -> impl Iterator<Item = &str> {
    config.sysctls.iter().map(|(name, _)| name.as_str())
}

/// The wanted settings of the container's interface.
fn settings(call: &Call<'_, Deferred<Config>>, config: &Config) -> Result<Settings, Error> {
    let [args, runtime, own] = &config.macs;
    Ok(Settings {
        mac: mac::requested([
            args.as_deref(),
            runtime.as_deref(),
            call.args.get("MAC"),
            own.as_deref(),
        ])?,
        mtu: config.mtu,
        promisc: config.promisc.then_some(true),
        allmulti: config.allmulti,
        tx_queue_len: config.tx_queue_len,
        ..Settings::default()
    })
}

/// Keeps the settings that are about to be replaced.
fn keep(
    call: &Call<'_, Deferred<Config>>,
    config: &Config,
    before: &Settings,
    work: &mut Work<'_, '_>,
) -> Result<(), Error> {
    let owner = owner_of(call)?;
    let told = || {
        let words = format!(
            "keep the settings that are replaced in {}",
            config.data_dir.display()
        );
        Foreseen::made("record", words).because("so that DEL can put them back (dataDir)")
    };
    work.act(told, |undo| {
        let backup = Backup::of(&owner, &config.data_dir);
        let (again, kept) = (backup.clone(), backup.settings()?);
        // Before it is tried: a part of it may be there when it fails.
        undo.on_failure("the kept settings", move || match kept {
            Some(kept) => again.keep(&kept),
            None => again.remove(),
        });
        // Another plugin of the same chain may have kept something of its own.
        backup.keep(&before.clone().beside(backup.settings()?))
    })
}

/// The settings of the interface; an MTU for the other end of a pair as well, since it drops what is larger
/// than its own (plugins#352). A bridge takes the smallest MTU of its ports, so at one it is never made smaller:
/// that would be everybody's.
fn link_steps(link: &Link, wanted: &Settings, namespaces: &Namespaces) -> Result<Plan, Error> {
    let inside = On(LinkRef::container(link.name.as_str()), wanted.clone());
    let mut steps = Plan::from_iter([inside]);
    if let Some(mtu) = wanted.mtu
        && let Some(outside) = host_end(namespaces, link)?
        && (outside.master.is_none() || mtu > outside.mtu)
    {
        let mtu = Settings {
            mtu: Some(mtu),
            ..Settings::default()
        };
        let host = LinkRef::host(outside.name.as_str());
        namespaces.host().remember(&host.name, outside);
        steps.push(On(host, mtu));
    }
    Ok(steps)
}

/// The result with what was changed.
fn updated(mut result: Success, call: &Call<'_, Deferred<Config>>, plan: &Plan) -> Success {
    let changed = plan.steps.iter().filter_map(|planned| match &planned.step {
        Step::Settings(On(link, settings)) => Some((link, settings)),
        _ => None,
    });
    for (link, settings) in changed {
        let is_inside = link.place == Place::Container;
        let is_it =
            |one: &&mut Interface| one.name == link.name && one.sandbox.is_empty() != is_inside;
        for interface in result.interfaces.iter_mut().filter(is_it) {
            if let Some(mac) = settings.mac {
                interface.mac = mac.to_string();
            }
            // Results have it since 1.1.0.
            if call.version() >= Version::V1_1_0 || interface.mtu.is_some() {
                interface.mtu = settings.mtu.or(interface.mtu);
            }
        }
    }
    result
}

fn check_sysctls(wanted: &[Sysctl], namespaces: &Namespaces) -> Result<(), Error> {
    if wanted.is_empty() {
        return Ok(());
    }
    namespaces.container()?.run(|| {
        for sysctl in wanted {
            if let Some(found) = sysctl::difference(sysctl)? {
                return Err(Error::new(
                    ErrorCode::INTERNAL,
                    format!(
                        "Error: Tuning configured value of /proc/sys/{} is {}, current value is {found}",
                        sysctl.path, sysctl.value
                    ),
                )
                .with_details("something changed it after ADD; DEL and ADD set it anew"));
            }
        }
        Ok(())
    })?
}

/// Gives the interface the settings that were kept, each by itself; there need be no interface any more. One that the kernel
/// refuses is told, but does not keep the container from being detached: it would be refused the next time, too.
///
/// # Errors
/// What may go well the next time.
fn put_back(call: &Call<'_, Deferred<Config>>, kept: &Settings) -> Result<(), Error> {
    let Some(namespaces) = crate::attach::namespaces_if_own(call)? else {
        return Ok(());
    };
    let ifname = call.ifname()?.as_str();
    let link = match namespaces.container()?.rtnl().link(ifname) {
        Ok(link) => link,
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(linkspan_plan::fault::explain(error)),
    };
    linkspan_plan::fault::all(one_by_one(kept).map(|one| {
        let plan = link_steps(&link, &one, &namespaces)?;
        let mut undo = Undo::new();
        let outcome = apply(&plan, &namespaces, &mut undo);
        undo.commit();
        match outcome {
            Err(error) if error.code != ErrorCode::TRY_AGAIN_LATER => {
                warn(&format!(
                    "could not put the settings of {ifname} back: {error}"
                ));
                Ok(())
            }
            outcome => outcome,
        }
    }))
}

/// The settings as several, of one each.
fn one_by_one(settings: &Settings) -> impl Iterator<Item = Settings> {
    let none = Settings::default;
    let each = [
        Settings {
            mtu: settings.mtu,
            ..none()
        },
        Settings {
            mac: settings.mac,
            ..none()
        },
        Settings {
            promisc: settings.promisc,
            ..none()
        },
        Settings {
            allmulti: settings.allmulti,
            ..none()
        },
        Settings {
            tx_queue_len: settings.tx_queue_len,
            ..none()
        },
    ];
    each.into_iter().filter(move |one| *one != none())
}
