//! `show`: what is attached.
//!
//! [`table`] draws several attachments, [`detail`] one; what is told is gathered by `linkspan_inspect`.

mod detail;
mod table;

use std::collections::BTreeSet;

use linkspan_inspect::Host;
use linkspan_inspect::attachment::{Attachment, called, words_near};
use linkspan_spec::Value;

use crate::args::Show;
use crate::failure::{Failure, Kind};
use crate::ui::{Ui, object};

/// Shows what is attached: all, or what a word means.
pub(crate) fn show(ui: Ui, args: &Show) -> Result<(), Failure> {
    let host = ui.look(&args.look.places());
    let chosen = choose(&host, args.word.as_deref())?;
    if ui.json {
        return ui.print_json(&json(ui, &host, &chosen)?);
    }
    match (chosen.as_slice(), &args.word) {
        ([one], Some(_)) => ui.print(&detail::page(ui.style(), &host, one)),
        ([], _) => ui.print(&nothing(args.word.as_deref())),
        (several, _) => {
            let rest = args.word.is_none().then_some(&host);
            ui.print(&table::text(ui.style(), several, rest))
        }
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
        ("blindSpots", ui.value(&host.blind_spots)?),
    ]))
}
