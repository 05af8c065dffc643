//! The bill of materials and the licences: that they tell of what is in the binaries, all of it, and of nothing else.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that uses it"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use linkspan_packaging::{artefact, dist, top};
use serde_json::Value;

#[test]
fn the_bill_has_every_crate_that_cargo_tree_has_with_its_checksum() {
    let bill = bill();
    let brought = ["rust-std", "libunwind", "musl", "glibc", "libgcc"];
    let listed: BTreeSet<_> = libraries(&bill)
        .filter(|library| !brought.contains(&library["name"].as_str().unwrap()))
        .map(|library| (named(library), hash(library, "SHA-256")))
        .collect();
    let expected = from_the_lock(&cargo_tree(&bill));
    let differing: Vec<_> = listed.symmetric_difference(&expected).collect();
    assert!(differing.is_empty(), "in one of them alone: {differing:#?}");
    assert!(listed.len() > 80);
}

#[test]
fn what_only_builds_the_binaries_is_said_not_to_be_in_them() {
    let bill = bill();
    let excluded = |name: &str| {
        let library = libraries(&bill).find(|library| library["name"] == name);
        library.unwrap()["scope"] == "excluded"
    };
    assert!(excluded("serde_derive"));
    for linked in ["serde", "rustix", "linkspan-plugins", "rust-std", "musl"] {
        assert!(!excluded(linked), "{linked}");
    }
}

#[test]
fn the_binaries_are_those_that_are_shipped() {
    let bill = bill();
    let components = bill["components"].as_array().unwrap();
    let wanted = |name: &str| {
        let is_it =
            |component: &&Value| component["type"] == "application" && component["name"] == name;
        let found = components.iter().find(is_it);
        hash(found.unwrap(), "SHA-256").unwrap()
    };
    let tarball = artefact("cni-plugins-linux-amd64-", ".tgz");
    let deb = artefact("linkspan_", "_amd64.deb");
    let plugins = format!(
        "tar --extract --to-command='sha256sum' --file '{}'",
        tarball.display()
    );
    assert!(shell(&plugins).contains(&wanted("linkspan-plugins")));
    let program = format!(
        "dpkg-deb --fsys-tarfile '{}' | tar --extract --to-stdout ./usr/bin/linkspan | sha256sum",
        deb.display()
    );
    assert!(shell(&program).contains(&wanted("linkspan")));
}

#[test]
fn whatever_is_in_it_is_needed_by_something_and_has_a_licence() {
    let bill = bill();
    let components = bill["components"].as_array().unwrap();
    let all: BTreeSet<_> = components.iter().map(reference).collect();
    assert_eq!(all.len(), components.len(), "two of one name");
    let needs: BTreeMap<_, Vec<_>> = bill["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let on = one["dependsOn"].as_array().unwrap().iter();
            (
                one["ref"].as_str().unwrap(),
                on.map(|on| on.as_str().unwrap()).collect(),
            )
        })
        .collect();
    let mut reached = BTreeSet::new();
    let mut left = vec![reference(&bill["metadata"]["component"])];
    while let Some(one) = left.pop() {
        for needed in &needs[one] {
            if reached.insert(*needed) {
                left.push(needed);
            }
        }
    }
    assert_eq!(reached, all);
    for component in components {
        let licence = component["licenses"][0]["expression"].as_str();
        assert!(
            licence.is_some_and(|text| !text.contains('/')),
            "{component}"
        );
    }
}

#[test]
fn nothing_of_who_builds_is_in_them() {
    let home = std::env::var("HOME").unwrap();
    let here = top().canonicalize().unwrap();
    for file in [artefact("linkspan_", ".cdx.json"), licences()] {
        let text = fs::read_to_string(&file).unwrap();
        for own in [home.as_str(), here.to_str().unwrap(), "/registry/", "file:"] {
            assert!(!text.contains(own), "{own} in {}", file.display());
        }
    }
}

#[test]
fn every_crate_of_others_has_its_licence_in_the_file_with_its_authors() {
    let text = fs::read_to_string(licences()).unwrap();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for library in libraries(&bill()) {
        let ours = library["supplier"]["name"] == "The Linkspan authors";
        assert_eq!(words.contains(&named(library)), !ours, "{}", named(library));
    }
    for line in [
        "Copyright (c) 2015 Andrew Gallant",
        "Copyright (c) 2024 Zeeshan Ali Khan & zbus contributors",
        "Copyright (c) 2023 Ethiraric",
        "Rich Felker",
        "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION",
    ] {
        assert!(words.contains(line), "{line}");
    }
}

/// A crate under a licence that nobody has agreed to, or without its text, does not go unnoticed into a release.
#[test]
fn a_crate_without_the_text_of_an_allowed_licence_fails_the_build() {
    let other = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(top()).unwrap() {
        let entry = entry.unwrap();
        std::os::unix::fs::symlink(entry.path(), other.path().join(entry.file_name())).unwrap();
    }
    let deny = other.path().join("deny.toml");
    fs::remove_file(&deny).unwrap();
    fs::write(&deny, "[licenses]\nallow = [\"Apache-2.0\"]\n").unwrap();
    let output = build_licences(other.path());
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{message}");
    assert!(
        message.contains("of what deny.toml allows (Apache-2.0) there is no text in "),
        "{message}"
    );
}

fn build_licences(folder: &Path) -> Output {
    Command::new("packaging/licences/build")
        .current_dir(folder)
        .env("VERSION", "1.2.3")
        .env("OUT", folder)
        .output()
        .unwrap()
}

fn bill() -> Value {
    let text = fs::read(artefact("linkspan_", ".cdx.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn licences() -> std::path::PathBuf {
    dist().join("THIRD-PARTY-LICENSES")
}

fn libraries(bill: &Value) -> impl Iterator<Item = &Value> {
    let components = bill["components"].as_array().unwrap();
    components.iter().filter(|one| one["type"] == "library")
}

fn named(component: &Value) -> String {
    let word = |key: &str| component[key].as_str().unwrap().to_owned();
    word("name") + " " + &word("version")
}

fn reference(component: &Value) -> &str {
    component["bom-ref"].as_str().unwrap()
}

fn hash(component: &Value, algorithm: &str) -> Option<String> {
    let hashes = component["hashes"].as_array()?;
    let found = hashes.iter().find(|hash| hash["alg"] == algorithm)?;
    found["content"].as_str().map(str::to_owned)
}

/// The crates that the two binaries need, as `name version`.
fn cargo_tree(bill: &Value) -> BTreeSet<String> {
    let target = bill["metadata"]["properties"][0]["value"].as_str().unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--target", target, "--edges", "normal"])
        .args(["--prefix", "none", "--no-dedupe", "--format", "{p}"])
        .args([
            "-p",
            "linkspan",
            "-p",
            "linkspan-plugins",
            "-p",
            "linkspan-stub",
        ])
        .current_dir(top())
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let mut words = line.split(' ');
            let name = words.next().unwrap();
            format!("{name} {}", words.next().unwrap().trim_start_matches('v'))
        })
        .collect()
}

/// Each with its checksum in Cargo.lock, of those that have one.
fn from_the_lock(crates: &BTreeSet<String>) -> BTreeSet<(String, Option<String>)> {
    let lock = fs::read_to_string(top().join("Cargo.lock")).unwrap();
    let value = |package: &str, key: &str| {
        let line = package.lines().find(|line| line.starts_with(key))?;
        line.split('"').nth(1).map(str::to_owned)
    };
    let packages = lock.split("[[package]]\n").skip(1);
    let checksums: BTreeMap<_, _> = packages
        .map(|package| {
            let name = value(package, "name").unwrap();
            let version = value(package, "version").unwrap();
            (format!("{name} {version}"), value(package, "checksum"))
        })
        .collect();
    let of = |name: &String| (name.clone(), checksums[name].clone());
    crates.iter().map(of).collect()
}

fn shell(command: &str) -> String {
    let output = Command::new("sh").args(["-ec", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
