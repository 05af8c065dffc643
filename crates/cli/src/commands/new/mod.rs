//! `new network`: the configuration of a new network, chosen for this host, linted, told, and written. `new plugin`: a crate.

mod next;
mod plugin;
mod questions;
mod tell;
mod wish;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use linkspan_draft::{
    Draft, Facts, FilePlace, Refusal, Speech, Why, Wish, candidates, draft, place,
};
use linkspan_inspect::Places;
use linkspan_lint::{FileReport, Severity, input};
use linkspan_runtime::{Error, Runtime};
use linkspan_spec::{NetworkList, Version, pretty};
use linkspan_state::lock::{Lock, Mode};

use crate::args::{New, NewCommand, NewNetwork};
use crate::commands::confirm;
use crate::commands::explain::network_words;
use crate::failure::{Failure, Kind};
use crate::file;
use crate::ui::Ui;

/// A plugin answers at once or not at all.
const PATIENCE: Duration = Duration::from_secs(5);

/// Everybody reads configurations: container runtimes of users, and people.
const MODE: u32 = 0o644;

/// What is to be written, and where.
struct Made {
    draft: Draft,
    text: String,
    /// Where it is written; nowhere with `--stdout`.
    place: Option<FilePlace>,
    /// What lint says of it: warnings and notes.
    report: Vec<FileReport>,
    /// What ADD will do.
    explanation: String,
    next: Vec<String>,
}

/// Makes what is new.
pub(crate) fn new(ui: Ui, args: &New) -> Result<(), Failure> {
    match &args.command {
        NewCommand::Network(args) => network(ui, args),
        NewCommand::Plugin(args) => plugin::plugin(ui, args),
    }
}

/// Makes a network.
pub(crate) fn network(ui: Ui, args: &NewNetwork) -> Result<(), Failure> {
    let places = args.look.places();
    let mut wish = wish::of(args)?;
    let is_asked = confirm::is_possible(ui) && !args.yes;
    let _turn = (!is_asked && !args.stdout).then(|| turn(&places));
    let host = ui.look(&places);
    let mut facts = Facts::gather(&host, &places);
    if questions::are_wanted(ui, args) {
        questions::ask(ui, args, &facts, &mut wish)?;
    }
    require_name(ui, args, &wish)?;
    facts.plugins = speeches(ui, &places, &wish);
    let mut draft = draft(&wish, &facts).map_err(refused)?;
    let text = format!("{}\n", pretty(&draft.configuration));
    let place = file_of(args, &places, &draft.name)?;
    let report = lint(&places, place.as_ref(), &draft, &text)?;
    let (explanation, failure) = explain(ui, &places, place.as_ref(), &text)?;
    draft.cautions.extend(failure);
    let next = next::steps(&places, &draft, place.as_ref());
    let made = Made {
        draft,
        text,
        place,
        report,
        explanation,
        next,
    };
    if let Some(place) = &made.place {
        if !args.yes && confirm::is_possible(ui) {
            ui.print(&tell::preview(ui.style(), &made, &place.path))?;
            if !confirm::is_yes(ui, "Write it?")? {
                ui.note("nothing was written");
                return Ok(());
            }
        }
        write(&place.path, made.text.as_bytes())?;
    }
    tell::told(ui, &made)
}

/// How long others are waited for: whoever may read the directory can hold its lock.
const TURN: Duration = Duration::from_secs(2);

/// Has those who choose at the same time do so one after another, so that each sees the subnet of the one before; who
/// is asked by a person meanwhile takes no turn. It ends with what is given back.
fn turn(places: &Places) -> Option<Lock> {
    let directory = fs::File::open(places.config_dirs.first()?).ok()?;
    Lock::take(directory, Mode::Alone, TURN).ok()
}

/// Who cannot be asked has to say what it is called, or that a name may be chosen.
fn require_name(ui: Ui, args: &NewNetwork, wish: &Wish) -> Result<(), Failure> {
    if wish.name.is_some() || args.yes || args.stdout || confirm::is_possible(ui) {
        return Ok(());
    }
    Err(
        Failure::usage("the network has no name, and nobody can be asked for one")
            .advise("Nothing was written. Name it, or let a name be chosen with --yes."),
    )
}

/// Asks the plugins that may be needed for the versions that they speak.
fn speeches(ui: Ui, places: &Places, wish: &Wish) -> std::collections::BTreeMap<String, Speech> {
    let runtime = Runtime::builder()
        .plugin_dirs(places.plugin_dirs.clone())
        .timeout(PATIENCE)
        .build();
    let ask = |name: &str| {
        let Ok(plugin) = name.parse() else {
            return Speech::Missing;
        };
        match runtime.version(&plugin) {
            Ok(info) => {
                let versions = info.supported_versions.iter();
                let known = versions.filter_map(|text| text.parse::<Version>().ok());
                Speech::Speaks(known.collect())
            }
            Err(Error::PluginNotFound { .. }) => Speech::Missing,
            Err(error) => Speech::Silent(error.to_string()),
        }
    };
    let speeches = candidates(wish)
        .into_iter()
        .map(|name| (name.to_owned(), ask(name)))
        .collect();
    ui.detail(|| format!("plugins were asked for their versions: {speeches:?}"));
    speeches
}

fn refused(refusal: Refusal) -> Failure {
    let kind = match refusal.why {
        Why::Contradiction => Kind::Usage,
        Why::Host => Kind::Failed,
    };
    Failure::new(kind, refusal.words).advise(format!("{} Nothing was written.", refusal.next))
}

/// Where it is written.
fn file_of(args: &NewNetwork, places: &Places, name: &str) -> Result<Option<FilePlace>, Failure> {
    if args.stdout {
        return Ok(None);
    }
    let directory = places.config_dirs.first().cloned().unwrap_or_default();
    let Some(path) = &args.file else {
        return Ok(Some(place(&directory, &names_in(&directory), name)));
    };
    if fs::symlink_metadata(path).is_ok() {
        return Err(exists(path));
    }
    let parent = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let is_read = fs::canonicalize(&parent)
        .is_ok_and(|parent| fs::canonicalize(&directory).is_ok_and(|dir| dir == parent));
    let own = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let names = match is_read {
        true => names_in(&directory),
        false => Vec::new(),
    };
    let first = names
        .into_iter()
        .filter(|name| next::is_read(name))
        .min()
        .filter(|first| *first < own);
    Ok(Some(FilePlace {
        path: path.clone(),
        first,
    }))
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// Looks at it with all rules and what is known of this host; refuses what would not work.
fn lint(
    places: &Places,
    place: Option<&FilePlace>,
    draft: &Draft,
    text: &str,
) -> Result<Vec<FileReport>, Failure> {
    let path = place.map_or_else(
        || PathBuf::from(format!("{}.conflist", draft.name)),
        |place| place.path.clone(),
    );
    let documents = input::text(&path.to_string_lossy(), text.as_bytes());
    let mut facts = linkspan_lint::host::Facts::gather(places, &documents);
    if !draft.missing_plugins.is_empty() {
        // That they are missing is told as such, with what installs them.
        facts.plugins = None;
    }
    let reports = linkspan_lint::lint(&documents, Some(&facts));
    let findings = reports.iter().flat_map(|report| &report.findings);
    let errors = findings.filter(|finding| finding.severity == Severity::Error);
    let errors: Vec<Failure> = errors
        .map(|finding| {
            let failure = Failure::new(
                Kind::Failed,
                format!("{} [{}]", finding.message, finding.rule.id),
            )
            .because(&finding.why);
            match &finding.help {
                Some(help) => failure.advise(help),
                None => failure,
            }
        })
        .collect();
    match errors.is_empty() {
        true => Ok(reports),
        false => Err(Failure::new(
            Kind::Failed,
            "the configuration would not work on this host",
        )
        .advise("Nothing was written.")
        .with_others(errors)),
    }
}

/// What ADD will do on this host, and why it would fail as the host is now.
fn explain(
    ui: Ui,
    places: &Places,
    place: Option<&FilePlace>,
    text: &str,
) -> Result<(String, Option<String>), Failure> {
    let list = NetworkList::parse(text.as_bytes()).map_err(|error| {
        Failure::new(Kind::Failed, "the configuration cannot be read").because(error)
    })?;
    let file = place.map(|place| place.path.as_path());
    let (words, failure) = network_words(ui.style(), &list, file, &places.plugin_dirs)?;
    Ok((
        words,
        failure.map(|why| format!("as this host is now, {why}")),
    ))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let made = folder.map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| file::create(path, bytes, MODE))
        .map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(path),
            io::ErrorKind::PermissionDenied => {
                Failure::new(Kind::Privilege, format!("cannot write {}", path.display()))
                    .because(error)
                    .advise("Run it as root, or print it with --stdout.")
            }
            _ => Failure::new(Kind::Failed, format!("cannot write {}", path.display()))
                .because(error),
        })
}

fn exists(path: &Path) -> Failure {
    Failure::new(Kind::Failed, format!("{} is there already", path.display()))
        .advise("Nothing was written. Name another file, or remove the network there first: `linkspan network rm`.")
}
