//! What an attachment would have of netfilter, for who asks before it is made.

use linkspan_spec::Error;

use super::attachment::Attachment;
use super::backend::Backend;
use super::part::Kind;
use super::status::probe_nftables;

/// One part, told before it is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreseen {
    /// What is set up: "masquerade what 10.22.0.2 sends beyond 10.22.0.0/16".
    pub words: String,
    /// By what, and what else is to be known of it.
    pub note: String,
}

impl Attachment {
    /// Tells what [`install`](Self::install) would set up, part by part; nothing is changed or locked.
    ///
    /// # Errors
    /// That what only one attachment can have is another's.
    pub fn foresee(&self) -> Result<Vec<Foreseen>, Error> {
        let backend = self.backend_or_chosen();
        let mut all = Vec::new();
        for part in self.parts() {
            let want = part.want();
            want.refuse_taken(self.owner())?;
            let by = by(backend, part.kind());
            let note = match want.aside() {
                Some(aside) => format!("{by}; {aside}"),
                None => by.to_owned(),
            };
            let words = want.told();
            all.push(Foreseen { words, note });
            all.extend(want.beside());
        }
        Ok(all)
    }

    /// What sets it up: what was asked for, else nf_tables, or iptables where the kernel lacks that.
    fn backend_or_chosen(&self) -> Backend {
        let lacks_nftables = || {
            let error = probe_nftables().err();
            error.is_some_and(|error| {
                super::status::status(Some(Backend::Iptables)).is_ok() && !is_refused(&error)
            })
        };
        match self.wanted_backend() {
            Some(backend) => backend,
            None if lacks_nftables() => Backend::Iptables,
            None => Backend::Nftables,
        }
    }
}

/// Whether it is no answer, since only root gets one.
fn is_refused(error: &Error) -> bool {
    error.msg.contains("not permitted")
}

/// Where a part of this kind is to be found afterwards.
fn by(backend: Backend, kind: Kind) -> &'static str {
    match (kind, backend) {
        (Kind::Admission, Backend::Firewalld) => {
            "by firewalld, and rules in the filter tables of iptables where these refuse it"
        }
        (Kind::Admission, _) => "by rules in the filter tables of iptables",
        (_, Backend::Iptables) if kind.beyond(backend).is_some() => {
            "by iptables, in the reference plugins' chains"
        }
        (Kind::SpoofGuard | Kind::PortIsolation, _) => "by nftables, in the table bridge linkspan",
        _ => "by nftables, in the table inet linkspan",
    }
}
