//! `conformance`: draws what the library finds out of a plugin.

mod draw;
mod json;

use std::collections::BTreeSet;
use std::path::Path;

use linkspan_conformance::{
    Check, Exceptions, Judged, Kind as PluginKind, Observer, Outcome, Report, Subject,
    SubjectError, checks, judge, junit, leave_machine, markdown,
};
use linkspan_runtime::Cancel;
use linkspan_spec::{MAX_INPUT, Map, Value};

use crate::args::{Conformance, PluginsKind};
use crate::failure::{Failure, Kind};
use crate::file;
use crate::progress::Progress;
use crate::signals;
use crate::ui::{Ui, table};

/// The mode of a report's file.
const MODE: u32 = 0o644;

/// Judges plugins.
pub(crate) fn conformance(ui: Ui, args: &Conformance) -> Result<(), Failure> {
    if args.list {
        return list(ui, args.markdown);
    }
    let exceptions = exceptions(args.except.as_deref())?;
    let unknown = |name: &&String| !checks().any(|check| check.id == name.as_str());
    if let Some(name) = args.check.iter().find(unknown) {
        let words = format!("there is no check {name:?}");
        return Err(
            Failure::usage(words).advise("`linkspan conformance --list` tells which there are.")
        );
    }
    let config = args.config.as_deref().map(configuration).transpose()?;
    let subjects: Result<Vec<_>, _> = args
        .plugin
        .iter()
        .map(|plugin| subject(args, plugin, config.as_ref()))
        .collect();
    let subjects = subjects?;
    leave_machine().map_err(no_place)?;
    // Signals are watched by a thread, and whoever leaves has none.
    let cancel = signals::cancel();
    let mut reports = Vec::new();
    for subject in &subjects {
        let mut screen = Screen {
            ui,
            progress: None,
            cancel: cancel.as_ref(),
            is_over: false,
        };
        let report = judge(subject, &args.check, &exceptions, &mut screen)?;
        if screen.is_over {
            return Err(Failure::new(
                Kind::Failed,
                "the plugin is not judged to the end: it was given up",
            ));
        }
        reports.push(report);
    }
    tell(ui, args, &reports)?;
    verdict(&reports)
}

fn subject(args: &Conformance, plugin: &Path, config: Option<&Map>) -> Result<Subject, Failure> {
    let mut subject = Subject::new(plugin, config).map_err(|error| unusable(&error))?;
    if let Some(kind) = args.kind {
        subject = subject.with_kind(match kind {
            PluginsKind::Interface => PluginKind::Interface,
            PluginsKind::Chained => PluginKind::Chained,
            PluginsKind::Ipam => PluginKind::Ipam,
        });
    }
    if let Some(ifname) = &args.ifname {
        let ifname: linkspan_spec::IfName = ifname
            .parse()
            .map_err(|error: linkspan_spec::NameError| Failure::usage(error.to_string()))?;
        subject = subject.with_ifname(ifname.as_str());
    }
    if let Some(dirs) = &args.cni_path {
        let dirs = dirs.split(':').filter(|dir| !dir.is_empty());
        subject = subject.with_cni_path(dirs.map(Into::into).collect::<Vec<_>>());
    }
    if let Some(line) = &args.before {
        subject = subject.with_before(line);
    }
    if args.single {
        subject = subject.with_one_at_a_time();
    }
    Ok(subject
        .with_private(args.private.clone())
        .with_timeout(args.timeout))
}

fn unusable(error: &SubjectError) -> Failure {
    let failure = match std::error::Error::source(error) {
        Some(source) => Failure::usage(error.to_string()).because(source),
        None => Failure::usage(error.to_string()),
    };
    match error {
        SubjectError::NoConfig(_) => failure.advise(
            "Write its configuration, an object with the plugin's keys, into a file and name that with --config.",
        ),
        SubjectError::NotInConfig(name) => failure.advise(format!(
            "A plugin is run by its type, which is the name of its file: one of \"plugins\" needs \"type\": \"{name}\"."
        )),
        _ => failure,
    }
}

fn no_place(error: linkspan_kernel::Error) -> Failure {
    Failure::from(error).advise(
        "Each check is made in namespaces of its own, and this machine lets its user make none. Run it as root; or see what \
         sysctl says of user.max_user_namespaces and kernel.apparmor_restrict_unprivileged_userns.",
    )
}

fn configuration(path: &Path) -> Result<Map, Failure> {
    let wrong = || format!("cannot use the configuration {}", path.display());
    let text = file::read(path, MAX_INPUT as u64)
        .map_err(|error| Failure::usage(wrong()).because(error))?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(Failure::usage(wrong()).because("it is JSON, and no object")),
        Err(error) => Err(Failure::usage(wrong()).because(error)),
    }
}

fn exceptions(path: Option<&Path>) -> Result<Exceptions, Failure> {
    let Some(path) = path else {
        return Ok(Exceptions::default());
    };
    let wrong = || format!("cannot use the exceptions in {}", path.display());
    let text = file::read(path, MAX_INPUT as u64)
        .map_err(|error| Failure::usage(wrong()).because(error))?;
    Exceptions::parse(&text).map_err(|error| Failure::usage(wrong()).because(error))
}

/// Tells what is done, and gives it up on a signal.
struct Screen<'a> {
    ui: Ui,
    progress: Option<Progress>,
    cancel: Option<&'a Cancel>,
    is_over: bool,
}

impl Observer for Screen<'_> {
    fn begins(&mut self, check: &'static Check) {
        self.progress = None;
        self.progress = Some(self.ui.progress(check.asks));
    }

    fn ends(&mut self, _: &Judged) -> bool {
        self.progress = None;
        self.is_over |= self.cancel.is_some_and(Cancel::take);
        !self.is_over
    }
}

fn tell(ui: Ui, args: &Conformance, reports: &[Report]) -> Result<(), Failure> {
    if let Some(path) = &args.junit {
        let xml = junit::xml(reports);
        file::replace(path, xml.as_bytes(), MODE).map_err(|error| {
            Failure::new(Kind::Failed, format!("cannot write {}", path.display())).because(error)
        })?;
    }
    match (ui.json, args.markdown) {
        (true, _) => ui.print_json(&json::json(reports))?,
        (_, true) => ui.print(&markdown::findings(reports))?,
        _ => ui.print(&draw::text(ui.style(), reports))?,
    }
    for id in needless(reports) {
        ui.note(&format!(
            "the exception for {id} is not needed: take it out"
        ));
    }
    Ok(())
}

/// Exceptions that one plugin does not need, and no other does.
fn needless(reports: &[Report]) -> BTreeSet<&str> {
    let judged = reports.iter().flat_map(|report| &report.judged);
    let excepted = judged.filter(|judged| matches!(judged.outcome, Outcome::Excepted(..)));
    let needed: BTreeSet<_> = excepted.map(|judged| judged.check.id).collect();
    let all = reports.iter().flat_map(|report| &report.needless);
    all.map(String::as_str)
        .filter(|id| !needed.contains(id))
        .collect()
}

fn verdict(reports: &[Report]) -> Result<(), Failure> {
    let failed: Vec<_> = reports
        .iter()
        .filter(|report| !report.conforms())
        .map(|report| {
            let counts = report.counts();
            let unable = match counts.unable {
                0 => String::new(),
                many => format!(", {many} could not be made"),
            };
            format!("{} ({} failed{unable})", report.plugin, counts.failed)
        })
        .collect();
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(
            Kind::Failed,
            format!("not as the specification requires: {}", failed.join(", ")),
        )),
    }
}

fn list(ui: Ui, as_markdown: bool) -> Result<(), Failure> {
    if ui.json {
        return ui.print_json(&json::checks());
    }
    if as_markdown {
        return ui.print(&markdown::table());
    }
    let heading = ["CHECK", "", "SINCE", "WHAT IS ASKED"];
    let rows = checks().map(|check| {
        [
            check.id,
            check.level.as_str(),
            check.since.as_str(),
            check.asks,
        ]
    });
    let rows: Vec<_> = std::iter::once(heading)
        .chain(rows)
        .map(|row| row.map(str::to_owned).to_vec())
        .collect();
    ui.print(&table(ui.style(), &rows))
}
