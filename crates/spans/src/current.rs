//! The span that is open on a thread.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Display;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::collecting::Collection;
use crate::{Context, Exchanges, Fault, Kind, Span, SpanId, Value};

/// How many collect in this process. As long as it is none nothing else is looked at.
pub(crate) static COLLECTIONS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static CURRENT: RefCell<Option<Here>> = const { RefCell::new(None) };
}

/// What is open on a thread, to be told to another: see [`here`].
#[derive(Clone, Debug)]
pub struct Here {
    collection: Arc<Collection>,
    /// `None` where all of a trace is still to come.
    span: Option<SpanId>,
    /// What was exchanged with the kernel so far.
    exchanges: Exchanges,
}

impl Here {
    pub(crate) fn new(collection: Arc<Collection>, span: Option<SpanId>) -> Self {
        Self {
            collection,
            span,
            exchanges: Exchanges::default(),
        }
    }

    /// Opens a span on another thread, inside the one that was open where [`here`] was called.
    pub fn enter<N: Into<Cow<'static, str>>>(
        here: Option<&Self>,
        name: impl FnOnce() -> N,
    ) -> Entered {
        match here {
            None => Entered::nothing(),
            Some(here) => Entered::open(here, name().into()),
        }
    }
}

/// Puts another in the place of what is open on this thread.
pub(crate) fn replace(here: Option<Here>) -> Option<Here> {
    CURRENT.with(|current| current.replace(here))
}

#[inline]
fn is_asked() -> bool {
    COLLECTIONS.load(Ordering::Relaxed) != 0
}

/// What is open on this thread, for a thread that it starts: what it does is then a part of it. `None` where nobody collects.
#[inline]
pub fn here() -> Option<Here> {
    if !is_asked() {
        return None;
    }
    CURRENT.with(|current| current.borrow().clone())
}

/// What a process has to be told that this thread starts, for its spans to be a part of what is open. `None` where nobody
/// collects.
pub fn context() -> Option<Context> {
    let here = here()?;
    Some(here.collection.context(here.span?))
}

/// Opens a span, until what is returned is dropped. Its name is asked for only where somebody collects.
#[inline]
pub fn enter<N: Into<Cow<'static, str>>>(name: impl FnOnce() -> N) -> Entered {
    match is_asked() {
        false => Entered::nothing(),
        true => asked(name),
    }
}

/// Apart from what is run where nobody collects, which is to lie close together: each page of code that is touched costs a plugin more
/// than what is done there.
#[cold]
#[inline(never)]
fn asked<N: Into<Cow<'static, str>>>(name: impl FnOnce() -> N) -> Entered {
    Here::enter(here().as_ref(), name)
}

/// Opens a span for some work, and notes why that failed.
///
/// # Errors
/// Those of the work.
#[inline]
pub fn during<T, E: Display, N: Into<Cow<'static, str>>>(
    name: impl FnOnce() -> N,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let mut entered = enter(name);
    let outcome = work();
    if let (Err(error), true) = (&outcome, entered.is_collected()) {
        entered.fail(None, error);
    }
    outcome
}

/// A span that is open until this is dropped.
#[derive(Debug)]
#[must_use = "the span ends when this is dropped"]
pub struct Entered {
    open: Option<Box<Open>>,
    /// It is dropped on the thread that it is open on.
    _thread: PhantomData<*const ()>,
}

#[derive(Debug)]
struct Open {
    began: Instant,
    span: Span,
    outer: Option<Here>,
}

impl Entered {
    #[inline]
    fn nothing() -> Self {
        Self {
            open: None,
            _thread: PhantomData,
        }
    }

    #[cold]
    #[inline(never)]
    fn open(here: &Here, name: Cow<'static, str>) -> Self {
        let Some(id) = here.collection.open() else {
            return Self::nothing();
        };
        let inside = Here::new(Arc::clone(&here.collection), Some(id));
        let began = Instant::now();
        let span = Span {
            id,
            parent: here.span,
            name,
            kind: Kind::default(),
            began: here.collection.time(began),
            took: Duration::ZERO,
            attributes: Vec::new(),
            exchanges: Exchanges::default(),
            fault: None,
        };
        let outer = replace(Some(inside));
        Self {
            open: Some(Box::new(Open { began, span, outer })),
            _thread: PhantomData,
        }
    }

    /// The same, related to the span around it in this way.
    pub fn of_kind(mut self, kind: Kind) -> Self {
        if let Some(open) = &mut self.open {
            open.span.kind = kind;
        }
        self
    }

    /// Whether somebody collects.
    pub fn is_collected(&self) -> bool {
        self.open.is_some()
    }

    /// Notes something, which is asked for only where somebody collects.
    #[inline]
    pub fn note<V: Into<Value>>(&mut self, name: &'static str, value: impl FnOnce() -> V) {
        if let Some(open) = &mut self.open {
            open.note(name, value);
        }
    }

    /// Notes why it failed.
    #[inline]
    pub fn fail(&mut self, code: Option<u32>, error: &dyn Display) {
        if let Some(open) = &mut self.open {
            open.fail(code, error);
        }
    }
}

impl Open {
    #[cold]
    #[inline(never)]
    fn note<V: Into<Value>>(&mut self, name: &'static str, value: impl FnOnce() -> V) {
        let attributes = &mut self.span.attributes;
        attributes.push((name.into(), value().into()));
    }

    #[cold]
    #[inline(never)]
    fn fail(&mut self, code: Option<u32>, error: &dyn Display) {
        let message = error.to_string();
        self.span.fault = Some(Fault { code, message });
    }
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            close(open);
        }
    }
}

#[cold]
#[inline(never)]
fn close(open: Box<Open>) {
    let Open {
        began,
        mut span,
        outer,
    } = *open;
    span.took = began.elapsed();
    if let Some(inside) = replace(outer) {
        span.exchanges = inside.exchanges;
        inside.collection.keep(span);
    }
}

/// A request to the kernel that lasts until this is dropped.
#[derive(Debug)]
#[must_use = "the exchange ends when this is dropped"]
pub struct Exchange(Option<Instant>);

/// Counts a request to the kernel, which lasts until what is returned is dropped, for the span that is open.
#[inline]
pub fn exchange() -> Exchange {
    Exchange(is_asked().then(Instant::now))
}

impl Drop for Exchange {
    #[inline]
    fn drop(&mut self) {
        if let Some(began) = self.0 {
            exchanged(began.elapsed());
        }
    }
}

#[cold]
#[inline(never)]
fn exchanged(took: Duration) {
    CURRENT.with(|current| {
        if let Some(here) = current.borrow_mut().as_mut() {
            here.exchanges.count += 1;
            here.exchanges.took += took;
        }
    });
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::{Collecting, MAX_SPANS};

    fn tree(spans: &[Span]) -> Vec<(&str, Option<&str>)> {
        let name = |id| {
            spans
                .iter()
                .find(|span| Some(span.id) == id)
                .map(|span| span.name.as_ref())
        };
        spans
            .iter()
            .map(|span| (span.name.as_ref(), name(span.parent)))
            .collect()
    }

    #[test]
    fn nothing_is_asked_for_where_nobody_collects() {
        let mut entered = enter(|| -> &'static str { panic!("a name") });
        entered.note("key", || -> &'static str { panic!("a value") });
        entered.fail(Some(1), &"why");
        assert!(here().is_none() && context().is_none() && !entered.is_collected());
        drop(exchange());
    }

    #[test]
    fn spans_lie_in_each_other_also_those_of_other_threads() {
        let collecting = Collecting::anew().unwrap();
        {
            let _all = enter(|| "all");
            drop(exchange());
            {
                let mut part = enter(|| "part").of_kind(Kind::Client);
                part.note("key", || "value");
                part.fail(Some(7), &"why");
                drop((exchange(), exchange()));
            }
            let here = here();
            thread::scope(|scope| {
                scope.spawn(|| {
                    let _aside = Here::enter(here.as_ref(), || "aside");
                    drop(exchange());
                    let _deep = enter(|| "deep");
                });
                // One that was not told.
                scope.spawn(|| drop(enter(|| "elsewhere")));
            });
            let _: Result<(), &str> = during(|| "failing", || Err("no"));
        }
        let trace = collecting.end();
        assert_eq!(
            tree(&trace.spans),
            [
                ("all", None),
                ("part", Some("all")),
                ("aside", Some("all")),
                ("deep", Some("aside")),
                ("failing", Some("all")),
            ]
        );
        let counts: Vec<_> = trace
            .spans
            .iter()
            .map(|span| span.exchanges.count)
            .collect();
        assert_eq!(counts, [1, 2, 1, 0, 0]);
        let part = &trace.spans[1];
        assert_eq!(part.kind, Kind::Client);
        assert_eq!(part.attribute("key"), Some(&"value".into()));
        assert_eq!(part.fault.as_ref().unwrap().code, Some(7));
        assert_eq!(trace.spans[4].fault.as_ref().unwrap().message, "no");
        for (inner, outer) in [(1, 0), (2, 0), (3, 2), (4, 0)] {
            let [inner, outer] = [inner, outer].map(|index: usize| &trace.spans[index]);
            assert!(inner.began >= outer.began);
            assert!(inner.began + inner.took <= outer.began + outer.took);
        }
        assert!(here().is_none());
    }

    #[test]
    fn a_trace_goes_on_in_another_process() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let context = Context::parse(parent, "vendor=1").unwrap();
        let collecting = Collecting::begin(&context).unwrap();
        let entered = enter(|| "here");
        let handed_on = super::context().unwrap();
        drop(entered);
        let trace = collecting.end();
        assert_eq!(trace.id, context.trace);
        assert_eq!(trace.spans[0].parent, Some(context.span));
        assert_eq!(handed_on.span, trace.spans[0].id);
        assert_eq!(
            handed_on.to_string(),
            format!("00-{}-{}-01", trace.id, handed_on.span)
        );
        assert_eq!(
            (handed_on.state.as_str(), trace.state.as_str()),
            ("vendor=1", "vendor=1")
        );
    }

    #[test]
    fn there_are_no_more_than_so_many() {
        let collecting = Collecting::anew().unwrap();
        for _ in 0..MAX_SPANS + 3 {
            drop(enter(|| "one"));
        }
        let trace = collecting.end();
        assert_eq!((trace.spans.len(), trace.left_out), (MAX_SPANS, 3));
    }

    #[test]
    fn a_panic_closes_what_is_open() {
        let collecting = Collecting::anew().unwrap();
        let outcome = std::panic::catch_unwind(|| {
            let _all = enter(|| "all");
            let _part = enter(|| "part");
            panic!("no");
        });
        assert!(outcome.is_err());
        drop(enter(|| "next"));
        let spans = collecting.end().spans;
        assert_eq!(
            tree(&spans),
            [("all", None), ("part", Some("all")), ("next", None)]
        );
    }
}
