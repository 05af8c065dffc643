//! Sockets are closed by a thread of their own: the kernel lets whoever closes a packet socket wait for a grace period
//! (about 15 ms), for which all other leases would wait as well.

use std::sync::mpsc::{self, Sender};
use std::thread;

use linkspan_kernel::packet::PacketSocket;

/// Closes sockets.
#[derive(Debug)]
pub(super) struct Closer(Option<Sender<PacketSocket>>);

impl Closer {
    /// One that works as long as this is there. Where no thread is to be had sockets are closed on the spot.
    pub(super) fn new() -> Self {
        let (sender, sockets) = mpsc::channel();
        let work = move || sockets.into_iter().for_each(drop);
        let started = thread::Builder::new().name("closer".to_owned()).spawn(work);
        Self(started.is_ok().then_some(sender))
    }

    /// Closes a socket, if there is one.
    pub(super) fn close(&self, socket: Option<PacketSocket>) {
        if let (Some(closer), Some(socket)) = (&self.0, socket) {
            // Handed back by a thread that has ended, it is closed here.
            drop(closer.send(socket));
        }
    }
}
