//! The messages that a client sends: which has which fields and options (RFC 2131, 4.4.1, table 5).

use std::net::Ipv4Addr;

use super::action::Settings;
use crate::message::options::{
    CLIENT_ID, KIND, LONGEST_MESSAGE, PARAMETERS, REQUESTED_ADDRESS, SERVER_ID,
};
use crate::message::{Kind, Message};

/// A message's number, and for how long the client has been asking.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) xid: u32,
    pub(super) secs: u16,
}

/// What is offered, or held: what a message is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    pub(super) address: Ipv4Addr,
    pub(super) server: Option<Ipv4Addr>,
    pub(super) mac: Option<[u8; 6]>,
}

impl Settings {
    /// The client identifier that is sent.
    pub(super) fn identifier(&self) -> &[u8] {
        self.provided
            .iter()
            .rfind(|(code, _)| *code == CLIENT_ID)
            .map_or(&self.client_id, |(_, value)| value)
    }

    /// INIT: is there a server, perhaps one that gives the address of before?
    pub(super) fn discover(&self, head: Head, wanted: Option<Ipv4Addr>) -> Message {
        let mut message = self.question(Kind::Discover, head);
        message.broadcast = self.broadcast;
        if let Some(address) = wanted {
            message.options.set(REQUESTED_ADDRESS, &address.octets());
        }
        message
    }

    /// SELECTING: what one server offered is wanted, what others offered is not.
    pub(super) fn select(&self, head: Head, offer: Subject) -> Message {
        let mut message = self.reboot(head, offer.address);
        if let Some(server) = offer.server {
            message.options.set(SERVER_ID, &server.octets());
        }
        message
    }

    /// INIT-REBOOT: does the lease of before still hold?
    pub(super) fn reboot(&self, head: Head, address: Ipv4Addr) -> Message {
        let mut message = self.question(Kind::Request, head);
        message.broadcast = self.broadcast;
        message.options.set(REQUESTED_ADDRESS, &address.octets());
        message
    }

    /// RENEWING and REBINDING: more time. The address is the client's, so answers come to it.
    pub(super) fn extend(&self, head: Head, address: Ipv4Addr) -> Message {
        let mut message = self.question(Kind::Request, head);
        message.ciaddr = address;
        message
    }

    /// What was given is used by somebody else.
    pub(super) fn decline(&self, xid: u32, subject: Subject) -> Message {
        let mut message = self.farewell(Kind::Decline, xid, subject);
        message
            .options
            .set(REQUESTED_ADDRESS, &subject.address.octets());
        message
    }

    /// What was given is not wanted any longer.
    pub(super) fn release(&self, xid: u32, subject: Subject) -> Message {
        let mut message = self.farewell(Kind::Release, xid, subject);
        message.ciaddr = subject.address;
        message
    }

    /// What DISCOVER and every REQUEST have in common.
    fn question(&self, kind: Kind, head: Head) -> Message {
        let mut message = Message::request(kind, head.xid, self.hardware);
        message.secs = head.secs;
        message.options.set(CLIENT_ID, &self.client_id);
        message
            .options
            .set(LONGEST_MESSAGE, &self.longest_message.to_be_bytes());
        for (code, value) in &self.provided {
            if ![KIND, REQUESTED_ADDRESS, SERVER_ID, PARAMETERS].contains(code) {
                message.options.set(*code, value);
            }
        }
        if !self.requested.is_empty() {
            message.options.set(PARAMETERS, &self.requested);
        }
        message
    }

    /// What DECLINE and RELEASE have in common. Nothing answers them, and nothing but this may be in them.
    fn farewell(&self, kind: Kind, xid: u32, subject: Subject) -> Message {
        let mut message = Message::request(kind, xid, self.hardware);
        message.options.set(CLIENT_ID, self.identifier());
        if let Some(server) = subject.server {
            message.options.set(SERVER_ID, &server.octets());
        }
        message
    }
}
