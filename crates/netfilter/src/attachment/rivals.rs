//! What others have set up that comes before ours.

use super::{Attachment, Error, Failure, Part, Ruleset};

impl Attachment {
    pub(super) fn set_up_by_nftables(&self, parts: &[Part]) -> Result<(), Failure> {
        let ruleset = Ruleset::open().map_err(Failure::from_kernel)?;
        let plan = ruleset
            .prepare(parts, &self.owner.to_string())
            .map_err(Failure::from_kernel)?;
        if plan.meets_rivals().map_err(Failure::Other)? {
            self.clear_way(parts).map_err(Failure::Other)?;
        }
        ruleset.carry_out(plan, parts).map_err(Failure::from_kernel)
    }

    /// Removes what belongs to nobody any more.
    pub(super) fn clear_way(&self, parts: &[Part]) -> Result<(), Error> {
        let holder = self.holder();
        parts
            .iter()
            .try_for_each(|part| part.want().clear_way(&holder))
    }
}
