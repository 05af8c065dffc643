//! `make release VERSION=`: that it writes the version wherever it stands, and refuses what cannot be a release. In a copy of this
//! repository with a history of its own; nothing is built.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that uses it"
)]

use std::fs;

use linkspan_packaging::top;
use linkspan_testkit::Cmd;
use serde_json::Value;
use tempfile::TempDir;

#[test]
fn a_release_is_named_by_its_version_wherever_one_stands() {
    let copy = Copy::new();
    copy.release("7.8.9").run();
    assert_eq!(copy.versions(), ["7.8.9"]);
    assert!(
        copy.read("examples/first-plugin/Cargo.toml")
            .contains("linkspan-plugin = { version = \"7.8\", path")
    );
    assert_eq!(copy.git(&["status", "--porcelain"]), "");
    assert_eq!(copy.left_over("0\\.1\\.0"), "");

    // What was written once is found again, and a pre-release is asked for by its whole name.
    copy.git(&["tag", "v7.8.9"]);
    copy.change(
        "README.md",
        "\nlinkspan_7.8.9_amd64.deb linkspan-7.8.9-1.x86_64.rpm linkspan-7.8.9-1.2 linkspan-installer:7.8.9\n",
    );
    copy.change_log("- More.");
    copy.commit();
    copy.release("7.9.0-rc.2").run();
    assert_eq!(copy.versions(), ["7.9.0-rc.2"]);
    assert!(
        copy.read("README.md")
            .ends_with("\nlinkspan_7.9.0-rc.2_amd64.deb linkspan-7.9.0-rc.2-1.x86_64.rpm linkspan-7.8.9-1.2 linkspan-installer:7.9.0-rc.2\n")
    );
    let older = copy.git(&[
        "grep",
        "-Fw",
        "7.8.9",
        "--",
        ":!packaging/tests",
        ":!README.md",
    ]);
    let mut files = older.lines().map(|line| line.split(':').next());
    assert!(files.all(|file| file == Some("CHANGELOG.md")), "{older}");
}

#[test]
fn the_changes_get_the_versions_name_and_are_the_tags_message() {
    let copy = Copy::new();
    copy.write(
        "CHANGELOG.md",
        "# Changelog\n\nAll.\n\n## Unreleased\n\n### Fixed\n- What was wrong.\n",
    );
    copy.commit();
    let told = copy.release("7.8.9").run();
    copy.git(&[
        "tag",
        "--annotate",
        "--cleanup=whitespace",
        "--file",
        "target/release/v7.8.9.txt",
        "v7.8.9",
    ]);
    assert!(
        told.contains(
            "git tag --annotate --cleanup=whitespace --file target/release/v7.8.9.txt v7.8.9\n"
        ),
        "{told}"
    );
    let message = copy.git(&["tag", "--list", "--format=%(contents)", "v7.8.9"]);
    assert_eq!(
        message.trim_end(),
        "Linkspan 7.8.9\n\n### Fixed\n- What was wrong."
    );

    copy.change_log("- More.");
    copy.commit();
    copy.release("8.0.0").run();
    let today = Cmd::shell("date --utc +%F").run();
    let today = today.trim();
    let repository = "https://github.com/linkspan/linkspan";
    let expected = format!(
        "# Changelog\n\nAll.\n\n## Unreleased\n\n## [8.0.0] - {today}\n\n- More.\n\n## [7.8.9] - {today}\n\n### Fixed\n- What was wrong.\n\n\
         [8.0.0]: {repository}/compare/v7.8.9...v8.0.0\n[7.8.9]: {repository}/releases/tag/v7.8.9\n"
    );
    assert_eq!(copy.read("CHANGELOG.md"), expected);
}

#[test]
fn what_cannot_be_a_release_changes_nothing() {
    let copy = Copy::new();
    copy.git(&["tag", "v2.0.0-rc.1"]);
    copy.git(&["tag", "v2.0.0-rc.10"]);
    copy.refuses("", "make release VERSION=1.2.3");
    for wrong in [
        "1",
        "v1.2.3",
        "1.2",
        "01.2.3",
        "1.2.3-",
        "1.2.3-01",
        "1.2.3+build",
        "1.2.3 ",
        "1.2.3'; touch made; '",
    ] {
        copy.refuses(wrong, "is no version");
    }
    copy.refuses("0.0.9", "comes before");
    // Which Cargo alone knows, when much is written already.
    copy.refuses("18446744073709551616.0.0", "nothing is changed");
    copy.refuses(
        "1.9.9",
        "VERSION=1.9.9 comes before 2.0.0-rc.10, which is there already",
    );
    copy.refuses("2.0.0-rc.2", "comes before 2.0.0-rc.10");
    copy.refuses("2.0.0-rc.10", "there is a tag v2.0.0-rc.10 already");

    copy.write("new", "file");
    let told = copy.release("2.0.0").output();
    assert!(
        told.stderr
            .contains("there are changes that are not committed"),
        "{told}"
    );
    fs::remove_file(copy.0.path().join("new")).unwrap();

    copy.write(
        "CHANGELOG.md",
        "# Changelog\n\n## Unreleased\n\n## [0.1.0] - 2026-01-01\n\n- First.\n",
    );
    copy.commit();
    copy.refuses("2.0.0", "nothing under Unreleased");
    copy.write("CHANGELOG.md", "# Changelog\n");
    copy.commit();
    copy.refuses("2.0.0", "no heading `## Unreleased`");
}

/// dpkg takes what is behind a hyphen for Debian's revision, which is newer than none, and rpm takes no hyphen at all.
#[test]
fn packages_of_a_pre_release_come_before_it() {
    let copy = Copy::new();
    copy.release("7.9.0-rc.2").run();
    copy.pretend_to_build();
    let made = copy.0.path().join("a folder");
    fs::create_dir(&made).unwrap();
    fs::write(made.join("THIRD-PARTY-LICENSES"), "").unwrap();
    copy.cmd("scripts/dist")
        .args(["deb", "rpm"])
        .env("OUT", &made)
        .run();
    let run = |line: &str| Cmd::shell(line).current_dir(&made).run();
    for name in ["linkspan", "linkspan-cni-plugins"] {
        let deb = run(&format!(
            "dpkg-deb --field {name}_7.9.0-rc.2_amd64.deb Version"
        ));
        let rpm = run(&format!(
            "rpm --query --queryformat '%{{VERSION}}' --package {name}-7.9.0-rc.2-1.x86_64.rpm"
        ));
        assert_eq!((deb.trim(), &*rpm), ("7.9.0~rc.2", "7.9.0~rc.2"), "{name}");
    }
    run("dpkg --compare-versions 7.9.0~rc.2 lt 7.9.0");
}

/// What git knows of this repository, as it is now, in a repository of its own.
struct Copy(TempDir);

impl Copy {
    fn new() -> Self {
        let copy = Self(tempfile::tempdir().unwrap());
        let safe = format!("safe.directory={}", top().canonicalize().unwrap().display());
        let line = r#"git -c "$0" ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents --no-dereference --target-directory "$1""#;
        Cmd::new("sh")
            .args(["-ec", line, &safe])
            .arg(copy.0.path())
            .current_dir(top())
            .run();
        copy.git(&["init", "--quiet"]);
        copy.commit();
        copy
    }

    fn cmd(&self, program: &str) -> Cmd {
        let mut cmd = Cmd::new(program).current_dir(self.0.path());
        for (key, value) in [
            ("GIT_AUTHOR_NAME", "A"),
            ("GIT_AUTHOR_EMAIL", "a@example.com"),
            ("GIT_COMMITTER_NAME", "A"),
            ("GIT_COMMITTER_EMAIL", "a@example.com"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ] {
            cmd = cmd.env(key, value);
        }
        cmd
    }

    fn git(&self, arguments: &[&str]) -> String {
        self.cmd("git").args(arguments).run()
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "a change"]);
    }

    fn release(&self, version: &str) -> Cmd {
        self.cmd("make")
            .args(["--no-print-directory", "release"])
            .arg(format!("VERSION={version}"))
    }

    /// Puts programs that do nothing where the release's would be.
    fn pretend_to_build(&self) {
        let line = r#"bin=target/$(scripts/release --print-target)/release; mkdir -p $bin
            for name in linkspan linkspan-plugins linkspan-stub; do
                printf '#!/bin/sh\n[ "$1" != man ] || { mkdir -p "$3"; : >"$3/linkspan.1"; }\n' >$bin/$name; chmod 755 $bin/$name
            done"#;
        self.cmd("sh").args(["-ec", line]).run();
    }

    #[track_caller]
    fn refuses(&self, version: &str, why: &str) {
        let before = self.git(&["rev-parse", "HEAD"]);
        let output = self.release(version).output();
        assert!(
            !output.ok() && output.stderr.contains(why),
            "{version}: {output}"
        );
        assert_eq!(self.git(&["status", "--porcelain"]), "", "{version}");
        assert_eq!(self.git(&["rev-parse", "HEAD"]), before, "{version}");
    }

    /// Of the crates that have the workspace's version; that Cargo.lock and the examples agree is what this needs.
    fn versions(&self) -> Vec<String> {
        let text = self
            .cmd(env!("CARGO"))
            .args([
                "metadata",
                "--locked",
                "--offline",
                "--format-version",
                "1",
                "--no-deps",
            ])
            .run();
        self.cmd(env!("CARGO"))
            .args([
                "tree",
                "--locked",
                "--offline",
                "--workspace",
                "--depth",
                "1",
            ])
            .run();
        let metadata: Value = serde_json::from_str(&text).unwrap();
        let ours = metadata["packages"].as_array().unwrap().iter();
        let ours = ours.filter(|package| {
            !package["manifest_path"]
                .as_str()
                .unwrap()
                .contains("/examples/")
        });
        let mut versions: Vec<_> = ours
            .map(|package| package["version"].as_str().unwrap().to_owned())
            .collect();
        versions.sort();
        versions.dedup();
        versions
    }

    /// Lines that name something of ours with this version.
    fn left_over(&self, version: &str) -> String {
        let named = format!(
            "([Ll]inkspan[^ (]*|cni-plugins-[^ ]*|download/v|Linkspan |image: .*:v?){version}"
        );
        self.cmd("git")
            .args([
                "grep",
                "-nE",
                &named,
                "--",
                ":!CHANGELOG.md",
                ":!packaging/tests",
                // With which version something was measured does not change.
                ":!docs/benchmarks",
                ":!docs/benchmarks.md",
            ])
            .output()
            .stdout
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.path().join(file)).unwrap()
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.0.path().join(file), text).unwrap();
    }

    fn change(&self, file: &str, more: &str) {
        self.write(file, &(self.read(file) + more));
    }

    fn change_log(&self, line: &str) {
        let text = self.read("CHANGELOG.md");
        self.write(
            "CHANGELOG.md",
            &text.replacen("## Unreleased\n", &format!("## Unreleased\n\n{line}\n"), 1),
        );
    }
}
