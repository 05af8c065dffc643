//! What GC is told of the attachments that are in use.

use serde::Serialize;

use crate::decode::{self, DecodeError, Value};
use crate::result::written;

/// An attachment of a container to a network, as GC is told about it.
///
/// The texts are as the runtime sent them; they serve to compare.
///
/// # Spec
/// Section 2, "GC".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub struct Attachment {
    /// `containerID`, the `CNI_CONTAINERID` of the ADD.
    #[serde(rename = "containerID")]
    pub container_id: String,
    /// `ifname`, the `CNI_IFNAME` of the ADD.
    pub ifname: String,
}

impl Attachment {
    /// The attachment of a container by an interface.
    pub fn new(container_id: impl Into<String>, ifname: impl Into<String>) -> Self {
        Self {
            container_id: container_id.into(),
            ifname: ifname.into(),
        }
    }

    /// Reads an attachment.
    ///
    /// # Errors
    /// When it lacks a key or the JSON has another shape.
    pub fn from_json(value: &Value) -> Result<Self, DecodeError> {
        let map = decode::object(value)?;
        Ok(Self::new(
            decode::required(map, "containerID", "a container ID", decode::string)?,
            decode::required(map, "ifname", "an interface name", decode::string)?,
        ))
    }

    /// Writes the attachment.
    pub fn to_json(&self) -> Value {
        written(self)
    }
}
