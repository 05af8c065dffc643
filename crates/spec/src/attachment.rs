//! What GC is told of the attachments that are in use.

use crate::decode::{self, DecodeError, Map, Value};

/// An attachment of a container to a network, as GC is told about it.
///
/// The texts are as the runtime sent them; they serve to compare.
///
/// # Spec
/// Section 2, "GC".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Attachment {
    /// `containerID`, the `CNI_CONTAINERID` of the ADD.
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
        let mut map = Map::new();
        map.insert("containerID".into(), self.container_id.as_str().into());
        map.insert("ifname".into(), self.ifname.as_str().into());
        Value::Object(map)
    }
}
