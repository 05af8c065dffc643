//! Traces: what plugins are told of the one that an operation is part of, and the spans of an operation.

use std::ffi::OsString;

use linkspan_spans::enter;
use linkspan_spec::{Command, NetworkName};
use serde::{Deserialize, Serialize};

use crate::runner::Runner;
use crate::{Endpoint, Error, Operation};

/// The context of a trace as its carriers have it, to the letter; the W3C's
/// [Trace Context](https://www.w3.org/TR/trace-context/) and [Baggage](https://www.w3.org/TR/baggage/). Empty is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TraceContext {
    /// `traceparent`
    pub parent: String,
    /// `tracestate`
    pub state: String,
    /// `baggage`
    pub baggage: String,
}

/// The variables by which a plugin is told of the trace: the span that is open here, where somebody collects, else what the
/// caller has given, as libcni does. Where there is a trace, those that it has no use for are empty, so that none is inherited.
pub(crate) fn variables(given: Option<&TraceContext>) -> Vec<(&'static str, OsString)> {
    let own = linkspan_spans::context();
    let parent = own.as_ref().map(ToString::to_string);
    let parent = parent.or_else(|| given.map(|given| given.parent.clone()));
    let state = own.map(|own| own.state).filter(|state| !state.is_empty());
    let state = state.or_else(|| given.map(|given| given.state.clone()));
    let Some(parent) = parent else {
        return Vec::new();
    };
    let mut variables = vec![
        ("TRACEPARENT", parent.into()),
        ("TRACESTATE", state.unwrap_or_default().into()),
    ];
    variables.extend(given.map(|given| ("BAGGAGE", given.baggage.clone().into())));
    variables
}

/// Does the work of an operation in a span of its own, and tells who watches how it ended.
pub(crate) fn operation<T>(
    runner: &Runner,
    command: Command,
    network: &NetworkName,
    endpoint: &Endpoint,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let mut span = enter(|| format!("{command} {}", network.as_str()));
    span.note("cni.command", || command.as_str());
    span.note("cni.network", || network.as_str());
    span.note("cni.container_id", || endpoint.container_id.as_str());
    span.note("cni.ifname", || endpoint.ifname.as_str());
    let operation = Operation::new(command, network, Some(endpoint));
    let done = operation.told(runner, work);
    done.inspect_err(|error| span.fail(Some(error.code().0), error))
}
