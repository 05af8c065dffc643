//! Transactions.

use std::fmt;

use linkspan_netlink::Request;

use crate::chain::Chain;
use crate::element::Element;
use crate::family::{Family, header};
use crate::rule::Rule;
use crate::set::Set;
use crate::table::Table;
use crate::uapi::{elem, message, msg, rule};

/// Changes that the kernel makes together or not at all, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    items: Vec<Item>,
    generation: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    verb: Verb,
    object: Object,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Add,
    Create,
    Insert,
    Delete,
    Destroy,
    Flush,
}

/// What a batch can add and delete: a [`Table`], [`Chain`], [`Rule`] or [`Set`], or elements of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A table.
    Table(Table),
    /// A chain.
    Chain(Chain),
    /// A rule.
    Rule(Rule),
    /// A set or map.
    Set(Set),
    /// Elements of one set.
    Elements(Elements),
}

/// Elements of one set, as many as fit into one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elements {
    family: Family,
    table: String,
    set: String,
    elements: Vec<Element>,
}

impl From<Table> for Object {
    fn from(table: Table) -> Self {
        Self::Table(table)
    }
}

impl From<Chain> for Object {
    fn from(chain: Chain) -> Self {
        Self::Chain(chain)
    }
}

impl From<Rule> for Object {
    fn from(rule: Rule) -> Self {
        Self::Rule(rule)
    }
}

impl From<Set> for Object {
    fn from(set: Set) -> Self {
        Self::Set(set)
    }
}

/// A batch in the kernel's format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// All messages, to be sent in one `sendmsg`.
    pub bytes: Vec<u8>,
    first_sequence: u32,
    items: usize,
}

impl Encoded {
    /// The sequence number of the message that begins the batch; errors about the batch as a whole
    /// carry it.
    pub fn first_sequence(&self) -> u32 {
        self.first_sequence
    }

    /// The sequence number of the last item's message, the only one that is acknowledged.
    pub fn acknowledged_sequence(&self) -> u32 {
        let items = u32::try_from(self.items).unwrap_or(u32::MAX);
        self.first_sequence.wrapping_add(items)
    }

    /// The item whose message has this sequence number; `None` for the batch's begin and end and for
    /// messages of others.
    pub fn item_of(&self, sequence: u32) -> Option<usize> {
        let position = sequence.wrapping_sub(self.first_sequence) as usize;
        (1..=self.items).contains(&position).then(|| position - 1)
    }
}

/// Most bytes of elements in one message: an attribute's length has 16 bits.
const MAX_ELEMENT_BYTES: usize = 60_000;

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the kernel refuse the batch (`ERESTART`) unless the ruleset still has this generation.
    pub fn require_generation(&mut self, generation: u32) -> &mut Self {
        self.generation = Some(generation);
        self
    }

    /// Whether a generation is required.
    pub fn requires_generation(&self) -> bool {
        self.generation.is_some()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many items it has; lists of many elements count as several.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    fn push(&mut self, verb: Verb, object: impl Into<Object>) -> &mut Self {
        let object = object.into();
        self.items.push(Item { verb, object });
        self
    }

    /// Adds a table, chain or set unless it is there, or appends a rule to its chain.
    pub fn add(&mut self, object: impl Into<Object>) -> &mut Self {
        self.push(Verb::Add, object)
    }

    /// Creates a table, chain or set; an error (`EEXIST`) when it is there.
    pub fn create(&mut self, object: impl Into<Object>) -> &mut Self {
        self.push(Verb::Create, object)
    }

    /// Puts a rule at the beginning of its chain.
    pub fn insert(&mut self, rule: Rule) -> &mut Self {
        self.push(Verb::Insert, rule)
    }

    /// Deletes an object; an error (`ENOENT`) when it is not there, or (`EBUSY`) when it is in use.
    pub fn delete(&mut self, object: impl Into<Object>) -> &mut Self {
        self.push(Verb::Delete, object)
    }

    /// Deletes an object if it is there.
    ///
    /// # Kernel
    /// Needs 6.3.
    pub fn destroy(&mut self, object: impl Into<Object>) -> &mut Self {
        self.push(Verb::Destroy, object)
    }

    /// Deletes all rules of a chain.
    pub fn flush_chain(&mut self, chain: Chain) -> &mut Self {
        self.push(Verb::Flush, chain)
    }

    /// Deletes all elements of a set.
    pub fn flush_set(&mut self, set: Set) -> &mut Self {
        self.push(Verb::Flush, set)
    }

    /// Adds elements to a set. One that is there keeps the comment that it has; one that is there with
    /// other data is an error.
    pub fn add_elements(
        &mut self,
        table: &Table,
        set: &str,
        elements: impl IntoIterator<Item = Element>,
    ) -> &mut Self {
        self.push_elements(Verb::Add, table, set, elements)
    }

    /// Adds elements to a set; an error (`EEXIST`) when one is there.
    pub fn create_elements(
        &mut self,
        table: &Table,
        set: &str,
        elements: impl IntoIterator<Item = Element>,
    ) -> &mut Self {
        self.push_elements(Verb::Create, table, set, elements)
    }

    /// Deletes elements by their keys; an error (`ENOENT`) when one is not there.
    pub fn delete_elements(
        &mut self,
        table: &Table,
        set: &str,
        elements: impl IntoIterator<Item = Element>,
    ) -> &mut Self {
        self.push_elements(Verb::Delete, table, set, elements)
    }

    fn push_elements(
        &mut self,
        verb: Verb,
        table: &Table,
        set: &str,
        elements: impl IntoIterator<Item = Element>,
    ) -> &mut Self {
        let list = |elements| Elements {
            family: table.family,
            table: table.name.clone(),
            set: set.to_owned(),
            elements,
        };
        let (mut part, mut bytes) = (Vec::new(), 0);
        for element in elements {
            let length = element.encoded_len_bound();
            if bytes + length > MAX_ELEMENT_BYTES {
                self.push(verb, Object::Elements(list(std::mem::take(&mut part))));
                bytes = 0;
            }
            bytes += length;
            part.push(element);
        }
        if !part.is_empty() {
            self.push(verb, Object::Elements(list(part)));
        }
        self
    }

    /// What an item does, as one would write it for `nft`; empty for an item that does not exist.
    pub fn describe(&self, item: usize) -> String {
        self.items
            .get(item)
            .map(Item::to_string)
            .unwrap_or_default()
    }

    /// The messages, numbered from `first_sequence` on.
    pub fn encode(&self, first_sequence: u32) -> Encoded {
        let mut bytes = Vec::with_capacity(4096);
        let mut sequence = first_sequence;
        self.begin().append_to(&mut bytes, sequence);
        for (index, item) in self.items.iter().enumerate() {
            sequence = sequence.wrapping_add(1);
            let mut request = item.request(sequence);
            if index + 1 == self.items.len() {
                request.add_flags(libc::NLM_F_ACK as u16);
            }
            request.append_to(&mut bytes, sequence);
        }
        control(libc::NFNL_MSG_BATCH_END).append_to(&mut bytes, sequence.wrapping_add(1));
        Encoded {
            bytes,
            first_sequence,
            items: self.items.len(),
        }
    }

    fn begin(&self) -> Request {
        let mut request = control(libc::NFNL_MSG_BATCH_BEGIN);
        if let Some(generation) = self.generation {
            request.be32(libc::NFNL_BATCH_GENID as u16, generation);
        }
        request
    }
}

/// The message that begins or ends a batch.
fn control(kind: libc::c_int) -> Request {
    let mut request = Request::new(kind as u16, libc::NLM_F_REQUEST as u16);
    request.header(&header(0, libc::NFNL_SUBSYS_NFTABLES as u16));
    request
}

impl Item {
    /// `id` names a new set within the batch.
    fn request(&self, id: u32) -> Request {
        let (kind, flags) = self.kind_and_flags();
        let mut request = Request::new(message(kind), flags);
        let defines = matches!(self.verb, Verb::Add | Verb::Create | Verb::Insert);
        match &self.object {
            Object::Table(table) if defines => table.write_definition(&mut request),
            Object::Table(table) => table.write(&mut request),
            Object::Chain(chain) if defines => chain.write_definition(&mut request),
            // The rules of a chain are flushed by a deletion that names the chain alone.
            Object::Chain(chain) if self.verb == Verb::Flush => {
                request
                    .header(&chain.family.header())
                    .string(rule::TABLE, &chain.table)
                    .string(rule::CHAIN, &chain.name);
            }
            Object::Chain(chain) => chain.write(&mut request),
            Object::Rule(rule) if defines => rule.write_definition(&mut request),
            Object::Rule(rule) => rule.write(&mut request),
            Object::Set(set) if defines => set.write_definition(&mut request, id),
            // The same for the elements of a set.
            Object::Set(set) if self.verb == Verb::Flush => {
                request
                    .header(&set.family.header())
                    .string(elem::LIST_TABLE, &set.table)
                    .string(elem::LIST_SET, &set.name);
            }
            Object::Set(set) => set.write(&mut request),
            Object::Elements(list) => list.write(&mut request, !defines),
        }
        request
    }

    fn kind_and_flags(&self) -> (u16, u16) {
        const CREATE: i32 = libc::NLM_F_CREATE;
        let (new, delete, destroy) = match (&self.object, self.verb) {
            (Object::Table(_), _) => (msg::NEWTABLE, msg::DELTABLE, msg::DESTROYTABLE),
            (Object::Rule(_), _) | (Object::Chain(_), Verb::Flush) => {
                (msg::NEWRULE, msg::DELRULE, msg::DESTROYRULE)
            }
            (Object::Chain(_), _) => (msg::NEWCHAIN, msg::DELCHAIN, msg::DESTROYCHAIN),
            (Object::Elements(_), _) | (Object::Set(_), Verb::Flush) => {
                (msg::NEWSETELEM, msg::DELSETELEM, msg::DESTROYSETELEM)
            }
            (Object::Set(_), _) => (msg::NEWSET, msg::DELSET, msg::DESTROYSET),
        };
        let (kind, flags) = match (self.verb, &self.object) {
            (Verb::Add, Object::Rule(_)) => (new, CREATE | libc::NLM_F_APPEND),
            (Verb::Add | Verb::Insert, _) => (new, CREATE),
            (Verb::Create, _) => (new, CREATE | libc::NLM_F_EXCL),
            (Verb::Delete | Verb::Flush, _) => (delete, 0),
            (Verb::Destroy, _) => (destroy, 0),
        };
        (kind, (flags | libc::NLM_F_REQUEST) as u16)
    }
}

impl Elements {
    fn write(&self, request: &mut Request, only_keys: bool) {
        request
            .header(&self.family.header())
            .string(elem::LIST_TABLE, &self.table)
            .string(elem::LIST_SET, &self.set)
            .nest(elem::LIST_ELEMENTS, |list| {
                for element in &self.elements {
                    element.write(list, only_keys);
                }
            });
    }

    fn summary(&self) -> String {
        match self.elements.as_slice() {
            [] => "no element".to_owned(),
            [one] => format!("element {one}"),
            [first, rest @ ..] => format!("element {first} and {} more", rest.len()),
        }
    }

    fn set(&self) -> String {
        format!("set {} {} {}", self.family, self.table, self.set)
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.verb {
            Verb::Add => "add",
            Verb::Create => "create",
            Verb::Insert => "insert",
            Verb::Delete => "delete",
            Verb::Destroy => "destroy",
            Verb::Flush => "flush",
        };
        match (&self.object, self.verb) {
            (Object::Elements(list), Verb::Delete | Verb::Destroy) => {
                write!(f, "{verb} {} from {}", list.summary(), list.set())
            }
            (Object::Elements(list), _) => {
                write!(f, "{verb} {} to {}", list.summary(), list.set())
            }
            (object, _) => write!(f, "{verb} {}", object.name()),
        }
    }
}

impl Object {
    fn name(&self) -> String {
        match self {
            Self::Table(table) => format!("table {} {}", table.family, table.name),
            Self::Chain(chain) => {
                format!("chain {} {} {}", chain.family, chain.table, chain.name)
            }
            Self::Rule(rule) => {
                let about = match (&rule.comment, rule.handle) {
                    (Some(comment), _) => format!(" ({comment})"),
                    (None, Some(handle)) => format!(" handle {handle}"),
                    (None, None) => String::new(),
                };
                format!("rule {} {} {}{about}", rule.family, rule.table, rule.chain)
            }
            Self::Set(set) => format!("set {} {} {}", set.family, set.table, set.name),
            Self::Elements(list) => list.set(),
        }
    }
}
