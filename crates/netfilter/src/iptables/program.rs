//! The commands of iptables, run.

use std::io::{self, Read, Write as _};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::{env, fs};

use linkspan_spec::{Error, ErrorCode};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::Protocol;

/// How many seconds to wait for the lock of iptables.
const LOCK_SECONDS: u32 = 10;

/// Where the commands are when PATH lacks them, as the environment of a runtime often does.
const USUAL_DIRECTORIES: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"];

/// Which of the two implementations of iptables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    /// What the host uses.
    Default,
    /// The older one, without nf_tables.
    Legacy,
}

/// A command with its arguments.
pub(super) struct Program {
    name: String,
    arguments: Vec<String>,
}

impl Program {
    /// `iptables-restore`, adding to what is there.
    pub(super) fn restore(protocol: Protocol, variant: Variant) -> Self {
        let arguments = vec!["--noflush".to_owned(), format!("--wait={LOCK_SECONDS}")];
        Self::new(protocol, variant, "restore", arguments)
    }

    /// `iptables-legacy-restore`; where there is none under that name, `iptables-restore` is the older one.
    pub(super) fn restore_legacy(protocol: Protocol) -> Self {
        let legacy = Self::restore(protocol, Variant::Legacy);
        match legacy.is_installed() {
            true => legacy,
            false => Self::restore(protocol, Variant::Default),
        }
    }

    /// `iptables-save`: all tables.
    pub(super) fn save(protocol: Protocol, variant: Variant) -> Self {
        Self::new(protocol, variant, "save", Vec::new())
    }

    /// Which version it is.
    pub(super) fn version(protocol: Protocol) -> Self {
        let arguments = vec!["--version".to_owned()];
        Self::new(protocol, Variant::Default, "restore", arguments)
    }

    fn new(protocol: Protocol, variant: Variant, verb: &str, arguments: Vec<String>) -> Self {
        let command = protocol.command();
        let name = match variant {
            Variant::Default => format!("{command}-{verb}"),
            Variant::Legacy => format!("{command}-legacy-{verb}"),
        };
        Self { name, arguments }
    }

    /// Runs it with this standard input; returns its standard output.
    pub(super) fn run(&self, input: &str) -> Result<String, Error> {
        let name = &self.name;
        let mut run = linkspan_spans::enter(|| name.clone());
        let outcome = self.run_by(name, input);
        if let Err(error) = &outcome {
            run.fail(Some(error.code.0), error);
        }
        outcome
    }

    fn run_by(&self, name: &str, input: &str) -> Result<String, Error> {
        let output = self
            .start()
            .and_then(|child| finish(child, input.as_bytes()))
            .map_err(|error| {
                Error::new(ErrorCode::INTERNAL, format!("cannot run {name}: {error}"))
                    .with_details(missing_program(&error))
            })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let reason = String::from_utf8_lossy(&output.stderr);
        let (reason, status) = (reason.trim(), output.status);
        Err(Error::new(
            ErrorCode::INTERNAL,
            format!("{name} failed ({status}): {reason}"),
        )
        .with_details(format!("its input was:\n{input}")))
    }

    fn is_installed(&self) -> bool {
        self.path().is_some()
    }

    /// Whether it is the older iptables: `xtables-legacy-multi`, or before there were two, `xtables-multi`.
    pub(super) fn is_legacy(&self) -> bool {
        let file = self.path().and_then(|path| fs::canonicalize(path).ok());
        let name = file.as_deref().and_then(Path::file_name);
        name.is_some_and(|name| {
            let name = name.to_string_lossy();
            name.contains("legacy") || name == "xtables-multi"
        })
    }

    fn path(&self) -> Option<PathBuf> {
        let path = env::var_os("PATH").unwrap_or_default();
        let usual = USUAL_DIRECTORIES.map(PathBuf::from);
        env::split_paths(&path)
            .chain(usual)
            .map(|directory| directory.join(&self.name))
            .find(|path| path.exists())
    }

    fn start(&self) -> io::Result<Child> {
        let spawn = |path: &str| {
            Command::new(path)
                .args(&self.arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
        };
        let mut child = spawn(&self.name);
        for directory in USUAL_DIRECTORIES {
            match child {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    child = spawn(&format!("{directory}/{}", self.name));
                }
                started => return started,
            }
        }
        child
    }
}

/// Gives a program its input, and waits for its end: also where it ends without having read all, so that it says why, and is not
/// left behind as a zombie of a program that goes on.
fn finish(mut child: Child, input: &[u8]) -> io::Result<Output> {
    // Dropped at once, so that the program sees the end of its input.
    let written = child.stdin.take().map(|mut stdin| stdin.write_all(input));
    let read = (child.stdout.take())
        .zip(child.stderr.take())
        .map_or(Ok(Default::default()), |(out, err)| read_both(out, err));
    // It is waited for whatever else has failed; what it would still write has no reader then.
    let status = child.wait()?;
    let (stdout, stderr) = read?;
    let output = Output {
        status,
        stdout,
        stderr,
    };
    match written {
        Some(Err(error)) if output.status.success() => Err(error),
        _ => Ok(output),
    }
}

/// Reads both to their ends, as they come: a program that fills one waits for its reader. `Child::wait_with_output` panics
/// where a pipe cannot be read.
fn read_both(
    mut out: impl Read + AsFd,
    mut err: impl Read + AsFd,
) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let (mut printed, mut complained) = (Vec::new(), Vec::new());
    let (mut out_goes_on, mut err_goes_on) = (true, true);
    while out_goes_on && err_goes_on {
        let mut both = [
            PollFd::new(&out, PollFlags::IN),
            PollFd::new(&err, PollFlags::IN),
        ];
        match poll(&mut both, None) {
            Err(Errno::INTR) => continue,
            polled => polled?,
        };
        let [of_out, of_err] = both.map(|fd| !fd.revents().is_empty());
        if of_out {
            out_goes_on = read_some(&mut out, &mut printed)?;
        }
        if of_err {
            err_goes_on = read_some(&mut err, &mut complained)?;
        }
    }
    out.read_to_end(&mut printed)?;
    err.read_to_end(&mut complained)?;
    Ok((printed, complained))
}

/// Reads what is there; whether more may come.
fn read_some(from: &mut impl Read, to: &mut Vec<u8>) -> io::Result<bool> {
    let mut part = [0; 4096];
    match from.read(&mut part) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
        read => {
            let length = read?;
            to.extend_from_slice(&part[..length]);
            Ok(length > 0)
        }
    }
}

fn missing_program(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!(
            "looked in PATH and {}; install iptables or choose the backend \"nftables\"",
            USUAL_DIRECTORIES.join(", ")
        ),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As an iptables-restore that does not know an option. It is given more than a pipe takes.
    #[test]
    fn one_that_ends_before_it_reads_says_why() {
        let run = |script: &str| {
            let program = Program {
                name: "/bin/sh".to_owned(),
                arguments: vec!["-c".to_owned(), script.to_owned()],
            };
            program.run(&"# a comment\n".repeat(100_000))
        };
        let error = run("exec 0<&-; echo 'unknown option \"--wait\"' >&2; exit 2").unwrap_err();
        assert!(error.msg.ends_with(r#"unknown option "--wait""#), "{error}");
        // What has not read what it was to do has not done it.
        let error = run("exec 0<&-").unwrap_err();
        assert!(error.msg.contains("Broken pipe"), "{error}");
        assert_eq!(run("cat > /dev/null; echo done").unwrap(), "done\n");
        // More than a pipe takes, on both.
        let much = "cat > /dev/null; head -c 200000 /dev/zero >&2; head -c 200000 /dev/zero";
        assert_eq!(run(much).unwrap().len(), 200_000);
    }
}
