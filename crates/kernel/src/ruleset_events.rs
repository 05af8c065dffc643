//! Hearing of changes of the ruleset.

use std::io;
use std::time::{Duration, Instant};

use rustix::net::netlink;

use crate::Error;
use crate::socket::{Socket, is_lost};

/// The group in which nf_tables tells of changes: `NFNLGRP_NFTABLES` is 7 (linux/netfilter/nfnetlink.h), and
/// bits count from 0.
const CHANGES: u32 = 1 << 6;

/// How long to wait at a time for what may never come.
const AN_HOUR: Duration = Duration::from_secs(3600);

/// How many times as long as a ruleset must be quiet it may go on changing.
const PATIENCE: u32 = 20;

/// A socket that hears of every change of the ruleset in one namespace.
#[derive(Debug)]
pub struct RulesetEvents {
    socket: Socket,
}

impl RulesetEvents {
    /// Opens it in the caller's namespace. It hears of everything from then on.
    ///
    /// # Errors
    /// When the kernel has no netfilter netlink, or without CAP_NET_ADMIN.
    pub fn open() -> Result<Self, Error> {
        Socket::listen_to(netlink::NETFILTER, CHANGES)
            .map(|socket| Self { socket })
            .map_err(|error| Error::new("open", "a socket for changes of nftables", error))
    }

    /// Waits for a change, and then until nothing has changed for `quiet`: whoever reloads a firewall does
    /// so in many steps. Where something changes all the time it waits no longer than 20 times that.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn wait(&self, quiet: Duration) -> Result<(), Error> {
        let failed = |error| Error::new("wait for", "changes of nftables", error);
        while !self.heard_within(AN_HOUR).map_err(failed)? {}
        let end = Instant::now() + quiet * PATIENCE;
        while Instant::now() < end && self.heard_within(quiet).map_err(failed)? {}
        Ok(())
    }

    /// Whether something changes within this time.
    fn heard_within(&self, limit: Duration) -> io::Result<bool> {
        match self.socket.receive_before(Instant::now() + limit) {
            Ok(_) => Ok(true),
            // More than the buffer holds: something did change.
            Err(error) if is_lost(&error) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ETIMEDOUT) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
