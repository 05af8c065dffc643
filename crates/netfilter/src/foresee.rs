//! What an attachment would have of netfilter, for who asks before it is made.

use linkspan_kernel::nftables::Nftables;
use linkspan_nft::Family;
use linkspan_spec::Error;
use rustix::io::Errno;

use super::attachment::Attachment;
use super::backend::Backend;
use super::part::{Kind, PORT_TAKEN};
use super::status::{probe_nftables, status};

/// One part, told before it is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreseen {
    /// What kind of part it is.
    pub kind: Kind,
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
        let (backend, is_asked) = (self.backend_or_chosen(), may_be_asked());
        let mut all = Vec::new();
        for part in self.parts() {
            let want = part.want();
            let unseen = match want.refuse_taken(self.owner()) {
                Err(error) if error.code == PORT_TAKEN => return Err(error),
                taken => taken
                    .err()
                    .map(|error| format!("whether it is free is not seen: {}", error.msg)),
            };
            let by = Some(by(backend, part.kind()).to_owned());
            let blind = (!is_asked).then(|| "only root sees whether that can be done".to_owned());
            let notes = [by, want.aside(), unseen, blind].into_iter().flatten();
            let note = notes.collect::<Vec<_>>().join("; ");
            let words = want.told();
            let kind = part.kind();
            all.push(Foreseen { kind, words, note });
            all.extend(want.beside());
        }
        Ok(all)
    }

    /// What sets it up: what was asked for, else nf_tables, or iptables where the kernel lacks that.
    fn backend_or_chosen(&self) -> Backend {
        let lacks_nftables = || {
            may_be_asked() && probe_nftables().is_err() && status(Some(Backend::Iptables)).is_ok()
        };
        match self.wanted_backend() {
            Some(backend) => backend,
            None if lacks_nftables() => Backend::Iptables,
            None => Backend::Nftables,
        }
    }
}

/// Whether who asks gets answers of netfilter, which the kernel gives to root.
pub fn may_be_asked() -> bool {
    let asked = Nftables::open().and_then(|kernel| kernel.tables(Family::Inet));
    let is_refused = |errno| matches!(Errno::from_raw_os_error(errno), Errno::PERM | Errno::ACCESS);
    !asked.is_err_and(|error| error.errno().is_some_and(is_refused))
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
