//! `explain key` and `explain error`: what a key and a message mean.

use std::fs;

use linkspan_testkit::{Cmd, sandbox};

use crate::transcript;

const LINKSPAN: &str = env!("CARGO_BIN_EXE_linkspan");

fn explain(words: &[&str], stdin: &str) -> (bool, String, String) {
    let output = Cmd::new(LINKSPAN)
        .arg("explain")
        .args(words)
        .stdin(stdin)
        .output();
    (output.ok(), output.stdout.clone(), output.stderr.clone())
}

#[test]
fn a_key_is_told_and_one_that_is_not_there_leads_to_what_is_meant() {
    let (ok, told, _) = explain(&["key", "bridge.vlanTrunk"], "");
    assert!(
        ok && told.contains("minID  a whole number: The first VLAN of a range."),
        "{told}"
    );
    let (ok, told, _) = explain(&["key", "portmap"], "");
    assert!(
        ok && told.contains("runtimeConfig.portMappings[].hostPort"),
        "{told}"
    );
    let (ok, told, _) = explain(&["key", "runtimeConfig.mac"], "");
    assert!(
        ok && told.contains(r#""capabilities": {"mac": true}"#),
        "{told}"
    );
    let (ok, told, error) = explain(&["key", "bridge.vlanTrnk"], "");
    assert!(
        !ok && told.is_empty() && error.contains("bridge.vlanTrunk"),
        "{error}"
    );
    let (ok, _, error) = explain(&["key", "mtu", "--markdown"], "");
    assert!(
        !ok && error.contains("explain key bridge --markdown"),
        "{error}"
    );
}

#[test]
fn a_log_is_read_from_standard_input_and_from_a_file() {
    let line = "kubelet: plugin type=\"macvlan\" failed (add): failed to lookup master \"eth7\": Link not found\n";
    let (ok, told, _) = explain(&["error", "-"], &line.repeat(3));
    assert!(
        ok && told.contains("3 times") && told.contains("no link eth7"),
        "{told}"
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    // Logs hold what is no text as well, and escapes, which a terminal must not get.
    let bytes = [b"\xff\xfe\x1b]0;title\x07 ".as_slice(), line.as_bytes()].concat();
    fs::write(file.path(), bytes).unwrap();
    let (ok, told, _) = explain(&["error", file.path().to_str().unwrap()], "");
    assert!(
        ok && told.contains("no link eth7") && !told.contains('\x1b'),
        "{told}"
    );
    for (words, stdin) in [
        (vec!["error", "-"], ""),
        (vec!["error", "-"], "{}"),
        (vec!["error", "/nowhere"], ""),
        (vec!["error"], ""),
    ] {
        let (ok, told, error) = explain(&words, stdin);
        assert!(
            !ok && told.is_empty() && error.contains("error:"),
            "{words:?}: {error}"
        );
    }
}

/// What is advised can be typed.
#[test]
fn every_command_that_is_advised_is_one() {
    let mut seen = 0;
    for (_, pattern, _, next) in linkspan_explain::error::all_known() {
        let pieces = next.split('`').skip(1).step_by(2);
        for command in pieces.filter_map(|piece| piece.strip_prefix("linkspan ")) {
            let name = command.split(' ').next().unwrap();
            let help = Cmd::new(LINKSPAN).args([name, "--help"]).output();
            assert!(help.ok(), "{pattern}: linkspan {command}");
            for flag in command.split(' ').filter(|word| word.starts_with("--")) {
                let below = command.split(' ').take_while(|word| !word.starts_with('-'));
                let words: Vec<_> = below
                    .filter(|word| word.chars().all(|c| c.is_ascii_lowercase()))
                    .collect();
                let help = Cmd::new(LINKSPAN).args(words).arg("--help").output();
                assert!(help.stdout.contains(flag), "{pattern}: linkspan {command}");
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn the_page_shows_what_is_told() {
    crate::demo::build_plugins();
    sandbox(|_| transcript::replay("operate/errors.md", |_, output| output.stdout.clone()));
}
