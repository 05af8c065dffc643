//! `network inspect`.

use std::fmt::Write;

use linkspan_inspect::network::Network;
use linkspan_inspect::pool::{Pool, Set};
use linkspan_inspect::{Host, Places};
use linkspan_lint::{Severity, host::Facts, input, lint};
use linkspan_spec::{Value, decode, pretty};

use crate::args::NetworksInspect;
use crate::failure::Failure;
use crate::style::Style;
use crate::text::one_word;
use crate::ui::{Ui, object};

/// Tells all of networks.
pub(super) fn inspect(ui: Ui, args: &NetworksInspect) -> Result<(), Failure> {
    let places = args.look.places();
    let host = ui.look(&places);
    let networks = args.networks.iter().map(|name| {
        let network = host.network(name);
        network.ok_or_else(|| super::not_found(&host, &places, name))
    });
    let networks: Vec<&Network> = networks.collect::<Result<_, _>>()?;
    let found = findings(&places);
    if ui.json {
        let told = networks
            .iter()
            .map(|network| json(ui, &host, network, &found));
        let told = told.collect::<Result<Vec<_>, _>>()?;
        return ui.print_json(&object([("networks", told.into())]));
    }
    let texts = networks
        .iter()
        .map(|network| text(ui.style(), &host, network, &found));
    ui.print(&texts.collect::<Vec<_>>().join("\n"))
}

/// How many errors, warnings and notes lint has for each file.
type Found = Vec<(String, [usize; 3])>;

fn findings(places: &Places) -> Found {
    let directories = places.config_dirs.iter();
    let documents: Vec<_> = directories
        .flat_map(|directory| input::directory(directory).unwrap_or_default())
        .collect();
    let facts = Facts::gather(places, &documents);
    let reports = lint(&documents, Some(&facts)).into_iter();
    reports
        .map(|report| {
            let count = |severity: Severity| {
                report
                    .findings
                    .iter()
                    .filter(|finding| finding.severity == severity)
                    .count()
            };
            let counts = [Severity::Error, Severity::Warning, Severity::Note].map(count);
            (report.source.name().to_owned(), counts)
        })
        .collect()
}

fn counts(network: &Network, found: &Found) -> [usize; 3] {
    let file = network.file.to_string_lossy();
    let counts = found.iter().find(|(name, _)| *name == file);
    counts.map(|(_, counts)| *counts).unwrap_or_default()
}

/// The configuration in force: with the plugins of the network's folder.
fn configuration(network: &Network) -> Value {
    let source = network.list.as_ref().map(|list| list.source());
    decode::value(&source.unwrap_or_default()).unwrap_or_default()
}

fn pools<'h>(host: &'h Host, network: &Network) -> Vec<&'h Pool> {
    let name = network.name.as_deref().unwrap_or_default();
    host.pools
        .iter()
        .filter(|pool| pool.network == name)
        .collect()
}

fn text(style: Style, host: &Host, network: &Network, found: &Found) -> String {
    let name = network.name.as_deref().unwrap_or_default();
    let mut text = format!("{}\n", style.bold(&one_word(name)));
    let mut line = |label: &str, words: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {words}", style.dim(&format!("{label:>10}")));
    };
    line("file:", &network.file.display().to_string());
    line("version:", network.cni_version.as_deref().unwrap_or("?"));
    line("plugins:", &network.plugins.join(" "));
    if !network.ipam.is_empty() {
        line("addresses:", &network.ipam.join(" "));
    }
    let subnets: Vec<String> = network.subnets().iter().map(ToString::to_string).collect();
    if !subnets.is_empty() {
        line("subnets:", &subnets.join(" "));
    }
    for pool in pools(host, network) {
        let directory = pool.directory.display();
        match pool.sets.is_empty() {
            true => line(
                "pool:",
                &format!("{directory}, {} reserved", pool.reservations.len()),
            ),
            false => pool
                .sets
                .iter()
                .for_each(|set| line("pool:", &format!("{directory}, {}", words(set)))),
        }
    }
    let bridges = network.bridges();
    if !bridges.is_empty() {
        line("bridge:", &bridges.join(" "));
    }
    for attachment in host.attachments_of(name) {
        let ifname = attachment.ifname.as_deref().unwrap_or("?");
        let addresses: Vec<String> = attachment
            .addresses
            .iter()
            .map(ToString::to_string)
            .collect();
        let gone = match attachment.life.why() {
            None => String::new(),
            Some(why) => format!(" ({why})"),
        };
        let label = one_word(&attachment.label()).into_owned();
        line(
            "attached:",
            &format!("{label} {ifname} {}{gone}", addresses.join(" ")),
        );
    }
    line("lint:", &verdict(counts(network, found)));
    text.push_str(&pretty(&configuration(network)));
    text.push('\n');
    text
}

fn words(set: &Set) -> String {
    format!("{}: {} of {} used", set.ranges, set.used, set.size)
}

fn verdict(counts: [usize; 3]) -> String {
    let names = [
        ("error", "errors"),
        ("warning", "warnings"),
        ("note", "notes"),
    ];
    let told = counts.iter().zip(names).filter(|(count, _)| **count > 0);
    let told: Vec<String> = told
        .map(|(count, (one, many))| format!("{count} {}", if *count == 1 { one } else { many }))
        .collect();
    match told.is_empty() {
        true => "nothing is wrong".to_owned(),
        false => format!("{}: `linkspan lint` tells", told.join(", ")),
    }
}

fn json(ui: Ui, host: &Host, network: &Network, found: &Found) -> Result<Value, Failure> {
    let name = network.name.as_deref().unwrap_or_default();
    let [errors, warnings, notes] = counts(network, found);
    let attachments: Vec<_> = host.attachments_of(name).collect();
    Ok(object([
        ("name", name.into()),
        ("driver", network.plugins.first().map(String::as_str).into()),
        ("file", network.file.to_string_lossy().into()),
        ("cniVersion", network.cni_version.as_deref().into()),
        (
            "plugins",
            network.plugins.iter().map(String::as_str).collect(),
        ),
        ("ipam", network.ipam.iter().map(String::as_str).collect()),
        (
            "subnets",
            network.subnets().iter().map(ToString::to_string).collect(),
        ),
        ("bridges", network.bridges().into()),
        ("pools", ui.value(&pools(host, network))?),
        ("attachments", ui.value(&attachments)?),
        (
            "lint",
            object([
                ("errors", errors.into()),
                ("warnings", warnings.into()),
                ("notes", notes.into()),
            ]),
        ),
        ("configuration", configuration(network)),
    ]))
}
