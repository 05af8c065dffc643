//! What holds for everything that is shipped.
#![forbid(unsafe_code)]

use std::fs;

use linkspan_packaging as packaging;
use linkspan_testkit::Cmd;

/// Who pins an artefact by its checksum has the file's name and the hash as the reference's releases have them: `sha256sum -c` reads it.
#[test]
fn each_artefact_has_its_checksums() {
    for artefact in packaging::artefacts() {
        for kind in ["sha256", "sha512"] {
            let name = artefact.file_name().unwrap().to_string_lossy();
            let sum = format!("{name}.{kind}");
            let text = fs::read_to_string(packaging::dist().join(&sum)).unwrap();
            let (hash, told) = text.trim_end().split_once("  ").unwrap();
            assert_eq!(told, name, "{sum}");
            assert!(hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{sum}");
            let check = Cmd::new(format!("{kind}sum")).args(["--check", "--strict", &sum]);
            check.current_dir(packaging::dist()).run();
        }
    }
}

/// A release whose parts are one file each, and whose programs Cargo does not build.
const PRETEND: &str = r#"
    cp -r "$TOP/scripts" "$TOP/Cargo.toml" .
    ln -s "$TOP/crates" crates
    mkdir -p packaging/licences packaging/part
    target=target/$(scripts/release --print-target); mkdir -p $target/release $target/stub
    for program in release/linkspan release/linkspan-plugins stub/linkspan-stub; do install -m 755 /dev/null $target/$program; done
    printf '#!/bin/sh\n: >"$OUT/THIRD-PARTY-LICENSES"\n' >packaging/licences/build
    printf '#!/bin/sh\n: >"$OUT/part_$(cat part)"; [ ! -e fails ]\n' >packaging/part/build
    chmod 755 packaging/*/build
"#;

/// `OUT=` may be any folder: what is there and was not made by a run before is not its to remove, or to ship.
#[test]
fn a_run_replaces_what_the_last_one_made_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let shell = |line: &str| {
        let cmd = Cmd::new("bash").args(["-euc", line]).env("CARGO", "true");
        let cmd = cmd.env("TOP", packaging::top().canonicalize().unwrap());
        let cmd = cmd
            .env("OUT", dir.path().join("out, of mine"))
            .env("SOURCE_DATE_EPOCH", "0");
        cmd.env_remove("CARGO_TARGET_DIR").current_dir(dir.path())
    };
    shell(PRETEND).run();
    let made = || {
        let names = fs::read_dir(dir.path().join("out, of mine")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != ".made").collect();
        names.sort();
        names.join(" ")
    };
    let with_sums = |name: &str| format!("{name} {name}.sha256 {name}.sha512");
    let all = |part: &str| {
        let (licences, part) = (with_sums("THIRD-PARTY-LICENSES"), with_sums(part));
        format!("{licences} mine.txt mine.txt.sha256 {part}")
    };

    shell("mkdir -p \"$OUT\"; touch \"$OUT\"/mine.txt{,.sha256}; echo 1 >part; scripts/dist").run();
    assert_eq!(made(), all("part_1"));
    shell("scripts/dist part").run();
    assert_eq!(made(), all("part_1"));
    // One that fails changes nothing.
    let failed = shell("echo 2 >part; touch fails; scripts/dist").output();
    assert!(
        !failed.ok() && made() == all("part_1"),
        "{failed}{}",
        made()
    );
    shell("rm fails; scripts/dist").run();
    assert_eq!(made(), all("part_2"));
}
