//! `portmap`: ports of the host lead to the container.
//!
//! A chained plugin: it takes the container's addresses from the result of the plugins before it, and passes
//! that on. [`config`] is what a configuration may say; what it comes to in the kernel is told in
//! [`linkspan_netfilter`]. See [the reference's documentation](https://www.cni.dev/plugins/current/meta/portmap/).

pub mod config;

use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_netfilter::{self as netfilter, Attachment, Kind, Part, PublishedPorts, SourceNat};
use linkspan_plan::fault::explain;
use linkspan_plan::{Namespaces, Netfilter, Plan};
use linkspan_plugin::config::Deferred;
use linkspan_plugin::spec::{Error, ErrorCode, Success};
use linkspan_plugin::{Call, Foresight, Gc, Needs, Plugin, Role};

use linkspan_spans::during;

use crate::attach::owner_of;
use crate::attach::{PREV_RESULT_MISSING, require_prev_result, told};
use config::Config;

/// The plugin.
pub struct Portmap;

impl Plugin for Portmap {
    type Config = Deferred<Config>;
    const NAME: &'static str = "portmap";
    const ABOUT: &'static str = "leads ports of the host to the container";
    const ROLE: Role = Role::Chained {
        needs: Needs::Address,
    };

    fn add(&self, call: &Call<'_, Deferred<Config>>) -> Result<Success, Error> {
        let config = parsed(call)?;
        let result = require_prev_result(call, CHAINED)?;
        let way = |container| Namespaces::host_only()?.way_to(container).map_err(explain);
        during(
            || "publish the ports",
            || {
                let wanted = wanted(call, config, &result, way, netfilter::require_free_ports)?;
                let netns = crate::attach::opened(call).ok();
                wanted.netns(netns.as_ref()).install()
            },
        )?;
        Ok(result)
    }

    fn foresee(
        &self,
        call: &Call<'_, Deferred<Config>>,
        foresight: &mut Foresight,
    ) -> Result<Success, Error> {
        let config = parsed(call)?;
        let result = require_prev_result(call, CHAINED)?;
        told(call, foresight, |work| {
            let namespaces = work.namespaces();
            let way = |container| namespaces.way_to(container).map_err(explain);
            let require_free = || match netfilter::may_be_asked() {
                true => netfilter::require_free_ports(),
                false => Ok(()),
            };
            let wanted = wanted(call, config, &result, way, require_free)?;
            work.apply(&Plan::from_iter([Netfilter::from(wanted)]))?;
            Ok(result)
        })
    }

    fn check(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        let config = call.config.get()?;
        let result = require_prev_result(call, PREV_RESULT_MISSING)?;
        if !config.has_mappings() {
            return Ok(());
        }
        let attachment = attachment(call, config)?;
        let wanted = parts(config, call.ifname()?.as_str(), &result);
        let wanted = wanted.into_iter().map(Part::PublishedPorts);
        let differences = wanted.fold(attachment, Attachment::part).check()?;
        if differences.is_empty() {
            return Ok(());
        }
        let msg = format!(
            "ports are not published as they were: {}",
            differences.join("; ")
        );
        Err(Error::new(ErrorCode::INTERNAL, msg)
            .with_details("`linkspan reconcile` publishes them again"))
    }

    /// What to remove is in the record. Without one, only a configuration with mappings is a reason to ask
    /// the kernel (plugins#464, plugins#510).
    fn del(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        let owner = owner_of(call)?;
        let attachment = Attachment::new(owner, Self::NAME);
        let Ok(config) = call.config.get() else {
            return attachment.expect(Kind::PublishedPorts).remove();
        };
        if !config.has_mappings() {
            return attachment.remove();
        }
        let result = call.prev_result().ok().flatten().unwrap_or_default();
        let known = parts(config, call.ifname()?.as_str(), &result);
        known
            .into_iter()
            .map(Part::PublishedPorts)
            .fold(attachment.expect(Kind::PublishedPorts), Attachment::part)
            .remove()
    }

    fn gc(&self, gc: &Gc<'_, Deferred<Config>>) -> Result<(), Error> {
        let network = gc.network().as_str();
        netfilter::collect(network, Self::NAME, &[Kind::PublishedPorts], &gc.valid)
    }

    fn status(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        netfilter::status(call.config.get()?.backend)
    }
}

/// What ADD says where there is no plugin before it.
const CHAINED: &str = "must be called as chained plugin";

fn parsed<'c>(call: &'c Call<'_, Deferred<Config>>) -> Result<&'c Config, Error> {
    call.config.get().map_err(|error| {
        let msg = format!("failed to parse config: {}", error.msg);
        error.with_msg(msg)
    })
}

/// What ADD sets up. `way` finds the interface of the host on the way to an address; `require_free` fails where nobody may
/// publish ports.
fn wanted(
    call: &Call<'_, Deferred<Config>>,
    config: &Config,
    result: &Success,
    way: impl Fn(IpAddr) -> Result<Option<String>, Error>,
    require_free: impl FnOnce() -> Result<(), Error>,
) -> Result<Attachment, Error> {
    let parts = parts(config, call.ifname()?.as_str(), result);
    if !parts.is_empty() {
        require_free()?;
    }
    parts
        .into_iter()
        .map(|part| with_localnet(part, &way).map(Part::PublishedPorts))
        .try_fold(attachment(call, config)?, |attachment, part| {
            Ok::<_, Error>(attachment.part(part?))
        })
}

fn attachment(call: &Call<'_, Deferred<Config>>, config: &Config) -> Result<Attachment, Error> {
    Ok(Attachment::new(owner_of(call)?, Portmap::NAME).backend(config.backend))
}

/// What is to be published: for the container's first address of each version of IP.
fn parts(config: &Config, ifname: &str, result: &Success) -> Vec<PublishedPorts> {
    let part = |container: IpNet| PublishedPorts {
        container,
        ports: config.ports(container.addr()),
        source: config.source,
        mark_bit: config.mark_bit,
        set_mark_chain: config.set_mark_chain.clone(),
        conditions: config.conditions(container.addr()).to_vec(),
        localnet: None,
    };
    addresses(ifname, result)
        .into_iter()
        .map(part)
        .filter(|part| !part.ports.is_empty())
        .collect()
}

/// The first IPv4 and the first IPv6 address that are the container's: of no interface, or of its own.
fn addresses(ifname: &str, result: &Success) -> Vec<IpNet> {
    let is_own = |index: Option<usize>| {
        let interface = index.and_then(|index| result.interfaces.get(index));
        interface.is_none_or(|one| one.name == ifname && !one.sandbox.is_empty())
    };
    let own = || {
        result
            .ips
            .iter()
            .filter(|ip| is_own(ip.interface))
            .map(|ip| ip.address)
    };
    let first = |of_ipv4: bool| own().find(|net| net.addr().is_ipv4() == of_ipv4);
    [first(true), first(false)].into_iter().flatten().collect()
}

/// With the interface by which 127.0.0.1 is to reach the container: the one on the way to it. There is no such thing for
/// IPv6, whose ::1 never leaves the host.
fn with_localnet(
    mut part: PublishedPorts,
    way: impl Fn(IpAddr) -> Result<Option<String>, Error>,
) -> Result<PublishedPorts, Error> {
    let container = part.container.addr();
    if part.source != SourceNat::Keep && container.is_ipv4() {
        part.localnet = way(container)?;
    }
    Ok(part)
}
