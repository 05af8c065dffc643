//! What the kernel has laid down at the start of a process.

use core::ffi::{CStr, c_char};
use core::ptr;

/// The path that the kernel was told to execute, as it was written there; of a descriptor, `/dev/fd/3`. `None` where the kernel did not
/// say.
///
/// It comes from the C library, which has it from the start. Whoever looks for it elsewhere needs `/proc`, or Linux 6.4.
#[must_use]
pub fn started() -> Option<&'static CStr> {
    // SAFETY: it reads what the kernel has laid down at the start.
    let path = unsafe { libc::getauxval(libc::AT_EXECFN) };
    let path = ptr::with_exposed_provenance::<c_char>(usize::try_from(path).ok()?);
    // SAFETY: it is null, or a text that ends with a zero and stays where it is.
    (!path.is_null()).then(|| unsafe { CStr::from_ptr(path) })
}
