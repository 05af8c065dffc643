//! What is known of a call once it is over.

use std::time::Duration;

use linkspan_spans::Trace;
use linkspan_spec::{Command, ContainerId, Error, ErrorCode, IfName};

use crate::Invocation;

/// A call that was answered, as it is told to an [observer](crate::Host::observe).
///
/// Texts are as the runtime gave them: where it was refused before it was understood, they may be anything.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// The plugin that was called.
    pub plugin: &'static str,
    /// CNI_COMMAND.
    pub command: &'a str,
    /// The configuration's name; empty where the call was refused before that was known.
    pub network: &'a str,
    /// CNI_CONTAINERID; empty where there is none.
    pub container: &'a str,
    /// CNI_IFNAME; empty where there is none.
    pub ifname: &'a str,
    /// CNI_ARGS.
    pub args: &'a str,
    /// From the entry of the program to its answer.
    pub took: Duration,
    /// What other plugins were asked for on the way, in order.
    pub delegated: &'a [Delegated],
    /// Why it failed.
    pub error: Option<&'a Error>,
    /// What took how long, where the call is part of a trace that somebody keeps (`TRACEPARENT`).
    pub trace: Option<&'a Trace>,
}

/// A command that was given to another plugin, in this process or in one of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegated {
    /// The other plugin.
    pub plugin: String,
    /// What it was asked to do.
    pub command: Command,
    /// How long that took.
    pub took: Duration,
    /// Why it failed.
    pub code: Option<ErrorCode>,
}

/// Tells an observer about a call, by what was understood of it, else by its variables.
pub(crate) fn report(
    plugin: &'static str,
    invocation: Option<&Invocation<'_>>,
    env: &dyn Fn(&str) -> Option<String>,
    (took, error): (Duration, Option<&Error>),
    observe: impl FnOnce(&Report<'_>),
) {
    let Some(invocation) = invocation else {
        let text = |name: &str| env(name).unwrap_or_default();
        return observe(&Report {
            plugin,
            command: &text("CNI_COMMAND"),
            network: "",
            container: &text("CNI_CONTAINERID"),
            ifname: &text("CNI_IFNAME"),
            args: &text("CNI_ARGS"),
            took,
            delegated: &[],
            error,
            trace: None,
        });
    };
    let container = invocation.container_id.as_ref().map(ContainerId::as_str);
    let ifname = invocation.ifname.as_ref().map(IfName::as_str);
    observe(&Report {
        plugin,
        command: invocation.command.as_str(),
        network: invocation.network.as_str(),
        container: container.unwrap_or_default(),
        ifname: ifname.unwrap_or_default(),
        args: &invocation.args,
        took,
        delegated: &invocation.delegated(),
        error,
        trace: None,
    });
}
