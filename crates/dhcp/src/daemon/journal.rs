//! What the daemon tells: a line of standard error for each thing, which systemd puts into the journal.

use std::io::{self, Write};

use crate::machine::{Change, Lease, Term};
use crate::rpc::CmdArgs;

/// A line for the journal.
pub(super) fn log(text: &str) {
    // Where nobody reads it, it is lost.
    let _ = writeln!(io::stderr(), "{text}");
}

/// What the daemon cannot put into effect is told to whoever reads the journal.
pub(super) fn report(key: &str, from: Option<&Lease>, to: &Lease) {
    let Some(from) = from else {
        return;
    };
    let names = |lease: &Lease| {
        let parameters = &lease.parameters;
        (
            parameters.dns.clone(),
            parameters.domain.clone(),
            parameters.search.clone(),
        )
    };
    if names(from) != names(to) {
        log(&format!(
            "{key}: the name servers are now {:?} (domain {:?}, search {:?}); the container's resolv.conf is its runtime's and \
             says what ADD told: make the container anew to change it",
            to.parameters.dns, to.parameters.domain, to.parameters.search
        ));
    }
    if from.address != to.address {
        log(&format!(
            "{key}: the address was {}; what the runtime knows of it, published ports and masquerading among that, is as ADD \
             told: make the container anew to change it",
            from.address
        ));
    }
}

/// What has become of a lease, in a word or a few.
pub(super) fn word(change: &Change) -> &'static str {
    match change {
        Change::New => "acquired",
        Change::Renewed => "renewed",
        Change::Changed { .. } => "changed",
        Change::Confirmed => "confirmed",
        Change::Kept => "kept, since no server answers",
    }
}

/// For how long a lease is held, in words.
pub(super) fn term(lease: &Lease) -> String {
    match lease.term {
        Term::Forever => "for ever".to_owned(),
        Term::Unknown => "nobody knows for how long".to_owned(),
        Term::Until {
            acquired,
            expires_at,
            ..
        } => {
            format!("for {} s", (expires_at - acquired).as_secs())
        }
    }
}

/// The attachment that a plugin speaks of, before its configuration is read.
pub(super) fn named(arguments: &CmdArgs) -> String {
    format!("{}/{}", arguments.container_id, arguments.ifname)
}
