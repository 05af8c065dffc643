//! The choice of an address, apart from where reservations are kept.

use std::net::IpAddr;

use crate::range::{RangeSet, Span};

/// Where the reservations of one range set are kept: a directory, or a database of many hosts.
pub trait Pool {
    /// Why it cannot be read or changed.
    type Error;

    /// The address that was reserved last, where the search goes on.
    ///
    /// # Errors
    /// When the pool cannot be read.
    fn last_reserved(&mut self) -> Result<Option<IpAddr>, Self::Error>;

    /// The first address in `span` that is not known to be held. It may be held all the same: only
    /// [`reserve`](Self::reserve) decides.
    ///
    /// # Errors
    /// When the pool cannot be read.
    fn first_free(&mut self, span: Span) -> Result<Option<IpAddr>, Self::Error>;

    /// Reserves an address; `false` when somebody holds it.
    ///
    /// # Errors
    /// When the pool cannot be changed.
    fn reserve(&mut self, address: IpAddr) -> Result<bool, Self::Error>;
}

/// Reserves the next free address of `set` in the order of [`RangeSet::order`]; `None` when all are
/// held.
///
/// # Errors
/// Those of the pool.
pub fn reserve_next<P: Pool>(set: &RangeSet, pool: &mut P) -> Result<Option<IpAddr>, P::Error> {
    let last = pool.last_reserved()?;
    for span in set.order(last) {
        let mut rest = Some(span);
        while let Some(span) = rest {
            let Some(address) = pool.first_free(span)? else {
                break;
            };
            if pool.reserve(address)? {
                return Ok(Some(address));
            }
            rest = span.after(address);
        }
    }
    Ok(None)
}
