//! `events`.

mod draw;
mod select;

use std::io;

use linkspan_events::{Event, Follow, Ring};
use linkspan_inspect::containers::Names;
use linkspan_spec::{Map, Value};

use crate::args::Events;
use crate::failure::{Failure, Kind};
use crate::ui::{Ui, is_somebody_reading, object};
use draw::Table;
use select::{Selection, grouped};

/// How many calls of before are shown when the next ones are waited for.
const BEFORE: usize = 10;

/// Shows what plugins were called for.
pub(crate) fn events(ui: Ui, args: &Events) -> Result<(), Failure> {
    let selection = Selection::of(args);
    if args.follow {
        return follow(ui, args, &selection);
    }
    let ring = Ring::open_if_there().map_err(unreadable)?;
    let history = ring.map(|ring| ring.read()).transpose();
    let mut events = history.map_err(unreadable)?.unwrap_or_default().events;
    let all = events.len();
    events.retain(|event| selection.has(event));
    let names = Names::read();
    if ui.json {
        let told = events.iter().map(|event| json(event, &names)).collect();
        return ui.print_json(&object([("events", told)]));
    }
    if events.is_empty() {
        return ui.print(match all {
            0 => "No plugin was called since this machine was started.\n",
            _ => "No such call in what is kept.\n",
        });
    }
    let events = grouped(events);
    let mut table = Table::new(ui.style(), &names);
    ui.print(&table.draw(&events))
}

/// Shows the last calls and each one that comes.
fn follow(ui: Ui, args: &Events, selection: &Selection) -> Result<(), Failure> {
    let following = Ring::open().and_then(Follow::new);
    let (history, mut follow) = following.map_err(unreadable)?;
    let mut events = history.events;
    events.retain(|event| selection.has(event));
    if args.since.is_none() {
        events.drain(..events.len().saturating_sub(BEFORE));
    }
    let names = Names::read();
    let mut table = Table::new(ui.style(), &names);
    loop {
        if ui.json {
            for event in &events {
                ui.print(&format!("{}\n", json(event, &names)))?;
            }
        } else if !events.is_empty() {
            ui.print(&table.draw(&events))?;
        }
        if !is_somebody_reading() {
            return Ok(());
        }
        events = follow.wait().map_err(ended)?;
        events.retain(|event| selection.has(event));
    }
}

/// Why what is kept cannot be read.
pub(super) fn unreadable(error: io::Error) -> Failure {
    let words = "cannot read what plugins were called for";
    if error.kind() == io::ErrorKind::PermissionDenied {
        return Failure::new(Kind::Privilege, words)
            .because("it tells of containers, and only root may see it")
            .because(error)
            .advise("Run it as root, for example with sudo.");
    }
    Failure::new(Kind::Failed, words)
        .because(error)
        .advise("It is kept in /run/cni/linkspan; /run must be there.")
}

fn ended(error: io::Error) -> Failure {
    if error.kind() != io::ErrorKind::NotFound {
        return unreadable(error);
    }
    Failure::new(Kind::Failed, "what plugins were called for was removed")
        .advise("After `linkspan uninstall` there is nothing to follow; else start it again.")
}

/// An event for programs; what there is none of is null.
fn json(event: &Event, names: &Names) -> Value {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned()).into();
    let mut told = object([
        ("time", draw::timestamp(event.began).into()),
        ("command", text(&event.command)),
        ("network", text(&event.network)),
        ("containerID", text(&event.container)),
        ("name", select::name(event, names).into()),
        ("ifname", text(&event.ifname)),
        ("plugin", text(&event.plugin)),
        ("seconds", event.took.as_secs_f64().into()),
        ("caller", event.caller.into()),
    ]);
    let ipam = event.ipam.iter().map(|one| {
        object([
            ("plugin", text(&one.plugin)),
            ("command", text(&one.command)),
            ("seconds", one.took.as_secs_f64().into()),
            ("code", one.code.map(|code| code.0).into()),
        ])
    });
    let mut more = Map::new();
    more.insert("ipam".into(), ipam.collect());
    let error = event.error.as_ref().map(|error| {
        object([
            ("code", error.code.0.into()),
            ("msg", error.msg.as_str().into()),
            ("details", text(&error.details)),
        ])
    });
    more.insert("error".into(), error.into());
    if let Some(map) = told.as_object_mut() {
        map.extend(more);
    }
    told
}
