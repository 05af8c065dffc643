//! The directory of the plugins: what can be in it, and that something could not be done there.

use std::io;
use std::path::Path;

use linkspan_runtime::io_advice;

use crate::failure::{Failure, Kind};

/// The file that all plugins are in.
pub(super) const BINARY: &str = "linkspan-plugins";

/// The plugins that can be in it.
pub(super) use linkspan_inspect::system::PLUGINS as NAMES;

/// Something could not be done with a file there.
pub(super) fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Failure {
    move |error| {
        let failure = Failure::new(
            Kind::Failed,
            format!("cannot {operation} {}", path.display()),
        );
        let advice = io_advice(&error);
        let failure = failure.because(error);
        advice.into_iter().fold(failure, Failure::advise)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_plugins_are_those_of_the_reference() {
        assert_eq!(super::NAMES, linkspan_testkit::PLUGIN_NAMES);
    }
}
