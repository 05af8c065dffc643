//! A plugin that has connected.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::machine::Time;
use crate::rpc::Method;
use crate::rpc::server::{Answer, Connection, Request};

/// For how long a plugin that is owed no answer may say nothing.
const SILENCE: Duration = Duration::from_secs(10);

/// A plugin's connection.
#[derive(Debug)]
pub(super) struct Peer {
    stream: UnixStream,
    connection: Connection,
    unsent: Vec<u8>,
    /// How many answers it is owed.
    owed: usize,
    /// When it has said nothing for too long.
    deadline: Time,
}

/// What came of a plugin's socket.
#[derive(Debug)]
pub(super) enum Heard {
    /// Requests, perhaps none.
    Requests(Vec<Request>),
    /// Nothing will come any more: it is gone, or does not speak the protocol.
    Over(Option<String>),
}

impl Peer {
    /// One that has just connected.
    pub(super) fn new(stream: UnixStream, now: Time) -> Self {
        Self {
            stream,
            connection: Connection::new(),
            unsent: Vec::new(),
            owed: 0,
            deadline: now + SILENCE,
        }
    }

    /// Takes what it says.
    pub(super) fn hear(&mut self, now: Time) -> Heard {
        let mut bytes = [0; 16 * 1024];
        match (&self.stream).read(&mut bytes) {
            Ok(0) => Heard::Over(None),
            Ok(length) => match self.connection.feed(&bytes[..length]) {
                Ok(requests) => {
                    self.owed += requests.len();
                    self.deadline = now + SILENCE;
                    self.flush();
                    Heard::Requests(requests)
                }
                Err(error) => Heard::Over(Some(error.to_string())),
            },
            Err(error) if is_passing(&error) => Heard::Requests(Vec::new()),
            Err(error) => Heard::Over(Some(error.to_string())),
        }
    }

    /// Answers one of its requests.
    pub(super) fn answer(
        &mut self,
        seq: u64,
        method: &Method,
        answer: Result<Answer, String>,
        now: Time,
    ) {
        self.connection.answer(seq, method, answer);
        self.owed = self.owed.saturating_sub(1);
        self.deadline = now + SILENCE;
        self.flush();
    }

    /// Tells it that there is no such method.
    pub(super) fn answer_unknown(&mut self, request: &Request, now: Time) {
        self.connection.answer_unknown(request);
        self.owed = self.owed.saturating_sub(1);
        self.deadline = now + SILENCE;
        self.flush();
    }

    /// Sends what is to be sent, as far as it can be. That the other side is gone is heard when it is read from.
    pub(super) fn flush(&mut self) {
        self.unsent.extend(self.connection.output());
        while !self.unsent.is_empty() {
            match (&self.stream).write(&self.unsent) {
                Ok(length) => drop(self.unsent.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => return self.unsent.clear(),
            }
        }
    }

    /// Whether something waits to be sent.
    pub(super) fn is_behind(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// When it is given up: a plugin that is owed an answer may wait for as long as that takes.
    pub(super) fn deadline(&self) -> Option<Time> {
        (self.owed == 0 || self.is_behind()).then_some(self.deadline)
    }
}

impl AsFd for Peer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
