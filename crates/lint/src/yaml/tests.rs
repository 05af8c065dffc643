//! Places in manifests: each value of a configuration is found where it stands in the file.

use std::path::Path;

use crate::document::{Form, Obstacle};
use crate::json::{Node, Value};
use crate::{Document, input};

const HEAD: &str = "kind: NetworkAttachmentDefinition\nmetadata: {name: n, namespace: ü}\nspec:\n";

fn documents(text: &str) -> Vec<Document> {
    input::text("m", text.as_bytes())
}

/// Every key and value of a tree whose text is known, with what stands at its place.
fn texts<'a>(document: &'a Document, node: &'a Node, found: &mut Vec<(String, &'a str)>) {
    let at = |span| document.source.slice(span);
    for member in node.members() {
        found.push((member.key.clone(), at(member.key_span)));
        texts(document, &member.node, found);
    }
    for item in node.items() {
        texts(document, item, found);
    }
    match &node.value {
        Value::String(text) => found.push((text.clone(), at(node.span))),
        Value::Number(number) => found.push((number.to_string(), at(node.span))),
        _ => {}
    }
}

#[test]
fn values_are_found_in_every_style() {
    let json = r#"{ "name": "ä'b", "type": "bridge", "mtu": 1400, "l": [ "x y" ] }"#;
    let lines = json.replace(", ", ",\n      ");
    let escaped = json.replace('"', "\\\"");
    for config in [
        format!("  config: |\n    {json}\n"),
        format!("  config: |2-\n\n    {lines}\n"),
        format!(
            "  config: >- # said so\n    {}\n",
            json.replace(", ", ",\n    ")
        ),
        format!("  config: '{}'\n", json.replace('\'', "''")),
        format!("  config: '\n\n    {}\n    '\n", lines.replace('\'', "''")),
        format!("  config: \"{escaped}\"\n"),
        format!("  config: \"{}\"\n", escaped.replace(", ", ",\\n  \\\n   ")),
        format!(
            "  config: \"{}\"\n",
            escaped.replace('ä', "\\u00e4").replace("{ ", "{\\t")
        ),
    ] {
        let text = format!("{HEAD}{config}");
        let found = documents(&text);
        assert_eq!(found.len(), 1, "{text}");
        let document = &found[0];
        assert!(document.faults.is_empty(), "{text}: {:?}", document.faults);
        assert_eq!(
            document.within.as_deref(),
            Some("NetworkAttachmentDefinition ü/n")
        );
        let root = document.root.as_ref().unwrap();
        assert_eq!(
            root.to_json(),
            serde_json::from_str::<serde_json::Value>(json).unwrap()
        );
        let mut places = Vec::new();
        texts(document, root, &mut places);
        assert_eq!(places.len(), 8, "{text}");
        for (value, there) in places {
            let plain = there
                .replace("''", "'")
                .replace("\\u00e4", "ä")
                .replace(['"', '\\'], "");
            assert_eq!(plain, value, "{text}");
        }
    }
}

#[test]
fn configurations_are_found_wherever_people_have_them() {
    let conflist = r#"{"cniVersion":"1.0.0","name":"x","plugins":[{"type":"bridge"}]}"#;
    let map = |entries: &str| format!("kind: ConfigMap\nmetadata:\n  name: m\ndata:\n{entries}");
    for (text, expected) in [
        (
            map(&format!(
                "  cni-conf.json: '{conflist}'\n  net-conf.json: '{{\"Network\":\"10.0.0.0/8\"}}'\n"
            )),
            vec!["ConfigMap m, cni-conf.json"],
        ),
        (
            map(&format!(
                "  cni_network_config: |\n    {conflist}\n  typha: \"none\"\n"
            )),
            vec!["ConfigMap m, cni_network_config"],
        ),
        (
            map("  10-x.conflist: '{'\n"),
            vec!["ConfigMap m, 10-x.conflist"],
        ),
        (map("  nginx.conf: |\n    { \"type\": 1 }\n"), vec![]),
        (
            format!(
                "# words\n{HEAD}  config: '{conflist}'\n---\n{HEAD}  config: '{conflist}'\n---\n{HEAD}  {{}}\n"
            ),
            vec!["NetworkAttachmentDefinition ü/n"; 2],
        ),
        (
            format!(
                "kind: List\nitems:\n- kind: NetworkAttachmentDefinition\n  spec:\n    config: '{conflist}'\n- kind: Pod\n"
            ),
            vec!["NetworkAttachmentDefinition ?"],
        ),
        (format!("{HEAD}  config: ''\n"), vec![]),
        ("kind: Pod\nspec: {config: '{'}\n".to_owned(), vec![]),
    ] {
        let found = documents(&text);
        let within: Vec<_> = found
            .iter()
            .filter_map(|one| one.within.as_deref())
            .collect();
        assert_eq!(within, expected, "{text}");
    }
}

#[test]
fn a_list_in_a_list_ends_somewhere() {
    let lists = "kind: List\nitems: [".repeat(1000);
    let found = documents(&lists.replace('\n', ", ").replace("kind", "{kind"));
    assert!(found.iter().all(|one| one.root.is_none()));
    let aliases = "a: &a {kind: NetworkAttachmentDefinition, spec: {config: '{}'}}\nkind: List\nitems: [*a, *a, *a]\n";
    assert!(documents(aliases).is_empty());
}

#[test]
fn what_is_no_string_and_no_yaml_is_told() {
    let map = documents(&format!("{HEAD}  config:\n    type: bridge\n"));
    assert!(matches!(map[0].obstacle, Some(Obstacle::NotString(_))));
    let broken = format!("{HEAD}  config: '{{}}'\n---\nkind: [\n");
    let broken = documents(&broken);
    assert_eq!(broken.len(), 2, "what stands before is found");
    assert!(matches!(broken[1].obstacle, Some(Obstacle::Yaml(..))));
    let helm = documents("kind: ConfigMap\n{{- if .Values.x }}\ndata: [\n");
    assert!(helm.is_empty(), "a template of Helm becomes YAML later");
}

#[test]
fn placeholders_are_left_alone() {
    let text = "kind: ConfigMap\ndata:\n  cni_network_config: |-\n    {\"cniVersion\": \"0.3.1\", \"name\": \"k\", \"plugins\": [\n      \
        {\"type\": \"calico\", \"mtu\": __CNI_MTU__, \"nodename\": \"__KUBERNETES_NODE_NAME__\", \"a\": \"${B}\"}]}\n";
    let found = documents(text);
    assert!(found[0].faults.is_empty(), "{:?}", found[0].faults);
    let plugin = found[0].plugins()[0];
    for key in ["mtu", "nodename", "a"] {
        assert_eq!(plugin.get(key).unwrap().value, Value::Unknown, "{key}");
    }
    assert_eq!(plugin.text("type"), Some("calico"));
    let file = input::file(Path::new("/dev/null")).unwrap();
    assert_eq!(file[0].form, Form::Free);
}
