//! Chains of netfilter that drop by default what they do not admit.

use linkspan_kernel::nftables::Nftables;
use linkspan_kernel::xtables::{self, Protocol};
use linkspan_kernel::{Error, sysctl};
use linkspan_nft::{Chain, Family, Hook, Table};

use crate::diagnose::Reason;

/// What to do about a chain of iptables that drops what the host passes on, where the network's list has the plugin firewall
/// and where it has not.
fn admit(admits: bool) -> String {
    match admits {
        false => {
            "give the network's list the plugin firewall, which admits its containers; or admit their subnet there"
        }
        true => {
            "the network's plugin firewall does not admit this: the reference's lets containers begin connections, and \
             nobody begin one with them. Linkspan's plugins admit published ports; else admit them there, as by \
             `iptables -A FORWARD -m conntrack --ctstate DNAT -j ACCEPT`"
        }
    }
    .to_owned()
}

/// Whether what a bridge passes on comes by the rules for what the host passes on (br_netfilter).
pub(crate) fn see_bridged(protocol: Protocol) -> bool {
    let path = match protocol {
        Protocol::Ipv4 => "net/bridge/bridge-nf-call-iptables",
        Protocol::Ipv6 => "net/bridge/bridge-nf-call-ip6tables",
    };
    sysctl::read(path).is_ok_and(|value| value.trim() == "1")
}

/// One that drops what the bridge passes on, or a policy that keeps its ports apart.
pub(crate) fn on_bridge(bridge: &str) -> Result<Option<Reason>, Error> {
    if is_isolated(bridge)? {
        return Ok(Some((
            format!(
                "the bridge {bridge} is kept to the \"ingressPolicy\" isolated, by another network or an earlier configuration"
            ),
            Some(format!(
                "a policy is one of the bridge: give the network another than {bridge}, or collect what is left of the \
                 policy with `linkspan gc` once no container is attached"
            )),
        )));
    }
    let found = first(&Hook::Forward, &[Family::Bridge])?;
    Ok(found.map(|chain| told(&chain, "what bridges pass on", false)))
}

/// Whether Linkspan's firewall keeps the ports of a bridge apart.
fn is_isolated(bridge: &str) -> Result<bool, Error> {
    let kernel = Nftables::open()?;
    let table = Table::new(Family::Inet, "linkspan");
    let sets = kernel.sets(&table).unwrap_or_default();
    let mut elements = sets
        .iter()
        .filter(|set| set.name == "isolated")
        .flat_map(|set| kernel.elements(set).unwrap_or_default());
    Ok(elements.any(|element| {
        element
            .key
            .to_string()
            .split(' ')
            .any(|word| word == bridge)
    }))
}

/// One that drops packets of a protocol at a hook; `admits`: the network's list has the plugin firewall.
pub(crate) fn dropping(
    hook: &Hook,
    protocol: Protocol,
    admits: bool,
) -> Result<Option<Reason>, Error> {
    let families = match protocol {
        Protocol::Ipv4 => [Family::Ip, Family::Inet],
        Protocol::Ipv6 => [Family::Ip6, Family::Inet],
    };
    let what = match hook {
        Hook::Input => "what is for the host",
        Hook::Output => "what the host sends",
        _ => "what the host passes on",
    };
    if let Some(chain) = first(hook, &families)? {
        return Ok(Some(told(&chain, what, admits)));
    }
    let is_legacy = *hook == Hook::Forward && legacy_drops(protocol);
    Ok(is_legacy.then(|| of_legacy(protocol, admits)))
}

/// The first of these families. A kernel without nf_tables has none.
fn first(hook: &Hook, families: &[Family]) -> Result<Option<Chain>, Error> {
    let kernel = Nftables::open()?;
    let drops = |chain: &Chain| {
        let base = chain.base.as_ref();
        base.is_some_and(|base| base.hook == *hook && base.drops_by_default)
    };
    let mut chains = families
        .iter()
        .flat_map(|family| kernel.chains(*family).unwrap_or_default());
    Ok(chains.find(drops))
}

fn told(chain: &Chain, what: &str, admits: bool) -> Reason {
    let Chain {
        family,
        table,
        name,
        ..
    } = chain;
    let is_iptables = matches!(family, Family::Ip | Family::Ip6) && table == "filter";
    let next = match is_iptables && name == "FORWARD" {
        true => admit(admits),
        false => format!(
            "see `nft list chain {family} {table} {name}`, and let it accept the network's subnet"
        ),
    };
    (
        format!(
            "the chain {family} {table} {name} drops {what} by default, and no rule there admits it"
        ),
        Some(next),
    )
}

/// Whether the older iptables drops what the host passes on: the last rule of FORWARD is the policy.
fn legacy_drops(protocol: Protocol) -> bool {
    let table = xtables::table(protocol, "filter").ok().flatten();
    table.is_some_and(|table| {
        let mut forward = table.rules.iter().filter(|rule| rule.is_of_forward);
        forward.next_back().is_some_and(|policy| !policy.accepts)
    })
}

fn of_legacy(protocol: Protocol, admits: bool) -> Reason {
    let command = match protocol {
        Protocol::Ipv4 => "iptables-legacy",
        Protocol::Ipv6 => "ip6tables-legacy",
    };
    (
        format!("the policy of the chain FORWARD of {command} is DROP, and no rule admits it"),
        Some(admit(admits)),
    )
}
