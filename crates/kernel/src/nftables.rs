//! nf_tables: one transaction in one send, and reading back what is there.
//!
//! [`Batch`] and the types in it come from `linkspan-nft`; here they meet the kernel.

use std::io;

use linkspan_netlink::{Message, Request};
use linkspan_nft::{
    Batch, Chain, Element, Encoded, Family, InstalledRule, Outline, Query, Set, Table, Translation,
    generation,
};

use crate::Error;
use crate::exchange::{Failure, Whole, error_of};
use crate::netfilter::NetfilterSocket;
use crate::netns::Netns;
use crate::socket::Losses;

/// Bytes that a batch may have: that many are asked of the socket's send buffer.
const SEND_BUFFER: usize = 32 << 20;

/// A socket to nf_tables in one network namespace.
pub struct Nftables {
    socket: NetfilterSocket,
}

impl Nftables {
    /// Opens it in the caller's namespace. Asks nothing of the kernel yet.
    ///
    /// # Errors
    /// When the kernel has no netfilter netlink.
    pub fn open() -> Result<Self, Error> {
        Ok(Self {
            socket: NetfilterSocket::open()?,
        })
    }

    /// Opens it in another namespace; it stays there.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and those of entering the namespace.
    pub fn open_in(namespace: &Netns) -> Result<Self, Error> {
        namespace.run(Self::open)?
    }

    /// Whether this kernel has nf_tables and the caller may use it.
    ///
    /// # Errors
    /// Why not: `EOPNOTSUPP` or `EINVAL` without nf_tables, `EPERM` without CAP_NET_ADMIN in the
    /// namespace.
    pub fn probe(&self) -> Result<(), Error> {
        self.generation().map(|_| ())
    }

    /// Makes the changes of a batch, all or none.
    ///
    /// A batch is never split, since it would not be all or nothing then. Its size is limited by the
    /// socket's send buffer: 32 MiB with CAP_NET_ADMIN in the initial user namespace, else
    /// `net.core.wmem_max`, by default enough for two thousand elements.
    ///
    /// # Errors
    /// Every item that the kernel refused.
    pub fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        if batch.is_empty() {
            return Ok(());
        }
        let count = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        let encoded = batch.encode(self.socket.reserve(count.saturating_add(2)));
        let mut transaction = linkspan_spans::enter(|| "nf_tables transaction");
        transaction.note("linkspan.nftables.items", || i64::from(count));
        let _exchange = linkspan_spans::exchange();
        self.send_batch(&encoded)
            .and_then(|()| self.read_outcome(batch, &encoded))
            .map_err(|error| CommitError::whole(error, batch))?
    }

    fn send_batch(&self, encoded: &Encoded) -> io::Result<()> {
        match self.socket.send(&encoded.bytes) {
            Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => {
                self.enlarge_buffer()?;
                self.socket.send(&encoded.bytes)
            }
            outcome => outcome,
        }
    }

    fn enlarge_buffer(&self) -> io::Result<()> {
        use rustix::net::sockopt::{
            set_socket_send_buffer_size, set_socket_send_buffer_size_force,
        };
        set_socket_send_buffer_size_force(&*self.socket, SEND_BUFFER)
            .or_else(|_| set_socket_send_buffer_size(&*self.socket, SEND_BUFFER))?;
        Ok(())
    }

    /// Reads until the fate of the batch is known. Errors come in the order of the items, each with
    /// the sequence number of its message, and the acknowledgement of the last item comes last; an
    /// error about the batch as a whole has the number of its beginning and comes before all others. All
    /// of that is there when the batch has been sent, as far as the socket's buffer holds it.
    fn read_outcome(
        &self,
        batch: &Batch,
        encoded: &Encoded,
    ) -> io::Result<Result<(), CommitError>> {
        let mut failures = Vec::new();
        let mut losses = Losses::default();
        loop {
            let received = match losses.any() {
                false => self.socket.receive(),
                true => self.socket.receive_queued(),
            };
            let datagram = match received {
                Err(error) if losses.is_next(&error) => continue,
                // Of more errors than the buffer holds, those that came tell enough.
                Err(_) if losses.any() && !failures.is_empty() => {
                    return Ok(Err(CommitError { failures }));
                }
                received => received?,
            };
            for message in datagram.messages() {
                let Some((errno, ext_ack)) = error_of(&message) else {
                    continue;
                };
                let item = encoded.item_of(message.sequence);
                let about_all = message.sequence == encoded.first_sequence();
                if errno != 0 && (item.is_some() || about_all) {
                    failures.push(Refusal::new(batch, item, errno, ext_ack));
                }
                let is_last = message.sequence == encoded.acknowledged_sequence();
                if is_last || (about_all && errno != 0) {
                    return Ok(match failures.is_empty() {
                        true => Ok(()),
                        false => Err(CommitError { failures }),
                    });
                }
            }
        }
    }

    /// The number of the ruleset's generation, which changes with each commit in this namespace.
    ///
    /// # Errors
    /// Those of [`probe`](Self::probe).
    pub fn generation(&self) -> Result<u32, Error> {
        let query = Query::generation();
        let mut number = None;
        self.ask(&query, |message| number = number.or(generation(message)))?;
        number.ok_or_else(|| failed(&query, io::ErrorKind::InvalidData.into()))
    }

    /// The generation, then whether each of `questions` has an answer, then the elements with these
    /// keys; asked 32 in one send.
    ///
    /// An answer may be newer than the generation, never older; so a batch that requires the generation
    /// changes nothing when anything is not as returned.
    ///
    /// # Errors
    /// Those of the kernel. That something is missing is none.
    pub fn snapshot(
        &self,
        questions: &[Query],
        elements: &[(&Set, &Element)],
    ) -> Result<Snapshot, Error> {
        let mut queries = vec![Query::generation()];
        queries.extend_from_slice(questions);
        let first_element = queries.len();
        queries.extend(elements.iter().map(|(set, key)| Query::element(set, key)));
        let mut number = None;
        let mut references = vec![None; queries.len()];
        let mut found = vec![None; elements.len()];
        let is_there = self.ask_all(&queries, |position, message| {
            number = number.or(generation(message));
            if let Some(chain) = Chain::decode(message) {
                references[position] = chain.references;
            }
            if let Some(at) = position.checked_sub(first_element) {
                let answer = Element::decode_all(message, elements[at].0).pop();
                found[at] = answer.or(found[at].take());
            }
        })?;
        Ok(Snapshot {
            generation: number
                .ok_or_else(|| failed(&queries[0], io::ErrorKind::InvalidData.into()))?,
            present: is_there[1..first_element].to_vec(),
            references: references[1..first_element].to_vec(),
            elements: found,
        })
    }

    /// The elements of a set; none when it does not exist.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn elements(&self, set: &Set) -> Result<Vec<Element>, Error> {
        self.dump(&Query::elements(set), |message| {
            Element::decode_all(message, set)
        })
    }

    /// The tables of a family.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn tables(&self, family: Family) -> Result<Vec<Table>, Error> {
        self.dump(&Query::tables(family), Table::decode)
    }

    /// The sets of a table; none when it does not exist.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn sets(&self, table: &Table) -> Result<Vec<Set>, Error> {
        self.dump(&Query::sets(table), Set::decode)
    }

    /// A chain by its family, table and name.
    ///
    /// # Errors
    /// Those of the kernel. That it or its table is missing is none.
    pub fn chain(&self, chain: &Chain) -> Result<Option<Chain>, Error> {
        let mut found = None;
        let outcome = self.ask(&Query::chain(chain), |message| {
            found = found.take().or(Chain::decode(message));
        });
        match outcome {
            Err(error) if error.is_not_found() => Ok(None),
            outcome => outcome.map(|()| found),
        }
    }

    /// The chains of a family, of all tables.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn chains(&self, family: Family) -> Result<Vec<Chain>, Error> {
        self.dump(&Query::chains(family), Chain::decode)
    }

    /// The rules of a chain, in order; none when it does not exist.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn rules(&self, chain: &Chain) -> Result<Vec<InstalledRule>, Error> {
        self.dump(&Query::rules(chain), InstalledRule::decode)
    }

    /// The same, as far as they decide on the first packet of a connection.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn outlines(&self, chain: &Chain) -> Result<Vec<Outline>, Error> {
        self.dump(&Query::rules(chain), Outline::decode)
    }

    /// Those of them that lead a port elsewhere, and what they say of it.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn translations(&self, chain: &Chain) -> Result<Vec<(InstalledRule, Translation)>, Error> {
        self.dump(&Query::rules(chain), |message| {
            InstalledRule::decode(message).zip(Translation::decode(message))
        })
    }

    fn dump<I: IntoIterator>(
        &self,
        query: &Query,
        decode: impl Fn(&Message<'_>) -> I,
    ) -> Result<Vec<I::Item>, Error> {
        let outcome = self.socket.dump(query.request(), Whole::Required, decode);
        match outcome.map_err(|error| failed(query, error))? {
            Err(failure) if failure.errno == libc::ENOENT => Ok(Vec::new()),
            outcome => outcome.map_err(|failure| refused(query, failure)),
        }
    }

    fn ask(&self, query: &Query, mut take: impl FnMut(&Message<'_>)) -> Result<(), Error> {
        let requests = [acknowledged(query)];
        let outcomes = self.socket.exchange(&requests, |_, message| take(message));
        let outcome = outcomes.map_err(|error| failed(query, error))?;
        let outcome: Result<(), Failure> = outcome.into_iter().collect();
        outcome.map_err(|failure| refused(query, failure))
    }

    /// Hands the answers to `take`, with the position of their query; returns whether each query has any.
    fn ask_all(
        &self,
        queries: &[Query],
        take: impl FnMut(usize, &Message<'_>),
    ) -> Result<Vec<bool>, Error> {
        let requests: Vec<Request> = queries.iter().map(acknowledged).collect();
        let outcomes = self.socket.exchange(&requests, take);
        let outcomes = outcomes.map_err(|error| failed(&queries[0], error))?;
        // A set of the same name whose keys are of another type has no such element: an invalid argument.
        // So is any question to a kernel without nf_tables, the first one too.
        let has_nftables =
            !matches!(outcomes.first(), Some(Err(failure)) if failure.errno == libc::EINVAL);
        let is_there = |(outcome, query): (Result<(), Failure>, &Query)| match outcome {
            Ok(()) => Ok(true),
            Err(failure) if failure.errno == libc::ENOENT => Ok(false),
            Err(failure) if failure.errno == libc::EINVAL && has_nftables => Ok(false),
            Err(failure) => Err(refused(query, failure)),
        };
        outcomes.into_iter().zip(queries).map(is_there).collect()
    }
}

/// The request of a query that is no dump, with a mark at the end of its answers.
fn acknowledged(query: &Query) -> Request {
    let mut request = query.request().clone();
    request.add_flags(libc::NLM_F_ACK as u16);
    request
}

fn refused(query: &Query, failure: Failure) -> Error {
    failure.into_error(query.description(), "in nftables")
}

fn failed(query: &Query, error: io::Error) -> Error {
    Error::new(query.description(), "in nftables", error)
}

/// What [`Nftables::snapshot`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The ruleset's generation before anything else was read.
    pub generation: u32,
    /// Whether each thing that was asked for is there.
    pub present: Vec<bool>,
    /// Of each of these things that is a chain, how many rules are in it or lead to it.
    pub references: Vec<Option<u32>>,
    /// The elements, in the order in which they were asked for.
    pub elements: Vec<Option<Element>>,
}

/// A batch that the kernel refused.
#[derive(Debug)]
pub struct CommitError {
    failures: Vec<Refusal>,
}

#[derive(Debug)]
struct Refusal {
    item: Option<usize>,
    error: Error,
}

impl Refusal {
    fn new(batch: &Batch, item: Option<usize>, errno: i32, ext_ack: Option<String>) -> Self {
        let description = match item {
            Some(item) => batch.describe(item),
            None => format!("commit {} nftables changes", batch.len()),
        };
        let error = io::Error::from_raw_os_error(errno);
        Self {
            item,
            error: Error::new(description, "in nftables", error).with_ext_ack(ext_ack),
        }
    }
}

impl CommitError {
    fn whole(error: io::Error, batch: &Batch) -> Self {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        Self {
            failures: vec![Refusal::new(batch, None, errno, None)],
        }
    }

    fn has(&self, errno: i32) -> bool {
        self.failures
            .iter()
            .any(|failure| failure.error.errno() == Some(errno))
    }

    /// Whether the item at this position of the batch exists already.
    pub fn exists(&self, item: usize) -> bool {
        self.failures
            .iter()
            .any(|failure| failure.item == Some(item) && failure.error.is_exists())
    }

    /// Whether anything that was to be created exists already.
    pub fn is_exists(&self) -> bool {
        // EBUSY: an element with the same key and other data, before Linux 6.
        self.has(libc::EEXIST) || self.has(libc::EBUSY)
    }

    /// Whether anything that was named does not exist.
    pub fn is_not_found(&self) -> bool {
        self.has(libc::ENOENT)
    }

    /// Whether the ruleset is no longer the one that the batch required.
    pub fn is_stale(&self) -> bool {
        self.has(libc::ERESTART)
    }

    /// Whether the kernel has no nf_tables, or lacks what the batch uses.
    pub fn is_unsupported(&self) -> bool {
        self.has(libc::EOPNOTSUPP) || self.has(libc::EPROTONOSUPPORT)
    }
}

/// The first failure: later ones often follow from it.
impl From<CommitError> for Error {
    fn from(error: CommitError) -> Self {
        let count = error.failures.len();
        error
            .failures
            .into_iter()
            .next()
            .map(|failure| failure.error)
            .unwrap_or_else(|| {
                let unknown = io::Error::from(io::ErrorKind::Other);
                Error::new(format!("commit {count} changes"), "in nftables", unknown)
            })
    }
}

impl std::fmt::Display for CommitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.failures.as_slice() {
            [] => f.write_str("an unknown failure"),
            [one] => one.error.fmt(f),
            [first, rest @ ..] => write!(f, "{} (and {} more errors)", first.error, rest.len()),
        }
    }
}

impl std::error::Error for CommitError {}
