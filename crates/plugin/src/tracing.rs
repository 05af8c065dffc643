//! A call as a part of a trace that somebody keeps.
//!
//! Runtimes tell by the variables `TRACEPARENT` and `TRACESTATE` (libcni since August 2026), as the W3C's
//! [Trace Context](https://www.w3.org/TR/trace-context/) has them. What is no such context, or one of a trace that nobody keeps, is
//! as good as none.

use linkspan_spans::{Collecting, Context, Entered, Kind, Trace, enter};

use crate::Report;

/// The context that a call comes with.
pub(crate) const TRACEPARENT: &str = "TRACEPARENT";
/// What others say of the trace.
const TRACESTATE: &str = "TRACESTATE";

/// The attribute that names a plugin.
pub(crate) const PLUGIN_TYPE: &str = "cni.plugin.type";

/// A call whose spans are collected.
pub(crate) struct Traced {
    /// The whole of it.
    call: Entered,
    collecting: Collecting,
}

impl Traced {
    /// Begins, if somebody keeps the trace.
    pub(crate) fn begin(plugin: &str, env: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let parent = env(TRACEPARENT)?;
        Self::within(&parent, plugin, env)
    }

    #[cold]
    #[inline(never)]
    fn within(parent: &str, plugin: &str, env: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let state = env(TRACESTATE).unwrap_or_default();
        let context = Context::parse(parent, &state).filter(Context::is_sampled)?;
        let collecting = Collecting::begin(&context).ok()?;
        let command = env("CNI_COMMAND").unwrap_or_default();
        let call = enter(|| format!("{command} {plugin}")).of_kind(Kind::Server);
        Some(Self { call, collecting })
    }

    /// Ends, with what is known of the call by now.
    #[cold]
    #[inline(never)]
    pub(crate) fn end(mut self, report: &Report<'_>) -> Trace {
        for (name, text) in [
            ("cni.command", report.command),
            ("cni.network", report.network),
            ("cni.container_id", report.container),
            ("cni.ifname", report.ifname),
            (PLUGIN_TYPE, report.plugin),
        ] {
            if !text.is_empty() {
                self.call.note(name, || text);
            }
        }
        if let Some(error) = report.error {
            self.call.fail(Some(error.code.0), error);
        }
        drop(self.call);
        self.collecting.end()
    }
}
