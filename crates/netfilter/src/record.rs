//! What a record says of one attachment.

use linkspan_spec::{Error, ErrorCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::backend::Backend;
use super::head::{Found, Head, file_name};
use super::owner::Owner;
use super::records::Records;

/// The format of a record. Of another version what is known is read, and it counts as a part of the whole.
const VERSION: u32 = 1;

/// What one plugin made for one attachment, of such parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(serialize = "P: Serialize", deserialize = "P: DeserializeOwned"))]
pub struct Record<P> {
    #[serde(flatten)]
    head: Head,
    /// What made it.
    pub backend: Backend,
    /// What it consists of.
    pub parts: Vec<P>,
    /// What is wanted, where another attachment of the same container has a part of that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    wanted: Vec<P>,
    /// Not all of it could be read: another version wrote it.
    #[serde(skip)]
    is_partial: bool,
}

impl<P: Clone + PartialEq + Serialize + DeserializeOwned> Record<P> {
    /// `origin` is as [`origin`](super::head::origin) tells it.
    pub(super) fn new(
        plugin: &str,
        owner: &Owner,
        origin: Option<String>,
        backend: Backend,
        parts: &[P],
    ) -> Self {
        Self {
            head: Head::new(VERSION, plugin, owner, origin),
            backend,
            parts: parts.to_vec(),
            wanted: Vec::new(),
            is_partial: false,
        }
    }

    /// The same, of an attachment that wants these parts.
    pub(super) fn wanting(mut self, wanted: &[P]) -> Self {
        if wanted != self.parts {
            self.wanted = wanted.to_vec();
        }
        self
    }

    /// What the attachment wants.
    pub(super) fn wanted(&self) -> &[P] {
        match self.wanted.is_empty() {
            true => &self.parts,
            false => &self.wanted,
        }
    }

    /// Whose it is.
    pub fn owner(&self) -> Owner {
        self.head.owner()
    }

    /// The plugin that made it.
    pub fn plugin(&self) -> &str {
        self.head.plugin()
    }

    pub(super) fn origin(&self) -> Option<&String> {
        self.head.origin()
    }

    /// Why the attachment may still be there; `None` when its network namespace is certainly gone.
    pub(super) fn reason_to_live(&self) -> Option<String> {
        self.head.reason_to_live()
    }

    pub(super) fn is_partial(&self) -> bool {
        self.is_partial
    }

    pub(super) fn write(&self, records: &Records) -> Result<(), Error> {
        let bytes = serde_json::to_vec(self)
            .map_err(|error| Error::new(ErrorCode::INTERNAL, format!("cannot record: {error}")))?;
        records.write(&file_name(self.plugin(), &self.owner()), &bytes)
    }

    /// The record of this name.
    pub(super) fn read(records: &Records, name: &str) -> Result<Found<Self>, Error> {
        let found = records.bytes(name)?;
        Ok(found.and_then(|bytes| Self::parse(&bytes)))
    }

    /// Every record that can be read.
    pub(super) fn all(records: &Records) -> Result<Vec<Self>, Error> {
        let mut all = Vec::new();
        for name in records.names()? {
            if let Found::Record(record) = Self::read(records, &name)? {
                all.push(record);
            }
        }
        Ok(all)
    }

    /// The names of those that are there and cannot be read.
    pub(super) fn unreadable(records: &Records) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        for name in records.names()? {
            if matches!(Self::read(records, &name)?, Found::Unreadable) {
                names.push(name);
            }
        }
        Ok(names)
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        match serde_json::from_slice::<Self>(bytes) {
            Ok(record) if record.head.version == VERSION => Some(record),
            _ => Self::parse_known(bytes),
        }
    }

    /// What is known of a record that another version wrote.
    fn parse_known(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let parts = |key: &str| -> Vec<P> {
            let parts = value.get(key).and_then(Value::as_array).into_iter();
            let known = |part: &Value| serde_json::from_value(part.clone()).ok();
            parts.flatten().filter_map(known).collect()
        };
        let backend = value.get("backend").cloned().unwrap_or_default();
        Some(Self {
            backend: serde_json::from_value(backend).unwrap_or_default(),
            parts: parts("parts"),
            wanted: parts("wanted"),
            is_partial: true,
            head: serde_json::from_value(value).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use linkspan_state::Folder;

    use super::*;
    use crate::part::{Masquerade, Part};

    type Record = super::Record<Part>;

    fn record(container: &str) -> Record {
        let owner = Owner::from_texts("mynet", container, "eth0");
        let part = Part::Masquerade(Masquerade {
            address: "10.22.0.2/16".parse().expect("an address"),
        });
        Record::new("bridge", &owner, None, Backend::Nftables, &[part])
    }

    fn records() -> (tempfile::TempDir, Records) {
        let directory = tempfile::tempdir().expect("a directory");
        let folder = Folder::at(directory.path(), 0o700).expect("a folder");
        (directory, Records::at(folder))
    }

    #[test]
    fn a_record_is_read_back_and_removed() {
        let (_directory, records) = records();
        for container in ["c1".to_owned(), "c".repeat(300)] {
            let record = record(&container);
            record.write(&records).expect("written");
            let name = file_name("bridge", &record.owner());
            assert_eq!(
                Record::read(&records, &name),
                Ok(Found::Record(record.clone()))
            );
            let other = Owner::from_texts("othernet", &container, "eth0");
            for (plugin, owner) in [("portmap", &record.owner()), ("bridge", &other)] {
                assert_eq!(
                    Record::read(&records, &file_name(plugin, owner)),
                    Ok(Found::Nothing)
                );
            }
            assert_eq!(Record::all(&records).as_deref(), Ok([record].as_slice()));
            records.remove(&name).expect("removed");
            records.remove(&name).expect("removed again");
            assert_eq!(records.names(), Ok(Vec::new()));
        }
    }

    #[test]
    fn a_record_that_is_damaged_is_told_from_one_that_is_missing() {
        let (directory, records) = records();
        let record = record("c1");
        let name = file_name("bridge", &record.owner());
        let whole = serde_json::to_string(&record).expect("JSON");
        for damaged in ["", "{}", "null", &whole[..whole.len() / 2]] {
            std::fs::write(directory.path().join(&name), damaged).expect("written");
            let found = Record::read(&records, &name);
            assert_eq!(found, Ok(Found::Unreadable), "{damaged}");
            assert_eq!(Record::all(&records), Ok(Vec::new()));
            assert_eq!(records.names(), Ok(vec![name.clone()]));
        }
    }

    /// Of a version that is installed again, or not yet.
    #[test]
    fn of_a_record_of_another_version_what_is_known_is_read() {
        let record = record("c1");
        let whole = serde_json::to_string(&record).expect("JSON");
        let unknown = r#""parts":[{"teleport":{"to":"mars"}},"#;
        for other in [
            whole.replace("\"version\":1", "\"version\":9"),
            whole.replace("\"parts\":[", unknown),
            whole.replace("nftables", "eBPF"),
        ] {
            let read = Record::parse(other.as_bytes()).expect("a record");
            assert!(read.is_partial(), "{other}");
            assert_eq!((read.owner(), &read.parts), (record.owner(), &record.parts));
        }
        assert!(
            !Record::parse(whole.as_bytes())
                .expect("a record")
                .is_partial()
        );
    }
}
