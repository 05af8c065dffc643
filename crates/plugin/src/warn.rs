//! Words for whoever reads the log.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

thread_local! {
    /// Where a call within another program is heard; nowhere in a process of its own.
    static LISTENER: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// Says something on standard error, where it is nobody's protocol; a closed one is no reason to fail. Of a plugin that runs
/// [within another program](crate::embed()) it is a part of the answer.
pub fn warn(text: &str) {
    write(format!("{text}\n").as_bytes());
}

/// The same of bytes as they are.
pub(crate) fn write(bytes: &[u8]) {
    match Log::here() {
        Some(log) => log.append(bytes),
        // There is nobody left to tell when that fails.
        None => drop(io::stderr().lock().write_all(bytes)),
    }
}

/// Where this thread's words go instead of standard error, to be told to a thread that does a part of the work.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// That of the calling thread; `None` where it is standard error.
    pub fn here() -> Option<Self> {
        LISTENER.with(|listener| listener.borrow().clone())
    }

    /// Hears what is said on this thread during some work.
    pub fn hear<T>(log: Option<Self>, work: impl FnOnce() -> T) -> T {
        let _before = Before(LISTENER.with(|listener| listener.replace(log)));
        work()
    }

    /// What was heard.
    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn append(&self, bytes: &[u8]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);
    }
}

/// Who listened before, and does so again, after a panic too.
struct Before(Option<Log>);

impl Drop for Before {
    fn drop(&mut self) {
        LISTENER.with(|listener| *listener.borrow_mut() = self.0.take());
    }
}
