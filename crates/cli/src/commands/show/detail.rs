//! One attachment: all that is known of it, and where each fact was seen.

use linkspan_inspect::attachment::{Attachment, Limits};
use linkspan_inspect::life::Life;
use linkspan_inspect::link::{Link, Route};
use linkspan_inspect::namespace::Namespace;
use linkspan_inspect::{Host, Seen};

use super::table::{state, title};
use crate::draw::age;
use crate::style::Style;
use crate::text::one_word;
use crate::units::{bits_per_second, utc};

/// Columns of what a fact is about.
const LABEL: usize = 12;

/// A fact, and where it was seen.
struct Fact {
    label: &'static str,
    words: String,
    seen: Option<String>,
}

/// All that is known of an attachment; numbers tell where each fact was seen.
pub(super) fn page(style: Style, host: &Host, one: &Attachment) -> String {
    let facts = Page { host, one }.facts();
    let mut places: Vec<String> = Vec::new();
    for place in facts.iter().filter_map(|fact| fact.seen.clone()) {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let number = |place: &String| places.iter().position(|known| known == place);
    let mut text = style.bold(&one_word(&title(style, one))) + "\n";
    let mut last = "";
    for fact in facts {
        let label = if fact.label == last { "" } else { fact.label };
        last = fact.label;
        let words = style.behind_margin(&one_word(&fact.words), LABEL + 2);
        let number = fact.seen.as_ref().and_then(number);
        let number = number.map(|number| style.dim(&format!(" [{}]", number + 1)));
        let line = format!("  {label:LABEL$}{words}{}", number.unwrap_or_default());
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push('\n');
    for (number, place) in (1..).zip(&places) {
        let line = format!("  [{number}] {}", one_word(place));
        text.push_str(&format!("{}\n", style.dim(&line)));
    }
    text
}

struct Page<'h> {
    host: &'h Host,
    one: &'h Attachment,
}

impl<'h> Page<'h> {
    fn facts(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        self.container(&mut facts);
        self.inside(&mut facts);
        self.outside(&mut facts);
        self.asked(&mut facts);
        self.netfilter(&mut facts);
        self.others(&mut facts);
        facts
    }

    fn container(&self, facts: &mut Vec<Fact>) {
        let one = self.one;
        let life = match &one.life {
            Life::Alive | Life::Unknown(_) if one.incomplete => format!(
                "{}: its ADD failed, was killed or is under way, or it could not be detached",
                state(one)
            ),
            Life::Alive => state(one).to_owned(),
            Life::Gone(why) | Life::Unknown(why) => format!("{}: {why}", state(one)),
        };
        facts.push(fact("state", life, None));
        let network = match self.host.network(&one.network) {
            Some(network) => {
                let chain = format!("{}: {}", one.network, network.plugins.join(", "));
                fact("network", chain, Some(network.file.display().to_string()))
            }
            None => fact(
                "network",
                format!("{}, which has no configuration any more", one.network),
                None,
            ),
        };
        facts.push(network);
        if let Some(name) = &one.name {
            facts.push(fact(
                "name",
                name.to_string(),
                Some(format!("known by {}", name.known_by)),
            ));
        }
        facts.push(fact("container", one.container.clone(), None));
        if let Some(since) = one.since {
            let words = format!("{}, {} ago", utc(since), age(since));
            facts.push(fact("since", words, self.kept()));
        }
    }

    /// What is in the container's namespace.
    fn inside(&self, facts: &mut Vec<Fact>) {
        let one = self.one;
        let namespace = self.host.namespace_of(one);
        let path = one.netns.as_ref().map(|path| path.display().to_string());
        match (namespace, path) {
            (Some(namespace), path) => facts.push(fact(
                "namespace",
                places(namespace),
                path.map(|path| format!("at ADD {path}")),
            )),
            (None, Some(path)) => facts.push(fact("namespace", path, self.kept())),
            (None, None) => {}
        }
        let link = self.host.interface(one);
        let seen = || match link {
            Some(_) => self.seen(|seen| matches!(seen, Seen::Interface { .. })),
            None => self.kept(),
        };
        let ifname = one
            .ifname
            .as_deref()
            .or(link.map(|link| link.name.as_str()));
        let kind = one.kind.clone();
        let switched = link.map(up);
        let mtu = one.mtu.map(|mtu| format!("MTU {mtu}"));
        let words = [ifname.map(str::to_owned), kind, switched, mtu]
            .into_iter()
            .flatten();
        facts.push(fact(
            "interface",
            words.collect::<Vec<_>>().join(", "),
            seen(),
        ));
        if let Some(mac) = &one.mac {
            facts.push(fact("MAC", mac.clone(), seen()));
        }
        for address in &one.addresses {
            facts.push(fact("addresses", address.to_string(), seen()));
        }
        for address in one
            .assigned
            .iter()
            .filter(|net| !one.addresses.contains(net))
        {
            facts.push(fact(
                "missing",
                format!("{address}, which ADD gave it"),
                self.kept(),
            ));
        }
        if let (Some(namespace), Some(link)) = (namespace, link) {
            let links = namespace.links();
            let routes = links
                .routes
                .iter()
                .filter(|route| route.link == Some(link.index));
            for route in routes.filter(|route| !is_of_every_link(route)) {
                facts.push(fact("routes", route_words(route), seen()));
            }
        }
    }

    /// Where it leads to on the host.
    fn outside(&self, facts: &mut Vec<Fact>) {
        let links = self.host.links();
        let named = |name: &Option<String>| links?.named(name.as_deref()?);
        if let Some(link) = named(&self.one.host_link) {
            facts.push(fact("host link", link_words(link), seen_on_host(link)));
        }
        if let Some(bridge) = named(&self.one.bridge) {
            facts.push(fact("part of", link_words(bridge), seen_on_host(bridge)));
        }
    }

    /// What the runtime asked for, and what is kept for it.
    fn asked(&self, facts: &mut Vec<Fact>) {
        for port in &self.one.ports {
            facts.push(fact("ports", port.to_string(), self.kept()));
        }
        if let Some(limits) = self.one.limits {
            facts.push(fact("limits", limit_words(limits), self.kept()));
        }
        for address in &self.one.reserved {
            let seen = self.seen(|seen| {
                matches!(seen, Seen::Reservation(path) if path.file_name().is_some_and(|name| *name == *address.to_string()))
            });
            facts.push(fact("reserved", address.to_string(), seen));
        }
    }

    /// What it has in netfilter: the sets of each table together.
    fn netfilter(&self, facts: &mut Vec<Fact>) {
        let mut tables: Vec<(&str, Vec<&str>)> = Vec::new();
        for seen in &self.one.seen {
            let Seen::Netfilter(words) = seen else {
                continue;
            };
            let (table, name) = words.rsplit_once(' ').unwrap_or(("", words));
            match tables.iter_mut().find(|(known, _)| *known == table) {
                Some((_, names)) => names.push(name),
                None => tables.push((table, vec![name])),
            }
        }
        for (table, names) in tables {
            let words = format!("{table} {}", names.join(", "));
            facts.push(fact("netfilter", words, None));
        }
    }

    /// What else tells of it.
    fn others(&self, facts: &mut Vec<Fact>) {
        let told: Vec<String> = facts.iter().filter_map(|fact| fact.seen.clone()).collect();
        let others = self.one.seen.iter();
        let others = others.filter(|seen| !matches!(seen, Seen::Netfilter(_)));
        let others = others
            .map(Seen::to_string)
            .filter(|seen| !told.contains(seen));
        facts.extend(others.map(|seen| fact("also", seen, None)));
    }

    fn seen(&self, is_wanted: impl Fn(&Seen) -> bool) -> Option<String> {
        let seen = self.one.seen.iter().find(|seen| is_wanted(seen))?;
        Some(seen.to_string())
    }

    fn kept(&self) -> Option<String> {
        self.seen(|seen| matches!(seen, Seen::Cache(_)))
            .or_else(|| self.seen(|seen| matches!(seen, Seen::Reservation(_))))
    }
}

fn fact(label: &'static str, words: String, seen: Option<String>) -> Fact {
    Fact { label, words, seen }
}

/// How a namespace is found.
fn places(namespace: &Namespace) -> String {
    let files = namespace
        .files
        .iter()
        .map(|file| file.display().to_string());
    let processes = namespace
        .processes
        .iter()
        .map(|process| format!("process {process}"));
    let places: Vec<_> = std::iter::once(namespace.inode.to_string())
        .chain(files)
        .chain(processes.take(3))
        .collect();
    places.join(", ")
}

fn seen_on_host(link: &Link) -> Option<String> {
    Some(Seen::Link(link.name.clone()).to_string())
}

fn up(link: &Link) -> String {
    match (link.up, link.running) {
        (false, _) => "switched off".to_owned(),
        (true, false) => "without a carrier".to_owned(),
        (true, true) => "up".to_owned(),
    }
}

fn link_words(link: &Link) -> String {
    let kind = link.kind.clone();
    let addresses = link
        .addresses
        .iter()
        .filter(|net| !is_link_local(net))
        .map(ToString::to_string);
    let words = [
        Some(link.name.clone()),
        kind,
        Some(up(link)),
        Some(format!("MTU {}", link.mtu)),
    ];
    words
        .into_iter()
        .flatten()
        .chain(addresses)
        .collect::<Vec<_>>()
        .join(", ")
}

fn is_link_local(net: &ipnet::IpNet) -> bool {
    matches!(net, ipnet::IpNet::V6(net) if net.addr().is_unicast_link_local())
}

/// Whether the kernel has made it for every link that has IPv6.
fn is_of_every_link(route: &Route) -> bool {
    is_link_local(&route.destination)
        || matches!(route.destination, ipnet::IpNet::V6(net) if net.addr().is_multicast())
}

fn route_words(route: &Route) -> String {
    let destination = match route.destination.prefix_len() {
        0 => "default".to_owned(),
        _ => route.destination.to_string(),
    };
    match route.gateway {
        Some(gateway) => format!("{destination} via {gateway}"),
        None => destination,
    }
}

fn limit_words(limits: Limits) -> String {
    let words = |verb: &str, rate: Option<u64>| {
        rate.map(|rate| format!("{verb} {}", bits_per_second(rate)))
    };
    let words = [
        words("receives", limits.ingress_rate),
        words("sends", limits.egress_rate),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ") + " at most"
}
