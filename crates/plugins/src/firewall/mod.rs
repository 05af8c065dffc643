//! `firewall`: has the host forward for the container, and keeps others away from it.
//!
//! A host whose firewall forwards nothing by default, as Docker sets it up, lets pass what the container
//! sends, the replies to it, and connections to its published ports unless a rule of the host's refuses them;
//! whatever else may reach the container is for the host's own rules and `ingressPolicy` to say. See [the reference's
//! documentation](https://www.cni.dev/plugins/current/meta/firewall/).

pub mod config;

use std::net::IpAddr;

use linkspan_netfilter::{
    self as netfilter, Admission, Attachment, Backend, Confinement, Kind, Part, PortIsolation,
};
use linkspan_plan::{self as plan, LinkRef, Namespaces, Netfilter, Plan};
use linkspan_plugin::config::Deferred;
use linkspan_plugin::spec::{Error, ErrorCode, Success};
use linkspan_plugin::{Call, Foresight, Gc, Needs, Plugin, Role, warn};

use crate::attach::owner_of;
use crate::attach::{Work, host_end, require_prev_result, told};
use config::{Config, Filter, IngressPolicy};

/// The plugin.
pub struct Firewall;

/// What attachments have of netfilter.
const KINDS: [Kind; 3] = [Kind::Admission, Kind::Confinement, Kind::PortIsolation];

impl Plugin for Firewall {
    type Config = Deferred<Config>;
    const NAME: &'static str = "firewall";
    const ABOUT: &'static str = "has the host forward for the container, and keeps others away";
    const ROLE: Role = Role::Chained {
        needs: Needs::Address,
    };

    fn add(&self, call: &Call<'_, Deferred<Config>>) -> Result<Success, Error> {
        let config = call.config.get()?;
        let result = require_prev_result(call, CHAINED)?;
        let backend = backend(config)?;
        let namespaces = namespaces(call, config)?;
        Work::done(&namespaces, |work| {
            work.apply(&plan(call, config, &result, backend, &namespaces)?)
        })?;
        Ok(result)
    }

    fn foresee(
        &self,
        call: &Call<'_, Deferred<Config>>,
        foresight: &mut Foresight,
    ) -> Result<Success, Error> {
        let config = call.config.get()?;
        let result = require_prev_result(call, CHAINED)?;
        let backend = match netfilter::may_be_asked() {
            true => backend(config)?,
            false => configured(config),
        };
        told(call, foresight, |work| {
            work.apply(&plan(call, config, &result, backend, work.namespaces())?)?;
            Ok(result)
        })
    }

    fn check(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        let config = call.config.get()?;
        let result = require_prev_result(call, CHAINED)?;
        let namespaces = namespaces(call, config)?;
        // What was chosen by ADD is in the record, as long as there is one.
        let plan = plan(call, config, &result, configured(config), &namespaces)?;
        plan::check(&plan, &namespaces)
    }

    fn del(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        // Only where there is no record: the attachment was made by the reference plugin.
        let result = call.prev_result().ok().flatten().unwrap_or_default();
        let attachment = Attachment::new(owner_of(call)?, Self::NAME);
        let config = call.config.get().cloned().unwrap_or_default();
        let described = admissions(&result, &config).fold(attachment, Attachment::part);
        KINDS
            .into_iter()
            .fold(described, Attachment::expect)
            .remove()
    }

    fn gc(&self, gc: &Gc<'_, Deferred<Config>>) -> Result<(), Error> {
        netfilter::collect(gc.network().as_str(), Self::NAME, &KINDS, &gc.valid)
    }

    fn status(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        let backend = backend(call.config.get()?)?;
        netfilter::status(backend)?;
        for obstacle in netfilter::forwarding_obstacles()? {
            warn(&format!("firewall: {obstacle}"));
        }
        let backend = backend.unwrap_or_default();
        if backend != Backend::Firewalld && netfilter::firewalld_is_running()? {
            warn(
                "firewall: firewalld is running and refuses what it is not told of; the backend \
                 \"firewalld\", or none, tells it",
            );
        }
        Ok(())
    }
}

/// What filters; `None` for nf_tables, or iptables where the kernel lacks it. Where firewalld runs, nothing
/// passes that it is not told of.
fn backend(config: &Config) -> Result<Option<Backend>, Error> {
    Ok(match configured(config) {
        None if netfilter::firewalld_is_running()? => Some(Backend::Firewalld),
        configured => configured,
    })
}

/// What the configuration says.
fn configured(config: &Config) -> Option<Backend> {
    config.backend.map(|filter| match filter {
        Filter::Nftables => Backend::Nftables,
        Filter::Iptables => Backend::Iptables,
        Filter::Firewalld => Backend::Firewalld,
    })
}

/// What ADD says where there is no plugin before it.
const CHAINED: &str = "missing prevResult from earlier plugin";

/// The host's namespace, and the container's where its interface matters.
fn namespaces(call: &Call<'_, Deferred<Config>>, config: &Config) -> Result<Namespaces, Error> {
    match config.ingress_policy {
        IngressPolicy::Isolated => crate::attach::namespaces(call),
        _ => Namespaces::host_only(),
    }
}

/// What is wanted for the addresses and the bridge of the previous result.
fn plan(
    call: &Call<'_, Deferred<Config>>,
    config: &Config,
    result: &Success,
    backend: Option<Backend>,
    namespaces: &Namespaces,
) -> Result<Plan, Error> {
    let attachment = Attachment::new(owner_of(call)?, Firewall::NAME)
        .backend(backend)
        .netns(crate::attach::opened(call).ok().as_ref());
    let attachment = admissions(result, config)
        .chain(policy(call, config, result, namespaces)?)
        .fold(attachment, Attachment::part);
    let wanted = Some(attachment).filter(|attachment| !attachment.is_empty());
    let with_reasons = |wanted| Netfilter::from(wanted).with_reasons(REASONS);
    Ok(Plan::from_iter(wanted.map(with_reasons)))
}

/// Why something is wanted of netfilter.
const REASONS: &[(Kind, &str)] = &[
    (Kind::Admission, "even where it forwards nothing by default"),
    (Kind::Confinement, "(ingressPolicy)"),
    (Kind::PortIsolation, "(ingressPolicy: isolated)"),
];

fn admissions(result: &Success, config: &Config) -> impl Iterator<Item = Part> {
    result.ips.iter().map(move |ip| {
        Part::Admission(Admission {
            address: canonical(ip.address.addr()),
            admin_chain: config.admin_chain.clone(),
            zone: config.firewalld_zone.clone(),
        })
    })
}

/// An IPv4 address is one, however it is written.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// What the policy takes.
fn policy(
    call: &Call<'_, Deferred<Config>>,
    config: &Config,
    result: &Success,
    namespaces: &Namespaces,
) -> Result<Vec<Part>, Error> {
    let isolated = match config.ingress_policy {
        IngressPolicy::Open => return Ok(Vec::new()),
        IngressPolicy::SameBridge => false,
        IngressPolicy::Isolated => true,
    };
    let bridge = bridge(config, result, namespaces)?;
    let mut parts = vec![Part::Confinement(Confinement { bridge, isolated })];
    if isolated {
        let inside = namespaces.link(&LinkRef::container(call.ifname()?.as_str()))?;
        parts.extend(host_end(namespaces, &inside)?.map(|outside| {
            Part::PortIsolation(PortIsolation {
                interface: outside.name,
            })
        }));
    }
    Ok(parts)
}

/// The bridge: the first interface of the result, which must be on the host.
fn bridge(config: &Config, result: &Success, namespaces: &Namespaces) -> Result<String, Error> {
    let policy = config.ingress_policy;
    let first = result.interfaces.first();
    let candidate = first.filter(|one| one.sandbox.is_empty() && !one.name.is_empty());
    let is_bridge = |name: &str| {
        let link = namespaces.host().link_if_there(name)?;
        Ok::<_, Error>(link.is_some_and(|link| link.is_kind("bridge")))
    };
    match candidate {
        Some(one) if is_bridge(&one.name)? => Ok(one.name.clone()),
        _ => Err(Error::new(
            ErrorCode::INVALID_NETWORK_CONFIG,
            format!(
                "interface needs to be set for ingress policy \"{policy}\", make sure to chain \"firewall\" plugin \
                 with \"bridge\""
            ),
        )
        .with_details(
            "prevResult begins with no bridge; \"same-bridge\" and \"isolated\" are for networks of the plugin bridge, which \"firewall\" must \
             come after in \"plugins\"",
        )),
    }
}
