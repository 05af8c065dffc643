//! The rules, a file for each theme.

mod addresses;
mod bandwidth;
mod capabilities;
mod chain;
mod form;
mod gateway;
mod keys;
mod masters;
mod names;
mod neighbours;
mod place;
mod placement;
mod ranges;
mod refused;
mod routes;
mod syntax;
mod tuning;
mod versions;

use linkspan_inspect::finding::Severity;

use crate::Rule;
use crate::document::Document;
use crate::finding::Finding;
use crate::source::Span;

/// All rules. What they find at one place is told in this order.
pub static RULES: &[&Rule] = &[
    &syntax::UNREADABLE,
    &syntax::YAML,
    &syntax::SYNTAX,
    &syntax::DUPLICATE_KEY,
    &form::NOT_AN_OBJECT,
    &form::NOT_A_STRING,
    &form::LIST_IN_CONF,
    &form::PLUGIN_IN_CONFLIST,
    &form::MISSING_KEY,
    &form::ILLEGAL_NAME,
    &form::UNKNOWN_VERSION,
    &keys::WRONG_TYPE,
    &keys::INVALID_VALUE,
    &keys::UNKNOWN_KEY,
    &keys::KEY_CASE,
    &names::SHADOWED,
    &names::IGNORED,
    &names::MISSING,
    &names::MISSPELT,
    &versions::MISSING,
    &versions::ONLY_LIST,
    &versions::IN_PLUGIN,
    &versions::TOO_OLD,
    &placement::IPAM_WITHOUT_TYPE,
    &placement::OF_RUNTIME,
    &placement::ARGS,
    &placement::NAMESERVER,
    &placement::RELATIVE,
    &placement::VOID,
    &placement::CONTRADICTION,
    &placement::RESERVED_TABLE,
    &chain::NOTHING_BEFORE,
    &chain::TWO_INTERFACES,
    &chain::NO_ADDRESS,
    &chain::NO_HOST_END,
    &chain::UNREACHABLE_PORTS,
    &chain::NO_BRIDGE_FOR_POLICY,
    &capabilities::UNUSED,
    &capabilities::NOT_DECLARED,
    &capabilities::MISPLACED,
    &ranges::HOST_BITS,
    &ranges::TOO_SMALL,
    &ranges::SPECIAL,
    &ranges::END_OUTSIDE,
    &ranges::INVERTED,
    &ranges::UNUSABLE_END,
    &ranges::GATEWAY_FAMILY,
    &ranges::GATEWAY_OUTSIDE,
    &ranges::GATEWAY_UNUSABLE,
    &ranges::ONLY_GATEWAY,
    &ranges::OVERLAP,
    &ranges::MIXED,
    &gateway::NO_SUBNET,
    &gateway::MASQUERADE_ALONE,
    &gateway::NO_WAY_OUT,
    &gateway::SEVERAL_GATEWAYS,
    &gateway::TWO_DEFAULTS,
    &gateway::PTP_GATEWAY,
    &routes::FAMILY,
    &routes::UNREACHABLE,
    &routes::TWICE,
    &routes::HOST_BITS,
    &routes::NO_PREFIX,
    &routes::FIXED_GATEWAY,
    &routes::ADDRESS_TWICE,
    &neighbours::SAME_ADDRESSES,
    &neighbours::SAME_FIXED,
    &neighbours::SAME_BRIDGE,
    &neighbours::SAME_MASTER,
    &neighbours::ON_HOST,
    &neighbours::NO_BRIDGE,
    &neighbours::OTHER_ADDRESS,
    &masters::MISSING,
    &masters::DEVICE,
    &masters::ABOVE_MASTER,
    &masters::BELOW_IPV6,
    &masters::NO_VLAN_ID,
    &masters::NO_DHCP,
    &masters::DHCP_ON_IPVLAN,
    &bandwidth::NO_RATE,
    &bandwidth::LARGE_BURST,
    &bandwidth::SMALL_BURST,
    &bandwidth::SMALL_RATE,
    &tuning::NOT_A_STRING,
    &tuning::NOT_OF_NETWORK,
    &tuning::OF_THE_HOST,
    &tuning::NOT_ALLOWED,
    &tuning::INTERFACE_NAME,
    &tuning::MAC,
    &refused::REFUSED,
];

/// Of findings about the same thing the one that knows most of it: what a plugin refuses as a whole, and what is said of a key
/// by its declaration alone, is left out where another rule tells what is wrong with it.
pub(crate) fn told_best(document: &Document, findings: Vec<Finding>) -> Vec<Finding> {
    const OF_KEYS: [&Rule; 3] = [&keys::UNKNOWN_KEY, &keys::WRONG_TYPE, &keys::INVALID_VALUE];
    let is = |finding: &Finding, rule: &Rule| std::ptr::eq(finding.rule, rule);
    let is_refusal = |finding: &Finding| is(finding, &refused::REFUSED);
    let is_of_key = |finding: &Finding| OF_KEYS.iter().any(|rule| is(finding, rule));
    let known = Places::of(&findings, |finding| {
        !is_refusal(finding) && !is_of_key(finding)
    });
    // What is placed at the plugin itself is about its place in the chain.
    let plugins = document.plugins().into_iter();
    let known_plugins: Vec<Span> = plugins
        .filter(|plugin| {
            let mut errors = known.errors_in(plugin.node.span);
            errors.any(|span| span != plugin.span())
        })
        .map(|plugin| plugin.node.span)
        .collect();
    let is_told = |finding: &Finding| match (is_of_key(finding), is_refusal(finding)) {
        (true, _) => {
            let is_error = finding.severity == Severity::Error;
            // What ADD refuses is never left out for something that it passes over.
            match is_error {
                true => known.errors_in(finding.span).next().is_some(),
                false => known.has(finding.span),
            }
        }
        (_, true) => holder(&known_plugins, finding.span),
        _ => false,
    };
    let told: Vec<bool> = findings.iter().map(is_told).collect();
    let findings = findings.into_iter().zip(told);
    findings
        .filter(|(_, is_told)| !is_told)
        .map(|(finding, _)| finding)
        .collect()
}

/// Whether one of these objects, which follow each other, holds a place.
fn holder(objects: &[Span], span: Span) -> bool {
    let behind = objects.partition_point(|object| object.start <= span.start);
    let before = behind.checked_sub(1).and_then(|index| objects.get(index));
    before.is_some_and(|object| object.contains(span))
}

/// The places of findings, in order: a file may have very many.
struct Places(Vec<(Span, Severity)>);

impl Places {
    fn of(findings: &[Finding], is_wanted: impl Fn(&Finding) -> bool) -> Self {
        let wanted = findings.iter().filter(|finding| is_wanted(finding));
        let mut places: Vec<_> = wanted
            .map(|finding| (finding.span, finding.severity))
            .collect();
        places.sort_unstable();
        Self(places)
    }

    /// Those that begin inside of a span.
    fn within(&self, span: Span) -> &[(Span, Severity)] {
        let begin = self.0.partition_point(|(one, _)| one.start < span.start);
        let end = self.0.partition_point(|(one, _)| one.start <= span.end);
        &self.0[begin..end.max(begin)]
    }

    fn has(&self, span: Span) -> bool {
        self.within(span).iter().any(|(one, _)| *one == span)
    }

    fn errors_in(&self, span: Span) -> impl Iterator<Item = Span> {
        let inside = self.within(span).iter();
        inside
            .filter(move |(one, severity)| *severity == Severity::Error && span.contains(*one))
            .map(|(one, _)| *one)
    }
}

#[cfg(test)]
mod tests;
