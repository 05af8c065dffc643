//! What netfilter says of containers: the records of Linkspan, and what in the kernel says whose it is, ours or the reference's.

use linkspan_netfilter::{Recorded, Trace};

use crate::Problem;

/// What was read of netfilter.
#[derive(Clone, Debug, Default)]
pub struct Netfilter {
    /// The records of Linkspan.
    pub records: Vec<Recorded>,
    /// Elements and rules that say whose they are.
    pub traces: Vec<Trace>,
}

impl Netfilter {
    /// Reads it. Where there is no nf_tables there is nothing in it.
    pub(crate) fn read(problems: &mut Vec<Problem>) -> Self {
        let mut told = |what: &str, error: &linkspan_spec::Error| {
            let mut problem = Problem::new(what, error);
            problem.next = Some("Run it as root.".to_owned());
            problems.push(problem);
        };
        let records = linkspan_netfilter::recorded().unwrap_or_else(|error| {
            told("cannot read what is recorded of netfilter", &error);
            Vec::new()
        });
        let traces = linkspan_netfilter::traces().unwrap_or_else(|error| {
            told("cannot read the ruleset", &error);
            Vec::new()
        });
        Self { records, traces }
    }
}
