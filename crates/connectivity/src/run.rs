//! One run of the test, and the names of what it makes: whoever finds one of them knows what it is.

use std::fmt;

/// What the names of a run begin with that ends by itself.
const PASSING: &str = "linkspan-test-";
/// What the names of one begin with whose containers were to be kept.
const KEPT: &str = "linkspan-kept-";

/// One run of the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The process.
    pub pid: u32,
    /// Whether its containers stay for somebody to look at.
    pub kept: bool,
}

impl Run {
    /// That of this process.
    pub fn of_this_process(kept: bool) -> Self {
        Self {
            pid: std::process::id(),
            kept,
        }
    }

    /// The ID of a container, such as `linkspan-test-123-a`.
    pub fn container_id(self, letter: &str) -> String {
        format!("{self}{letter}")
    }

    /// The name of a container's namespace: its ID, and for which network it was made, so that what a killed run has begun
    /// can be ended.
    pub fn namespace(self, letter: &str, network: &str) -> String {
        format!("{self}{letter}@{network}")
    }

    /// The host's interface towards the world outside, at most 15 bytes.
    pub fn interface(self) -> String {
        match self.kept {
            false => format!("lstest-{}", self.pid),
            true => format!("lskept-{}", self.pid),
        }
    }

    /// The run that a container's ID or a namespace's name is of.
    pub fn named(name: &str) -> Option<Self> {
        let (kept, rest) = match name.strip_prefix(PASSING) {
            Some(rest) => (false, rest),
            None => (true, name.strip_prefix(KEPT)?),
        };
        let (pid, _) = rest.split_once('-')?;
        Some(Self {
            pid: pid.parse().ok()?,
            kept,
        })
    }
}

/// The beginning of its names.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}-", if self.kept { KEPT } else { PASSING }, self.pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_run() {
        for kept in [false, true] {
            let run = Run { pid: 123, kept };
            for name in [run.container_id("a"), run.namespace("b", "my-net")] {
                assert_eq!(Run::named(&name), Some(run), "{name}");
            }
            let longest = Run {
                pid: 4_194_304,
                kept,
            };
            assert!(longest.interface().len() <= 15);
        }
        for other in [
            "c1",
            "linkspan-test-",
            "linkspan-test-x-a",
            "linkspan-test-12",
        ] {
            assert_eq!(Run::named(other), None, "{other}");
        }
    }
}
