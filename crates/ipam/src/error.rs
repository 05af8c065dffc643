//! What an error of the store means to the people who run a plugin.

use std::io;

use linkspan_spec::{Error, ErrorCode};

use crate::store::{READ_BOOT_ID, StoreError};

/// An address is held by somebody: one that was asked for, or that of an attachment that may be alive.
pub const ADDRESS_UNAVAILABLE: ErrorCode = ErrorCode(100);

/// CHECK: the attachment holds no address.
pub const NOT_RESERVED: ErrorCode = ErrorCode(101);

/// The error that a plugin prints: what was attempted, and what to do.
impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let advice = match error.source.kind() {
            _ if error.operation == READ_BOOT_ID => {
                "it is in /proc/sys/kernel/random/boot_id: `mount -t proc proc /proc` where /proc is not mounted"
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "there is no room for another file; make room, or set ipam.dataDir to another file system"
            }
            io::ErrorKind::ReadOnlyFilesystem => {
                "reservations are files; set ipam.dataDir to a directory that can be written"
            }
            io::ErrorKind::PermissionDenied => {
                "the plugin must be allowed to write there; is it run as root?"
            }
            io::ErrorKind::NotADirectory => "ipam.dataDir is a directory; is a file in its way?",
            io::ErrorKind::TimedOut => {
                "another plugin holds it, for longer than any takes; `fuser -v` on the file tells which, and what it \
                 waits for"
            }
            _ => "ipam.dataDir is where reservations are kept; look at its file system",
        };
        let code = match error.source.kind() {
            io::ErrorKind::TimedOut => ErrorCode::TRY_AGAIN_LATER,
            _ => ErrorCode::IO_FAILURE,
        };
        Error::new(code, format!("{error}: {}", error.source)).with_details(advice)
    }
}
