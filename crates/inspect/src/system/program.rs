//! Files of plugins: whether the kernel can run them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use linkspan_stub::{Kind, Mark};
use serde::Serialize;

/// The plugins of the reference's set, which `linkspan install` can put in place.
pub const PLUGINS: &[&str] = &[
    "bandwidth",
    "bridge",
    "dhcp",
    "dummy",
    "firewall",
    "host-device",
    "host-local",
    "ipvlan",
    "loopback",
    "macvlan",
    "portmap",
    "ptp",
    "sbr",
    "static",
    "tap",
    "tuning",
    "vlan",
    "vrf",
];

/// Words of builds from before there were marks: those of the kit, and the name before the version.
const WORDS: [&[u8]; 2] = [b"CNI plugins in one file.", b"Linkspan "];

/// What `linkspan install` calls the file that all names are links to.
const ALL_PLUGINS: &str = "linkspan-plugins";

/// Smaller than any build of Linkspan's plugins.
const MIN_SIZE: u64 = 1 << 20;

/// Larger than any build of Linkspan's plugins.
const MAX_SIZE: u64 = 64 << 20;

/// Whether the program in a file is one of Linkspan's plugins, of any build, or a stub that executes them.
pub fn is_linkspan(path: &Path) -> bool {
    let is_marked = || {
        let mark = File::open(path).and_then(|file| Mark::of(&file));
        mark.is_ok_and(|mark| mark.is_some())
    };
    // Most windows differ in their first byte.
    let holds = |bytes: &[u8], words: &[u8]| {
        let mut windows = bytes.windows(words.len());
        windows.any(|window| window[0] == words[0] && window == words)
    };
    let is_small = fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_SIZE);
    let has_words =
        || fs::read(path).is_ok_and(|bytes| WORDS.iter().all(|words| holds(&bytes, words)));
    is_small && (is_marked() || has_words())
}

/// A file in a directory of plugins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it can be run.
    pub fitness: Fitness,
}

/// Whether a file can be run, as far as a look at it tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "state", content = "path")]
pub enum Fitness {
    /// It can.
    Fit,
    /// It has no content.
    Empty,
    /// Nobody may execute it.
    NotExecutable,
    /// It is a link that leads nowhere, to this path.
    Dangling(PathBuf),
    /// It is neither a program nor a script.
    NoProgram,
    /// A part of it is missing: a copy was cut short.
    CutShort,
    /// It is for another processor.
    OtherProcessor,
    /// What it is started by is not there: the loader of a dynamically linked program, a script's interpreter, or what a stub
    /// executes.
    NoInterpreter(PathBuf),
    /// It is a link to this file, which had all of Linkspan's plugins and is another program now: whoever copies a file over a link
    /// writes into what that leads to, and so to all names at once.
    Overwritten(PathBuf),
    /// It cannot be looked at.
    Unknown,
}

impl Fitness {
    /// Whether a runtime would take it: it takes any file.
    pub fn is_file(&self) -> bool {
        !matches!(self, Self::Dangling(_))
    }
}

/// The files of directories, in their order.
pub(super) fn read(directories: &[PathBuf]) -> Vec<Program> {
    let mut programs = Vec::new();
    for directory in directories {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        let overwritten = overwritten(directory);
        let looked = paths.into_iter().filter_map(Program::look);
        programs.extend(looked.map(|program| match &overwritten {
            Some(file) if program.is_link_to(file) => Program {
                fitness: Fitness::Overwritten(file.clone()),
                ..program
            },
            _ => program,
        }));
    }
    programs
}

/// The file beside links that has all of Linkspan's plugins, where it is none any more.
fn overwritten(directory: &Path) -> Option<PathBuf> {
    let file = directory.join(ALL_PLUGINS);
    let length = fs::metadata(&file).ok()?.len();
    (length < MIN_SIZE || !is_linkspan(&file)).then_some(file)
}

impl Program {
    fn is_link_to(&self, file: &Path) -> bool {
        let identity = |path: &Path| {
            let meta = fs::metadata(path).ok()?;
            Some((meta.dev(), meta.ino()))
        };
        // A hard link or another: `linkspan install` makes both.
        self.path != file && identity(&self.path).is_some_and(|one| identity(file) == Some(one))
    }

    /// Looks at a file, and does not run it; `None` where there is a directory or a device.
    pub fn look(path: PathBuf) -> Option<Self> {
        let fitness = match fs::metadata(&path) {
            Ok(meta) if !meta.is_file() => return None,
            Ok(meta) if meta.len() == 0 => Fitness::Empty,
            Ok(meta) if meta.permissions().mode() & 0o111 == 0 => Fitness::NotExecutable,
            Ok(meta) => fitness(&path, meta.len()).unwrap_or(Fitness::Unknown),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Fitness::Dangling(fs::read_link(&path).ok()?)
            }
            Err(_) => Fitness::Unknown,
        };
        Some(Self { path, fitness })
    }
}

/// Bytes of a file's beginning in which the headers of a program are, and the first line of a script.
const HEAD: usize = 4096;

fn fitness(path: &Path, length: u64) -> io::Result<Fitness> {
    let file = File::open(path)?;
    // A file that is no file any more would be waited for.
    if !file.metadata()?.is_file() {
        return Ok(Fitness::Unknown);
    }
    let mut head = vec![0; HEAD];
    let size = file.read_at(&mut head, 0)?;
    head.truncate(size);
    if Mark::read(&head).is_some_and(|mark| mark.kind == Kind::Stub) {
        let holder = linkspan_stub::holder(path)?;
        if !holder.exists() {
            return Ok(Fitness::NoInterpreter(holder));
        }
    }
    Ok(match head.strip_prefix(b"#!") {
        Some(line) => of_script(line),
        None => Elf::read(&head).map_or_else(
            || {
                let is_begun = head.starts_with(&MAGIC);
                if is_begun {
                    Fitness::CutShort
                } else {
                    Fitness::NoProgram
                }
            },
            |elf| elf.fitness(length),
        ),
    })
}

fn of_script(line: &[u8]) -> Fitness {
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    match line.split_whitespace().next() {
        Some(interpreter) if !Path::new(interpreter).exists() => {
            Fitness::NoInterpreter(interpreter.into())
        }
        Some(_) => Fitness::Fit,
        None => Fitness::NoProgram,
    }
}

const MAGIC: [u8; 4] = *b"\x7fELF";

/// What the headers of a program say (elf.h), of this machine's byte order.
#[derive(Debug, PartialEq, Eq)]
struct Elf {
    machine: u16,
    /// Where the last of what its headers name ends.
    end: u64,
    interpreter: Option<PathBuf>,
}

impl Elf {
    /// Reads them from a file's beginning; `None` where it has none that can be read.
    fn read(head: &[u8]) -> Option<Self> {
        if !head.starts_with(&MAGIC) {
            return None;
        }
        let wide = *head.get(4)? == 2;
        let own_order = if cfg!(target_endian = "little") { 1 } else { 2 };
        if *head.get(5)? != own_order {
            return Some(Self {
                machine: 0,
                end: 0,
                interpreter: None,
            });
        }
        let number = |at: usize, at_narrow: usize| match wide {
            true => Some(u64::from_ne_bytes(*head.get(at..)?.first_chunk()?)),
            false => Some(u64::from(u32::from_ne_bytes(
                *head.get(at_narrow..)?.first_chunk()?,
            ))),
        };
        let short = |at: usize, at_narrow: usize| {
            let at = if wide { at } else { at_narrow };
            Some(u16::from_ne_bytes(*head.get(at..)?.first_chunk()?))
        };
        let sections = number(40, 32)?;
        let table = u64::from(short(58, 46)?) * u64::from(short(60, 48)?);
        let mut end = if sections == 0 {
            0
        } else {
            sections.saturating_add(table)
        };
        let mut interpreter = None;
        let (first, size) = (number(32, 28)?, usize::from(short(54, 42)?));
        for index in 0..usize::from(short(56, 44)?) {
            let at = usize::try_from(first).ok()?.checked_add(index * size)?;
            let kind = u32::from_ne_bytes(*head.get(at..)?.first_chunk()?);
            let (offset, length) = (number(at + 8, at + 4)?, number(at + 32, at + 16)?);
            end = end.max(offset.saturating_add(length));
            if kind == INTERPRETER {
                interpreter = text_at(head, offset);
            }
        }
        Some(Self {
            machine: short(18, 18)?,
            end,
            interpreter,
        })
    }

    fn fitness(self, length: u64) -> Fitness {
        if own_machine().is_some_and(|own| own != self.machine) {
            return Fitness::OtherProcessor;
        }
        if length < self.end {
            return Fitness::CutShort;
        }
        match self.interpreter {
            Some(path) if !path.exists() => Fitness::NoInterpreter(path),
            _ => Fitness::Fit,
        }
    }
}

/// `PT_INTERP`
const INTERPRETER: u32 = 3;

fn text_at(head: &[u8], offset: u64) -> Option<PathBuf> {
    let bytes = head.get(usize::try_from(offset).ok()?..)?;
    let text = bytes.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(text).into_owned().into())
}

/// The processor that this program is for.
fn own_machine() -> Option<u16> {
    let mut head = [0; 20];
    let own = File::open("/proc/self/exe").ok()?;
    own.read_exact_at(&mut head, 0).ok()?;
    Some(u16::from_ne_bytes(*head.get(18..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let own = fs::read("/proc/self/exe").unwrap();
        let mut foreign = own.clone();
        foreign[18] ^= 0xff;
        let at = |name: &str| dir.path().join(name);
        let missing = PathBuf::from("/nonexistent/interpreter");
        let script = format!("#!{} -x\n", missing.display());
        let cases: [(&str, &[u8], u32, Fitness); 9] = [
            ("whole", &own, 0o755, Fitness::Fit),
            ("half", &own[..own.len() / 2], 0o755, Fitness::CutShort),
            ("hardly", &own[..30], 0o755, Fitness::CutShort),
            ("foreign", &foreign, 0o755, Fitness::OtherProcessor),
            ("empty", b"", 0o755, Fitness::Empty),
            ("data", b"{}", 0o755, Fitness::NoProgram),
            ("plain", &own, 0o644, Fitness::NotExecutable),
            ("script", b"#!/bin/sh\n", 0o755, Fitness::Fit),
            (
                "lost",
                script.as_bytes(),
                0o755,
                Fitness::NoInterpreter(missing),
            ),
        ];
        for (name, bytes, mode, expected) in cases {
            fs::write(at(name), bytes).unwrap();
            fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
            let found = Program::look(at(name)).unwrap().fitness;
            assert_eq!(found, expected, "{name}");
        }
        let mut stub = own.clone();
        // Where the first kilobyte of this program ends.
        let note = linkspan_stub::Note::new(Kind::Stub, "0.1.0");
        let note = note.as_bytes();
        stub[linkspan_stub::BEGINNING - note.len()..linkspan_stub::BEGINNING].copy_from_slice(note);
        fs::write(at("bridge"), stub).unwrap();
        fs::set_permissions(at("bridge"), fs::Permissions::from_mode(0o755)).unwrap();
        let holder = fs::canonicalize(dir.path()).unwrap().join("loopback");
        let look = || Program::look(at("bridge")).unwrap().fitness;
        assert_eq!(look(), Fitness::NoInterpreter(holder.clone()));
        fs::write(holder, own).unwrap();
        assert_eq!(look(), Fitness::Fit);
        assert!(is_linkspan(&at("bridge")) && !is_linkspan(&at("script")));
        std::os::unix::fs::symlink("nowhere", at("link")).unwrap();
        let dangling = Program::look(at("link")).unwrap().fitness;
        assert_eq!(dangling, Fitness::Dangling("nowhere".into()));
        fs::create_dir(at("folder")).unwrap();
        assert_eq!(Program::look(at("folder")), None);
    }

    /// What `cp` does to a link: it writes into what that leads to.
    #[test]
    fn what_was_copied_over_a_link_is_told_of_all_names() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let mut plugins = fs::read("/bin/sh").unwrap();
        plugins.extend(WORDS.concat());
        plugins.resize(plugins.len().max(MIN_SIZE.try_into().unwrap()), 0);
        fs::write(at(ALL_PLUGINS), plugins).unwrap();
        fs::set_permissions(at(ALL_PLUGINS), fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(ALL_PLUGINS, at("bridge")).unwrap();
        fs::hard_link(at(ALL_PLUGINS), at("ptp")).unwrap();
        fs::copy("/bin/sh", at("flannel")).unwrap();
        let found = || {
            let programs = read(&[dir.path().to_owned()]);
            programs.into_iter().map(|program| program.fitness)
        };
        assert_eq!(found().collect::<Vec<_>>(), [const { Fitness::Fit }; 4]);
        fs::copy("/bin/sh", at("bridge")).unwrap();
        let all = || Fitness::Overwritten(at(ALL_PLUGINS));
        let expected = [all(), Fitness::Fit, Fitness::Fit, all()];
        assert_eq!(found().collect::<Vec<_>>(), expected);
    }
}
