//! What each version's result looks like, letter for letter as the reference prints it.

use linkspan_spec::{Interface, Success, Version, compact, pretty};
use serde_json::{Value, json};

/// The result of the reference's `bridge` with `host-local`, in its own spelling.
const V1_0_0: &str = r#"{
    "cniVersion": "1.0.0",
    "interfaces": [
        {
            "name": "cni0",
            "mac": "7e:5f:c3:6b:3c:33"
        },
        {
            "name": "eth0",
            "mac": "ba:19:f1:2c:93:a6",
            "sandbox": "/run/netns/c1"
        }
    ],
    "ips": [
        {
            "interface": 1,
            "address": "10.22.0.2/16",
            "gateway": "10.22.0.1"
        }
    ],
    "routes": [
        {
            "dst": "0.0.0.0/0"
        }
    ],
    "dns": {}
}"#;

const V0_4_0: &str = r#"{
    "cniVersion": "0.4.0",
    "interfaces": [
        {
            "name": "cni0",
            "mac": "7e:5f:c3:6b:3c:33"
        },
        {
            "name": "eth0",
            "mac": "ba:19:f1:2c:93:a6",
            "sandbox": "/run/netns/c1"
        }
    ],
    "ips": [
        {
            "version": "4",
            "interface": 1,
            "address": "10.22.0.2/16",
            "gateway": "10.22.0.1"
        }
    ],
    "routes": [
        {
            "dst": "0.0.0.0/0"
        }
    ],
    "dns": {}
}"#;

/// The one deliberate difference: the reference leaves out `gw`.
const V0_2_0: &str = r#"{
    "cniVersion": "0.2.0",
    "ip4": {
        "ip": "10.22.0.2/16",
        "gateway": "10.22.0.1",
        "routes": [
            {
                "dst": "0.0.0.0/0",
                "gw": "10.22.0.1"
            }
        ]
    },
    "dns": {}
}"#;

#[test]
fn every_version_prints_its_own_shape() {
    let success = Success::parse(V1_0_0.as_bytes(), Version::LATEST).unwrap();
    for (version, like) in [
        (Version::V0_1_0, V0_2_0),
        (Version::V0_2_0, V0_2_0),
        (Version::V0_3_0, V0_4_0),
        (Version::V0_3_1, V0_4_0),
        (Version::V0_4_0, V0_4_0),
        (Version::V1_0_0, V1_0_0),
        (Version::V1_1_0, V1_0_0),
    ] {
        let stated: Value = serde_json::from_str(like).unwrap();
        let expected = like.replace(stated["cniVersion"].as_str().unwrap(), version.as_str());
        assert_eq!(pretty(&success.in_version(version).unwrap()), expected);
    }
}

#[test]
fn every_key_of_the_newest_version_has_its_place() {
    let text = r#"{"cniVersion":"1.1.0","interfaces":[{"name":"eth0","mac":"02:00:00:00:00:01","mtu":1500,"sandbox":"/run/netns/c1","socketPath":"/run/s","pciID":"0000:00:1f.6"}],"ips":[{"interface":0,"address":"fd00::2/64","gateway":"fd00::1"}],"routes":[{"dst":"::/0","gw":"fd00::1","mtu":1400,"advmss":1360,"priority":10,"table":0,"scope":0}],"dns":{"nameservers":["fd00::53"],"domain":"example.org","search":["a","b"],"options":["ndots:1"]}}"#;
    let success = Success::parse(text.as_bytes(), Version::V0_1_0).unwrap();
    assert_eq!(compact(&success.in_version(Version::V1_1_0).unwrap()), text);
    let shuffled = json!({
        "DNS": {"Options": ["ndots:1"], "Search": ["a", "b"], "Domain": "example.org", "nameServers": ["fd00::53"]},
        "Routes": [{"scope": 0, "Table": 0, "GW": "fd00::1", "Dst": "::/0", "Priority": 10, "AdvMSS": 1360, "MTU": 1400}],
        "IPs": [{"Gateway": "fd00::1", "Address": "fd00::2/64", "Interface": 0}],
        "Interfaces": [{"PciID": "0000:00:1f.6", "SocketPath": "/run/s", "Mtu": 1500, "Sandbox": "/run/netns/c1", "Mac": "02:00:00:00:00:01", "Name": "eth0"}],
        "CNIVersion": "1.1.0",
    });
    assert_eq!(Success::from_json(&shuffled), Ok(success));
}

#[test]
fn nothing_is_printed_but_what_there_is() {
    for version in &Version::ALL[2..] {
        let printed = compact(&Success::default().in_version(*version).unwrap());
        assert_eq!(
            printed,
            format!(r#"{{"cniVersion":"{version}","dns":{{}}}}"#)
        );
    }
}

#[test]
fn what_says_nothing_is_as_good_as_missing() {
    let empty = json!({
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "", "mac": "", "mtu": 0, "sandbox": null, "socketPath": "", "pciID": null}],
        "ips": [{"address": "10.0.0.2/8", "gateway": "", "interface": null, "version": ""}],
        "routes": [{"dst": "0.0.0.0/0", "gw": "", "mtu": 0, "advmss": 0, "priority": 0, "table": null}],
        "dns": {"domain": "", "search": [], "options": null},
    });
    let missing = json!({
        "cniVersion": "1.0.0",
        "interfaces": [{}],
        "ips": [{"address": "10.0.0.2/8"}],
        "routes": [{"dst": "0.0.0.0/0"}],
    });
    assert_eq!(Success::from_json(&empty), Success::from_json(&missing));
    let zeros = Success::default().with_interfaces([Interface::default().with_mtu(0)]);
    assert_eq!(
        compact(&zeros.in_version(Version::V1_0_0).unwrap()),
        r#"{"cniVersion":"1.0.0","interfaces":[{"name":""}],"dns":{}}"#
    );
}

/// The reference reads each version into a type that has that version's keys and no others.
#[test]
fn keys_that_the_version_does_not_have_are_not_read() {
    let interfaces = json!([{"name": "eth0", "mtu": 1500, "socketPath": "/run/s", "pciID": "p"}]);
    let old = json!({"cniVersion": "0.4.0", "interfaces": interfaces, "ip4": {"ip": "10.0.0.2/8"}});
    let expected = Interface::new("eth0");
    let read = Success::from_json(&old).unwrap();
    assert_eq!(read, Success::default().with_interfaces([expected]));
}

#[test]
fn a_result_is_in_the_version_that_it_states() {
    let new = json!({"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.2/8"}]});
    assert_eq!(
        Success::from_json_as(Version::V0_2_0, &new)
            .unwrap()
            .ips
            .len(),
        1
    );
    let empty = json!({"cniVersion": "", "ips": [{"address": "10.0.0.2/8"}]});
    assert_eq!(
        Success::from_json_as(Version::V0_3_0, &empty)
            .unwrap()
            .ips
            .len(),
        1
    );
    let unstated = json!({"ips": [{"address": "10.0.0.2/8"}]});
    assert_eq!(
        Success::from_json(&unstated).unwrap().ips.len(),
        0,
        "0.1.0 knows no ips"
    );
    assert_eq!(
        Success::from_json_as(Version::V0_3_0, &unstated)
            .unwrap()
            .ips
            .len(),
        1
    );
    let unknown = json!({"cniVersion": "2.0.0"});
    let error = Success::from_json(&unknown).unwrap_err().to_string();
    assert!(
        error.starts_with(r#""cniVersion": unknown CNI version "2.0.0""#),
        "{error}"
    );
}

/// Libraries before 0.6 wrote -1 for an address of no known interface.
#[test]
fn a_negative_interface_is_none() {
    let old = json!({"cniVersion": "0.3.0", "ips": [{"version": "4", "interface": -1, "address": "10.0.0.2/8"}]});
    assert_eq!(Success::from_json(&old).unwrap().ips[0].interface, None);
}

#[test]
fn a_malformed_result_is_refused_with_its_place() {
    for (result, message) in [
        (json!([]), "expected an object, found a list of 0"),
        (
            json!({"cniVersion": 1}),
            r#""cniVersion": expected a string, found 1"#,
        ),
        (
            json!({"interfaces": [{"mtu": -1}]}),
            r#""interfaces[0].mtu": expected a whole number"#,
        ),
        (
            json!({"interfaces": [{"mtu": 1500.5}]}),
            r#""interfaces[0].mtu": expected a whole"#,
        ),
        (
            json!({"interfaces": [{}, {"name": 1}]}),
            r#""interfaces[1].name": expected a string"#,
        ),
        (
            json!({"interfaces": [null]}),
            r#""interfaces[0]": expected an object, found null"#,
        ),
        (
            json!({"ips": {}}),
            r#""ips": expected a list, found an object with 0 keys"#,
        ),
        (json!({"ips": [{}]}), r#""ips[0].address" is missing"#),
        (
            json!({"ips": [{"address": "10.0.0.2"}]}),
            r#""ips[0].address": expected an IP address with a prefix length"#,
        ),
        (
            json!({"ips": [{"address": "10.0.0.2/8", "gateway": "x"}]}),
            r#""ips[0].gateway": expected an IP address such as"#,
        ),
        (
            json!({"ips": [{"address": "10.0.0.2/8", "interface": "0"}]}),
            r#""ips[0].interface": expected a whole number"#,
        ),
        (
            json!({"ips": [{"address": "10.0.0.2/8", "version": 4}]}),
            r#""ips[0].version": expected a string, found 4"#,
        ),
        (
            json!({"routes": [{"gw": "10.0.0.1"}]}),
            r#""routes[0].dst" is missing"#,
        ),
        (
            json!({"routes": [{"dst": "0.0.0.0/0", "scope": 256}]}),
            r#""routes[0].scope": expected a whole number from 0 to 255, found 256"#,
        ),
        (json!({"dns": []}), r#""dns": expected an object"#),
        (
            json!({"dns": {"nameservers": "1.1.1.1"}}),
            r#""dns.nameservers": expected a list, found "1.1.1.1""#,
        ),
    ] {
        let error = Success::from_json_as(Version::V1_1_0, &result)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(message), "{result}: {error}");
    }
}

#[test]
fn a_malformed_old_result_is_refused_with_its_place() {
    for (result, message) in [
        (
            json!({"ip4": {}}),
            r#""ip4.ip" is missing; expected an IPv4 address"#,
        ),
        (
            json!({"ip4": {"ip": "fd00::2/64"}}),
            r#""ip4.ip": expected an IPv4 address"#,
        ),
        (
            json!({"ip6": {"ip": "10.0.0.2/8"}}),
            r#""ip6.ip": expected an IPv6 address"#,
        ),
        (json!({"ip6": []}), r#""ip6": expected an object"#),
        (
            json!({"ip4": {"ip": "10.0.0.2/8", "gateway": 1}}),
            r#""ip4.gateway": expected a string"#,
        ),
        (
            json!({"ip4": {"ip": "10.0.0.2/8", "routes": [{}]}}),
            r#""ip4.routes[0].dst" is missing"#,
        ),
    ] {
        let error = Success::from_json(&result).unwrap_err().to_string();
        assert!(error.starts_with(message), "{result}: {error}");
    }
}
