//! The file that plugins append their spans to.

use std::fs::File;
use std::io::{self, Read, Write};

use linkspan_kernel::netns::Identity;
use linkspan_spans::{Trace, TraceId};
use linkspan_spec::decode;
use linkspan_state::Folder;

use crate::export::request;
use crate::import::spans_of;
use crate::{Export, Source};

/// The folder, and the file in it that is appended to.
const FOLDER: &str = "traces";
const NAME: &str = "spans.json";

/// Where that file is.
const FILE: &str = "traces/spans.json";

/// What it is called once it is large, until the next one is.
const BEFORE: &str = "spans.1.json";

/// How large the file becomes, in bytes: a hundred calls.
const LIMIT: u64 = 1 << 20;

/// Larger it does not become: somebody who was stopped holds the lock.
const MAX: u64 = 4 * LIMIT;

/// A line is no longer, in bytes: of more spans the last are left out.
const MAX_LINE: usize = 128 << 10;

/// The spans that plugins have left on a host.
#[derive(Debug)]
pub struct Spool {
    folder: Folder,
}

impl Spool {
    /// That of the caller's network namespace, made if need be.
    ///
    /// # Errors
    /// When it cannot be made, or belongs to a user.
    pub fn open() -> io::Result<Self> {
        let folder = Folder::of_host_in_memory(FOLDER)?;
        Ok(Self { folder })
    }

    /// The same; `None` when nobody has left any yet.
    ///
    /// # Errors
    /// When it cannot be opened, or belongs to a user.
    pub fn open_if_there() -> io::Result<Option<Self>> {
        let folder = Folder::of_host_in_memory_if_there(FOLDER)?;
        Ok(folder.map(|folder| Self { folder }))
    }

    /// Appends what a process has of a trace to the file of this host: in one write, without waiting for anybody. `host` is that
    /// of the caller's network namespace, `None` where it is to be asked for.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn leave(host: Option<Identity>, source: &Source, trace: &Trace) -> io::Result<()> {
        let line = line(source, trace);
        let there = host.and_then(|host| Folder::append_of_host(host, FILE));
        match there {
            Some((mut file, size)) if size + (line.len() as u64) < LIMIT => {
                file.write(&line).map(drop)
            }
            _ => Self::open()?.append(&line),
        }
    }

    fn append(&self, line: &[u8]) -> io::Result<()> {
        let (mut file, size) = self.appended()?;
        if size + line.len() as u64 >= LIMIT {
            self.turn()?;
            let (next, size) = self.appended()?;
            if size >= MAX {
                return Err(io::ErrorKind::QuotaExceeded.into());
            }
            file = next;
        }
        file.write(line).map(drop)
    }

    fn appended(&self) -> io::Result<(File, u64)> {
        let ours = self.folder.append(NAME)?;
        ours.ok_or_else(|| io::ErrorKind::PermissionDenied.into())
    }

    /// Puts the file that is large in the place of the one before, unless somebody else is at it.
    fn turn(&self) -> io::Result<()> {
        let lock = File::from(self.folder.again()?);
        if lock.try_lock().is_err() {
            return Ok(());
        }
        let is_large = match self.folder.open(NAME)? {
            Some(file) => file.metadata()?.len() >= LIMIT - MAX_LINE as u64,
            None => false,
        };
        match is_large {
            true => self.folder.rename(NAME, &self.folder, BEFORE),
            false => Ok(()),
        }
    }

    /// What processes have left of a trace, in the order in which they ended.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(&self, id: TraceId) -> io::Result<Vec<Export>> {
        let digits = id.to_string();
        let mut found = Vec::new();
        for name in [BEFORE, NAME] {
            let text = self.read(name)?;
            // Most are of others, and need not be understood.
            let lines = text.lines().filter(|line| line.contains(&digits));
            let json = lines.filter_map(|line| decode::value(line.as_bytes()).ok());
            found.extend(json.flat_map(|json| spans_of(id, &json)));
        }
        Ok(found)
    }

    fn read(&self, name: &str) -> io::Result<String> {
        let mut bytes = Vec::new();
        if let Some(file) = self.folder.open(name)?
            && file.metadata()?.is_file()
        {
            file.take(2 * MAX).read_to_end(&mut bytes)?;
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The line, with its end.
fn line(source: &Source, trace: &Trace) -> Vec<u8> {
    let mut line = request([(source, trace)]);
    let mut kept = trace.clone();
    while line.len() >= MAX_LINE && !kept.spans.is_empty() {
        // What is around others began before them.
        let half = kept.spans.len() / 2;
        kept.left_out += kept.spans.len() - half;
        kept.spans.truncate(half);
        line = request([(source, &kept)]);
    }
    line.push(b'\n');
    line
}
