//! `explain error`.

use std::fmt::Write;
use std::io::{self, Read};
use std::path::Path;

use linkspan_explain::error::{Explained, MAX_TEXT, all_known, explain as explained};
use linkspan_explain::reference::messages;
use linkspan_spec::Value;

use crate::args::ExplainError;
use crate::failure::{Failure, Kind};
use crate::style::Style;
use crate::ui::{Ui, object};

pub(super) fn explain(ui: Ui, args: &ExplainError) -> Result<(), Failure> {
    if args.list {
        return list(ui);
    }
    let text = match (&args.message, &args.file) {
        (Some(message), _) => message.clone(),
        (None, Some(file)) => read(file)?,
        (None, None) => return Err(Failure::usage("what is to be explained is not told")),
    };
    let errors = explained(&text);
    if errors.is_empty() {
        return Err(Failure::new(Kind::Failed, "there is no error of CNI in that text")
            .advise("Give it the error object that a plugin printed, a runtime's log with such a line, or the message alone by --message."));
    }
    match ui.json {
        true => {
            let errors: Value = errors.iter().map(json).collect();
            ui.print_json(&object([("errors", errors)]))
        }
        false => {
            let texts: Vec<_> = errors.iter().map(|one| in_words(ui.style(), one)).collect();
            ui.print(&texts.join("\n"))
        }
    }
}

fn list(ui: Ui) -> Result<(), Failure> {
    if !ui.json {
        return ui.print(&messages());
    }
    let known = all_known().map(|(group, pattern, cause, next)| {
        object([
            ("about", group.into()),
            ("message", pattern.into()),
            ("cause", cause.into()),
            ("next", next.into()),
        ])
    });
    ui.print_json(&object([("messages", known.collect())]))
}

/// What is there to read, as text, however it is encoded.
fn read(file: &Path) -> Result<String, Failure> {
    let because = |error: io::Error| {
        Failure::new(Kind::Failed, format!("cannot read {}", file.display())).because(error)
    };
    let mut bytes = Vec::new();
    let limit = MAX_TEXT as u64 + 1;
    match file.to_str() {
        Some("-") => io::stdin().lock().take(limit).read_to_end(&mut bytes),
        _ => std::fs::File::open(file).and_then(|file| file.take(limit).read_to_end(&mut bytes)),
    }
    .map_err(because)?;
    if bytes.len() > MAX_TEXT {
        return Err(Failure::new(
            Kind::Failed,
            format!("there is more to read than {} MB", MAX_TEXT >> 20),
        )
        .advise("Give it the part of the log that is about the failure."));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Columns before the words.
const MARGIN: usize = 9;

fn in_words(style: Style, one: &Explained) -> String {
    let mut text = String::new();
    let mut line = |label: String, words: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{label} {}", style.behind_margin(words, MARGIN));
    };
    line(style.bad("  error:"), &one.reported.msg);
    let by = by_whom(one);
    if !by.is_empty() {
        line(style.dim("     by:"), &by);
    }
    if let Some(code) = &one.code {
        line(
            style.dim("   code:"),
            &format!("{}: {}", code.code, code.meaning),
        );
    }
    if !one.reported.details.is_empty() {
        line(style.dim(" detail:"), &one.reported.details);
    }
    match &one.known {
        Some(known) => {
            line(style.bold("  cause:"), &known.cause);
            line(style.good("   next:"), &known.next);
        }
        None => line(style.good("   next:"), &unknown(one)),
    }
    if let Some(section) = section(one) {
        line(
            style.dim("   spec:"),
            &format!("CNI specification, {section}"),
        );
    }
    text
}

fn by_whom(one: &Explained) -> String {
    let reported = &one.reported;
    let mut words = Vec::new();
    if let Some(plugin) = &reported.plugin {
        let command = reported
            .command
            .as_deref()
            .unwrap_or("a command")
            .to_uppercase();
        words.push(format!("{plugin} at {command}"));
    }
    words.extend(
        reported
            .network
            .as_ref()
            .map(|network| format!("network {network}")),
    );
    words.extend(
        reported
            .container
            .as_ref()
            .map(|container| format!("for {container}")),
    );
    if one.times > 1 {
        words.push(format!("{} times, the first of which is shown", one.times));
    }
    words.join(", ")
}

/// What to do about a message that nobody has written down.
fn unknown(one: &Explained) -> String {
    let by_code = one
        .code
        .map(|code| format!("{}. ", code.next))
        .unwrap_or_default();
    let plugin = one.reported.plugin.as_deref().unwrap_or("the plugin");
    format!(
        "{by_code}This message is not known here. The documentation of {plugin} may tell it; `linkspan lint` looks at the configuration, `linkspan doctor` at the host"
    )
}

fn section(one: &Explained) -> Option<&'static str> {
    let known = one.known.as_ref().map(|known| known.section);
    let code = one.code.map(|code| code.section);
    known
        .into_iter()
        .chain(code)
        .find(|section| !section.is_empty())
}

fn json(one: &Explained) -> Value {
    let reported = &one.reported;
    let known = one.known.as_ref();
    object([
        ("msg", reported.msg.as_str().into()),
        ("details", reported.details.as_str().into()),
        ("code", reported.code.map(|code| code.0).into()),
        ("codeMeans", one.code.map(|code| code.meaning).into()),
        ("plugin", reported.plugin.as_deref().into()),
        ("command", reported.command.as_deref().into()),
        ("network", reported.network.as_deref().into()),
        ("container", reported.container.as_deref().into()),
        ("times", one.times.into()),
        ("cause", known.map(|known| known.cause.as_str()).into()),
        (
            "next",
            known
                .map_or_else(|| unknown(one), |known| known.next.clone())
                .into(),
        ),
        ("section", section(one).into()),
    ])
}
