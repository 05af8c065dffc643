//! The files of the ring.
//!
//! `events` is appended to. Once it is large it becomes `events.N`, and the one before, `events.N-1`, is counted into `totals` and
//! removed. `totals` says up to which generation it counts: a kill between two of these steps neither loses a count nor counts
//! anything twice. Whoever sees that the file is large does this, under a lock that is never waited for; readers hold it too, so
//! that nothing is moved under their eyes.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use linkspan_kernel::netns::Identity;
use linkspan_spec::{Map, Value, decode, key};
use linkspan_state::Folder;
use linkspan_state::lock::{Lock, Mode};
use rustix::io::Errno;

use crate::{Event, Totals};

/// The folder of the ring, and the file in it that is appended to.
const NAME: &str = "events";

/// Where that file is.
const FILE: &str = "events/events";

/// The file of counts.
const TOTALS: &str = "totals";

/// How large the file becomes, in bytes: a thousand calls, and more.
const LIMIT: u64 = 256 << 10;

/// Larger it does not become: somebody who was stopped holds the lock.
const MAX: u64 = 4 * LIMIT;

/// Bytes for which one read is enough, as a rule.
const USUAL_READ: usize = 16 << 10;

/// How many files are opened that are removed before they are looked at.
const ATTEMPTS: u32 = 100;

/// How long a reader waits for the one who moves files.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was called for on this host.
#[derive(Debug)]
pub struct Ring {
    folder: Folder,
    limit: u64,
}

/// What the ring holds.
#[derive(Debug, Default)]
pub struct History {
    /// The last calls, in the order in which they ended.
    pub events: Vec<Event>,
    /// The counts of all calls since the machine was started, those above included.
    pub totals: Totals,
}

/// What was counted out of the ring.
#[derive(Debug, Default)]
struct Counted {
    totals: Totals,
    /// The last generation that is in them.
    up_to: u64,
}

impl Ring {
    /// That of the caller's network namespace, made if need be.
    ///
    /// # Errors
    /// When it cannot be made, or belongs to a user.
    pub fn open() -> io::Result<Self> {
        Folder::of_host_in_memory(NAME).map(Self::at)
    }

    /// The same; `None` when nothing was called for yet.
    ///
    /// # Errors
    /// When it cannot be opened, or belongs to a user.
    pub fn open_if_there() -> io::Result<Option<Self>> {
        Ok(Folder::of_host_in_memory_if_there(NAME)?.map(Self::at))
    }

    /// Tells of a call to the ring of this host, as [`append`](Self::append) does; by three system calls where it is there and
    /// not large. `host` is that of the caller's network namespace, `None` where it is to be asked for.
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`append`](Self::append).
    pub fn tell(host: Option<Identity>, event: &Event) -> io::Result<()> {
        let there = host.and_then(|host| Folder::append_of_host(host, FILE));
        let line = event.to_line();
        match there {
            Some((mut file, size)) if size + (line.len() as u64) < LIMIT => {
                file.write(&line).map(drop)
            }
            _ => Self::open()?.append(event),
        }
    }

    fn at(folder: Folder) -> Self {
        Self {
            folder,
            limit: LIMIT,
        }
    }

    /// The same that moves its files when they have another size.
    #[cfg(test)]
    pub(crate) fn with_limit(self, limit: u64) -> Self {
        Self { limit, ..self }
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Tells of a call: in one write, without waiting for anybody.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&self, event: &Event) -> io::Result<()> {
        let (mut file, size) = match self.appended()? {
            (_, size) if size >= MAX => {
                self.turn()?;
                self.appended()?
            }
            small => small,
        };
        if size >= MAX {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        // What is written in part, since memory has run out, is no line and is passed over.
        let written = file.write(&event.to_line())?;
        match size + written as u64 >= self.limit {
            true => self.turn(),
            false => Ok(()),
        }
    }

    /// The file that is appended to, and its size.
    fn appended(&self) -> io::Result<(File, u64)> {
        for _ in 0..ATTEMPTS {
            match self.folder.append(NAME) {
                // Others have turned twice between its opening and the look at it.
                Err(error) if error.raw_os_error() == Some(Errno::STALE.raw_os_error()) => {}
                // What a user has put there is not written to.
                opened => return opened?.ok_or_else(|| io::ErrorKind::PermissionDenied.into()),
            }
        }
        Err(Errno::STALE.into())
    }

    /// Lets the file that is large become an old one, unless somebody else is at it.
    fn turn(&self) -> io::Result<()> {
        let lock = File::from(self.folder.again()?);
        if lock.try_lock().is_err() {
            return Ok(());
        }
        let is_large = match self.folder.open(NAME)? {
            Some(file) => file.metadata()?.len() >= self.limit,
            None => false,
        };
        if !is_large {
            return Ok(());
        }
        let mut counted = self.counted()?;
        let generations = self.generations()?;
        let last = generations.last().copied().unwrap_or_default();
        let last = last.max(counted.up_to);
        if last > counted.up_to {
            for &generation in generations.iter().filter(|one| **one > counted.up_to) {
                if let Some(mut tail) = self.tail(&old(generation))? {
                    tail.read(|event| counted.totals.add(&event))?;
                }
            }
            counted.up_to = last;
            self.folder
                .write(TOTALS, counted.to_json().to_string().as_bytes())?;
        }
        for generation in generations {
            self.folder.remove(&old(generation))?;
        }
        self.folder.rename(NAME, &self.folder, &old(last + 1))
    }

    /// What the ring holds.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self) -> io::Result<History> {
        self.read_with_rest().map(|(history, _)| history)
    }

    /// The same, with what is appended to, read so far.
    ///
    /// Files are opened under the lock and read without it, as far as they went then: what is seen once is counted for ever.
    pub(crate) fn read_with_rest(&self) -> io::Result<(History, Option<Tail>)> {
        let lock = Lock::take(self.folder.again()?.into(), Mode::Shared, PATIENCE)?;
        let counted = self.counted()?;
        let mut tails = Vec::new();
        for generation in self.generations()? {
            if generation > counted.up_to {
                tails.extend(self.tail(&old(generation))?);
            }
        }
        let current = self.tail(NAME)?;
        let is_current = current.is_some();
        tails.extend(current);
        let sizes: io::Result<Vec<u64>> = tails.iter().map(Tail::size).collect();
        let sizes = sizes?;
        drop(lock);
        let mut events = Vec::new();
        for (tail, size) in tails.iter_mut().zip(sizes) {
            tail.read_to(size, |event| events.push(event))?;
        }
        let mut totals = counted.totals;
        events.iter().for_each(|event| totals.add(event));
        let rest = tails.pop().filter(|_| is_current);
        Ok((History { events, totals }, rest))
    }

    /// The file that is appended to, unread.
    pub(crate) fn current(&self) -> io::Result<Option<Tail>> {
        self.tail(NAME)
    }

    fn tail(&self, name: &str) -> io::Result<Option<Tail>> {
        let Some(file) = self.folder.open(name)? else {
            return Ok(None);
        };
        // What was planted is no file.
        Ok(file.metadata()?.is_file().then(|| Tail::of(file)))
    }

    /// The numbers of the old files, sorted.
    fn generations(&self) -> io::Result<Vec<u64>> {
        let number = |name: &String| {
            let number: u32 = name.strip_prefix(NAME)?.strip_prefix('.')?.parse().ok()?;
            Some(u64::from(number))
        };
        let names = self.folder.names()?;
        let mut numbers: Vec<_> = names.iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// What cannot be understood counts for nothing: counters begin anew, as after a start of the machine.
    fn counted(&self) -> io::Result<Counted> {
        let text = self.folder.read(TOTALS, MAX)?.unwrap_or_default();
        Ok(Counted::from_json(&text).unwrap_or_default())
    }
}

/// The file that was appended to.
fn old(generation: u64) -> String {
    format!("{NAME}.{generation}")
}

impl Counted {
    fn to_json(&self) -> Value {
        let mut map = Map::new();
        map.insert("upTo".into(), self.up_to.into());
        map.insert("calls".into(), self.totals.to_json());
        Value::Object(map)
    }

    fn from_json(text: &[u8]) -> Option<Self> {
        let json = decode::value(text).ok()?;
        let map = json.as_object()?;
        Some(Self {
            totals: Totals::from_json(key(map, "calls")?),
            up_to: u32::try_from(key(map, "upTo")?.as_u64()?).ok()?.into(),
        })
    }
}

/// A file that grows, read so far.
#[derive(Debug)]
pub(crate) struct Tail {
    file: File,
    /// A line whose end is not there yet.
    unfinished: Vec<u8>,
}

impl Tail {
    pub(crate) fn of(file: File) -> Self {
        Self {
            file,
            unfinished: Vec::new(),
        }
    }

    /// Whether it is the same file.
    pub(crate) fn is(&self, other: &Self) -> io::Result<bool> {
        let (one, other) = (self.file.metadata()?, other.file.metadata()?);
        Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Reads what was appended since.
    pub(crate) fn read(&mut self, tell: impl FnMut(Event)) -> io::Result<()> {
        self.read_to(2 * MAX, tell)
    }

    /// The same, no more than so many bytes.
    fn read_to(&mut self, size: u64, tell: impl FnMut(Event)) -> io::Result<()> {
        let mut bytes = std::mem::take(&mut self.unfinished);
        bytes.reserve(USUAL_READ);
        (&self.file).take(size).read_to_end(&mut bytes)?;
        let end = bytes.iter().rposition(|byte| *byte == b'\n');
        self.unfinished = bytes.split_off(end.map_or(0, |end| end + 1));
        let lines = bytes.split(|byte| *byte == b'\n');
        lines.filter_map(Event::from_line).for_each(tell);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
