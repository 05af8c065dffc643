//! `install`.

use std::fs::{self, DirBuilder, DirEntry, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use linkspan_runtime::{Cause, Error, Runtime};
use linkspan_spec::{Map, PluginType, Value};
use tempfile::TempDir;

use super::bin_dir::{BINARY, NAMES, failed};
use super::replaced::Replaced;
use crate::args::Install;
use crate::failure::{Failure, Kind};
use crate::target::plugin_dirs;
use crate::ui::{Ui, table};

/// The plugin whose answer tells whether a file is that of the plugins.
const PROBE: &str = "loopback";

/// How the directory's name begins in which an installation is prepared, and how many random characters follow.
const STAGE: &str = ".linkspan-";
const RANDOM: usize = 6;

/// How long a file may take to answer which versions it supports.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Installs the plugins.
pub(crate) fn install(ui: Ui, args: &Install) -> Result<(), Failure> {
    let source = match &args.from {
        Some(path) => path.clone(),
        None => plugins_file().map_err(|failure| failure.advise("Name it with --from."))?,
    };
    let progress = ui.progress("trying the plugins");
    let installed = place(&source, &args.bin_dir, args.force, !args.no_backup)?;
    drop(progress);
    tell(ui, &args.bin_dir, &source, &installed)
}

/// What is at a name now, and what was there before.
pub(super) struct Placed {
    name: &'static str,
    before: Found,
    /// Whether that is kept.
    is_kept: bool,
}

/// Puts the plugins of a file into a directory; returns the names and what was there before. What is not Linkspan's is kept
/// if `backup` says so.
///
/// Everything is prepared in a directory of its own beside the plugins and tried there. Nothing is
/// changed before all that could refuse has been asked. A name that the file does not answer to is left
/// alone: it may be that of somebody's plugin that works.
pub(super) fn place(
    source: &Path,
    bin_dir: &Path,
    force: bool,
    backup: bool,
) -> Result<Vec<Placed>, Failure> {
    match fs::metadata(source) {
        Ok(meta) if meta.is_file() => {}
        Ok(_) => return Err(no_file(source).because("it is no file")),
        Err(error) => return Err(no_file(source).because(error)),
    }
    create(bin_dir)?;
    let stage = Stage::new(bin_dir)?;
    // The file first: a link to a file that is not there would be of no use.
    let names = [vec![BINARY], stage.fill(source)?].concat();
    let found: Vec<_> = names
        .into_iter()
        .map(|name| (name, stage.ask(name)))
        .collect();
    refuse(&found, bin_dir, force)?;
    let replaced = Replaced::of(bin_dir);
    let mut placed = Vec::new();
    for (name, before) in found {
        let is_own = name == BINARY && matches!(before, Found::Plugin(_));
        let is_kept = backup && before != Found::Nothing && !is_own && replaced.keep(name)?;
        placed.push(Placed {
            name,
            before,
            is_kept,
        });
    }
    for one in &placed {
        stage.put(one.name)?;
    }
    File::open(bin_dir)
        .and_then(|directory| directory.sync_all())
        .map_err(failed("write", bin_dir))?;
    Ok(placed)
}

/// The plugins' file: beside this program, as it is built, or where plugins are, as it is installed.
pub(super) fn plugins_file() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe().map_err(|error| {
        Failure::new(Kind::Failed, "cannot tell where this program is").because(error)
    })?;
    let beside = program.with_file_name(BINARY);
    let installed = plugin_dirs(None).into_iter().map(|dir| dir.join(BINARY));
    let places: Vec<_> = std::iter::once(beside).chain(installed).collect();
    match places.iter().find(|path| path.is_file()) {
        Some(path) => Ok(path.clone()),
        None => {
            let searched: Vec<_> = places
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            let words = format!("the plugins' file is not there: {}", searched.join(", "));
            Err(Failure::new(Kind::Failed, words))
        }
    }
}

fn no_file(path: &Path) -> Failure {
    let words = format!("the plugins' file {} is not there", path.display());
    Failure::new(Kind::Failed, words).advise("Name it with --from.")
}

fn create(bin_dir: &Path) -> Result<(), Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(bin_dir)
        .map_err(failed("create", bin_dir))
}

/// What is at a name before the installation.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    Nothing,
    /// A CNI plugin, and the versions that it supports.
    Plugin(Vec<String>),
    /// A directory, which nothing can replace.
    Directory,
    /// Something else, and how it can be told.
    Other(String),
}

/// The directory in which the installation is prepared; removed when dropped.
struct Stage<'a> {
    directory: TempDir,
    /// Tells others that somebody works in it.
    _lock: Option<File>,
    bin_dir: &'a Path,
    runtime: Runtime,
}

impl<'a> Stage<'a> {
    fn new(bin_dir: &'a Path) -> Result<Self, Failure> {
        sweep(bin_dir);
        let directory = tempfile::Builder::new()
            .prefix(STAGE)
            .rand_bytes(RANDOM)
            .tempdir_in(bin_dir)
            .map_err(failed("write", bin_dir))?;
        let lock = File::open(&directory).and_then(|lock| {
            lock.lock_shared()?;
            Ok(lock)
        });
        Ok(Self {
            // Where there are no locks there is nothing to be swept by either.
            _lock: lock.ok(),
            directory,
            bin_dir,
            runtime: Runtime::builder().timeout(PROBE_TIMEOUT).build(),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Copies the file, makes the links and tries which of them work; returns their names.
    fn fill(&self, source: &Path) -> Result<Vec<&'static str>, Failure> {
        let binary = self.path(BINARY);
        let copied = || {
            fs::copy(source, &binary)?;
            let file = File::open(&binary)?;
            file.set_permissions(Permissions::from_mode(0o755))?;
            file.sync_all()
        };
        copied().map_err(failed("copy", source))?;
        // A plugin that is alone in its file answers by whatever name it is called.
        if self.runtime.version_of(&plugin(BINARY)?, &binary).is_ok() {
            return Err(Failure::new(
                Kind::Failed,
                format!("{} is one plugin, not a file of many", source.display()),
            )
            .advise("Nothing was installed. Name Linkspan's linkspan-plugins with --from."));
        }
        let mut answering = Vec::new();
        for name in NAMES.iter().copied() {
            let link = self.path(name);
            fs::hard_link(&binary, &link)
                .or_else(|_| symlink(BINARY, &link))
                .map_err(failed("write", &link))?;
            match self.runtime.version_of(&plugin(name)?, &link) {
                Ok(_) => answering.push(name),
                // What cannot even be run has not said that it does not hold a plugin.
                Err(error) if name == PROBE || was_not_run(&error) => {
                    return Err(unusable(error, source));
                }
                Err(_) => {}
            }
        }
        Ok(answering)
    }

    /// What is at a name now. Only a file that answers VERSION is taken for a CNI plugin.
    fn ask(&self, name: &str) -> Found {
        let path = self.bin_dir.join(name);
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
            Err(error) => return Found::Other(error.to_string()),
            Ok(meta) if meta.is_dir() => return Found::Directory,
            Ok(_) => {}
        }
        let answer = if name == BINARY {
            self.ask_as(PROBE, &path)
        } else {
            plugin(name).and_then(|name| Ok(self.runtime.version_of(&name, &path)?))
        };
        match answer {
            Ok(info) => Found::Plugin(info.supported_versions),
            Err(failure) => Found::Other(failure.behind().to_owned()),
        }
    }

    /// Asks a file that goes by the name that it is called by.
    fn ask_as(&self, name: &str, path: &Path) -> Result<linkspan_spec::VersionInfo, Failure> {
        let directory = self.path("as");
        let link = directory.join(name);
        fs::create_dir(&directory)
            .and_then(|()| symlink(fs::canonicalize(path)?, &link))
            .map_err(failed("write", &link))?;
        Ok(self.runtime.version_of(&plugin(name)?, &link)?)
    }

    /// Puts a name in its place, whatever is there.
    fn put(&self, name: &str) -> Result<(), Failure> {
        let target = self.bin_dir.join(name);
        // The second of two hard links to one file would not be moved.
        let same = |a: &Path, b: &Path| {
            let identity = |path| fs::symlink_metadata(path).map(|meta| (meta.dev(), meta.ino()));
            matches!((identity(a), identity(b)), (Ok(a), Ok(b)) if a == b)
        };
        if same(&self.path(name), &target) {
            return Ok(());
        }
        fs::rename(self.path(name), &target).map_err(failed("replace", &target))
    }
}

fn was_not_run(error: &Error) -> bool {
    matches!(error, Error::Plugin(plugin) if matches!(plugin.cause, Cause::NotRun { .. }))
}

/// Why a file is not that of the plugins, as far as can be told.
fn unusable(error: Error, source: &Path) -> Failure {
    let known = error.advice().filter(|_| was_not_run(&error));
    let advice = known.unwrap_or_else(|| {
        format!(
            "{} is not the file of Linkspan's plugins, or not for this machine.",
            source.display()
        )
    });
    Failure::from(error).advise(format!("{advice} Nothing was installed."))
}

/// Removes what installations that were killed have left. Best effort: it is in nobody's way. Whoever works in such a directory
/// has it locked.
fn sweep(bin_dir: &Path) {
    let begin = SystemTime::now();
    let abandoned = |entry: &DirEntry| {
        let name = entry.file_name();
        let random = name.to_str().and_then(|name| name.strip_prefix(STAGE));
        let is_stage = random.is_some_and(|random| {
            random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        let meta = entry.metadata().ok().filter(Metadata::is_dir);
        let modified = meta.and_then(|meta| meta.modified().ok());
        is_stage && modified.is_some_and(|modified| modified < begin)
    };
    for entry in fs::read_dir(bin_dir).into_iter().flatten().flatten() {
        if abandoned(&entry)
            && let Ok(directory) = File::open(entry.path())
            && directory.try_lock().is_ok()
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn plugin(name: &str) -> Result<PluginType, Failure> {
    name.parse()
        .map_err(|error: linkspan_spec::NameError| Failure::usage(error.to_string()))
}

/// Refuses to overwrite what is not a CNI plugin.
fn refuse(found: &[(&str, Found)], bin_dir: &Path, force: bool) -> Result<(), Failure> {
    let refused: Vec<_> = found
        .iter()
        .filter_map(|(name, found)| match found {
            Found::Directory => Some(format!("{name}: a directory")),
            Found::Other(why) if !force => Some(format!("{name}: {why}")),
            _ => None,
        })
        .collect();
    if refused.is_empty() {
        return Ok(());
    }
    let words = format!("{} holds what is not a CNI plugin", bin_dir.display());
    let failure = refused
        .iter()
        .fold(Failure::new(Kind::Failed, words), Failure::because);
    Err(failure.advise(
        "Nothing was changed. Move it away, or overwrite files with --force; a broken plugin, too, \
         is none.",
    ))
}

fn tell(ui: Ui, bin_dir: &Path, source: &Path, placed: &[Placed]) -> Result<(), Failure> {
    let installed = |name: &&str| placed.iter().any(|one| one.name == *name);
    let kept: Vec<_> = placed
        .iter()
        .filter(|one| one.is_kept)
        .map(|one| one.name)
        .collect();
    let missing: Vec<_> = NAMES
        .iter()
        .copied()
        .filter(|name| !installed(name))
        .collect();
    if ui.json {
        let mut map = Map::new();
        map.insert("binDir".into(), bin_dir.to_string_lossy().into());
        map.insert("from".into(), source.to_string_lossy().into());
        let installed = placed.iter().map(|one| {
            let words = Value::from(words(&one.before));
            (one.name.to_owned(), words)
        });
        map.insert("installed".into(), Value::Object(installed.collect()));
        map.insert("kept".into(), kept.into());
        map.insert("notInIt".into(), missing.into());
        return ui.print_json(&Value::Object(map));
    }
    let mut rows = vec![vec!["INSTALLED".to_owned(), "IN PLACE OF".to_owned()]];
    for one in placed {
        rows.push(vec![one.name.to_owned(), words(&one.before)]);
    }
    ui.print(&table(ui.style(), &rows))?;
    ui.print(&format!(
        "{} plugins in {}, links to one file copied from {}.\n",
        placed.len() - 1,
        bin_dir.display(),
        source.display()
    ))?;
    if !kept.is_empty() {
        ui.print(&format!(
            "What they replace is kept in {}; `linkspan uninstall` puts it back.\n",
            Replaced::of(bin_dir).directory().display()
        ))?;
    }
    if missing.is_empty() {
        return Ok(());
    }
    ui.print(&format!(
        "Not in that file, and left as they are: {}.\n",
        missing.join(", ")
    ))
}

fn words(found: &Found) -> String {
    match found {
        Found::Nothing => "nothing".to_owned(),
        Found::Plugin(versions) => match (versions.first(), versions.last()) {
            (Some(first), Some(last)) if first != last => {
                format!("a plugin of CNI {first} to {last}")
            }
            _ => format!("a plugin of CNI {}", versions.join(" ")),
        },
        Found::Directory => "a directory".to_owned(),
        Found::Other(why) => format!("something else: {why}"),
    }
}
