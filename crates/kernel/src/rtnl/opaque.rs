//! What is kept without being understood.

use linkspan_netlink::{AttributeWriter, Attributes};

/// Attributes of a kernel object that nothing here reads, kept as they came so that the object can be
/// made again as it was, or told from one like it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opaque(AttributeWriter);

impl Opaque {
    /// Those of these kinds.
    pub(super) fn of(attributes: Attributes<'_>, kinds: &[u16]) -> Self {
        Self::where_kind(attributes, |kind| kinds.contains(&kind))
    }

    /// Those whose kind passes.
    pub(super) fn where_kind(attributes: Attributes<'_>, passes: impl Fn(u16) -> bool) -> Self {
        let mut kept = AttributeWriter::default();
        for attribute in attributes.filter(|attribute| passes(attribute.kind)) {
            kept.bytes(attribute.kind, attribute.payload);
        }
        Self(kept)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.as_bytes().is_empty()
    }

    pub(super) fn write(&self, writer: &mut AttributeWriter) {
        writer.raw(self.0.as_bytes());
    }
}
