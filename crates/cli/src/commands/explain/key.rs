//! `explain key`.

use std::fmt::Write;

use linkspan_explain::key::{Answer, Found, Owner, every_key, inside, look_up};
use linkspan_explain::reference::{kind_of, meaning, table};
use linkspan_spec::Value;

use crate::args::ExplainKey;
use crate::failure::{Failure, Kind};
use crate::style::Style;
use crate::ui::{Ui, object};

pub(super) fn explain(ui: Ui, args: &ExplainKey) -> Result<(), Failure> {
    let (owner, found) = match look_up(&args.key) {
        Answer::Owner(owner) => (Some(owner), every_key(owner)),
        Answer::Keys(found) => (None, found),
        Answer::Nothing { similar } => return Err(unknown(&args.key, &similar)),
    };
    if args.markdown {
        let owner = owner.ok_or_else(|| {
            Failure::usage("only the keys of a plugin are written as a table")
                .advise("Name the plugin alone: `linkspan explain key bridge --markdown`.")
        })?;
        return ui.print(&table(owner));
    }
    if ui.json {
        let keys: Value = found.iter().map(json).collect();
        return ui.print_json(&object([("keys", keys)]));
    }
    ui.print(&match (owner, found.as_slice()) {
        (Some(owner), found) => list(ui.style(), owner, found),
        (None, found) => found
            .iter()
            .map(|one| text(ui.style(), one))
            .collect::<Vec<_>>()
            .join("\n"),
    })
}

fn unknown(question: &str, similar: &[String]) -> Failure {
    let failure = Failure::new(
        Kind::Failed,
        format!("no plugin of Linkspan's has a key {question:?}"),
    );
    failure.advise(match similar {
        [] => "`linkspan explain key PLUGIN` lists the keys of a plugin, as of bridge. Keys of other plugins stand in their own documentation.".to_owned(),
        similar => format!("Similar are: {}.", similar.join(", ")),
    })
}

/// Columns before the words of a key.
const MARGIN: usize = 2;

/// One key, with all that is known of it.
fn text(style: Style, found: &Found) -> String {
    let key = found.key;
    let mut text = format!(
        "{}  {}\n",
        style.bold(&format!("{}.{}", found.owner.name, found.path)),
        style.dim(&kind_of(key))
    );
    let mut line = |words: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:MARGIN$}{}", "", style.behind_margin(words, MARGIN));
    };
    line(&meaning(key));
    line(&format!(
        "default: {}; read by {}",
        key.default.unwrap_or("none"),
        commands(found)
    ));
    if let Some(capability) = capability(found) {
        line(&format!(
            "the runtime hands it in, where the plugin's entry has \"capabilities\": {{\"{capability}\": true}}"
        ));
    }
    let (_, parts) = inside(&key.shape);
    for part in parts {
        line(&format!(
            "{}  {}: {}",
            style.bold(part.name),
            kind_of(part),
            meaning(part)
        ));
    }
    text
}

/// All keys of an owner, a line each.
fn list(style: Style, owner: Owner, found: &[Found]) -> String {
    let mut text = format!("{}: {}\n\n", style.bold(owner.name), owner.about);
    if found.is_empty() {
        text.push_str("It has no keys of its own.\n");
    }
    for one in found {
        let default = one
            .key
            .default
            .map(|json| format!(", default {json}"))
            .unwrap_or_default();
        let head = format!(
            "{}  {}",
            style.bold(&one.path),
            style.dim(&format!("{}{default}", kind_of(one.key)))
        );
        let _ = writeln!(
            text,
            "{head}\n    {}",
            style.behind_margin(&meaning(one.key), 4)
        );
    }
    text
}

fn commands(found: &Found) -> String {
    let names: Vec<_> = found
        .key
        .commands
        .iter()
        .map(|command| command.as_str())
        .collect();
    names.join(", ")
}

/// The capability by which a runtime hands the key in.
fn capability(found: &Found) -> Option<&str> {
    let rest = found.path.strip_prefix("runtimeConfig.")?;
    rest.split(['.', '[']).next()
}

fn json(found: &Found) -> Value {
    let key = found.key;
    let (least, most) = key.range.unzip();
    object([
        ("owner", found.owner.name.into()),
        ("key", found.path.as_str().into()),
        ("type", kind_of(key).into()),
        ("meaning", meaning(key).into()),
        (
            "default",
            key.default.map_or(Value::Null, |text| {
                serde_json::from_str(text).unwrap_or_default()
            }),
        ),
        ("unit", key.unit.into()),
        ("least", least.into()),
        ("most", most.into()),
        (
            "readBy",
            key.commands
                .iter()
                .map(|command| Value::from(command.as_str()))
                .collect(),
        ),
        ("capability", capability(found).into()),
    ])
}
