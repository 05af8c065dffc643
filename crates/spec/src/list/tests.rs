use serde_json::json;

use super::*;

fn parse(value: &Value) -> Result<NetworkList, DecodeError> {
    NetworkList::parse(value.to_string().as_bytes())
}

/// Without regard to the order of keys, which only a feature keeps.
fn json_of(text: &[u8]) -> Value {
    decode::value(text).unwrap()
}

fn list(extra: Value) -> Value {
    let mut list = json!({"name": "net", "plugins": [{"type": "bridge"}]});
    for (key, value) in extra.as_object().unwrap() {
        list[key] = value.clone();
    }
    list
}

#[test]
fn the_example_of_the_specification_is_read() {
    let text = r#"{
        "cniVersion": "1.1.0",
        "cniVersions": ["0.3.1", "0.4.0", "1.0.0", "1.1.0"],
        "name": "dbnet",
        "plugins": [
            {"type": "bridge", "bridge": "cni0", "keyA": ["some more"],
             "ipam": {"type": "host-local", "subnet": "10.1.0.0/16"}},
            {"type": "tuning", "capabilities": {"mac": true}},
            {"type": "portmap", "capabilities": {"portMappings": true}}
        ]
    }"#;
    let list = NetworkList::parse(text.as_bytes()).unwrap();
    assert_eq!(list.name.as_str(), "dbnet");
    assert_eq!(list.cni_version, Version::V1_1_0);
    assert_eq!(list.cni_versions, Version::ALL[3..]);
    assert!(!list.disable_check && !list.disable_gc && !list.load_only_inlined_plugins);
    let types: Vec<_> = list
        .plugins
        .iter()
        .map(|plugin| plugin.plugin_type())
        .collect();
    assert_eq!(
        types,
        ["bridge", "tuning", "portmap"].map(|name| Ok(name.parse().unwrap()))
    );
    assert_eq!(list.plugins[0].as_map()["keyA"], json!(["some more"]));
    assert_eq!(*list.source(), *text.as_bytes());
}

#[test]
fn the_highest_known_version_is_chosen() {
    use Version::{V0_1_0, V0_3_1, V0_4_0, V1_0_0, V1_1_0};
    for (versions, expected) in [
        (json!({}), V0_1_0),
        (json!({"cniVersion": ""}), V0_1_0),
        (json!({"cniVersion": "0.4.0"}), V0_4_0),
        (json!({"cniVersions": []}), V0_1_0),
        (json!({"cniVersions": ["1.0.0", "0.3.1"]}), V1_0_0),
        (
            json!({"cniVersion": "0.4.0", "cniVersions": ["0.3.1"]}),
            V0_4_0,
        ),
        (
            json!({"cniVersion": "0.3.1", "cniVersions": ["0.4.0", "9.0.0"]}),
            V0_4_0,
        ),
        (
            json!({"cniVersion": "9.0.0", "cniVersions": ["1.1.0", "0.3.1"]}),
            V1_1_0,
        ),
        (json!({"cniVersion": "0.3.1", "cniVersions": null}), V0_3_1),
    ] {
        assert_eq!(
            parse(&list(versions.clone())).unwrap().cni_version,
            expected,
            "{versions}"
        );
    }
}

#[test]
fn switches_may_be_strings() {
    for (value, expected) in [
        (json!(true), true),
        (json!("true"), true),
        (json!("TRUE"), true),
        (json!(false), false),
        (json!("False"), false),
        (json!(null), false),
    ] {
        for key in ["disableCheck", "disableGC", "loadOnlyInlinedPlugins"] {
            let list = parse(&list(json!({ key: value }))).unwrap();
            let switches = [
                list.disable_check,
                list.disable_gc,
                list.load_only_inlined_plugins,
            ];
            assert_eq!(switches.contains(&true), expected, "{key}: {value}");
        }
    }
}

#[test]
fn what_cannot_be_used_is_refused_with_its_place() {
    for (value, message) in [
        (json!([]), "expected an object"),
        (
            json!({"plugins": [{"type": "bridge"}]}),
            r#""name" is missing"#,
        ),
        (
            list(json!({"name": "a b"})),
            r#""name": invalid network name "a b""#,
        ),
        (
            list(json!({"name": 1})),
            r#""name": expected a string, found 1"#,
        ),
        (
            list(json!({"cniVersion": 1})),
            r#""cniVersion": expected a string"#,
        ),
        (
            list(json!({"cniVersion": "1.2.0"})),
            r#""cniVersion": unknown CNI version "1.2.0""#,
        ),
        (
            list(json!({"cniVersions": ["1.2.0"]})),
            r#""cniVersions": unknown CNI version"#,
        ),
        (
            list(json!({"cniVersions": "1.0.0"})),
            r#""cniVersions": expected a list"#,
        ),
        (
            list(json!({"cniVersions": [1]})),
            r#""cniVersions[0]": expected a string"#,
        ),
        (
            list(json!({"disableCheck": "yes"})),
            r#""disableCheck": expected true or false"#,
        ),
        (
            list(json!({"disableGC": 1})),
            r#""disableGC": expected true or false, found 1"#,
        ),
        (
            list(json!({"plugins": []})),
            r#""plugins": expected a list of at least one"#,
        ),
        (
            list(json!({"plugins": {}})),
            r#""plugins": expected a list"#,
        ),
        (
            list(json!({"plugins": [{}]})),
            r#""plugins[0].type" is missing"#,
        ),
        (
            list(json!({"plugins": [1]})),
            r#""plugins[0]": expected an object, found 1"#,
        ),
        (
            list(json!({"plugins": [{"type": "a"}, {"type": "../a"}]})),
            r#""plugins[1].type": invalid plugin type "../a""#,
        ),
        (
            json!({"name": "net", "loadOnlyInlinedPlugins": true}),
            r#""plugins" is missing; expected a list of at least one"#,
        ),
    ] {
        let error = parse(&value).unwrap_err().to_string();
        assert!(error.starts_with(message), "{value}: {error}");
    }
}

#[test]
fn plugins_may_come_from_elsewhere() {
    assert!(parse(&json!({"name": "net"})).unwrap().plugins.is_empty());
}

#[test]
fn a_single_configuration_becomes_a_list_of_one() {
    let text = r#"{"cniVersion":"0.2.0","name":"mynet","type":"bridge","isGateway":true}"#;
    let plugin = PluginConfig::parse(text.as_bytes()).unwrap();
    let made = NetworkList::from_single(plugin.clone()).unwrap();
    assert_eq!(made.plugins, [plugin]);
    let list = format!(r#"{{"cniVersion":"0.2.0","name":"mynet","plugins":[{text}]}}"#);
    assert_eq!(json_of(&made.source()), json_of(list.as_bytes()));
    assert_eq!(NetworkList::parse(&made.source()), Ok(made));
    for incomplete in [json!({"name": "net"}), json!({"type": "bridge"})] {
        let plugin = PluginConfig::from_value(incomplete).unwrap();
        assert!(NetworkList::from_single(plugin).is_err());
    }
}

/// multus#1449, multus#755: what is kept for DEL must be what ADD was called with.
#[test]
fn a_change_is_in_the_text_and_nothing_else_is() {
    type Change = fn(&mut NetworkList);
    const READ: &str = r#"{ "ours": {"b":1,"a":2}, "cniVersions": ["0.3.1","1.0.0","9.0.0"], "Name": "net",
        "disableGC": "True", "plugins": [ {"type":"bridge","x":[1.50]} ], "more": null }"#;
    let start = r#"{"ours":{"b":1,"a":2},"#;
    let table: [(&str, Change, String); 8] = [
        ("nothing", |_| {}, READ.to_owned()),
        (
            "changed back",
            |list| {
                list.name = "other".parse().unwrap();
                list.name = "net".parse().unwrap();
            },
            READ.to_owned(),
        ),
        (
            "a plugin",
            |list| {
                list.plugins
                    .push(PluginConfig::parse(br#"{"type":"tuning","z":1,"a":2}"#).unwrap());
            },
            format!(
                r#"{start}"cniVersions":["0.3.1","1.0.0","9.0.0"],"Name":"net","disableGC":"True","plugins":[{{"type":"bridge","x":[1.5]}},{{"type":"tuning","z":1,"a":2}}],"more":null}}"#
            ),
        ),
        (
            "a key of a plugin",
            |list| list.plugins[0].insert("mtu", 9000.into()),
            format!(
                r#"{start}"cniVersions":["0.3.1","1.0.0","9.0.0"],"Name":"net","disableGC":"True","plugins":[{{"type":"bridge","x":[1.5],"mtu":9000}}],"more":null}}"#
            ),
        ),
        (
            "no plugin",
            |list| list.plugins.clear(),
            format!(
                r#"{start}"cniVersions":["0.3.1","1.0.0","9.0.0"],"Name":"net","disableGC":"True","more":null}}"#
            ),
        ),
        (
            "the name",
            |list| list.name = "other".parse().unwrap(),
            format!(
                r#"{start}"cniVersions":["0.3.1","1.0.0","9.0.0"],"disableGC":"True","plugins":[{{"type":"bridge","x":[1.5]}}],"more":null,"name":"other"}}"#
            ),
        ),
        (
            "a switch",
            |list| list.disable_gc = false,
            format!(
                r#"{start}"cniVersions":["0.3.1","1.0.0","9.0.0"],"Name":"net","disableGC":false,"plugins":[{{"type":"bridge","x":[1.5]}}],"more":null}}"#
            ),
        ),
        (
            "a lower version",
            |list| list.cni_version = Version::V0_4_0,
            format!(
                r#"{start}"cniVersions":["0.3.1","0.4.0"],"Name":"net","disableGC":"True","plugins":[{{"type":"bridge","x":[1.5]}}],"more":null,"cniVersion":"0.4.0"}}"#
            ),
        ),
    ];
    for (what, change, expected) in table {
        let mut list = NetworkList::parse(READ.as_bytes()).unwrap();
        change(&mut list);
        assert_eq!(
            json_of(&list.source()),
            json_of(expected.as_bytes()),
            "{what}"
        );
        assert_eq!(
            *list.source() == *READ.as_bytes(),
            expected == READ,
            "{what}"
        );
        assert_says_what_it_is(&list, what);
        let as_read = NetworkList::parse(READ.as_bytes()).unwrap();
        assert_eq!(list == as_read, expected == READ, "{what}");
    }
}

fn assert_says_what_it_is(list: &NetworkList, what: &str) {
    let again = NetworkList::parse(&list.source()).unwrap();
    assert_eq!(again, *list, "{what}");
    assert_eq!(again.name, list.name, "{what}");
    assert_eq!(again.plugins, list.plugins, "{what}");
    assert_eq!(again.cni_version, list.cni_version, "{what}");
    assert_eq!(again.disable_gc, list.disable_gc, "{what}");
}

#[test]
fn a_list_is_made_in_code() {
    let plugin = |kind: &str| PluginConfig::from_value(json!({ "type": kind })).unwrap();
    let made = NetworkList::new("net".parse().unwrap(), Version::V1_1_0)
        .with_plugin(plugin("bridge"))
        .with_plugin(plugin("portmap"));
    let text =
        r#"{"cniVersion":"1.1.0","name":"net","plugins":[{"type":"bridge"},{"type":"portmap"}]}"#;
    assert_eq!(json_of(&made.source()), json_of(text.as_bytes()));
    assert_eq!(NetworkList::parse(&made.source()).unwrap(), made);
    let empty = NetworkList::new("net".parse().unwrap(), Version::V0_4_0);
    assert_eq!(NetworkList::parse(&empty.source()).unwrap(), empty);
}
