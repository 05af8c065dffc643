//! Rates and bursts, which are in bits and are taken for something else.

use linkspan_inspect::finding::Severity;

use super::placement::without;
use crate::document::Plugin;
use crate::finding::Finding;
use crate::json::Node;
use crate::rule::{Context, Rule};

/// A limit in one direction.
struct Limit<'a> {
    direction: &'static str,
    rate: Option<(u64, &'a Node)>,
    burst: Option<(u64, &'a Node)>,
}

fn limits<'a>(plugin: &Plugin<'a>) -> Vec<Limit<'a>> {
    if !plugin.is("bandwidth") {
        return Vec::new();
    }
    let number = |key: &str| {
        let node = plugin.get(key)?;
        let number = node.to_json().as_u64().filter(|number| *number != 0)?;
        Some((number, node))
    };
    let limit = |direction| Limit {
        direction,
        rate: number(&format!("{direction}Rate")),
        burst: number(&format!("{direction}Burst")),
    };
    vec![limit("ingress"), limit("egress")]
}

fn each<'a>(
    context: &Context<'a>,
    look: impl Fn(&Plugin<'a>, &Limit<'a>) -> Option<Finding>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for plugin in context.plugins() {
        findings.extend(
            limits(&plugin)
                .iter()
                .filter_map(|limit| look(&plugin, limit)),
        );
    }
    findings
}

/// A burst of no rate.
pub(super) static NO_RATE: Rule = Rule {
    id: "burst-without-rate",
    severity: Severity::Error,
    about: "a burst without a rate",
    why: "a burst is what may pass at once beyond the rate; without a rate ADD refuses it",
    check: |context| {
        each(context, |plugin, limit| {
            let (None, Some((_, node))) = (&limit.rate, limit.burst) else {
                return None;
            };
            let direction = limit.direction;
            let member = plugin.node.member(&format!("{direction}Burst"));
            Some(
                NO_RATE
                    .at(
                        member.map_or(node.span, |member| member.key_span),
                        format!("{direction}Burst without {direction}Rate"),
                    )
                    .help(format!(
                        "add \"{direction}Rate\" in bits per second, or remove the burst"
                    )),
            )
        })
    },
};

/// How long the largest burst that is meant may take at the rate, in seconds.
const LONGEST: u64 = 10;

/// A burst that makes the limit void for a long time.
pub(super) static LARGE_BURST: Rule = Rule {
    id: "burst-too-large",
    severity: Severity::Warning,
    about: "a burst of more than ten seconds at its rate",
    why: "as much as the burst passes without any limit after each pause (kubernetes#90838); a burst is in bits, and some thousandths of a second at the rate are enough",
    check: |context| {
        each(context, |plugin, limit| {
            let ((rate, _), (burst, node)) = (limit.rate?, limit.burst?);
            if burst / LONGEST < rate || plugin.is_on("deriveBurst") {
                return None;
            }
            Some(
                LARGE_BURST
                    .at(
                        node.span,
                        format!(
                            "{} pass before the limit of {} takes hold",
                            bits(burst),
                            per_second(rate)
                        ),
                    )
                    .label(format!("{} seconds at the rate", burst / rate))
                    .help(format!(
                        "remove {}Burst: then it is taken from rate and MTU",
                        limit.direction
                    ))
                    .fix(without(plugin.node, &format!("{}Burst", limit.direction))),
            )
        })
    },
};

/// Bytes of an Ethernet header.
const HEADER: u64 = 14;

/// A burst that is smaller than a packet.
pub(super) static SMALL_BURST: Rule = Rule {
    id: "burst-too-small",
    severity: Severity::Warning,
    about: "a burst that is smaller than one packet",
    why: "a packet that is larger than the burst never passes; a burst is in bits, eight for each byte",
    check: |context| {
        let plugins = context.plugins();
        let mtu = plugins
            .iter()
            .find_map(|plugin| plugin.get("mtu")?.to_json().as_u64());
        let packet = mtu
            .filter(|mtu| *mtu > 0)
            .unwrap_or(1500)
            .saturating_add(HEADER);
        each(context, |plugin, limit| {
            let (_, (burst, node)) = (limit.rate?, limit.burst?);
            (burst / 8 < packet && !plugin.is_on("deriveBurst")).then(|| {
                SMALL_BURST
                    .at(
                        node.span,
                        format!(
                            "{burst} bits are {} bytes, less than a packet of {packet}",
                            burst / 8
                        ),
                    )
                    .help(format!(
                        "write {} or more, or remove {}Burst: then it is taken from rate and MTU",
                        packet * 8 * 10,
                        limit.direction
                    ))
                    .fix(without(plugin.node, &format!("{}Burst", limit.direction)))
            })
        })
    },
};

/// The lowest rate that is meant, in bits per second: a packet of full size takes a second and a half.
const LOWEST: u64 = 8000;

/// A rate that seems to be in other units.
pub(super) static SMALL_RATE: Rule = Rule {
    id: "rate-too-small",
    severity: Severity::Warning,
    about: "a rate of less than 8000 bits per second",
    why: "rates are in bits per second, not in kbit or Mbit: at such a rate a packet takes seconds, and connections break off",
    check: |context| {
        each(context, |_, limit| {
            let (rate, node) = limit.rate?;
            (rate < LOWEST).then(|| {
                SMALL_RATE
                    .at(
                        node.span,
                        format!("{rate} bits per second are {} bytes", rate / 8),
                    )
                    .help(format!(
                        "if Mbit/s are meant, write {}",
                        rate.saturating_mul(1_000_000)
                    ))
            })
        })
    },
};

fn per_second(rate: u64) -> String {
    format!("{}/s", bits(rate))
}

/// A number of bits as people say it.
fn bits(number: u64) -> String {
    match number {
        0..1_000 => format!("{number} bit"),
        1_000..1_000_000 => format!("{} kbit", number / 1_000),
        1_000_000..1_000_000_000 => format!("{} Mbit", number / 1_000_000),
        _ => format!(
            "{}.{} Gbit",
            number / 1_000_000_000,
            number / 100_000_000 % 10
        ),
    }
}
