//! `conformance`: what it tells of a plugin, where, and with which exit status. What it notices is tested beside the library.

use std::fs;
use std::path::Path;

use linkspan_testkit::{Cmd, Output, sandbox};

use crate::world::json;

const LINKSPAN: &str = env!("CARGO_BIN_EXE_linkspan");

/// It knows VERSION, and nothing else.
const PLUGIN: &str = "#!/bin/sh
cat >/dev/null
if [ \"$CNI_COMMAND\" = VERSION ]; then
    echo '{\"cniVersion\":\"1.0.0\",\"supportedVersions\":[\"1.0.0\"]}'
    exit 0
fi
echo '{\"cniVersion\":\"1.0.0\",\"code\":100,\"msg\":\"not <today>\"}'
exit 1
";

fn conformance(dir: &Path, words: &str) -> Output {
    let at = |word: &str| word.replace("DIR", &dir.display().to_string());
    let words = words.split(' ').filter(|word| !word.is_empty()).map(at);
    Cmd::new(LINKSPAN).arg("conformance").args(words).output()
}

fn status(output: &Output) -> Option<i32> {
    output.status.code()
}

/// A folder with the plugin, and files for it.
fn lay(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let plugin = dir.join("sample");
    fs::write(&plugin, PLUGIN).unwrap();
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755)).unwrap();
    for (name, text) in [
        ("sample.conf", r#"{ "type": "sample" }"#),
        ("other.conflist", r#"{ "plugins": [{ "type": "bridge" }] }"#),
        ("broken.conf", "{"),
        (
            "known.txt",
            "# Of ours.\nadd     it is not for adding\nversion it is old\n",
        ),
        ("broken.txt", "add\n"),
    ] {
        fs::write(dir.join(name), text).unwrap();
    }
}

#[test]
fn a_command_line_that_cannot_be_understood_is_told() {
    let dir = tempfile::tempdir().unwrap();
    lay(dir.path());
    for (words, why) in [
        ("", "--plugin"),
        ("--plugin DIR/nowhere", "cannot find the plugin"),
        ("--plugin DIR/sample.conf", "no executable file"),
        ("--plugin DIR/sample", "--config"),
        (
            "--plugin DIR/sample --config DIR/broken.conf",
            "cannot use the configuration",
        ),
        (
            "--plugin DIR/sample --config DIR/other.conflist",
            "no plugin of type sample",
        ),
        (
            "--plugin DIR/sample --config DIR/sample.conf --check nothing",
            "there is no check",
        ),
        (
            "--plugin DIR/sample --config DIR/sample.conf --except DIR/broken.txt",
            "no reason is given for add",
        ),
        (
            "--plugin DIR/sample --config DIR/sample.conf --kind other",
            "invalid value",
        ),
        (
            "--plugin DIR/sample --config DIR/sample.conf --ifname a/b",
            "a/b",
        ),
    ] {
        let output = conformance(dir.path(), words);
        assert_eq!(status(&output), Some(2), "{words}: {output}");
        assert!(output.stderr.contains(why), "{words}: {output}");
    }
}

#[test]
fn what_was_asked_what_came_and_what_the_section_says() {
    sandbox(|host| {
        let dir = host.dir();
        lay(&dir);
        let plugin = "--plugin DIR/sample --config DIR/sample.conf";
        let checks = "--check version --check add --check del-twice --check result-0.2.0";
        let output = conformance(&dir, &format!("{plugin} {checks}"));
        assert_eq!(status(&output), Some(1), "{output}");
        for line in [
            "sample, interface plugin, speaks 1.0.0\n",
            "\nSection 2, ADD\n  ✗ ADD of a container  [add]\n",
            "    asked: ADD of eth0 in container-1\n",
            "     came: exit status: 1, on stdout {\"cniVersion\":\"1.0.0\",\"code\":100,\"msg\":\"not <today>\"}\n",
            "    wrong: it fails where it should succeed\n",
            "     spec: MUST ADD creates the interface",
            "  – DEL twice  [del-twice]\n",
            "      why: ADD does not succeed, so there is nothing to look at",
            "  ✓ VERSION, with no variable but CNI_COMMAND  [version]\n",
            "sample does not conform: 1 passed, 1 failed, 0 warnings, 2 skipped.\n",
        ] {
            assert!(output.stdout.contains(line), "{line:?} is not in {output}");
        }
        assert!(
            output
                .stderr
                .contains("not as the specification requires: sample (1 failed)"),
            "{output}"
        );
    });
}

#[test]
fn exceptions_and_reports_for_programs() {
    sandbox(|host| {
        let dir = host.dir();
        lay(&dir);
        let plugin = "--plugin DIR/sample --config DIR/sample.conf --check version --check add";
        let reports = "--except DIR/known.txt --junit DIR/junit.xml --json";
        let output = conformance(&dir, &format!("{plugin} {reports}"));
        assert_eq!(status(&output), Some(0), "{output}");
        let told = json(&output.stdout);
        let sample = &told["plugins"][0];
        assert_eq!(sample["conforms"], true);
        assert_eq!(sample["excepted"], 1);
        assert_eq!(sample["checks"][1]["outcome"], "excepted");
        assert_eq!(sample["checks"][1]["why"], "it is not for adding");
        let notes = json(&output.stderr);
        assert_eq!(
            notes["notes"][0],
            "the exception for version is not needed: take it out"
        );
        let xml = fs::read_to_string(dir.join("junit.xml")).unwrap();
        assert!(
            xml.contains(r#"<skipped message="excepted: it is not for adding"/>"#),
            "{xml}"
        );
        let output = conformance(&dir, &format!("{plugin} --junit DIR/junit.xml"));
        assert_eq!(status(&output), Some(1), "{output}");
        let xml = fs::read_to_string(dir.join("junit.xml")).unwrap();
        assert!(xml.contains("&quot;not &lt;today&gt;&quot;"), "{xml}");
    });
}
