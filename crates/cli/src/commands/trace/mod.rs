//! `trace`: `add`, `del` or `check`, with what took how long.

mod signs;
mod told;
mod totals;
mod waterfall;

use std::path::Path;

use linkspan_spans::{Collecting, Context, Trace as Own};
use linkspan_spec::Value;
use linkspan_traces::{Export, Source, Spool, request, tree};

use crate::args::{Trace, TraceCommand};
use crate::commands::attach;
use crate::failure::{Failure, Kind};
use crate::file;
use crate::ui::{Ui, object};

/// Runs the command, and draws what took how long. A failure of the command is told after that, and is that of this one.
pub(crate) fn trace(ui: Ui, args: &Trace) -> Result<(), Failure> {
    let collecting = begin()?;
    let outcome = run(ui, &args.command);
    let own = collecting.end();
    if own.spans.is_empty() {
        // It was not even begun.
        return outcome.map(drop);
    }
    let others = of_plugins(ui, &own);
    let written = args.otlp.as_deref().map(|path| write(path, &own, &others));
    show(ui, &own, &others, outcome.as_ref().ok())?;
    outcome.map(drop)?;
    written.unwrap_or(Ok(()))
}

/// What the command prints with `--json`.
fn run(ui: Ui, command: &TraceCommand) -> Result<Value, Failure> {
    match command {
        TraceCommand::Add(args) => attach::attached(ui, args),
        TraceCommand::Del(args) => attach::detached(ui, args).map(|done| done.told),
        TraceCommand::Check(target) => attach::checked(ui, target).map(|done| done.told),
    }
}

/// A part of the trace that this program was started in, or one of its own.
fn begin() -> Result<Collecting, Failure> {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let context = Context::parse(&variable("TRACEPARENT"), &variable("TRACESTATE"));
    let begun = match context.filter(Context::is_sampled) {
        Some(context) => Collecting::begin(&context),
        None => Collecting::anew(),
    };
    begun.map_err(|error| Failure::new(Kind::Failed, "a trace cannot be begun").because(error))
}

/// What the plugins have left.
fn of_plugins(ui: Ui, own: &Own) -> Vec<Export> {
    let spool = Spool::open_if_there();
    let left = spool.and_then(|spool| spool.map_or(Ok(Vec::new()), |spool| spool.of(own.id)));
    left.unwrap_or_else(|error| {
        ui.note(&format!(
            "what the plugins have told of their steps cannot be read: {error}"
        ));
        Vec::new()
    })
}

fn source() -> Source {
    Source {
        plugin: None,
        process: std::process::id(),
    }
}

fn write(path: &Path, own: &Own, others: &[Export]) -> Result<(), Failure> {
    let source = source();
    let others = others.iter().map(|export| (&export.source, &export.trace));
    let mut line = request([(&source, own)].into_iter().chain(others));
    line.push(b'\n');
    file::replace(path, &line, 0o600).map_err(|error| {
        let words = format!("cannot write the trace to {}", path.display());
        Failure::new(Kind::Failed, words).because(error)
    })
}

fn show(ui: Ui, own: &Own, others: &[Export], told: Option<&Value>) -> Result<(), Failure> {
    let nodes = tree(own, others);
    if !ui.json {
        return ui.print(&waterfall::draw(
            ui.style(),
            signs::Signs::of_locale(),
            &nodes,
        ));
    }
    let spans: Vec<Value> = nodes.iter().map(told::node).collect();
    ui.print_json(&object([
        ("trace", own.id.to_string().into()),
        ("result", told.cloned().unwrap_or(Value::Null)),
        ("spans", spans.into()),
    ]))
}
