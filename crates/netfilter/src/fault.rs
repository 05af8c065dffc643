//! What an error of the kernel means to the people who run it.

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::nftables::Nftables;
use linkspan_spec::{Error, ErrorCode};
use rustix::io::Errno;

/// The error that a plugin prints.
pub(super) fn explain(error: KernelError) -> Error {
    let details = match error.errno().map(Errno::from_raw_os_error) {
        Some(Errno::PERM | Errno::ACCESS) => {
            "changing netfilter needs CAP_NET_ADMIN in the network namespace"
        }
        Some(Errno::OPNOTSUPP | Errno::PROTONOSUPPORT) => {
            "this kernel may lack nf_tables or one of its expressions (modules nf_tables, nft_chain_nat, \
             nft_masq, nft_fib_inet; Linux 5.2 or newer); the backend \"iptables\" does without them"
        }
        Some(Errno::INVAL) => {
            "if the table linkspan was changed by hand, `nft delete table inet linkspan` and \
             `linkspan reconcile` make it anew; if not, this kernel may lack one of the expressions of \
             nf_tables, and the backend \"iptables\" does without them"
        }
        Some(Errno::NOENT | Errno::EXIST) => {
            "if the table linkspan was changed by hand, `nft delete table inet linkspan` and \
             `linkspan reconcile` make it anew"
        }
        Some(Errno::AGAIN) => "try again; the call can be repeated",
        _ => error.advice(),
    };
    Error::new(ErrorCode::INTERNAL, error.to_string()).with_details(details)
}

/// Whether the kernel has no nf_tables: without the module, a question is an invalid argument and a
/// batch not supported.
pub(super) fn is_unsupported(error: &KernelError) -> bool {
    matches!(
        error.errno().map(Errno::from_raw_os_error),
        Some(Errno::OPNOTSUPP | Errno::PROTONOSUPPORT | Errno::INVAL)
    )
}

/// Whether an error means that the kernel has no nf_tables, so that nothing is there: what others made of a ruleset can be
/// refused in the same words.
pub(super) fn is_absence(error: &KernelError) -> bool {
    let probe = || Nftables::open().and_then(|kernel| kernel.probe());
    is_unsupported(error) && probe().is_err_and(|error| is_unsupported(&error))
}

/// Asks nf_tables; of a kernel without it the answer is no.
pub(super) fn ask(
    question: impl FnOnce(&Nftables) -> Result<bool, KernelError>,
) -> Result<bool, Error> {
    Nftables::open()
        .and_then(|kernel| question(&kernel))
        .or_else(|error| unless_unsupported(error).map(|()| false))
        .map_err(explain)
}

/// Nothing is left to remove where the kernel has no nf_tables.
pub(super) fn unless_unsupported(error: KernelError) -> Result<(), KernelError> {
    match is_absence(&error) {
        true => Ok(()),
        false => Err(error),
    }
}
