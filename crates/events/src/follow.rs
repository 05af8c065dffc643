//! Waiting for the next calls.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};

use crate::ring::Tail;
use crate::{Event, History, Ring};

/// Someone who hears of each call when it is over. Nothing is asked again and again: the kernel tells.
#[derive(Debug)]
pub struct Follow {
    watch: OwnedFd,
    tail: Option<Tail>,
}

impl Follow {
    /// Begins to follow; with what the ring holds so far.
    ///
    /// # Errors
    /// When it cannot be watched or read.
    pub fn new(ring: Ring) -> io::Result<(History, Self)> {
        let watch = inotify::init(CreateFlags::CLOEXEC)?;
        // Before it is read, so that nothing is missed between the two.
        let folder = ring.folder().path();
        inotify::add_watch(&watch, folder, WatchFlags::MODIFY | WatchFlags::ONLYDIR)?;
        // The folder does not tell of its own removal as long as a file of it is open.
        if let Some(above) = folder.parent() {
            inotify::add_watch(&watch, above, WatchFlags::DELETE | WatchFlags::ONLYDIR)?;
        }
        let (history, tail) = ring.read_with_rest()?;
        Ok((history, Self { watch, tail }))
    }

    /// Waits for calls, and returns those that are over by now; perhaps none.
    ///
    /// # Errors
    /// When they cannot be read; `NotFound` when the ring was removed.
    pub fn wait(&mut self) -> io::Result<Vec<Event>> {
        let mut room = [MaybeUninit::uninit(); 4 << 10];
        let mut reader = Reader::new(&self.watch, &mut room);
        loop {
            reader.next()?;
            if reader.is_buffer_empty() {
                break;
            }
        }
        self.news()
    }

    fn news(&mut self) -> io::Result<Vec<Event>> {
        let mut events = Vec::new();
        let mut tell = |event| events.push(event);
        // Looked for before the one that was read is read to its end: what is moved is appended to no more.
        // By its path, where it may be no more.
        let ring = Ring::open_if_there()?.ok_or(io::ErrorKind::NotFound)?;
        let current = ring.current()?;
        if let Some(tail) = &mut self.tail {
            tail.read(&mut tell)?;
        }
        let is_other = match (&self.tail, &current) {
            (Some(tail), Some(current)) => !tail.is(current)?,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if is_other {
            self.tail = current;
            if let Some(tail) = &mut self.tail {
                tail.read(&mut tell)?;
            }
        }
        Ok(events)
    }
}
