//! What is known, what is not, and who is told.

use linkspan_spec::{PluginConfig, Route, Success};
use serde_json::json;

use super::*;
use crate::{Call, Plugin, Role, testing};

crate::keys! {
    /// A part of it.
    struct Server {
        /// Where it is.
        "address" => address: String, read by [Add];
    }
}

crate::keys! {
    /// A strict configuration.
    struct Config, strict = deny {
        /// Somewhere.
        "file" => file: String, default = "/run/x", read by [Add];
        /// Inside.
        "ipam.subnet" => subnet: Option<String>, read by [Add];
        /// Deeper.
        "ipam.limits.most" => most: i32, default = -1, read by [Add];
        /// A list of objects.
        "servers" => servers: Vec<Server>, default = [], read by [Add];
        /// An object.
        "preferred" => preferred: Server, default = { "address": "a" }, read by [Add];
        /// Anything.
        "labels" => labels: Map<String, Value>, default = { "k": [1, -2, true, null], "l": { "m": "n" } }, read by [Add];
        /// Routes.
        "routes" => routes: Vec<Route>, default = [{ "dst": "0.0.0.0/0" }], read by [Add];
        /// A share.
        "share" => share: f64, default = 0.5, range = 0..=1, read by [Add];
        /// Names.
        "names" => names: Vec<String>, default = ["a", "b"], read by [Add];
        /// Given by the runtime.
        "runtimeConfig.mac" => mac: Option<String>, read by [Add];
    }
}

crate::keys! {
    /// That of an IPAM plugin.
    struct Ipam, strict = deny {
        /// Inside.
        "ipam.subnet" => subnet: Option<String>, read by [Add];
        /// Given by the runtime.
        "runtimeConfig.ips" => ips: Option<Vec<String>>, read by [Add];
    }
}

crate::keys! {
    /// One that nobody could write down.
    struct Impossible {
        /// More than there may be.
        "most" => most: u32, default = 5, range = 1..=3, read by [Add];
    }
}

crate::keys! {
    /// A lenient one.
    struct Lenient, strict = warn {
        /// Somewhere.
        "file" => file: Option<String>, read by [Add];
    }
}

fn map(json: Value) -> Map<String, Value> {
    json.as_object().cloned().unwrap()
}

#[test]
fn what_is_declared_is_known_and_nothing_else_with_the_nearest_name() {
    let keys = <Config as Configuration>::KEYS;
    for (config, expected) in [
        (
            json!({ "cniVersion": "1.1.0", "name": "n", "type": "t", "FILE": "x", "capabilities": { "mac": true },
            "runtimeConfig": { "mac": "m", "ports": [] }, "args": { "cni": {} }, "prevResult": {}, "dns": {},
            "cni.dev/valid-attachments": [], "ipam": { "type": "t", "subnet": "s", "limits": { "most": 1 } },
            "servers": [{ "address": "a" }], "labels": { "any": 1 }, "routes": [{ "dst": "::/0", "gw": "::1" }] }),
            &[][..],
        ),
        (
            json!({ "flie": "x" }),
            &["unknown key \"flie\" (\"x\"); did you mean \"file\"?"],
        ),
        (
            json!({ "nmae": 1 }),
            &["unknown key \"nmae\" (1); did you mean \"name\"?"],
        ),
        (
            json!({ "something": {} }),
            &["unknown key \"something\" ({})"],
        ),
        (
            json!({ "ipam": { "limits": { "mots": 1, "x": 2 }, "subent": "s" } }),
            &[
                "unknown key \"ipam.limits.mots\" (1); did you mean \"most\"?",
                "unknown key \"ipam.limits.x\" (2)",
                "unknown key \"ipam.subent\" (\"s\"); did you mean \"subnet\"?",
            ],
        ),
        (
            json!({ "servers": [{ "address": "a" }, { "adress": "b" }] }),
            &["unknown key \"servers[1].adress\" (\"b\"); did you mean \"address\"?"],
        ),
        (
            json!({ "routes": [{ "dest": "::/0" }] }),
            &["unknown key \"routes[0].dest\" (\"::/0\"); did you mean \"dst\"?"],
        ),
        // The reader finds them in any case.
        (
            json!({ "RuntimeConfig": { "mac": "m", "ports": [] }, "Args": { "cni": {} }, "IPAM": { "type": "t", "subnet": "s" } }),
            &[],
        ),
        (
            json!({ "IPAM": { "type": "t", "subent": "s" } }),
            &["unknown key \"ipam.subent\" (\"s\"); did you mean \"subnet\"?"],
        ),
        // What has another shape is for the reader to refuse.
        (json!({ "ipam": 5, "servers": {} }), &[]),
    ] {
        assert_eq!(unknown(keys, &map(config.clone())), expected, "{config}");
    }
}

/// What stands beside `ipam` are the keys of the plugin that asks.
#[test]
fn an_ipam_plugin_looks_into_its_own_keys_alone() {
    let judge = |config: Value| Ipam::judge(&PluginConfig::from_value(config).unwrap());
    let beside =
        json!({ "type": "bridge", "isGateway": true, "ipam": { "type": "i", "subnet": "s" } });
    judge(beside.clone()).unwrap();
    let config = Ipam::read(&PluginConfig::from_value(beside).unwrap()).unwrap();
    assert_eq!((config.subnet.as_deref(), config.ips), (Some("s"), None));
    judge(json!({ "isGateway": true })).unwrap();
    let error = judge(json!({ "isGateway": true, "ipam": { "subent": "s" } })).unwrap_err();
    assert_eq!(
        error.msg,
        r#"unknown key "ipam.subent" ("s"); did you mean "subnet"?"#
    );
}

#[test]
fn defaults_of_every_shape_and_floats() {
    let read = |config: Value| Config::read(&PluginConfig::from_value(config).unwrap());
    let config = read(json!({})).unwrap();
    assert_eq!(config.most, -1);
    assert_eq!(config.file, "/run/x");
    assert_eq!((config.subnet, config.mac), (None, None));
    assert!(config.servers.is_empty());
    assert_eq!(config.preferred.address, "a");
    let labels = json!({ "k": [1, -2, true, null], "l": { "m": "n" } });
    assert_eq!(Value::Object(config.labels), labels);
    assert_eq!(config.routes[0].dst.to_string(), "0.0.0.0/0");
    assert_eq!(config.names, ["a", "b"]);
    assert!((config.share - 0.5).abs() < f64::EPSILON);
    for (share, expected) in [
        ("1", Ok(1.0)),
        ("0.125", Ok(0.125)),
        ("1.5", Err("invalid \"share\" 1.5: it must be from 0 to 1")),
        ("-1", Err("invalid \"share\" -1: it must be from 0 to 1")),
        (
            "\"x\"",
            Err("invalid \"share\": expected a number, found \"x\""),
        ),
    ] {
        let json: Value = serde_json::from_str(share).unwrap();
        let read = read(json!({ "share": json })).map(|config| config.share);
        let expected = expected.map_err(str::to_owned);
        assert_eq!(read.map_err(|error| error.msg), expected, "{share}");
    }
}

struct Strictly;
struct Leniently;
struct Impossibly;

macro_rules! plugin {
    ($plugin:ident, $config:ident) => {
        impl Plugin for $plugin {
            type Config = $config;
            const NAME: &'static str = "strict";
            const ABOUT: &'static str = "for tests";
            const ROLE: Role = Role::Independent;

            fn add(&self, _: &Call<'_, $config>) -> Result<Success, Error> {
                Ok(Success::default())
            }

            fn check(&self, _: &Call<'_, $config>) -> Result<(), Error> {
                Ok(())
            }

            fn del(&self, _: &Call<'_, $config>) -> Result<(), Error> {
                Ok(())
            }
        }
    };
}

plugin!(Strictly, Config);
plugin!(Leniently, Lenient);
plugin!(Impossibly, Impossible);

#[test]
#[should_panic(expected = "the default of a key: invalid \"most\" 5: it must be from 1 to 3")]
fn a_default_that_cannot_be_is_found_by_any_test() {
    let config = json!({ "most": 2 });
    let parsed = PluginConfig::from_value(config.clone()).unwrap();
    assert_eq!(Impossible::read(&parsed).unwrap().most, 2);
    testing::Call::del(&Impossibly).config(config).run();
}

#[test]
fn a_name_is_near_another_that_shares_a_letter_with_it() {
    for (name, known, question) in [
        ("b", "a", ""),
        ("_", "id", ""),
        ("it", "id", "; did you mean \"id\"?"),
        ("mut", "mtu", "; did you mean \"mtu\"?"),
    ] {
        let expected = format!("unknown key \"x.{name}\" (1){question}");
        let place = format!("x.{name}");
        assert_eq!(
            words(&place, name, &json!(1), [known].into_iter()),
            expected
        );
    }
}

#[test]
fn who_is_strict_fails_before_anything_is_made_and_never_keeps_a_container() {
    let config = json!({ "flie": 5 });
    let words = "unknown key \"flie\" (5); did you mean \"file\"?";
    for command in [Command::Add, Command::Check, Command::Status] {
        let call = testing::Call::of(&Strictly, command).config(config.clone());
        let error = call.run().error();
        assert_eq!(
            (error.code, error.msg.as_str()),
            (ErrorCode::UNSUPPORTED_FIELD, words)
        );
    }
    let parsed = PluginConfig::from_value(config.clone()).unwrap();
    assert_eq!(Config::judge(&parsed).unwrap_err().msg, words);
    for command in [Command::Del, Command::Gc] {
        let call = testing::Call::of(&Strictly, command).config(config.clone());
        call.run().succeeded();
    }
    for (command, told) in [
        (Command::Add, &[words][..]),
        (Command::Check, &[]),
        (Command::Del, &[]),
    ] {
        let call = testing::Call::of(&Leniently, command).config(config.clone());
        let answered = call.run();
        answered.succeeded();
        assert_eq!(answered.warnings(), told, "{command}");
    }
    assert!(Lenient::judge(&parsed).is_ok());
    assert_eq!(Lenient::read(&parsed).unwrap().file, None);
}
