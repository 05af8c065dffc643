//! Who holds an address: the text of a reservation file, and what stands beside it.

use linkspan_spec::Attachment;

/// Between the container ID and the interface's name.
const LINE_BREAK: &str = "\r\n";

/// The text of a reservation file, as the reference writes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// The container's ID.
    pub container_id: String,
    /// The interface in the container; files of before 2018 name none.
    pub ifname: Option<String>,
}

impl Record {
    /// The record of an attachment.
    pub fn new(container_id: &str, ifname: &str) -> Self {
        Self {
            container_id: container_id.to_owned(),
            ifname: Some(ifname.to_owned()),
        }
    }

    /// Reads the text; `None` when there is none, as after a crash of the reference.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let (id, ifname) = match text.split_once(LINE_BREAK) {
            Some((id, ifname)) => (id, Some(ifname.to_owned())),
            None => (text, None),
        };
        Some(Self {
            container_id: id.to_owned(),
            ifname,
        })
    }

    /// The text.
    pub fn to_text(&self) -> String {
        match &self.ifname {
            Some(ifname) => format!("{}{LINE_BREAK}{ifname}", self.container_id),
            None => self.container_id.clone(),
        }
    }

    /// The same container without the interface, as an older file names it.
    pub fn without_ifname(&self) -> Self {
        Self {
            container_id: self.container_id.clone(),
            ifname: None,
        }
    }

    /// Whether it belongs to one of `attachments`. Without an interface it belongs to any of the
    /// container's.
    pub fn is_of(&self, attachment: &Attachment) -> bool {
        attachment.container_id.trim() == self.container_id
            && self
                .ifname
                .as_ref()
                .is_none_or(|ifname| *ifname == attachment.ifname)
    }
}

impl std::fmt::Display for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.ifname {
            Some(ifname) => write!(f, "{} ({ifname})", self.container_id),
            None => f.write_str(&self.container_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_references() {
        let record = Record::new("c1", "eth0");
        assert_eq!(record.to_text(), "c1\r\neth0");
        assert_eq!(Record::parse("c1\r\neth0"), Some(record.clone()));
        assert_eq!(Record::parse(" c1\r\neth0\n"), Some(record.clone()));
        assert_eq!(Record::parse("c1\n"), Some(record.without_ifname()));
        assert_eq!(Record::parse(""), None);
        assert_eq!(Record::parse(" \r\n"), None);
    }

    #[test]
    fn an_older_record_belongs_to_every_interface_of_its_container() {
        let record = Record::new("c1", "eth0");
        assert!(record.is_of(&Attachment::new("c1", "eth0")));
        assert!(!record.is_of(&Attachment::new("c1", "eth1")));
        assert!(
            record
                .without_ifname()
                .is_of(&Attachment::new("c1", "eth1"))
        );
        assert!(
            !record
                .without_ifname()
                .is_of(&Attachment::new("c2", "eth1"))
        );
    }
}
