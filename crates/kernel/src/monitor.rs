//! Waiting for the kernel's events, never for time.

use std::io;
use std::time::{Duration, Instant};

use linkspan_netlink::Message;

use crate::Error;
use crate::netns::Netns;
use crate::rtnl::{Address, Rtnl};
use crate::socket::{Datagram, Socket, is_lost};

/// A socket that hears of changes of links and addresses in one namespace.
#[derive(Debug)]
pub struct Monitor {
    socket: Socket,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Done,
    NotYet,
}

impl Monitor {
    /// Opens it in the caller's namespace. It hears of everything from then on; so it is opened before
    /// the state that is waited for is looked at.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn open() -> Result<Self, Error> {
        let groups = (libc::RTMGRP_LINK | libc::RTMGRP_IPV6_IFADDR) as u32;
        Socket::listen(groups)
            .map(|socket| Self { socket })
            .map_err(|error| Error::new("open", "a socket for the kernel's events", error))
    }

    /// Opens it in another namespace; it stays there.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and those of entering the namespace.
    pub fn open_in(namespace: &Netns) -> Result<Self, Error> {
        namespace.run(Self::open)?
    }

    /// Waits until the link with this index carries traffic.
    ///
    /// # Errors
    /// `ETIMEDOUT` when it does not within `deadline`; [`is_not_found`](Error::is_not_found) when it
    /// vanishes.
    pub fn await_running(&self, rtnl: &Rtnl, index: u32, deadline: Duration) -> Result<(), Error> {
        self.wait("wait for traffic on", index, deadline, || {
            let link = rtnl.link_at(index)?;
            Ok(if link.carries_traffic() {
                Verdict::Done
            } else {
                Verdict::NotYet
            })
        })
    }

    /// Waits until no IPv6 address of the link with this index is tentative any more.
    ///
    /// # Errors
    /// `EADDRINUSE` when somebody else has one of them, `ETIMEDOUT` after `deadline`.
    pub fn await_addresses(
        &self,
        rtnl: &Rtnl,
        index: u32,
        deadline: Duration,
    ) -> Result<(), Error> {
        let operation = "wait for duplicate address detection on";
        self.wait(operation, index, deadline, || {
            let addresses = rtnl.addresses(index)?;
            let has = |address: &&Address, flag| address.flags & flag != 0;
            if let Some(duplicate) = addresses.iter().find(|a| has(a, Address::DAD_FAILED)) {
                return Err(Error::new(
                    format!("use address {duplicate} on"),
                    format!("link {index}"),
                    io::Error::from_raw_os_error(libc::EADDRINUSE),
                ));
            }
            let waiting = addresses
                .iter()
                .any(|address| has(&address, Address::TENTATIVE));
            Ok(if waiting {
                Verdict::NotYet
            } else {
                Verdict::Done
            })
        })
    }

    /// Looks, and looks again after each event, until it is done or the deadline has passed.
    fn wait(
        &self,
        operation: &str,
        index: u32,
        deadline: Duration,
        mut look: impl FnMut() -> Result<Verdict, Error>,
    ) -> Result<(), Error> {
        let end = Instant::now() + deadline;
        let failed = |error| Error::new(operation, format!("link {index}"), error);
        while look()? == Verdict::NotYet {
            loop {
                match self.socket.receive_before(end) {
                    Ok(events) if about(&events, index) => break,
                    Ok(_) => {}
                    // More events than the buffer holds: one of those lost may have been ours.
                    Err(error) if is_lost(&error) => break,
                    Err(error) => return Err(failed(error)),
                }
            }
        }
        Ok(())
    }
}

/// Whether one of the events is about the link with this index, or may be: one that did not fit.
fn about(events: &Datagram, index: u32) -> bool {
    let mut messages = events.messages();
    events.cut_answer_to().is_some() || messages.any(|message| concerns(&message, index))
}

/// Whether an event is about the link with this index. Link and address messages both have the index
/// in the second word of their header.
fn concerns(message: &Message<'_>, index: u32) -> bool {
    message
        .payload
        .get(4..)
        .and_then(|bytes| bytes.first_chunk())
        .is_some_and(|bytes| u32::from_ne_bytes(*bytes) == index)
}
