//! `lint`: what is told of files, to people and to programs; what `--fix` changes; and what the page shows.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use linkspan_testkit::{Cmd, Output, rows, sandbox};
use serde_json::Value;
use tempfile::TempDir;

use crate::node::{LINKSPAN, Node};
use crate::transcript::replay;
use crate::world::status;

/// A directory with files, and the program in it.
struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs a line that begins behind `linkspan lint --no-host`.
    fn lint(&self, line: &str) -> Output {
        let line = format!("{LINKSPAN} lint --no-host {line}");
        let command = Cmd::new("sh").args(["-c", &line]);
        command.current_dir(self.0.path()).output()
    }
}

const GOOD: &str = r#"{ "cniVersion": "1.0.0", "name": "good", "plugins": [ { "type": "bridge", "ipam": { "type": "host-local",
  "subnet": "10.22.0.0/16" } } ] }
"#;
const TYPO: &str = r#"{
  "cniVersion": "1.0.0",
  "name": "typo",
  "plugins": [
    { "type": "bridge", "isGatway": true }
  ]
}
"#;
const BROKEN: &str = "{ \"cniVersion\": \"1.0.0\", \"name\": \"broken\", \"type\": \"bridge\", \"ipMasq\": \"true\", }\n";

/// What the page begins with.
const WEB: &str = r#"{
  "cniVersion": "1.0.0",
  "name": "web",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "web0",
      "isGatway": true,
      "ipMasq": "true",
      "ipam": { "type": "host-local", "ranges": [{ "subnet": "10.30.0.0/16" }] },
    }
  ]
}
"#;

#[test]
fn exit_status_and_summary_say_how_bad_it_is() {
    let files = Files::new(&[
        ("good/a.conflist", GOOD),
        ("typo.conflist", TYPO),
        ("broken.conf", BROKEN),
        ("empty/README", "nothing"),
    ]);
    for (line, code, summary) in rows![
        { ("good", 0, "Nothing is wrong in 1 file.\n") },
        { ("typo.conflist", 0, "1 warning in 1 file\n") },
        { ("--strict typo.conflist", 1, "1 warning in 1 file\n") },
        { ("--strict good", 0, "Nothing is wrong in 1 file.\n") },
        {
            (
                "broken.conf good",
                1,
                "2 errors in 1 of 2 files; 2 can be mended by --fix\n",
            )
        },
        {
            (
                "typo.conflist broken.conf good",
                1,
                "2 errors, 1 warning in 2 of 3 files; 2 can be mended by --fix\n",
            )
        },
        {
            (
                "- < broken.conf",
                1,
                "2 errors in 1 file; 2 can be mended by --fix\n",
            )
        },
        { ("empty", 0, "Nothing is wrong in 0 files.\n") },
        { ("nowhere.conf", 3, "") },
        { ("--fix - < broken.conf", 2, "") },
        { ("--format xml good", 2, "") },
    ] {
        let output = files.lint(line);
        assert_eq!(status(&output), code, "{line}: {output}");
        assert!(output.stdout.ends_with(summary), "{line}: {output}");
    }
    let empty = files.lint("empty");
    assert!(empty.stderr.contains("no network configuration"), "{empty}");
}

#[test]
fn a_place_is_marked_with_why_and_what_to_write() {
    let files = Files::new(&[("10-typo.conflist", TYPO)]);
    let expected = r#"warning[unknown-key]: bridge reads no "isGatway"
 --> 10-typo.conflist:5:25
  |
5 |     { "type": "bridge", "isGatway": true }
  |                         ^^^^^^^^^^ a typing error?
  |
  = why: plugins pass over keys that they do not know and say nothing, so what
         was meant does not happen
  = help: did you mean "isGateway"?

1 warning in 1 file
"#;
    let output = files.lint("10-typo.conflist");
    assert_eq!(output.stdout, expected);
}

#[test]
fn what_files_hold_does_no_harm_to_a_terminal() {
    // A line that is longer than any terminal, with what terminals obey; the place is shown all the same.
    let filling = "\"_\": \"\u{1b}[31m\u{202e}中\", "
        .repeat(3000)
        .replace('\u{1b}', "\\u001b");
    let long = TYPO.replace(
        "{ \"type\"",
        &format!("{{ {filling}\"\u{9b}2J\u{202e}\": 1, \"type\""),
    );
    let files = Files::new(&[
        ("long.conflist", &long),
        ("bytes.conf", "\u{1b}]0;owned\u{7}"),
    ]);
    let output = files.lint("long.conflist bytes.conf");
    for (number, line) in output.stdout.lines().enumerate() {
        assert!(line.chars().count() <= 81, "{number}: {line}");
        let obeyed = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!line.contains(obeyed), "{line:?}");
    }
    assert!(output.stdout.contains("\"isGatway\": true"), "{output}");
    let terminal = format!(
        "script -qec 'stty cols 60; TERM=xterm {LINKSPAN} lint --no-host long.conflist' /dev/null"
    );
    let command = Cmd::new("sh").args(["-c", &terminal]);
    let output = command.current_dir(files.0.path()).output();
    let looks = [
        "\u{1b}[0m",
        "\u{1b}[1m",
        "\u{1b}[2m",
        "\u{1b}[31m",
        "\u{1b}[32m",
    ];
    assert!(output.stdout.contains(looks[0]), "{output}");
    let plain = looks
        .iter()
        .fold(output.stdout, |text, look| text.replace(look, ""));
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    let lines = plain.lines().skip(1);
    assert!(
        lines
            .into_iter()
            .all(|line| line.trim_end().chars().count() <= 61),
        "{plain}"
    );
}

#[test]
fn a_directory_is_read_as_runtimes_read_it() {
    let files = Files::new(&[
        ("d/20-b.conf", BROKEN),
        ("d/90-a.conflist", TYPO),
        (
            "d/typo/10-x.conf",
            "{ \"type\": \"tuning\", \"sysctls\": {} }",
        ),
        (
            "d/a.yaml",
            "kind: NetworkAttachmentDefinition\nspec:\n  config: '{\"cniVersion\": \"1.0.0\", \"type\": \"bridge\", }'\n",
        ),
        ("d/b.txt", "words"),
        ("d/c.conflist.bak", BROKEN),
    ]);
    let output = files.lint("--json d");
    let told: Value = serde_json::from_str(&output.stdout).unwrap();
    let names: Vec<_> = told["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "d/90-a.conflist",
            "d/typo/10-x.conf",
            "d/20-b.conf",
            "d/a.yaml"
        ]
    );
    let places: Vec<_> = told["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            format!(
                "{}:{} {}",
                one["place"]["line"],
                one["place"]["column"],
                one["rule"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            "5:25 unknown-key",
            "1:21 unknown-key",
            "1:72 wrong-type",
            "1:78 syntax",
            "3:52 syntax"
        ]
    );
}

#[test]
fn fix_changes_what_is_certain_and_nothing_else() {
    let nad = "kind: NetworkAttachmentDefinition\nspec:\n  config: \"{ \\\"type\\\": \\\"bridge\\\", \\\"MTU\\\": \\\"1400\\\", }\"\n";
    let files = Files::new(&[
        ("d/a.conf", BROKEN),
        ("d/b.conflist", TYPO),
        ("d/c.yaml", nad),
        ("target", BROKEN),
    ]);
    fs::set_permissions(files.path("d/a.conf"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink(files.path("target"), files.path("d/l.conf")).unwrap();
    let before = fs::metadata(files.path("d/b.conflist")).unwrap();
    let output = files.lint("--fix d");
    assert_eq!(status(&output), 0, "{output}");
    let mended = BROKEN.replace(", }", " }").replace("\"true\"", "true");
    assert_eq!(files.text("d/a.conf"), mended);
    assert_eq!(
        files.text("target"),
        mended,
        "the link's file is mended, and the link is one"
    );
    assert!(
        fs::symlink_metadata(files.path("d/l.conf"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(
        files.text("d/c.yaml"),
        nad.replace("MTU", "mtu").replace("\\\"1400\\\", ", "1400 ")
    );
    assert_eq!(
        fs::metadata(files.path("d/a.conf")).unwrap().mode() & 0o7777,
        0o640
    );
    let after = fs::metadata(files.path("d/b.conflist")).unwrap();
    assert_eq!(
        before.ino(),
        after.ino(),
        "what has nothing to be mended is not written"
    );
    assert!(
        output.stdout.contains("d/a.conf: 2 findings mended"),
        "{output}"
    );
    let again = files.lint("--fix d");
    assert!(!again.stdout.contains("mended"), "{again}");
    let left = fs::read_dir(files.path("d")).unwrap().count();
    assert_eq!(left, 4, "nothing is left beside the files");
}

/// What GitHub's ingestion of SARIF asks for, and what the format's schema says of the rest that is there.
#[test]
fn sarif_is_what_others_read() {
    let files = Files::new(&[("a b/ü.conf", BROKEN), ("typo.conflist", TYPO)]);
    let output = files.lint("--format sarif 'a b' typo.conflist");
    assert_eq!(status(&output), 1);
    let log: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(
        log["$schema"],
        "https://json.schemastore.org/sarif-2.1.0.json"
    );
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "linkspan lint");
    let rules = driver["rules"].as_array().unwrap();
    for rule in rules {
        for text in ["shortDescription", "fullDescription"] {
            assert!(
                rule[text]["text"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{rule}"
            );
        }
    }
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 3);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        assert!(result["message"]["text"].is_string());
        let place = &result["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        assert!(
            ["a%20b/%C3%BC.conf", "typo.conflist"].contains(&uri),
            "{uri}"
        );
        for number in ["startLine", "startColumn", "endLine", "endColumn"] {
            assert!(
                place["region"][number]
                    .as_u64()
                    .is_some_and(|number| number > 0),
                "{place}"
            );
        }
    }
    let fix = &results[0]["fixes"][0]["artifactChanges"][0]["replacements"][0];
    assert_eq!(fix["insertedContent"]["text"], "true");
}

/// Without an argument the directories of this host are read, and what the host has counts.
#[test]
fn the_page_shows_what_happens() {
    sandbox(|host| {
        let _node = Node::empty(host);
        fs::remove_dir_all("/etc/cni/net.d").unwrap_or_default();
        fs::create_dir_all("/etc/cni/net.d").unwrap();
        std::env::set_current_dir(Path::new("/etc/cni/net.d")).unwrap();
        fs::write("10-web.conflist", WEB).unwrap();
        replay("operate/lint.md", |_, output| {
            format!("{}{}", output.stdout, output.stderr)
        });
    });
}
