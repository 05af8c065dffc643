//! Which plugins run here.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use linkspan_plugin::spec::{Command, PluginType};
use linkspan_plugins::InProcess;
use linkspan_runtime::{Error, Execute, Process, Request};

use super::world::{Asked, script};

const BINARY: &str = env!("CARGO_BIN_EXE_linkspan-plugins");

fn executable(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Whether the plugin in a file runs here; asked of the same executor twice, since it remembers.
fn runs_here(executor: &InProcess, asked: &Asked, plugin: &str, file: &Path) -> bool {
    let plugin: PluginType = plugin.parse().unwrap();
    let request = Request::new(&plugin, file, Command::Version);
    let here: Vec<_> = (0..2)
        .map(|_| {
            let output = executor.run(&request).unwrap();
            assert_eq!(output.stderr.is_empty(), asked.0.lock().unwrap().is_empty());
            asked.take().is_empty()
        })
        .collect();
    assert_eq!(here[0], here[1], "{}", file.display());
    here[0]
}

#[test]
fn by_its_file_a_plugin_runs_here_when_that_is_this_build() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    symlink(BINARY, at("bridge")).unwrap();
    fs::copy(BINARY, at("ptp")).unwrap();
    let bytes = fs::read(BINARY).unwrap();
    let words = linkspan_plugins::PRODUCT;
    let place = bytes
        .windows(words.len())
        .position(|window| window == words.as_bytes());
    let place = place.unwrap();
    // Of 1.1.0 for 0.1.0, and of 0.1.01.
    for (name, byte, value) in [
        ("vlan", place + "Linkspan ".len(), b'1'),
        ("vrf", place + words.len(), b'1'),
    ] {
        let mut other = bytes.clone();
        assert_ne!(other[byte], value);
        other[byte] = value;
        executable(&at(name), &other);
    }
    executable(&at("sbr"), &bytes);
    fs::set_permissions(at("sbr"), fs::Permissions::from_mode(0o644)).unwrap();
    script(dir.path(), "loopback", "echo of others");
    symlink("nowhere", at("tap")).unwrap();
    let asked = Asked::default();
    let executor = InProcess::new().otherwise(asked.clone());
    for (plugin, file, expected) in [
        ("bridge", "bridge", true),
        ("ptp", "ptp", true),
        // Under any name.
        ("host-local", "ptp", true),
        // A name that is none of the table's.
        ("cilium", "ptp", false),
        // Another version.
        ("vlan", "vlan", false),
        ("vrf", "vrf", false),
        // Switched off.
        ("sbr", "sbr", false),
        ("loopback", "loopback", false),
        ("tap", "tap", false),
    ] {
        assert_eq!(
            runs_here(&executor, &asked, plugin, &at(file)),
            expected,
            "{plugin} in {file}"
        );
    }
    // What is installed in its place is another file.
    assert!(!runs_here(&executor, &asked, "vlan", &at("vlan")));
    fs::remove_file(at("vlan")).unwrap();
    symlink(BINARY, at("vlan")).unwrap();
    assert!(runs_here(&executor, &asked, "vlan", &at("vlan")));
}

#[test]
fn by_its_name_a_plugin_needs_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let others = script(dir.path(), "bridge", "echo of others");
    let asked = Asked::default();
    let executor = InProcess::new().always().otherwise(asked.clone());
    let bridge: PluginType = "bridge".parse().unwrap();
    for directories in [&[][..], &[dir.path().to_owned()]] {
        let found = executor.find(&bridge, directories).unwrap();
        assert_eq!(found, Path::new("bridge"));
        assert!(runs_here(&executor, &asked, "bridge", &found));
    }
    let by_file = InProcess::new();
    assert!(matches!(
        by_file.find(&bridge, &[]),
        Err(Error::PluginNotFound { .. })
    ));
    assert_eq!(
        by_file.find(&bridge, &[dir.path().to_owned()]).unwrap(),
        others
    );
    let unknown: PluginType = "cilium".parse().unwrap();
    assert!(matches!(
        executor.find(&unknown, &[]),
        Err(Error::PluginNotFound { .. })
    ));
}

/// Every plugin answers what its process does.
#[test]
fn the_answers_are_those_of_processes() {
    let dir = tempfile::tempdir().unwrap();
    let executor = InProcess::new().always();
    for plugin in linkspan_plugins::PLUGINS {
        let name: PluginType = plugin.name().parse().unwrap();
        let file = dir.path().join(plugin.name());
        symlink(BINARY, &file).unwrap();
        for (command, stdin) in [
            (Command::Version, ""),
            // No configuration; and no variables.
            (Command::Add, ""),
            (Command::Status, "{"),
            (
                Command::Gc,
                r#"{"cniVersion":"1.0.0","name":"net","type":"x"}"#,
            ),
        ] {
            let mut request = Request::new(&name, &file, command);
            request.env.extend([("CNI_PATH", "/nowhere".into())]);
            request.stdin = stdin.as_bytes();
            let (ours, theirs) = (
                executor.run(&request).unwrap(),
                Process.run(&request).unwrap(),
            );
            let context = format!("{command} of {name}");
            assert_eq!(ours.ended, theirs.ended, "{context}");
            let text = |bytes| String::from_utf8_lossy(bytes).trim_end().to_owned();
            assert_eq!(text(&ours.stdout), text(&theirs.stdout), "{context}");
            assert_eq!(text(&ours.stderr), text(&theirs.stderr), "{context}");
        }
    }
}
