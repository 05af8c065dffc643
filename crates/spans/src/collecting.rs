//! Who asks.

use std::io;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use crate::context::random;
use crate::current::{COLLECTIONS, Here, replace};
use crate::{Context, Span, SpanId, TraceId};

/// More spans than any call has. Those beyond are counted, and left out.
pub const MAX_SPANS: usize = 512;

/// Spans are collected on this thread until it [ends](Self::end); dropped, they are forgotten.
#[derive(Debug)]
pub struct Collecting {
    collection: Arc<Collection>,
    outer: Option<Here>,
    /// It stays on its thread.
    _thread: PhantomData<*const ()>,
}

/// The spans that one process has of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Which trace.
    pub id: TraceId,
    /// [`Context::state`] of the context that it came with.
    pub state: String,
    /// Whether the spans around these are another process's.
    pub is_remote: bool,
    /// In the order in which they began.
    pub spans: Vec<Span>,
    /// How many there were beyond [`MAX_SPANS`].
    pub left_out: usize,
}

/// Where spans are collected.
#[derive(Debug)]
pub(crate) struct Collection {
    id: TraceId,
    state: String,
    is_remote: bool,
    flags: u8,
    /// Both clocks at the same moment.
    clocks: (SystemTime, Instant),
    /// The last number that a span was given.
    number: AtomicU64,
    opened: AtomicUsize,
    spans: Mutex<Vec<Span>>,
}

impl Collecting {
    /// Begins, as a part of what another process does.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn begin(context: &Context) -> io::Result<Self> {
        Self::collect(
            Collection {
                state: context.state.clone(),
                is_remote: true,
                flags: context.flags,
                ..Collection::of(context.trace)?
            },
            Some(context.span),
        )
    }

    /// Begins with a trace of its own, which is to be kept.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn anew() -> io::Result<Self> {
        Self::collect(Collection::of(TraceId::random()?)?, None)
    }

    fn collect(collection: Collection, span: Option<SpanId>) -> io::Result<Self> {
        let collection = Arc::new(collection);
        let outer = replace(Some(Here::new(Arc::clone(&collection), span)));
        COLLECTIONS.fetch_add(1, Ordering::Relaxed);
        Ok(Self {
            collection,
            outer,
            _thread: PhantomData,
        })
    }

    /// Which trace it is.
    pub fn trace(&self) -> TraceId {
        self.collection.id
    }

    /// Ends; what is still open is not in it.
    pub fn end(self) -> Trace {
        let collection = &self.collection;
        let mut spans = std::mem::take(&mut *collection.lock());
        spans.sort_unstable_by_key(|span| (span.began, std::cmp::Reverse(span.took)));
        Trace {
            id: collection.id,
            state: collection.state.clone(),
            is_remote: collection.is_remote,
            spans,
            left_out: collection
                .opened
                .load(Ordering::Relaxed)
                .saturating_sub(MAX_SPANS),
        }
    }
}

impl Drop for Collecting {
    fn drop(&mut self) {
        COLLECTIONS.fetch_sub(1, Ordering::Relaxed);
        replace(self.outer.take());
    }
}

impl Collection {
    fn of(id: TraceId) -> io::Result<Self> {
        Ok(Self {
            id,
            state: String::new(),
            is_remote: false,
            flags: Context::SAMPLED,
            clocks: (SystemTime::now(), Instant::now()),
            number: AtomicU64::new(u64::from_ne_bytes(random()?)),
            opened: AtomicUsize::new(0),
            spans: Mutex::default(),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Span>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for another span: its number; `None` where there is none.
    pub(crate) fn open(&self) -> Option<SpanId> {
        if self.opened.fetch_add(1, Ordering::Relaxed) >= MAX_SPANS {
            return None;
        }
        // Odd, so that all differ and no one is zero, which is no number: the first is random, and odd.
        let number = self.number.fetch_add(2, Ordering::Relaxed);
        Some(SpanId((number | 1).to_be_bytes()))
    }

    pub(crate) fn keep(&self, span: Span) {
        self.lock().push(span);
    }

    /// The host's time at a moment.
    pub(crate) fn time(&self, moment: Instant) -> SystemTime {
        let (real, monotonic) = self.clocks;
        real + moment.saturating_duration_since(monotonic)
    }

    /// What another process is told that is to have its spans inside this one.
    pub(crate) fn context(&self, span: SpanId) -> Context {
        Context {
            trace: self.id,
            span,
            flags: self.flags,
            state: self.state.clone(),
        }
    }
}
