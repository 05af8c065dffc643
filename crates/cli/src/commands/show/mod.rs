//! `show`: what is attached.
//!
//! [`table`] draws several attachments, [`detail`] one; [`outline`], [`svg`] and [`graph`] draw what is connected to what; [`watch`] counts. What is
//! told is gathered by `linkspan_inspect`.

mod detail;
mod graph;
mod outline;
mod svg;
mod table;
mod watch;

use std::collections::BTreeSet;

use linkspan_inspect::Host;
use linkspan_inspect::attachment::{Attachment, called, words_near};
use linkspan_inspect::topology::Topology;
use linkspan_spec::Value;

use self::graph::Graph;
use crate::args::{Format, Show};
use crate::failure::{Failure, Kind};
use crate::ui::{Ui, object};

/// Shows what is attached: all, or what a word means.
pub(crate) fn show(ui: Ui, args: &Show) -> Result<(), Failure> {
    if let Some(interval) = args.watch {
        return watch::watch(ui, args, interval);
    }
    let host = ui.look(&args.look.places());
    let chosen = choose(&host, args.word.as_deref())?;
    let topology = || Topology::of(&host, &chosen);
    let graph = |topology| Graph {
        topology,
        attachments: &chosen,
    };
    let format = if ui.json {
        Some(Format::Json)
    } else {
        args.format()
    };
    match format {
        Some(Format::Json) => ui.print_json(&json(ui, &host, &chosen)?),
        Some(Format::Tree) => ui.print(&outline::text(ui.style(), &topology(), &chosen)),
        Some(Format::Svg) => ui.print(&svg::text(&host, &topology(), &chosen)),
        Some(Format::Mermaid) => ui.print(&graph(&topology()).mermaid()),
        Some(Format::Dot) => ui.print(&graph(&topology()).dot()),
        Some(Format::Table) => ui.print(&lines(ui, args, &host, &chosen)),
        None => match (chosen.as_slice(), &args.word) {
            ([one], Some(_)) => ui.print(&detail::page(ui.style(), &host, one)),
            _ => ui.print(&lines(ui, args, &host, &chosen)),
        },
    }
}

/// A line for each attachment.
fn lines(ui: Ui, args: &Show, host: &Host, chosen: &[&Attachment]) -> String {
    let rest = args.word.is_none().then_some(host);
    match chosen.is_empty() {
        true => nothing(args.word.as_deref()),
        false => table::text(ui.style(), chosen, rest),
    }
}

/// The attachments that a word means; without one all.
fn choose<'h>(host: &'h Host, word: Option<&str>) -> Result<Vec<&'h Attachment>, Failure> {
    let Some(word) = word else {
        return Ok(host.attachments.iter().collect());
    };
    let found = called(&host.attachments, word);
    // A network may have none.
    match found.is_empty() && host.network(word).is_none() {
        true => Err(unknown(host, word)),
        false => Ok(found),
    }
}

fn unknown(host: &Host, word: &str) -> Failure {
    let is_link = host
        .links()
        .is_some_and(|links| links.named(word).is_some());
    let failure = match is_link {
        true => format!("nothing that is attached leads to the link {word}"),
        false => format!("nothing that is attached is called {word:?}"),
    };
    let failure = Failure::new(Kind::Failed, failure);
    let near = words_near(&host.attachments, word);
    failure.advise(match near.is_empty() {
        true => "`linkspan show` lists all that is attached.".to_owned(),
        false => format!(
            "Is {} meant? `linkspan show` lists all that is attached.",
            near.join(" or ")
        ),
    })
}

fn nothing(network: Option<&str>) -> String {
    match network {
        Some(network) => format!("Nothing is attached to the network {network}.\n"),
        None => "Nothing is attached.\n".to_owned(),
    }
}

fn json(ui: Ui, host: &Host, chosen: &[&Attachment]) -> Result<Value, Failure> {
    let inodes: BTreeSet<u64> = chosen.iter().filter_map(|one| one.namespace).collect();
    let namespaces = host.namespaces.iter();
    let namespaces: Vec<_> = namespaces
        .filter(|namespace| inodes.contains(&namespace.inode))
        .collect();
    Ok(object([
        ("attachments", ui.value(&chosen)?),
        ("namespaces", ui.value(&namespaces)?),
        ("topology", ui.value(&Topology::of(host, chosen))?),
        ("blindSpots", ui.value(&host.blind_spots)?),
    ]))
}
