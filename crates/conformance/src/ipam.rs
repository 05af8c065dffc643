//! IPAM plugins that the bench lays in the plugin's way: one that tells how it was called, and others that do what none should.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde_json::json;

use crate::bench::{Bench, SCRIPTS, script};
use crate::call::Call;

/// The type of the IPAM plugin.
pub(crate) const NAME: &str = "conformance-ipam";

/// The address that it gives where it gives one.
pub(crate) const ADDRESS: &str = "10.99.0.2/24";

/// What it answers to a command, as lines of shell.
pub(crate) struct Ipam<'a> {
    pub(crate) add: &'a str,
    pub(crate) others: &'a str,
}

/// An address, in whatever version is asked for from 0.3.0 on.
pub(crate) const GIVES: &str = r#"version=$(sed -n 's/.*"cniVersion" *: *"\([^"]*\)".*/\1/p' "$record.stdin")
case $version in 1.*) of= ;; *) of='"version":"4",' ;; esac
echo "{\"cniVersion\":\"$version\",\"ips\":[{$of\"address\":\"10.99.0.2/24\",\"gateway\":\"10.99.0.1\"}],\"routes\":[{\"dst\":\"0.0.0.0/0\"}]}""#;

/// One that does as it should.
pub(crate) const GOOD: Ipam<'static> = Ipam {
    add: GIVES,
    others: "exit 0",
};

/// Lays it where plugins are found.
pub(crate) fn lay(ipam: &Ipam<'_>) -> io::Result<()> {
    // Each call has files of its own, numbered in their order.
    let text = format!(
        "#!/bin/sh
record={SCRIPTS}/$(ls {SCRIPTS} | grep -c '[.]env$').$CNI_COMMAND
cat > \"$record.stdin\"
env > \"$record.env\"
case $CNI_COMMAND in
ADD)
{}
;;
*)
{}
;;
esac
",
        ipam.add, ipam.others
    );
    script(NAME, &text)
}

/// The configuration of a call with this IPAM plugin in place of its own.
pub(crate) fn asked(call: Call) -> Call {
    call.key("ipam", json!({ "type": NAME, "key": "handed-on" }))
}

/// One call of it.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) command: String,
    pub(crate) env: String,
    pub(crate) stdin: String,
}

/// How it was called, in order.
pub(crate) fn records() -> io::Result<Vec<Record>> {
    let mut paths: Vec<(usize, PathBuf)> = Vec::new();
    for entry in fs::read_dir(SCRIPTS)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_suffix(".env"));
        let number = number.and_then(|name| name.split('.').next()?.parse().ok());
        if let Some(number) = number {
            paths.push((number, path));
        }
    }
    paths.sort();
    let read = |(_, path): (usize, PathBuf)| {
        let env = fs::read(&path)?;
        let stdin = fs::read(path.with_extension("stdin")).unwrap_or_default();
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        Ok(Record {
            command: stem.rsplit('.').next().unwrap_or_default().to_owned(),
            env: String::from_utf8_lossy(&env).into_owned(),
            stdin: String::from_utf8_lossy(&stdin).into_owned(),
        })
    };
    paths.into_iter().map(read).collect()
}

/// Why the plugin asks no IPAM plugin; `None` where it does.
pub(crate) fn is_not_asked(bench: &Bench<'_>) -> Option<&'static str> {
    match bench.subject.ipam() {
        Some(_) => None,
        None => Some("its configuration has no ipam that it asks"),
    }
}
