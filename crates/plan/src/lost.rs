//! Links of which it is not known whether they were made.

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::rtnl::{Change, Link, Rtnl};
use linkspan_plugin::warn;

/// Why a link could not be made. Where that is not known, since the answer was lost, it may have been made all the same: it is removed
/// then if `is_ours` knows it again, which a link of others that has its name must not be taken for.
pub(crate) fn undone(
    error: KernelError,
    name: &str,
    rtnl: &Rtnl,
    is_ours: impl FnOnce(&Link) -> bool,
) -> KernelError {
    if !error.is_answer_lost() {
        return error;
    }
    let removed = match rtnl.link(name) {
        Ok(found) if is_ours(&found) => rtnl.change(Change::DeleteLink(found.index)),
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    match removed {
        Err(cause) if !cause.is_not_found() => {
            warn(&format!(
                "could not undo the link {name:?}, which may have been made: {cause}"
            ));
        }
        _ => {}
    }
    error
}
