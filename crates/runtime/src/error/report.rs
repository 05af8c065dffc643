//! The whole story of an error.

use std::error::Error as _;

use super::Error;

impl Error {
    /// The whole story for a log, in lines: each failure with what lies behind it, what the plugin has printed on standard error,
    /// and what to do.
    ///
    /// ```text
    /// plugin type="two" failed (add), 2 of 3 in network "net", container "c1", interface "eth0"
    ///   cause: no room
    ///   next: …
    /// it could not be detached again:
    ///   plugin type="one" failed (delete), 1 of 3 in network "net", container "c1", interface "eth0"
    ///     cause: busy
    /// ```
    pub fn report(&self) -> String {
        let mut lines = Vec::new();
        tell(self, "", &mut lines);
        lines.join("\n")
    }
}

fn tell(error: &Error, margin: &str, lines: &mut Vec<String>) {
    match error {
        Error::Several { first, others } => {
            tell(first, margin, lines);
            others.iter().for_each(|other| tell(other, margin, lines));
        }
        Error::Undone(undone) => {
            tell(&undone.add, margin, lines);
            match &undone.del {
                Ok(()) => lines.push(format!("{margin}it has been detached again")),
                Err(error) => {
                    lines.push(format!("{margin}it could not be detached again:"));
                    tell(error, &format!("{margin}  "), lines);
                }
            }
        }
        error => tell_one(error, margin, lines),
    }
}

fn tell_one(error: &Error, margin: &str, lines: &mut Vec<String>) {
    lines.push(format!("{margin}{error}"));
    let mut source = error.source();
    while let Some(behind) = source {
        lines.push(format!("{margin}  cause: {behind}"));
        source = behind.source();
    }
    if let Error::Plugin(plugin) = error {
        let logged = plugin.stderr.trim_end().lines();
        lines.extend(logged.map(|line| format!("{margin}  log: {line}")));
    }
    lines.extend(
        error
            .advice()
            .map(|advice| format!("{margin}  next: {advice}")),
    );
}
