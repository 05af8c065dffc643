//! What an error of the store means to the people who run a plugin.

use std::io;

use linkspan_spec::{Error, ErrorCode};

use crate::store::StoreError;

/// An address is held by somebody: one that was asked for, or that of an attachment that may be alive.
pub const ADDRESS_UNAVAILABLE: ErrorCode = ErrorCode(100);

/// CHECK: the attachment holds no address.
pub const NOT_RESERVED: ErrorCode = ErrorCode(101);

/// The error that a plugin prints: what was attempted, and what to do.
impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let advice = match error.source.kind() {
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
            _ => "ipam.dataDir is where reservations are kept; look at its file system",
        };
        Error::new(ErrorCode::IO_FAILURE, format!("{error}: {}", error.source)).with_details(advice)
    }
}
