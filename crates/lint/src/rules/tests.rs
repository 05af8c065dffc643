//! What the rules of this folder that stand on declared keys find, and where. What other rules find is in the tables below
//! `tests`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use crate::document::{Document, Form};
use crate::fix::fixed;
use crate::source::Source;
use crate::{Finding, RULES, input, lint};

fn list(plugins: &str) -> String {
    format!("{{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"plugins\":[\n{plugins}\n]}}")
}

fn document(text: &str, form: Form) -> Document {
    let source = Arc::new(Source::new("a", text.as_bytes()));
    Document::of_file(source, Some(PathBuf::from("/nowhere/a.conf")), form)
}

/// The findings of the rules that are tested here, as `rule line:column message`.
fn findings(document: Document) -> Vec<String> {
    let reports = lint(&[document], None);
    let tell = |finding: &Finding| {
        let place = reports[0].source.place(finding.span.start);
        format!("{} {place} {}", finding.rule.id, finding.message)
    };
    let ours = |finding: &&Finding| OURS.contains(&finding.rule.id);
    reports[0].findings.iter().filter(ours).map(tell).collect()
}

const OURS: [&str; 16] = [
    "unreadable",
    "yaml",
    "syntax",
    "duplicate-key",
    "not-an-object",
    "config-not-a-string",
    "list-in-conf",
    "plugin-in-conflist",
    "missing-key",
    "illegal-name",
    "unknown-version",
    "wrong-type",
    "invalid-value",
    "unknown-key",
    "key-case",
    "refused",
];

#[test]
fn keys_are_known_by_their_declarations() {
    for (plugins, expected) in [
        (r#"{"type":"bridge","isGateway":true}"#, vec![]),
        (
            r#"{"type":"bridge","isGatway":true}"#,
            vec![r#"unknown-key 2:18 bridge reads no "isGatway""#],
        ),
        (
            r#"{"type":"bridge","IsGateway":true}"#,
            vec![r#"key-case 2:18 "IsGateway" is documented as "isGateway""#],
        ),
        (
            r#"{"type":"bridge","isGateway":"true"}"#,
            vec![r#"wrong-type 2:30 invalid "isGateway": expected true or false, found "true""#],
        ),
        (
            r#"{"type":"bridge","vlan":5000}"#,
            vec!["invalid-value 2:25 invalid VLAN ID 5000"],
        ),
        (
            r#"{"type":"bridge","vlanTrunk":[{"id":1,"max":2}]}"#,
            vec![r#"unknown-key 2:39 bridge reads no "max" in vlanTrunk"#],
        ),
        (
            r#"{"type":"bridge","vlanTrunk":[{"id":"1"}]}"#,
            vec![r#"wrong-type 2:37"#],
        ),
        (
            r#"{"type":"bridge","subnet":"10.0.0.0/8"}"#,
            vec!["unknown-key 2:18"],
        ),
        (
            r#"{"type":"bridge","ipam":{"type":"host-local","subnet":"10.0.0.0/8","rangestart":"10.0.0.9"}}"#,
            vec!["key-case 2:68"],
        ),
        (
            r#"{"type":"bridge","ipam":{"type":"host-local","subnet":"10.0.0.0"}}"#,
            vec!["invalid-value 2:55 invalid CIDR address: 10.0.0.0"],
        ),
        (
            r#"{"type":"bridge","ipam":{"type":"host-local","subnet":"10.0.0.0/8","routes":[{"dst":"0.0.0.0/0"},{"gw":"10.0.0.1"}]}}"#,
            vec![r#"missing-key 2:98 "dst" is missing"#],
        ),
        (
            r#"{"type":"bridge","ipam":{"type":"host-local","ranges":[[{"subnet":"10.0.0.0/8","gw":"10.0.0.1"}]]}}"#,
            vec![r#"unknown-key 2:80 host-local reads no "gw" in ipam.ranges"#],
        ),
        // Refused only as a whole.
        (r#"{"type":"dummy"}"#, vec!["refused 2:9 dummy: "]),
        // Those of others are left alone, wholly; so is what an orchestrator hangs on.
        (
            r#"{"type":"calico","isGatway":"true","ipam":{"type":"host-local","subnet":"usePodCidr","x":1}}"#,
            vec![],
        ),
        (
            r#"{"type":"bridge","ipam":{"type":"whereabouts","range":"10.0.0.0/8"}}"#,
            vec![],
        ),
        (
            r#"{"type":"bridge","_comment":1,"args":{"cni":{"x":1},"y":2},"runtimeConfig":{"z":1}}"#,
            vec![],
        ),
        // The runtime's keys are the runtime's.
        (
            r#"{"type":"portmap","runtimeConfig":{"PortMappings":[{"HostPort":1,"ContainerPort":1,"Protocol":"tcp"}]}}"#,
            vec![],
        ),
        (
            r#"{"type":"portmap","capabilities":{"portMappings":"true"}}"#,
            vec![r#"wrong-type 2:50"#],
        ),
    ] {
        let found = findings(document(&list(plugins), Form::List));
        assert_eq!(found.len(), expected.len(), "{plugins}: {found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{plugins}: {found}");
        }
    }
}

/// What is wrong with whole configurations.
const WHOLE: &[(&str, Form, &[&str])] = &[
    (
        r#"{"cniVersion":"1.0.0","name":"n","type":"loopback"}"#,
        Form::Single,
        &[],
    ),
    (
        r#"{"cniVersion":"1.0.0","type":"loopback"}"#,
        Form::Single,
        &[r#"missing-key 1:1 "name" is missing"#],
    ),
    (
        r#"{"cniVersion":"1.0.0","type":"loopback"}"#,
        Form::Part,
        &[],
    ),
    (
        r#"{"cniVersion":"1.0.0","name":"n"}"#,
        Form::Single,
        &[r#"missing-key 1:1 "type" is missing"#],
    ),
    (
        r#"{"name":"n","plugins":[{"type":"loopback"}]}"#,
        Form::Single,
        &["list-in-conf 1:13"],
    ),
    (
        r#"{"name":"n","type":"loopback"}"#,
        Form::List,
        &["plugin-in-conflist 1:13"],
    ),
    (
        r#"{"name":"n","plugins":[{},{"type":1},7]}"#,
        Form::List,
        &[
            "missing-key 1:24",
            r#"wrong-type 1:35 "plugins[1].type": expected a string"#,
            "wrong-type 1:38",
        ],
    ),
    (
        r#"{"name":"n","plugins":[]}"#,
        Form::List,
        &["wrong-type 1:23"],
    ),
    (
        r#"{"name":"a b","plugins":[{"type":"../x"}]}"#,
        Form::List,
        &["illegal-name 1:9", "illegal-name 1:34"],
    ),
    (
        r#"{"name":"n","cniVersion":"2.0","plugins":[{"type":"loopback"}]}"#,
        Form::List,
        &["unknown-version 1:26"],
    ),
    (
        r#"{"name":"n","cniVerison":"1.0.0","disableCheck":"no","plugins":[{"type":"x"}]}"#,
        Form::List,
        &[
            r#"unknown-key 1:13 a runtime reads no "cniVerison""#,
            "wrong-type 1:49",
        ],
    ),
    (
        r#"{"name":"n","nerdctlID":"1","plugins":[{"type":"x"}]}"#,
        Form::List,
        &[],
    ),
    (r#"[{"type":"x"}]"#, Form::List, &["not-an-object 1:1"]),
    (
        r#"{"name":"n","name":"n","type":"x","type":"y"}"#,
        Form::Single,
        &["duplicate-key 1:13", "duplicate-key 1:35"],
    ),
    ("", Form::Single, &["syntax 1:1"]),
];

#[test]
fn what_every_configuration_must_have_is_missed() {
    for (text, form, expected) in WHOLE {
        let found = findings(document(text, *form));
        assert_eq!(found.len(), expected.len(), "{text}: {found:#?}");
        for (found, expected) in found.iter().zip(*expected) {
            assert!(found.starts_with(expected), "{text}: {found}");
        }
    }
}

/// Rounds of fixes, as `--fix` makes them.
fn mended(mut text: String, form: Form) -> String {
    for _ in 0..10 {
        let reports = lint(&[document(&text, form)], None);
        let (after, made) = fixed(&text, &reports[0].findings);
        if made == 0 {
            break;
        }
        text = after;
    }
    text
}

#[test]
fn what_is_certain_is_mended() {
    for (plugins, expected) in [
        (
            r#"{'type':'bridge','MTU':'1400','isGateway':True,}"#,
            r#"{"type":"bridge","mtu":1400,"isGateway":true}"#,
        ),
        (
            r#"{"type":"bridge","ipMasq":"true","bridge":7}"#,
            r#"{"type":"bridge","ipMasq":true,"bridge":"7"}"#,
        ),
        (
            r#"{"type":"bridge","ipam":{"type":"host-local","ranges":[{"subnet":"10.0.0.0/8"}]}}"#,
            r#"{"type":"bridge","ipam":{"type":"host-local","ranges":[[{"subnet":"10.0.0.0/8"}]]}}"#,
        ),
        (
            r#"{"type":"bridge","dns":{"nameservers":"10.0.0.1"}}"#,
            r#"{"type":"bridge","dns":{"nameservers":["10.0.0.1"]}}"#,
        ),
        (
            r#"{"type":"bridge","mtu":1400,"mtu":1400}"#,
            r#"{"type":"bridge","mtu":1400}"#,
        ),
        (
            r#"{"type":"portmap","capabilities":{"portMappings":"true"}}"#,
            r#"{"type":"portmap","capabilities":{"portMappings":true}}"#,
        ),
        // Not certain.
        (
            r#"{"type":"bridge","mtu":"large","mut":1,"mtu":1400}"#,
            r#"{"type":"bridge","mtu":"large","mut":1,"mtu":1400}"#,
        ),
    ] {
        assert_eq!(mended(list(plugins), Form::List), list(expected));
    }
}

#[test]
fn each_rule_has_a_word_of_its_own_and_says_why() {
    let mut seen = std::collections::BTreeSet::new();
    for rule in RULES {
        assert!(seen.insert(rule.id), "{} is there twice", rule.id);
        assert!(
            rule.id
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
            "{}",
            rule.id
        );
        assert!(
            !rule.about.is_empty() && !rule.about.ends_with('.') && !rule.about.contains('\n'),
            "{}",
            rule.id
        );
        assert!(rule.why.len() > 20, "{}", rule.id);
    }
}

/// Ten thousand lines take no time, also where all of them are wrong.
#[test]
fn many_lines_take_no_time() {
    let right = r#"{"type":"bridge","ipam":{"type":"host-local","subnet":"10.0.0.0/8","routes":[{"dst":"0.0.0.0/0"}]}}"#;
    let wrong = r#"{"type":"bridge","isGatway":1,"mtu":"x","ipam":{"type":"host-local","ranges":[{"subnet":"10.0.0.0/8"}]}}"#;
    for plugin in [right, wrong] {
        let text = list(&vec![plugin.replace(',', ",\n").replace('{', "{\n"); 1500].join(",\n"));
        assert!(text.lines().count() > 10_000, "{}", text.lines().count());
        let began = std::time::Instant::now();
        let reports = lint(&[document(&text, Form::List)], None);
        let ours = reports[0]
            .findings
            .iter()
            .filter(|one| OURS.contains(&one.rule.id));
        assert_eq!(ours.count() == 0, plugin == right);
        let took = began.elapsed();
        // A debug build, on a machine that does other things as well: the release takes a tenth of a second.
        println!("{took:?}");
        assert!(took.as_secs() < 10, "{took:?}");
    }
}

#[test]
fn an_error_is_told_among_very_many_notes() {
    let notes = vec![r#"{"type":"tuning","SYSCTL":{}}"#; 500].join(",\n");
    let text = list(&format!("{notes},\n{{\"type\":\"tuning\",\"mtu\":\"x\"}}"));
    let reports = lint(&[document(&text, Form::List)], None);
    let is_error = |one: &Finding| one.rule.id == "wrong-type";
    assert!(reports[0].findings.iter().any(is_error));
    assert_eq!(reports[0].findings.len(), crate::MAX_FINDINGS);
    assert!(reports[0].untold >= 301);
}

/// What may stand in a configuration, and what may not.
fn parts() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"type\"",
        "\"bridge\"",
        "\"ipam\"",
        "\"host-local\"",
        "\"subnet\"",
        "\"10.0.0.0/8\"",
        "\"plugins\"",
        "\"name\"",
        "1",
        "true",
        "null",
        "\n",
        "'",
        "\"",
        "kind: NetworkAttachmentDefinition\n",
        "spec:\n",
        "  config: ",
        "|\n    ",
        ">-\n    ",
        "data:\n",
        "  a.conflist: ",
        "---\n",
        "&a ",
        "*a",
        "\u{e4}",
        "\u{2028}",
        "\t",
        "\\",
        "\\\"",
        "__A__",
        "{{",
        "}}",
        "- ",
        "? ",
        "!!x ",
        "\"routes\":[{\"dst\":0}]",
        "{\"type\":\"bridge\",\"name\":\"n\",\"mtu\":\"1\",}",
    ]);
    let text = prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat().into_bytes());
    prop_oneof![text, prop::collection::vec(any::<u8>(), 0..200)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whatever is in a file, it is looked at to its end, and every place and every fix is in it.
    #[test]
    fn nothing_panics_on_any_bytes(bytes in parts(), name in prop::sample::select(vec!["a.conf", "a.conflist", "a.yaml", "a"])) {
        let path = Path::new(name);
        for documents in [input::documents(name, Some(path), &bytes, Form::Free), input::documents(name, None, &bytes, Form::List)] {
            for report in lint(&documents, None) {
                let text = report.source.text();
                for finding in &report.findings {
                    prop_assert!(text.get(finding.span.range()).is_some(), "{:?} {finding:?}", text);
                    prop_assert!(finding.others.iter().all(|other| text.get(other.span.range()).is_some()));
                    let edits = finding.fix.iter().flat_map(|fix| &fix.edits);
                    prop_assert!(edits.into_iter().all(|edit| text.get(edit.span.range()).is_some()));
                }
                let _ = crate::sarif::log(std::slice::from_ref(&report));
                let _ = fixed(text, &report.findings);
            }
        }
    }
}
