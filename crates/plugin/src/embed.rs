//! Calls within another program, such as a container runtime, instead of in a process of their own.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Instant;

use linkspan_spec::{Command, Error, PluginType};

use crate::serve::{Around, carry_out};
use crate::tracing::Traced;
use crate::warn::Log;
use crate::{Answer, Handler, IsOwn, Report, Table};

/// A call within another program, which may make any number of them at a time, each on a thread.
///
/// It reads nothing of its process but what is here: no environment, standard input or name; and what plugins say on standard
/// error is a part of the [answer](Answered).
pub struct Embedded<'a> {
    /// The variables of the protocol, and `TRACEPARENT` and `TRACESTATE`.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The configuration.
    pub stdin: &'a [u8],
    /// As [`Host`](crate::Host) has it.
    pub is_own: IsOwn,
    /// As [`Host`](crate::Host) has it; `None` tells nobody.
    pub observe: Option<&'a dyn Fn(&Report<'_>)>,
    /// How the plugins are found and run that this one delegates to.
    pub delegates: &'a dyn Delegates,
}

/// How plugins are found and run that another one delegates to, where it runs within another program: there it is no help that
/// a file is this executable, and what is started must not outlive what its caller waits for.
pub trait Delegates: Sync {
    /// Finds a plugin: `None` when it is that of the table.
    ///
    /// # Errors
    /// As [`find_in_path`](crate::find_in_path).
    fn find(&self, plugin: &PluginType, path: &[PathBuf]) -> Result<Option<PathBuf>, Error>;

    /// Runs the plugin that was found in a file. What it says on standard error is handed on by who asks.
    ///
    /// # Errors
    /// When it cannot be run, or does not end in time.
    fn run(&self, delegate: &Delegate<'_>) -> io::Result<Output>;
}

/// One run of a plugin that is delegated to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Delegate<'a> {
    /// Its name.
    pub plugin: &'a PluginType,
    /// Its file.
    pub file: &'a Path,
    /// What it is asked to do.
    pub command: Command,
    /// All of its variables.
    pub env: Vec<(&'static str, OsString)>,
    /// Its configuration.
    pub stdin: &'a [u8],
}

/// What came of a call within another program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answered {
    /// The answer.
    pub answer: Answer,
    /// What was said on standard error.
    pub stderr: Vec<u8>,
}

/// Runs one command of `handler` within another program, on the calling thread. A panic inside is an answer, with
/// [`ErrorCode::INTERNAL`](linkspan_spec::ErrorCode::INTERNAL).
pub fn embed(handler: &'static dyn Handler, table: &Table, call: &Embedded<'_>) -> Answered {
    let log = Log::default();
    let answer = Log::hear(Some(log.clone()), || answer(handler, table, call));
    Answered {
        answer,
        stderr: log.take(),
    }
}

fn answer(handler: &'static dyn Handler, table: &Table, call: &Embedded<'_>) -> Answer {
    let began = Instant::now();
    // Where the program collects spans on this thread, those of the plugin are a part of them.
    let traced = match call.observe {
        Some(_) if linkspan_spans::here().is_none() => Traced::begin(handler.name(), call.env),
        _ => None,
    };
    let mut stdin = call.stdin;
    let around = Around {
        product: "",
        version: "",
        is_own: call.is_own,
        delegates: Some(call.delegates),
    };
    let done = carry_out(handler, table, call.env, &mut stdin, around);
    if let Some(observe) = call.observe {
        done.observed(handler, call.env, began, traced, observe);
    }
    done.answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Call, Gc, Plugin, Role, Undo, warn};
    use linkspan_spec::{ErrorCode, Success, Value};
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;
    use std::sync::Mutex;

    crate::keys! {
        /// The configuration of the plugin under test.
        struct Config {
            /// Whether add panics.
            "panics" => panics: bool, default = false, read by [Add];
        }
    }

    /// Asks an IPAM plugin, and says so.
    struct Asker;

    impl Plugin for Asker {
        type Config = Config;
        const NAME: &'static str = "asker";
        const ABOUT: &'static str = "for tests";
        const ROLE: Role = Role::Independent;

        fn add(&self, call: &Call<'_, Config>) -> Result<Success, Error> {
            warn("asks");
            assert!(!call.config.panics, "on purpose");
            let mut undo = Undo::new();
            let ipam = call.ipam()?;
            let result = ipam.map_or_else(|| Ok(Success::default()), |ipam| ipam.add(&mut undo))?;
            undo.commit();
            Ok(result)
        }

        fn check(&self, _: &Call<'_, Config>) -> Result<(), Error> {
            Ok(())
        }

        fn del(&self, _: &Call<'_, Config>) -> Result<(), Error> {
            Ok(())
        }

        fn gc(&self, _: &Gc<'_, Config>) -> Result<(), Error> {
            Ok(())
        }
    }

    /// Every plugin is in a file; what it is given is kept.
    #[derive(Default)]
    struct Files(Mutex<Vec<String>>);

    impl Delegates for Files {
        fn find(&self, plugin: &PluginType, _: &[PathBuf]) -> Result<Option<PathBuf>, Error> {
            Ok(Some(Path::new("/opt").join(plugin.as_str())))
        }

        fn run(&self, delegate: &Delegate<'_>) -> io::Result<Output> {
            let env = |wanted: &str| {
                let found = delegate.env.iter().find(|(name, _)| *name == wanted);
                found.map(|(_, value)| value.to_string_lossy().into_owned())
            };
            self.0.lock().unwrap().push(format!(
                "{} {} {} {}",
                delegate.plugin.as_str(),
                delegate.file.display(),
                env("CNI_COMMAND").unwrap(),
                env("CNI_CONTAINERID").unwrap(),
            ));
            Ok(Output {
                status: ExitStatus::from_raw(0),
                stdout: br#"{"ips":[{"address":"10.1.0.9/24"}]}"#.to_vec(),
                stderr: b"gives\n".to_vec(),
            })
        }
    }

    fn call(config: &str, delegates: &Files) -> Answered {
        let env = |name: &str| {
            let value = match name {
                "CNI_COMMAND" => "ADD",
                "CNI_CONTAINERID" => "c1",
                "CNI_IFNAME" => "eth0",
                "CNI_NETNS" => "/proc/self/ns/mnt",
                "CNI_PATH" => "/opt",
                _ => return None,
            };
            Some(value.to_owned())
        };
        embed(
            &Asker,
            &[&Asker],
            &Embedded {
                env: &env,
                stdin: config.as_bytes(),
                is_own: |_| Ok(false),
                observe: None,
                delegates,
            },
        )
    }

    fn json(answer: Answer) -> Value {
        match answer {
            Answer::Success(Some(text)) | Answer::Failure(text) => {
                serde_json::from_str(&text).unwrap()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_delegated_and_what_is_said_goes_to_who_called() {
        let files = Files::default();
        let config = r#"{"cniVersion":"1.0.0","name":"net","type":"asker","ipam":{"type":"pool"}}"#;
        let answered = call(config, &files);
        assert_eq!(json(answered.answer)["ips"][0]["address"], "10.1.0.9/24");
        assert_eq!(String::from_utf8(answered.stderr).unwrap(), "asks\ngives\n");
        assert_eq!(*files.0.lock().unwrap(), ["pool /opt/pool ADD c1"]);
    }

    #[test]
    fn a_panic_is_an_answer_and_whoever_listened_before_listens_again() {
        let config = r#"{"cniVersion":"1.0.0","name":"net","type":"asker","panics":true}"#;
        let outer = Log::default();
        let answered = Log::hear(Some(outer.clone()), || {
            let answered = call(config, &Files::default());
            warn("later");
            answered
        });
        let error = json(answered.answer);
        assert_eq!(error["code"], ErrorCode::INTERNAL.0);
        assert_eq!(error["msg"], r#"the plugin "asker" panicked: on purpose"#);
        assert_eq!(answered.stderr, b"asks\n");
        assert_eq!(outer.take(), b"later\n");
    }
}
