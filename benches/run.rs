//! The run: on what it measures, and what it keeps.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use jiff::Timestamp;
use linkspan_benches::data::Run;
use linkspan_testkit::{Plugins, document};

/// This machine now.
pub(crate) fn begun() -> Run {
    let load = load();
    let reference = Plugins::reference().dir().join("bridge");
    let commit = said(git(&["rev-parse", "--short", "HEAD"]));
    Run {
        began: Timestamp::now().strftime("%Y-%m-%d %H:%M").to_string(),
        version: format!("{} ({commit})", env!("CARGO_PKG_VERSION")),
        reference: version_of(&reference),
        netavark: env::var_os("NETAVARK").map(|path| {
            let mut netavark = Command::new(path);
            netavark.arg("--version");
            last_word(&said(netavark))
        }),
        processor: processor(),
        processors: thread::available_parallelism().map_or(1, usize::from),
        kernel: kernel(),
        load: [load, load],
    }
}

/// The mean number of processes that ran in the last minute.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split_whitespace().next();
    first
        .and_then(|first| first.parse().ok())
        .unwrap_or_default()
}

fn git(arguments: &[&str]) -> Command {
    let mut git = Command::new("git");
    git.current_dir(document::top()).args(arguments);
    git
}

/// What a program prints, whatever it thinks of it.
fn said(mut program: Command) -> String {
    let output = program.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("cannot start {program:?}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).trim().to_owned()
}

/// That of the reference, which its plugins tell when nothing is asked of them; Debian's do not know it.
fn version_of(plugin: &Path) -> String {
    let told = last_word(&said(Command::new(plugin)));
    if told != "unknown" {
        return told;
    }
    let mut dpkg = Command::new("dpkg-query");
    dpkg.args(["-W", "-f", "${Version}", "containernetworking-plugins"]);
    let version = said(dpkg);
    version
        .split(['+', '-'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The version at the end of `CNI bridge plugin v1.1.1`, without its letter.
fn last_word(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let word = first.split_whitespace().last().unwrap_or_default();
    word.trim_start_matches('v').to_owned()
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(": "));
    name.map_or_else(
        || env::consts::ARCH.to_owned(),
        |(_, name)| name.trim().to_owned(),
    )
}

/// The kernel's version without what its builder has called it.
fn kernel() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let digits = |letter: char| letter.is_ascii_digit() || letter == '.';
    let end = text.find(|letter| !digits(letter)).unwrap_or(text.len());
    text[..end].to_owned()
}
