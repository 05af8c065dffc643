//! JSON is read as plugins read it, and what is not JSON is told so that it can be put right.

use linkspan_spec::decode;
use proptest::prelude::*;

use super::{Node, Reading, Value, parse};
use crate::fix::fixed;
use crate::rules::RULES;
use crate::source::{Source, Span};

/// Whether plugins read it, what it is to them, and what it is here.
fn same(text: &str) {
    let plugins = decode::value(text.as_bytes());
    let parsed = parse(text, Reading::Exact);
    assert_eq!(
        plugins.is_ok(),
        parsed.faults.is_empty(),
        "{text:?}: {plugins:?}, {:?}",
        parsed.faults
    );
    if let Ok(value) = plugins {
        let root = parsed
            .root
            .unwrap_or_else(|| panic!("{text:?} has no tree"));
        assert_eq!(root.to_json(), value, "{text:?}");
        places(text, &root);
    }
    for fault in &parsed.faults {
        assert!(
            text.get(fault.span.range()).is_some(),
            "{text:?}: {fault:?}"
        );
    }
}

/// Each part's place holds that part.
fn places(text: &str, node: &Node) {
    let there = |span: Span| {
        text.get(span.range())
            .and_then(|part| decode::value(part.as_bytes()).ok())
    };
    assert_eq!(there(node.span), Some(node.to_json()), "{text:?}");
    for member in node.members() {
        assert_eq!(
            there(member.key_span),
            Some(member.key.as_str().into()),
            "{text:?}"
        );
        places(text, &member.node);
    }
    node.items().iter().for_each(|item| places(text, item));
}

#[test]
fn what_plugins_read_is_read_and_what_they_refuse_is_refused() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for text in [
        "{}",
        " [ ] ",
        "null",
        "\"a\"",
        "1",
        "-0",
        "-0.0",
        "1e5",
        "1E-5",
        "1.5",
        "123456789012345678901234567890",
        "0.1e400",
        "1e-400",
        "true",
        "[1,2]",
        r#"{"a":{"b":[null]}}"#,
        r#""\u00e4\ud83d\ude00\/\b""#,
        "\"\u{7f}\u{2028}\"",
        r#"{"a":1,"a":2}"#,
        "\r\n\t{}",
        // Refused.
        "",
        " ",
        "{",
        "}",
        "[",
        "{]",
        "[}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "[1,]",
        "[,1]",
        "{,}",
        "[1 2]",
        "{\"a\":1 \"b\":2}",
        "{a:1}",
        "{'a':1}",
        "// c\n{}",
        "/* c */{}",
        "{}/*",
        "{} {}",
        "01",
        "+1",
        ".5",
        "1.",
        "0x1",
        "1e",
        "-",
        "--1",
        "NaN",
        "Infinity",
        "-Infinity",
        "True",
        "nul",
        "\"",
        "\"a\nb\"",
        "\"a\tb\"",
        "\"\u{1}\"",
        r#""\x41""#,
        r#""\ud800""#,
        r#""\udc00""#,
        r#""\v""#,
        "\u{feff}{}",
        "\u{a0}{}",
        "{}\u{b}",
        "\u{c}[]",
        "1e999",
        "[1];",
        "{\"a\"=1}",
        "\0",
        "{\"a\":1\0}",
    ] {
        same(text);
    }
    same(&deep(127));
    same(&deep(128));
    same(&deep(100_000));
    same(&"{\"a\":".repeat(600));
}

#[test]
fn faults_say_where_and_what_to_write() {
    for (text, place, message, mended) in [
        (
            r#"{"a": 1,}"#,
            "1:8",
            "behind the last entry",
            r#"{"a": 1}"#,
        ),
        (
            "{\"a\": 1\n \"b\": 2}",
            "1:7",
            "comma is missing",
            "{\"a\": 1,\n \"b\": 2}",
        ),
        (r#"["a" "b"]"#, "1:4", "comma is missing", r#"["a", "b"]"#),
        (
            r#"{"a": 1,, "b": 2}"#,
            "1:9",
            "nothing before it",
            r#"{"a": 1, "b": 2}"#,
        ),
        (
            r#"{"a": 1; "b": 2}"#,
            "1:8",
            "semicolon",
            r#"{"a": 1, "b": 2}"#,
        ),
        (r#"{"a" = 1}"#, "1:6", "colon is missing", r#"{"a" : 1}"#),
        (r#"{'a': 'b"c'}"#, "1:2", "single quotes", r#"{"a": 'b"c'}"#),
        ("{a: 1}", "1:2", "without quotes", r#"{"a": 1}"#),
        (
            r#"{"a": True, "b": None}"#,
            "1:7",
            "True is no value",
            r#"{"a": true, "b": null}"#,
        ),
        (r#"{"a": 007}"#, "1:7", "not a number", r#"{"a": 7}"#),
        ("{\"a\": \"b\tc\"}", "1:9", "a tab", r#"{"a": "b\tc"}"#),
        ("\u{feff}{}", "1:1", "byte order mark", "{}"),
        (
            "{\"ä\": 1 /* c */,\n// d\n\"b\": 2}",
            "1:9",
            "no comments",
            "",
        ),
        ("{\"a\": \"x,\n\"b\": 1}", "1:7", "no closing quote", ""),
        (r#"{"a": {"b": 1}"#, "1:1", "before this { is closed", ""),
        (r#"{"a": [1, 2}"#, "1:12", "} where ] is expected", ""),
        (r#"{"a": 1}}"#, "1:9", "behind the end", ""),
        (r#"{"a": 1} {"b": 2}"#, "1:10", "behind the end", ""),
        (r#"{"mtu": __CNI_MTU__}"#, "1:9", "placeholder", ""),
        (r#"{"a": yes}"#, "1:7", "yes is no value", ""),
        (r#"{"a": "\d"}"#, "1:8", "invalid escape", ""),
        ("", "1:1", "nothing here", ""),
    ] {
        let parsed = parse(text, Reading::Exact);
        let first = &parsed.faults[0];
        let source = Source::new("a", text.as_bytes());
        assert_eq!(source.place(first.span.start).to_string(), place, "{text}");
        assert!(first.message.contains(message), "{text}: {}", first.message);
        let findings: Vec<_> = parsed
            .faults
            .iter()
            .map(|fault| RULES[0].at(fault.span, "").fix(fault.fix.clone()))
            .collect();
        let (after, made) = fixed(text, &findings);
        assert_eq!(
            (after.as_str(), made > 0),
            if mended.is_empty() {
                (text, false)
            } else {
                (mended, true)
            }
        );
    }
}

#[test]
fn what_is_behind_a_fault_is_read_all_the_same() {
    let text = "{\"a\": 1, // one\n 'b': True\n \"c\": [1, 2,], \"a\": 2,}}";
    let parsed = parse(text, Reading::Exact);
    assert_eq!(parsed.faults.len(), 7, "{:#?}", parsed.faults);
    let root = parsed.root.unwrap();
    let keys: Vec<_> = root
        .members()
        .iter()
        .map(|member| member.key.as_str())
        .collect();
    assert_eq!(keys, ["a", "b", "c", "a"]);
    assert_eq!(root.get("b").unwrap().value, Value::Bool(true));
    assert_eq!(&text[root.get("c").unwrap().span.range()], "[1, 2,]");
}

#[test]
fn members_are_found_as_plugins_find_them() {
    let root = parse(
        r#"{"A":1,"a":2,"a":3,"B":4,"b":null,"c":[{"D":5},{"d":[6,7]}]}"#,
        Reading::Exact,
    )
    .root
    .unwrap();
    let number = |path: &str| root.at(path).map(Node::to_json);
    assert_eq!(number("a"), Some(3.into()));
    assert_eq!(number("b"), None);
    assert_eq!(number("C[0].d"), Some(5.into()));
    assert_eq!(number("c[1].d[1]"), Some(7.into()));
    assert_eq!(number("c[1].d[2]"), None);
    assert_eq!(number("c.d"), None);
    assert_eq!(root.member_at("c").unwrap().key, "c");
}

/// Texts that are nearly JSON.
fn nearly() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "{", "}", "[", "]", ":", ",", "\"a\"", "\"", "'", "1", "-", "0", "1.5", "e9", "true",
        "nul", " ", "\n", "//", "/*", "*/", "\\", "\\u", "ä", "\u{feff}", "\t", "\u{b}", "__A__",
        "${B}", "{{", "}}", "=", ";", "a", "\u{0}", "\"k\":", "\u{85}",
    ]);
    prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

/// JSON of every kind.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn nearly_json_is_taken_or_refused_as_by_plugins(text in nearly()) {
        same(&text);
        let _ = parse(&text, Reading::Template);
    }

    #[test]
    fn any_text_is_taken_or_refused_as_by_plugins(text in any::<String>()) {
        same(&text);
    }

    #[test]
    fn json_is_taken(value in value(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        same(&text.unwrap());
    }
}
