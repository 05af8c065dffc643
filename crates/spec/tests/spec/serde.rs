//! What `serde` writes and reads is what `to_json` writes and `from_json` reads.

use std::fmt::Debug;

use linkspan_spec::{
    Attachment, Command, ContainerId, Dns, Error, ErrorCode, IfName, Interface, IpConfig, MacAddr,
    NetworkList, NetworkName, PluginConfig, PluginType, Route, Success, Version, VersionInfo,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn there_and_back<T>(value: &T, text: &str)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    assert_eq!(serde_json::to_string(value).unwrap(), text);
    assert_eq!(&serde_json::from_str::<T>(text).unwrap(), value);
}

#[test]
fn every_type_is_read_as_it_is_written() {
    let interface = Interface::new("eth0")
        .with_mac("02:00:00:00:00:01")
        .with_mtu(1500)
        .with_sandbox("/run/netns/c1")
        .with_socket_path("/run/s")
        .with_pci_id("0000:00:1f.6");
    let ip = IpConfig::new("10.22.0.2/16".parse().unwrap())
        .with_interface(0)
        .with_gateway(std::net::IpAddr::from([10, 22, 0, 1]));
    let route = Route::new("0.0.0.0/0".parse().unwrap(), None)
        .with_priority(7)
        .with_scope(0);
    let dns = Dns::default()
        .with_nameservers(["10.0.0.53".to_owned()])
        .with_options(["ndots:1".to_owned()]);
    let parts = [
        r#"{"name":"eth0","mac":"02:00:00:00:00:01","mtu":1500,"sandbox":"/run/netns/c1","socketPath":"/run/s","pciID":"0000:00:1f.6"}"#,
        r#"{"interface":0,"address":"10.22.0.2/16","gateway":"10.22.0.1"}"#,
        r#"{"dst":"0.0.0.0/0","priority":7,"scope":0}"#,
        r#"{"nameservers":["10.0.0.53"],"options":["ndots:1"]}"#,
    ];
    there_and_back(&interface, parts[0]);
    there_and_back(&ip, parts[1]);
    there_and_back(&route, parts[2]);
    there_and_back(&dns, parts[3]);
    let success = Success::default()
        .with_interfaces([interface])
        .with_ips([ip])
        .with_routes([route])
        .with_dns(dns);
    let [interface, ip, route, dns] = parts;
    there_and_back(
        &success,
        &format!(
            r#"{{"cniVersion":"1.1.0","interfaces":[{interface}],"ips":[{ip}],"routes":[{route}],"dns":{dns}}}"#
        ),
    );
    there_and_back(
        &Error::new(ErrorCode(100), "no").with_details("never"),
        r#"{"cniVersion":"1.1.0","code":100,"msg":"no","details":"never"}"#,
    );
    there_and_back(
        &Attachment::new("c1", "eth0"),
        r#"{"containerID":"c1","ifname":"eth0"}"#,
    );
    there_and_back(
        &VersionInfo::new(Version::V1_0_0, &[Version::V0_4_0, Version::V1_0_0]),
        r#"{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}"#,
    );
    there_and_back(
        &PluginConfig::parse(br#"{"cniVersion":"1.0.0","type":"bridge"}"#).unwrap(),
        r#"{"cniVersion":"1.0.0","type":"bridge"}"#,
    );
    let list = r#"{"cniVersion":"1.0.0","name":"net","plugins":[{"type":"bridge"}]}"#;
    there_and_back(&NetworkList::parse(list.as_bytes()).unwrap(), list);
}

#[test]
fn names_are_texts_and_codes_numbers() {
    there_and_back(&"c1".parse::<ContainerId>().unwrap(), r#""c1""#);
    there_and_back(&"eth0".parse::<IfName>().unwrap(), r#""eth0""#);
    there_and_back(&"mynet".parse::<NetworkName>().unwrap(), r#""mynet""#);
    there_and_back(&"bridge".parse::<PluginType>().unwrap(), r#""bridge""#);
    there_and_back(&MacAddr::new([2, 0, 0, 0, 0, 1]), r#""02:00:00:00:00:01""#);
    there_and_back(&Version::V0_4_0, r#""0.4.0""#);
    there_and_back(&Command::Gc, r#""GC""#);
    there_and_back(&ErrorCode::TRY_AGAIN_LATER, "11");
}

#[test]
fn what_from_json_refuses_serde_refuses_in_the_same_words() {
    fn refusal<T: DeserializeOwned + Debug>(text: &str) -> String {
        serde_json::from_str::<T>(text).unwrap_err().to_string()
    }
    for (refusal, words) in [
        (
            refusal::<IfName>(r#""a/b""#),
            r#"invalid interface name "a/b""#,
        ),
        (refusal::<NetworkName>(r#""""#), "it must not be empty"),
        (refusal::<Version>(r#""9.9.9""#), "unknown CNI version"),
        (
            refusal::<Success>(r#"{"cniVersion":"1.0.0","ips":[{}]}"#),
            r#""ips[0].address" is missing"#,
        ),
        (refusal::<Error>("{}"), r#""msg" is missing"#),
        (
            refusal::<PluginConfig>(r#"{"ipam":1}"#),
            r#""ipam": expected an object"#,
        ),
    ] {
        assert!(refusal.contains(words), "{refusal}");
    }
}

/// As the reference writes an address of the one family in the other's form.
#[test]
fn a_mapped_address_is_written_as_the_address_that_it_maps() {
    let ip = IpConfig::new("::ffff:10.0.0.2/104".parse().unwrap());
    assert_eq!(
        serde_json::to_string(&ip).unwrap(),
        r#"{"address":"10.0.0.2/8"}"#
    );
}
