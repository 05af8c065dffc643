use serde_json::json;

use super::*;

fn config(value: Value) -> PluginConfig {
    PluginConfig::from_value(value).unwrap()
}

/// Whether it is this text; where objects have no order of their own, whether it says the same.
fn assert_text(config: &PluginConfig, text: &str) {
    if cfg!(feature = "preserve_order") {
        assert_eq!(config.to_string(), text);
    }
    assert_eq!(config, &PluginConfig::parse(text.as_bytes()).unwrap());
}

#[test]
fn unknown_keys_are_kept_in_order_and_untouched() {
    let text = r#"{"zeta":[1,{"b":2,"a":1.5}],"type":"bridge","alpha":null,"0":18446744073709551615,"name":"n"}"#;
    let config = PluginConfig::parse(text.as_bytes()).unwrap();
    assert_text(&config, text);
    assert_eq!(config.as_map()["0"].to_string(), "18446744073709551615");
    assert_eq!(config.as_map()["zeta"][1]["a"].to_string(), "1.5");
}

#[test]
fn the_protocols_keys_are_read_in_any_case_of_letters() {
    let config = config(json!({
        "CNIVersion": "0.4.0", "Name": "net", "TYPE": "bridge",
        "IPAM": {"Type": "host-local", "subnet": "10.0.0.0/8"},
        "Capabilities": {"portMappings": true, "mac": false, "ips": null},
        "DNS": {"Nameservers": ["10.0.0.1"]},
        "RuntimeConfig": {"mac": "m"}, "Args": {"cni": {}},
    }));
    assert_eq!(config.cni_version(), Ok(Version::V0_4_0));
    assert_eq!(config.name().unwrap().as_str(), "net");
    assert_eq!(config.plugin_type().unwrap().as_str(), "bridge");
    assert_eq!(config.ipam().unwrap()["subnet"], "10.0.0.0/8");
    assert_eq!(config.ipam_type().unwrap().unwrap().as_str(), "host-local");
    assert_eq!(config.capabilities().unwrap(), ["portMappings"]);
    assert_eq!(config.dns().unwrap().nameservers, ["10.0.0.1"]);
    assert_eq!(config.runtime_config().unwrap().unwrap()["mac"], "m");
    assert!(config.args().unwrap().unwrap().contains_key("cni"));
}

#[test]
fn nothing_is_there_in_an_empty_configuration() {
    let config = config(json!({"ipam": {"type": ""}, "prevResult": null}));
    assert_eq!(config.cni_version(), Ok(Version::V0_1_0));
    assert_eq!(
        config.name().unwrap_err(),
        DecodeError::missing("name", "the network's name")
    );
    assert_eq!(
        config.plugin_type().unwrap_err(),
        DecodeError::missing("type", "the plugin's name")
    );
    assert_eq!(config.ipam_type(), Ok(None));
    assert_eq!(config.prev_result(), Ok(None));
    assert_eq!(config.valid_attachments(), Ok(vec![]));
    assert_eq!(config.runtime_config(), Ok(None));
    assert_eq!(config.dns(), Ok(Dns::default()));
}

#[test]
fn a_value_of_another_kind_is_an_error_that_names_its_place() {
    for (value, message) in [
        (json!([]), "expected an object, found a list of 0"),
        (
            json!({"cniVersion": 1}),
            r#""cniVersion": expected a string, found 1"#,
        ),
        (json!({"name": []}), r#""name": expected a string"#),
        (
            json!({"type": true}),
            r#""type": expected a string, found true"#,
        ),
        (
            json!({"ipam": "dhcp"}),
            r#""ipam": expected an object, found "dhcp""#,
        ),
        (
            json!({"ipam": {"type": 1}}),
            r#""ipam.type": expected a string, found 1"#,
        ),
        (
            json!({"capabilities": {"mac": "yes"}}),
            r#""capabilities.mac": expected true or"#,
        ),
        (
            json!({"dns": {"search": [1]}}),
            r#""dns.search[0]": expected a string, found 1"#,
        ),
        (
            json!({"prevResult": []}),
            r#""prevResult": expected an object"#,
        ),
        (
            json!({"cni.dev/valid-attachments": [{"containerID": "c"}]}),
            r#""cni.dev/valid-attachments[0].ifname" is missing"#,
        ),
    ] {
        let error = PluginConfig::from_value(value.clone())
            .unwrap_err()
            .to_string();
        assert!(error.contains(message), "{value}: {error}");
    }
}

#[test]
fn names_are_validated_where_they_are_asked_for() {
    let config = config(json!({
        "cniVersion": "9.9.9", "name": "a/b", "type": "../sh", "ipam": {"type": "/bin/sh"},
    }));
    for (error, place) in [
        (
            config.name().unwrap_err(),
            r#""name": invalid network name "a/b""#,
        ),
        (
            config.plugin_type().unwrap_err(),
            r#""type": invalid plugin type "../sh""#,
        ),
        (
            config.ipam_type().unwrap_err(),
            r#""ipam.type": invalid plugin type "/bin/sh""#,
        ),
        (
            config.cni_version().unwrap_err(),
            r#""cniVersion": unknown CNI version "9.9.9""#,
        ),
    ] {
        assert!(error.to_string().starts_with(place), "{error}");
    }
}

#[test]
fn the_previous_result_is_read_in_the_configurations_version() {
    let ips = json!([{"version": "4", "address": "10.0.0.2/8"}]);
    let new = config(json!({"cniVersion": "0.4.0", "prevResult": {"ips": ips}}));
    let old = config(json!({"prevResult": {"ip4": {"ip": "10.0.0.2/8"}}}));
    let stated = config(json!({
        "cniVersion": "0.2.0", "prevResult": {"cniVersion": "1.0.0", "ips": ips},
    }));
    for config in [new, old, stated] {
        let result = config.prev_result().unwrap().unwrap();
        assert_eq!(result.ips[0].address.to_string(), "10.0.0.2/8");
    }
    let empty = config(json!({"cniVersion": "1.0.0", "prevResult": {}}));
    assert_eq!(empty.prev_result(), Ok(Some(Success::default())));
    let broken = config(json!({"cniVersion": "1.0.0", "prevResult": {"ips": [{}]}}));
    assert_eq!(
        broken.prev_result().unwrap_err().to_string(),
        r#""prevResult.ips[0].address" is missing; expected an IP address with a prefix"#
    );
}

#[test]
fn valid_attachments_are_read_under_both_keys() {
    let list = json!([{"containerID": "c", "ifname": "eth0"}]);
    let attachment = Attachment::new("c", "eth0");
    for key in VALID_ATTACHMENTS {
        let config = config(json!({ key: list }));
        assert_eq!(
            config.valid_attachments(),
            Ok(vec![attachment.clone()]),
            "{key}"
        );
    }
    for none in [json!([]), json!(null)] {
        let config = config(json!({"cni.dev/valid-attachments": none}));
        assert_eq!(config.valid_attachments(), Ok(vec![]), "{none}");
    }
    let both = config(json!({})).with_valid_attachments(std::slice::from_ref(&attachment));
    assert_eq!(both.as_map().len(), 2);
    assert_eq!(both.valid_attachments(), Ok(vec![attachment]));
}

#[test]
fn a_key_is_set_in_its_place_and_never_twice() {
    let mut config = config(json!({"a": 1, "name": "old", "b": 2, "CNIVERSION": "0.1.0"}));
    config.insert("name", json!("new"));
    config.insert("c", json!(3));
    config = config.with_network(&"net".parse().unwrap(), Version::V1_0_0);
    assert_text(
        &config,
        r#"{"a":1,"name":"net","b":2,"c":3,"cniVersion":"1.0.0"}"#,
    );
    let mut twice = self::config(json!({"Name": "a", "name": "b", "c": 1, "NAME": "d"}));
    twice.insert("name", json!("net"));
    assert_text(&twice, r#"{"name":"net","c":1}"#);
    config.remove("C");
    assert_text(
        &config,
        r#"{"a":1,"name":"net","b":2,"cniVersion":"1.0.0"}"#,
    );
}

#[test]
fn only_declared_capabilities_become_runtime_config() {
    let args = json!({"mac": "m", "ips": ["10.0.0.1/8"], "portMappings": []});
    let args = args.as_object().unwrap();
    let declared = config(
        json!({"capabilities": {"portMappings": true, "mac": true, "ips": false, "x": true}}),
    );
    let with = declared.with_capability_args(args).unwrap();
    let chosen = with.runtime_config().unwrap().unwrap();
    assert_eq!(
        Value::Object(chosen.clone()),
        json!({"portMappings": [], "mac": "m"})
    );
    let without = config(json!({"type": "bridge"}))
        .with_capability_args(args)
        .unwrap();
    assert_eq!(without, config(json!({"type": "bridge"})));
}

#[test]
fn what_cannot_be_read_is_left_out_for_del() {
    let good = json!({
        "cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": 7,
        "ipam": {"type": "host-local"}, "capabilities": {"mac": true}, "runtimeConfig": {"mac": "x"},
        "args": {"cni": {}}, "dns": {}, "prevResult": {"cniVersion": "1.0.0"},
    });
    let map = |value: &Value| value.as_object().unwrap().clone();
    let (config, errors) = PluginConfig::from_map_leniently(map(&good));
    assert_eq!((config.as_map(), errors.len()), (&map(&good), 0));
    for (key, value) in [
        ("name", json!(5)),
        ("name", json!("a/b")),
        ("name", json!(null)),
        ("type", json!([])),
        ("cniVersion", json!(1)),
        ("ipam", json!("host-local")),
        ("ipam", json!([])),
        ("ipam", json!({"type": 7})),
        ("ipam", json!({"type": "../sh"})),
        ("prevResult", json!("x")),
        ("prevResult", json!({"ips": 7})),
        ("capabilities", json!(["mac"])),
        ("runtimeConfig", json!(7)),
        ("args", json!("IP=10.1.0.2")),
        ("dns", json!("8.8.8.8")),
    ] {
        let mut bad = map(&good);
        bad.insert(key.into(), value.clone());
        let (config, errors) = PluginConfig::from_map_leniently(bad);
        let mut rest = map(&good);
        rest.remove(key);
        assert_eq!(config.as_map(), &rest, "{key}: {value}");
        assert_eq!(errors.len(), 1, "{key}: {value}");
        assert!(errors[0].to_string().contains(key), "{}", errors[0]);
    }
}
