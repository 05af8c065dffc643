//! Does a plugin, any vendor's and in any language, follow the specification?
//!
//! A [`Check`] is one thing that the specification says, with its section, and a function that sees whether a plugin does so:
//! [`checks()`] are all of them, a file for each theme. [`judge()`] makes them, each on a host of its own (namespaces that the machine
//! does not see) with the plugin, an uplink and containers, and gives a [`Report`]; [`junit`] and [`markdown`] write it down.
//!
//! A plugin is a [`Subject`]: its file, its [`Kind`], and a configuration. It is run as runtimes run it, and as none should.
//! Whatever it does, a check ends: each run has a time, and is killed with all that it has started when that is over.
//!
//! ```no_run
//! use linkspan_conformance::{Check, Exceptions, Judged, Observer, Subject, judge, leave_machine};
//!
//! struct Silent;
//! impl Observer for Silent {
//!     fn begins(&mut self, _: &'static Check) {}
//!     fn ends(&mut self, _: &Judged) -> bool {
//!         true
//!     }
//! }
//!
//! leave_machine()?;
//! let subject = Subject::new("/opt/cni/bin/bridge".as_ref(), None)?;
//! let report = judge(&subject, &[], &Exceptions::default(), &mut Silent)?;
//! assert!(report.conforms());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod answer;
mod before;
mod bench;
mod call;
mod check;
mod checks;
mod container;
mod exceptions;
mod ipam;
pub mod junit;
mod kind;
pub mod markdown;
mod report;
mod result;
mod section;
mod session;
mod shape;
mod snapshot;
mod subject;
mod words;

pub use bench::Bench;
pub use check::{Check, Fault, Level, Outcome, Stop, Verdict};
pub use checks::checks;
pub use exceptions::{Exceptions, ExceptionsError};
pub use kind::Kind;
pub use report::{Counts, Judged, Report};
pub use section::Section;
pub use session::{Observer, judge, leave_machine};
pub use subject::{DEFAULT_TIMEOUT, Subject, SubjectError};
