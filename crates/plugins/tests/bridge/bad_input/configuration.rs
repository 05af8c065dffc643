//! Standard input: JSON, versions, names, and the keys of bridge.

use linkspan_testkit::rows;
use serde_json::json;

use super::{CONFIG, DECODING, IO, VERSION, bad};
use crate::host::network;

/// What is given, the code, and what is said.
type Row = (&'static str, u64, &'static [&'static str]);

const STANDARD_INPUT: [Row; 17] = rows! {
    ("", DECODING, &["empty"]),
    (" \n", DECODING, &["empty"]),
    ("hello", DECODING, &["line 1"]),
    ("[]", DECODING, &["an object"]),
    ("17", DECODING, &["an object"]),
    ("null", DECODING, &["an object"]),
    (r#"{"cniVersion":"1.1.0","name":"mynet","#, DECODING, &["line 1"]),
    (r#"{"cniVersion":"1.1.0" "name":"mynet"}"#, DECODING, &["line 1", "column 23"]),
    (r#"{"cniVersion":"1.1.0"} trailing"#, DECODING, &["trailing"]),
    (r#"{"cniVersion":"9.9.9","name":"mynet"}"#, VERSION, &["9.9.9", "1.1.0"]),
    (r#"{"cniVersion":"one","name":"mynet"}"#, VERSION, &["one"]),
    (r#"{"cniVersion":1,"name":"mynet"}"#, DECODING, &["cniVersion"]),
    (r#"{"cniVersion":"1.1.0"}"#, CONFIG, &["\"name\""]),
    (r#"{"cniVersion":"1.1.0","name":""}"#, CONFIG, &["\"name\""]),
    (r#"{"cniVersion":"1.1.0","name":7}"#, DECODING, &["name"]),
    (r#"{"cniVersion":"1.1.0","name":"../etc"}"#, CONFIG, &["../etc"]),
    (r#"{"cniVersion":"1.1.0","name":"my net"}"#, CONFIG, &["my net"]),
};

#[test]
fn standard_input_that_is_no_configuration() {
    bad(|mut bad| {
        let config = network(json!({}));
        let mut given = |stdin: &[u8], code, words: &[&str]| {
            let row = String::from_utf8_lossy(&stdin[..stdin.len().min(100)]).into_owned();
            let call = bad.host.call("ADD", &config, &bad.netns).stdin(stdin);
            bad.refused(&row, &call, "1.1.0", code, words);
        };
        for (stdin, code, words) in STANDARD_INPUT {
            given(stdin.as_bytes(), code, words);
        }
        given(b"{\"name\":\"\xff\xfe\"}", DECODING, &["unicode"]);
        given(&[b'['; 100_000], DECODING, &["recursion limit"]);
        given(&vec![b' '; 17 << 20], IO, &["larger than"]);
        bad.end(20);
    });
}

/// Keys beside those of the network, and what is said.
const KEYS: [Row; 36] = rows! {
    (r#"{ "bridge": 7 }"#, DECODING, &["\"bridge\"", "expected a string, found 7"]),
    (r#"{ "bridge": "" }"#, CONFIG, &["\"bridge\"", "name of a link"]),
    (r#"{ "bridge": "a-bridge-of-16-c" }"#, CONFIG, &["\"bridge\"", "15"]),
    (r#"{ "bridge": "cni/0" }"#, CONFIG, &["\"bridge\"", "cni/0"]),
    (r#"{ "bridge": ".." }"#, CONFIG, &["\"bridge\""]),
    (r#"{ "isGateway": "yes" }"#, DECODING, &["\"isGateway\"", "true or false", "\"yes\""]),
    (r#"{ "ipMasq": 1 }"#, DECODING, &["\"ipMasq\"", "true or false"]),
    (r#"{ "ipMasq": true, "ipMasqBackend": "pf" }"#, CONFIG, &["unknown ipmasq backend \"pf\"", "\"ipMasqBackend\"", "nftables or iptables"]),
    (r#"{ "ipMasqBackend": true }"#, DECODING, &["\"ipMasqBackend\"", "\"nftables\" or \"iptables\""]),
    (r#"{ "mtu": "big" }"#, DECODING, &["\"mtu\"", "a whole number or \"auto\""]),
    (r#"{ "mtu": 70000 }"#, CONFIG, &["\"mtu\"", "70000", "from 0 to 65535", "bytes"]),
    (r#"{ "mtu": 1.5 }"#, DECODING, &["\"mtu\"", "1.5"]),
    (r#"{ "mtu": 65536 }"#, CONFIG, &["\"mtu\"", "65535"]),
    (r#"{ "mtu": 99999999999 }"#, CONFIG, &["\"mtu\""]),
    (r#"{ "mtu": "auto" }"#, CONFIG, &["\"mtu\": \"auto\"", "no default route"]),
    (r#"{ "mtu": 67 }"#, CONFIG, &["67", "at least 68"]),
    (r#"{ "hairpinMode": true, "promiscMode": true }"#, CONFIG, &["hairpin mode and promiscuous mode", "choose one"]),
    (r#"{ "vlan": 4095 }"#, CONFIG, &["\"vlan\"", "4094"]),
    (r#"{ "vlan": -1 }"#, CONFIG, &["\"vlan\"", "-1"]),
    (r#"{ "vlan": "7" }"#, DECODING, &["\"vlan\"", "a whole number"]),
    (r#"{ "vlanTrunk": {} }"#, DECODING, &["\"vlanTrunk\"", "a list"]),
    (r#"{ "vlanTrunk": [7] }"#, DECODING, &["vlanTrunk"]),
    (r#"{ "vlanTrunk": [{ "id": 0 }] }"#, CONFIG, &["trunk id", "1 to 4094"]),
    (r#"{ "vlanTrunk": [{ "id": 4095 }] }"#, CONFIG, &["trunk id", "4095"]),
    (r#"{ "vlanTrunk": [{ "minID": 5 }] }"#, CONFIG, &["maxID is missing"]),
    (r#"{ "vlanTrunk": [{ "maxID": 5 }] }"#, CONFIG, &["minID is missing"]),
    (r#"{ "vlanTrunk": [{ "minID": 9, "maxID": 5 }] }"#, CONFIG, &["minID is greater than maxID"]),
    (r#"{ "vlan": 4000, "bridge": "a-bridge-15-chr" }"#, CONFIG, &["a-bridge-15-chr.4000", "shorter"]),
    (r#"{ "disableContainerInterface": true }"#, CONFIG, &["IPAM", "remove ipam or disableContainerInterface"]),
    (r#"{ "runtimeConfig": { "mac": "zz" } }"#, CONFIG, &["zz", "02:42:ac:11:00:02"]),
    (r#"{ "runtimeConfig": { "mac": 7 } }"#, DECODING, &["runtimeConfig.mac", "a string"]),
    (r#"{ "args": { "cni": { "mac": "00:00:00:00:00:00" } } }"#, CONFIG, &["00:00:00:00:00:00"]),
    (r#"{ "dns": 7 }"#, DECODING, &["dns"]),
    (r#"{ "dns": { "nameservers": "10.0.0.1" } }"#, DECODING, &["nameservers"]),
    (r#"{ "ipam": 7 }"#, DECODING, &["ipam"]),
    (r#"{ "ipam": { "type": 7 } }"#, DECODING, &["ipam"]),
};

#[test]
fn keys_with_values_that_cannot_be() {
    bad(|mut bad| {
        for (keys, code, words) in KEYS {
            let mut config = network(serde_json::from_str(keys).unwrap());
            bad.add(&config, code, words);
            // An error has the version of the configuration.
            config["cniVersion"] = "0.3.1".into();
            bad.add(&config, code, &[]);
        }
        bad.end(70);
    });
}
