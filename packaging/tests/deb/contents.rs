//! What is in the packages.

use std::path::Path;
use std::time::Duration;

use linkspan_packaging::top;
use linkspan_testkit::{Cmd, PLUGIN_NAMES};

use crate::world;

/// Where plugins are looked for: by Debian's podman, and by all others.
const DIRECTORIES: [&str; 2] = ["./usr/lib/cni/", "./opt/cni/bin/"];

/// What a package installs: mode, owner, path and where a link leads, without directories.
fn files(deb: &Path) -> Vec<String> {
    let listed = Cmd::new("dpkg-deb").arg("--contents").arg(deb).run();
    let shown = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        [&words[..2], &words[5..]].concat().join(" ")
    };
    let files = listed.lines().filter(|line| !line.starts_with('d'));
    files.map(shown).collect()
}

#[test]
fn the_plugins_are_in_both_directories_each_whole() {
    let mut expected = Vec::new();
    for directory in DIRECTORIES {
        expected.push(format!("-rwxr-xr-x root/root {directory}linkspan-plugins"));
        // A link that leads out of its directory would lead nowhere in a pod that is given the directory alone.
        let link = |name| format!("lrwxrwxrwx root/root {directory}{name} -> linkspan-plugins");
        expected.extend(PLUGIN_NAMES.map(link));
    }
    let mut found = files(&world::plugins());
    found.retain(|file| DIRECTORIES.iter().any(|directory| file.contains(directory)));
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

/// Whatever Debian's package of the reference has, a path of the same name is in ours, but for its documents and the daemon's units.
#[test]
fn nothing_of_the_reference_is_missed() {
    let ours = files(&world::plugins()).join("\n") + "\n";
    let theirs = Cmd::shell("dpkg --listfiles containernetworking-plugins").run();
    let plugins = theirs
        .lines()
        .filter(|path| path.starts_with("/usr/lib/cni/"));
    let missed: Vec<_> = plugins
        .filter(|path| !ours.contains(&format!(" .{path} ")))
        .collect();
    assert!(missed.is_empty(), "{missed:?}");
    assert!(theirs.contains("/usr/lib/cni/bridge\n"), "{theirs}");
}

/// What depends on a release of the reference is told the one that the plugins tell.
#[test]
fn they_stand_for_the_release_that_each_plugin_tells() {
    let dir = tempfile::tempdir().unwrap();
    let line = "dpkg-deb --extract $DEB . && ./opt/cni/bin/bridge 2>&1 | sed -n '1s/^CNI bridge plugin v\\(.*\\)+linkspan.*/\\1/p'";
    let told = Cmd::shell(line).env("DEB", world::plugins());
    let told = told.current_dir(dir.path()).run();
    let provides = Cmd::new("dpkg-deb").arg("--field").arg(world::plugins());
    let provides = provides.arg("Provides").run();
    for name in ["containernetworking-plugins", "kubernetes-cni"] {
        let provided = format!("{name} (= {told})");
        assert!(provides.contains(&provided), "{provided} in {provides}");
    }
}

#[test]
fn the_program_comes_with_its_manual_completions_units_and_documents() {
    let found = files(&world::program()).join("\n") + "\n";
    for file in [
        "-rwxr-xr-x root/root ./usr/bin/linkspan",
        "-rw-r--r-- root/root ./usr/share/man/man1/linkspan.1.gz",
        "-rw-r--r-- root/root ./usr/share/man/man1/linkspan-doctor.1.gz",
        "-rw-r--r-- root/root ./usr/share/bash-completion/completions/linkspan",
        "-rw-r--r-- root/root ./usr/share/zsh/vendor-completions/_linkspan",
        "-rw-r--r-- root/root ./usr/share/fish/vendor_completions.d/linkspan.fish",
        "-rw-r--r-- root/root ./usr/lib/systemd/system/linkspan-reconcile.service",
        "-rw-r--r-- root/root ./usr/lib/systemd/system/linkspan-metrics.timer",
        "-rw-r--r-- root/root ./usr/share/doc/linkspan/CHANGELOG.md.gz",
        "-rw-r--r-- root/root ./usr/share/doc/linkspan/copyright",
        "-rw-r--r-- root/root ./usr/share/doc/linkspan/THIRD-PARTY-LICENSES.gz",
    ] {
        assert!(found.contains(&format!("{file}\n")), "{file} in\n{found}");
    }
}

/// A unit starts what the package has, which is not where `make install` puts it.
#[test]
fn each_unit_starts_a_program_of_the_packages() {
    let installed = [world::program(), world::plugins()].map(|deb| files(&deb).join("\n"));
    let installed = installed.join("\n").replace(" -> ", "\n") + "\n";
    let mut started = 0;
    for deb in [world::program(), world::plugins()] {
        let line =
            "dpkg-deb --fsys-tarfile \"$0\" | tar --extract --to-stdout --wildcards '*.service'";
        let units = Cmd::shell(line).arg(&deb).run();
        for line in units.lines().filter(|line| line.starts_with("Exec")) {
            let (_, command) = line.split_once('=').unwrap();
            let program = command.split(' ').next().unwrap();
            assert!(
                installed.contains(&format!(" .{program}\n")),
                "{line} of {}",
                deb.display()
            );
            started += 1;
        }
    }
    assert_eq!(started, 4);
}

#[test]
fn lintian_is_content() {
    let lintian = Cmd::new("lintian").args(["--allow-root", "--fail-on", "warning"]);
    let packages = lintian.arg(world::program()).arg(world::plugins());
    let output = packages.deadline(Duration::from_secs(180)).output();
    assert_eq!(output.success(), "", "{output}");
}

/// Every line of the overrides has its reason above it, and is of a tag that there still is.
#[test]
fn each_override_of_lintian_has_a_reason() {
    for package in ["linkspan", "linkspan-cni-plugins"] {
        let path = top().join(format!("packaging/deb/{package}/lintian-overrides"));
        let text = std::fs::read_to_string(path).unwrap();
        let mut tag = "";
        let mut reason = false;
        for line in text.lines() {
            let this = line.split(' ').nth(1).unwrap();
            reason |= line.starts_with('#');
            assert!(reason || this == tag, "{package}: {line}");
            if !line.starts_with('#') {
                (tag, reason) = (this, false);
            }
        }
    }
}
