//! Who may change networks.

use rustix::thread::{CapabilitySet, capabilities};

use crate::failure::{Failure, Kind};

/// Refuses a command that changes this machine's networks to who may not: said once and at once, not by
/// each plugin in its own way.
///
/// # Errors
/// When the process lacks CAP_NET_ADMIN, which root of a user namespace has there.
pub(crate) fn require(command: &str) -> Result<(), Failure> {
    match capabilities(None) {
        Ok(sets) if !sets.effective.contains(CapabilitySet::NET_ADMIN) => {
            let words = format!("`linkspan {command}` changes networks, which only root may do");
            Err(Failure::new(Kind::Privilege, words)
                .because("this process has no CAP_NET_ADMIN")
                .advise("Run it as root, for example with sudo."))
        }
        _ => Ok(()),
    }
}
