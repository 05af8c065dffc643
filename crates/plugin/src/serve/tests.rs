//! The protocol, with an injected environment.

use super::*;
use crate::{Call, Gc, Plugin};
use linkspan_spec::{IpConfig, decode};

crate::keys! {
    /// The configuration of the plugin under test.
    struct Config {
        /// What add does: fail or panic.
        "mode" => mode: Option<String>, read by [Add];
        /// A number.
        "vlan" => vlan: u16, default = 0, range = 0..=4094, read by [Add];
    }
}

struct Echo;

impl Plugin for Echo {
    type Config = Config;
    const NAME: &'static str = "echo";
    const ABOUT: &'static str = "for tests";
    const ROLE: crate::Role = crate::Role::Ipam;
    const ARGS: Option<&'static [&'static str]> = Some(&["IP"]);

    fn add(&self, call: &Call<'_, Config>) -> Result<Success, Error> {
        match call.config.mode.as_deref() {
            Some("panic") => panic!("on purpose"),
            Some("fail") => return Err(Error::new(ErrorCode(100), "failed on purpose")),
            _ => {}
        }
        if call.config.vlan != 0 {
            return Err(Error::new(ErrorCode(101), "no VLANs here"));
        }
        let address = call.args.get("IP").unwrap_or("10.1.0.5/24");
        Ok(Success::default().with_ips([IpConfig::new(address.parse().expect("an address"))]))
    }

    fn check(&self, _: &Call<'_, Config>) -> Result<(), Error> {
        Ok(())
    }

    fn del(&self, call: &Call<'_, Config>) -> Result<(), Error> {
        match call.netns {
            Some(_) if call.config.mode.as_deref() == Some("gone") => Err(Error::new(
                ErrorCode::INTERNAL,
                "the namespace is still seen",
            )),
            _ => Ok(()),
        }
    }

    fn gc(&self, gc: &Gc<'_, Config>) -> Result<(), Error> {
        match gc.is_valid("c1", "eth0") {
            true => Ok(()),
            false => Err(Error::new(ErrorCode::INTERNAL, "not valid")),
        }
    }
}

const TABLE: &Table = &[&Echo];

/// The usual variables, with some replaced; an empty value is an absent variable.
fn variable(command: &str, replaced: &[(&str, &str)], name: &str) -> Option<String> {
    let replaced = replaced.iter().find(|(key, _)| *key == name);
    let usual = match name {
        "CNI_COMMAND" => command,
        "CNI_CONTAINERID" => "c1",
        "CNI_IFNAME" => "eth0",
        "CNI_NETNS" => "/nowhere/c1",
        "CNI_PATH" => "/nowhere/bin",
        _ => "",
    };
    Some(replaced.map_or(usual, |(_, value)| value).to_owned())
}

fn call(command: &str, replaced: &[(&str, &str)], stdin: &str) -> Answer {
    let env = |name: &str| variable(command, replaced, name);
    serve(&Echo, TABLE, &env, &mut stdin.as_bytes(), is_own_namespace)
}

fn failure_of(answer: Answer) -> Error {
    match answer {
        Answer::Failure(text) => {
            Error::from_json(&decode::value(text.as_bytes()).expect("JSON")).expect("an error")
        }
        other => panic!("expected an error, got {other:?}"),
    }
}

const NET: &str = r#"{"cniVersion":"1.1.0","name":"net","type":"echo"}"#;

#[test]
fn version_needs_nothing_and_reads_nothing() {
    let expected = r#"{"cniVersion":"1.1.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}"#;
    assert_eq!(
        call("VERSION", &[], "no json"),
        Answer::Success(Some(expected.to_owned()))
    );
}

#[test]
fn run_by_hand_it_says_what_it_is() {
    let Answer::About(text) = call("", &[], "") else {
        panic!("no about text")
    };
    assert!(
        text.contains("CNI echo plugin") && text.contains("0.1.0, 0.2.0"),
        "{text}"
    );
}

/// With the feature `preserve_order` and without it.
#[test]
fn keys_have_the_order_of_the_reference() {
    let result = "{\n    \"cniVersion\": \"0.4.0\",\n    \"ips\": [\n        {\n            \"version\": \"4\",\n            \
                  \"address\": \"10.1.0.5/24\"\n        }\n    ],\n    \"dns\": {}\n}";
    assert_eq!(
        call("ADD", &[], &NET.replace("1.1.0", "0.4.0")),
        Answer::Success(Some(result.to_owned()))
    );
    let Answer::Failure(error) = call("ADD", &[], &NET.replace("1.1.0", "9.9.9")) else {
        panic!("no such version")
    };
    let places =
        ["cniVersion", "code", "msg", "details"].map(|key| error.find(&format!("\"{key}\"")));
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{error}"
    );
}

#[test]
fn the_result_is_in_the_version_of_the_configuration() {
    for (version, part) in [
        ("0.2.0", r#""ip4""#),
        ("0.4.0", r#""version": "4""#),
        ("1.1.0", r#""address": "10.1.0.5/24""#),
    ] {
        let net = NET.replace("1.1.0", version);
        let Answer::Success(Some(json)) = call("ADD", &[], &net) else {
            panic!("{version}")
        };
        assert!(
            json.contains(part) && json.contains(version),
            "{version}: {json}"
        );
    }
}

/// cni#732: a runtime that got no answer said "netplugin failed with no error message".
#[test]
fn a_panic_is_an_answer() {
    let net = NET.replace("\"type\"", "\"mode\":\"panic\",\"type\"");
    let error = failure_of(call("ADD", &[], &net));
    assert_eq!(error.code, ErrorCode::INTERNAL);
    assert!(error.msg.contains("on purpose"), "{error}");
}

/// A command, the variables replaced, standard input; the code and a part of the message.
type Mistake = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    u32,
    &'static str,
);

#[test]
fn every_mistake_has_its_code_and_its_words() {
    #[rustfmt::skip]
    let table: &[Mistake] = &[
        ("FLY", &[], NET, 4, "unknown CNI_COMMAND: FLY"),
        ("ADD", &[("CNI_CONTAINERID", "")], NET, 4, "[CNI_CONTAINERID] missing"),
        ("ADD", &[("CNI_NETNS", ""), ("CNI_IFNAME", "")], NET, 4, "[CNI_NETNS,CNI_IFNAME] missing"),
        ("CHECK", &[("CNI_NETNS", "")], NET, 4, "[CNI_NETNS] missing"),
        ("DEL", &[("CNI_IFNAME", "")], NET, 4, "[CNI_IFNAME] missing"),
        ("GC", &[("CNI_PATH", "")], NET, 4, "[CNI_PATH] missing"),
        ("STATUS", &[("CNI_PATH", "")], NET, 4, "[CNI_PATH] missing"),
        ("ADD", &[("CNI_CONTAINERID", "../c1")], NET, 4, "invalid characters in containerID"),
        ("ADD", &[("CNI_IFNAME", "averylonginterface")], NET, 4, "interface name is too long"),
        ("ADD", &[("CNI_IFNAME", "a/b")], NET, 4, "interface name contains / or : or whitespace characters"),
        ("ADD", &[("CNI_ARGS", "X=1")], NET, 4, "unknown args"),
        ("ADD", &[], "", 6, "empty"),
        ("ADD", &[], "{", 6, "JSON"),
        ("ADD", &[], "[]", 6, "object"),
        ("ADD", &[], r#"{"type":"echo"}"#, 7, "name"),
        ("ADD", &[], r#"{"name":"","type":"echo"}"#, 7, "name"),
        ("ADD", &[], r#"{"name":"a/b","type":"echo"}"#, 7, "name"),
        ("ADD", &[], r#"{"name":5}"#, 6, "name"),
        ("ADD", &[], r#"{"name":"n","cniVersion":"9.9.9"}"#, 1, "incompatible CNI versions"),
        ("CHECK", &[], r#"{"name":"n","cniVersion":"0.3.1"}"#, 1, "does not allow CHECK"),
        ("GC", &[], r#"{"name":"n","cniVersion":"1.0.0"}"#, 1, "does not allow GC"),
        ("STATUS", &[], r#"{"name":"n"}"#, 1, "does not allow STATUS"),
        ("DEL", &[], "{", 6, "JSON"),
        ("DEL", &[], "[]", 6, "object"),
        ("DEL", &[], r#"{"name":"n","cniVersion":"9.9.9"}"#, 1, "incompatible CNI versions"),
        ("GC", &[], r#"{"cniVersion":"1.1.0","name":"n","cni.dev/valid-attachments":7}"#, 6, "expected a list"),
        ("ADD", &[], r#"{"name":"n","vlan":4095}"#, 7, "it must be from 0 to 4094"),
        ("ADD", &[], r#"{"name":"n","vlan":"4"}"#, 6, "expected a whole number"),
        ("ADD", &[], r#"{"name":"n","vlan":-1}"#, 7, "vlan"),
        ("ADD", &[], r#"{"name":"n","mode":[]}"#, 6, "expected a string"),
        ("ADD", &[], r#"{"name":"n","mode":"fail"}"#, 100, "failed on purpose"),
        ("ADD", &[("CNI_NETNS", "/proc/thread-self/ns/net")], NET, 8, "should not be the same"),
    ];
    for (command, variables, stdin, code, words) in table {
        let error = failure_of(call(command, variables, stdin));
        let start = &stdin[..stdin.len().min(80)];
        assert_eq!(
            error.code.0, *code,
            "{command} {variables:?} {start}: {error}"
        );
        assert!(
            error.msg.contains(words),
            "{command} {variables:?} {start}: {error}"
        );
    }
}

#[test]
fn a_configuration_beyond_the_limit_is_refused() {
    let huge = format!("{{\"name\":\"{}\"}}", "x".repeat(linkspan_spec::MAX_INPUT));
    let error = failure_of(call("ADD", &[], &huge));
    assert_eq!(error.code, ErrorCode::IO_FAILURE);
    assert!(error.msg.contains("larger than"), "{error}");
}

/// kubernetes#100648: the number of a dead process was given to another, and its path is the host's.
#[test]
fn del_never_sees_the_hosts_own_namespace_and_says_so() {
    let net = NET.replace("\"type\"", "\"mode\":\"gone\",\"type\"");
    let own = [("CNI_NETNS", "/proc/thread-self/ns/net")];
    assert_eq!(
        failure_of(call("DEL", &own, &net)).code,
        ErrorCode::INVALID_NETNS
    );
    let meant = [own[0], ("CNI_NETNS_OVERRIDE", "1")];
    assert_eq!(
        failure_of(call("DEL", &meant, &net)).msg,
        "the namespace is still seen"
    );
    assert_eq!(
        call("DEL", &[("CNI_NETNS", "")], &net),
        Answer::Success(None)
    );
}

#[test]
fn gc_takes_both_spellings_of_the_valid_attachments() {
    for key in ["cni.dev/valid-attachments", "cni.dev/attachments"] {
        let net = NET.replace(
            "\"type\"",
            &format!("\"{key}\":[{{\"containerID\":\"c1\",\"ifname\":\"eth0\"}}],\"type\""),
        );
        assert_eq!(call("GC", &[], &net), Answer::Success(None), "{key}");
    }
    // As the reference's runtime says that no attachment is in use: with null, or with nothing.
    for nothing in ["null", "[]", ""] {
        let list = format!("\"cni.dev/valid-attachments\":{nothing},\"type\"");
        let net = match nothing {
            "" => NET.to_owned(),
            _ => NET.replace("\"type\"", &list),
        };
        assert_eq!(failure_of(call("GC", &[], &net)).msg, "not valid");
    }
}

/// A container must not stay attached because of what has become of its configuration.
#[test]
fn del_goes_on_without_what_cannot_be_read() {
    for bad in [
        r#""ipam":"host-local""#,
        r#""ipam":[]"#,
        r#""ipam":{"type":"../sh"}"#,
        r#""prevResult":"x""#,
        r#""prevResult":{"ips":7}"#,
        r#""capabilities":[]"#,
        r#""name":5"#,
        r#""name":"a/b""#,
        r#""dns":7"#,
    ] {
        let net = format!(r#"{{"cniVersion":"1.1.0","name":"net","type":"echo",{bad}}}"#);
        assert_eq!(call("DEL", &[], &net), Answer::Success(None), "{bad}");
    }
    // Without a name nothing more can be freed than was, and the runtime need not call again.
    let net = r#"{"cniVersion":"1.1.0","name":5,"mode":"gone"}"#;
    assert_eq!(call("DEL", &[], net), Answer::Success(None));
}

/// What an observer is told of a call: command, network, container, interface and the error's code; `None` when nothing.
fn observed(command: &str, replaced: &[(&str, &str)], stdin: &str) -> Option<(String, u32)> {
    let env = |name: &str| variable(command, replaced, name);
    let around = Around {
        product: "",
        version: "",
        is_own: is_own_namespace,
        delegates: None,
    };
    let done = carry_out(&Echo, TABLE, &env, &mut stdin.as_bytes(), around);
    let told = std::cell::RefCell::new(None);
    let observe = |report: &Report<'_>| {
        assert_eq!(report.plugin, "echo");
        let Report {
            command,
            network,
            container,
            ifname,
            ..
        } = report;
        let words = format!("{command} {network}/{container}/{ifname}");
        *told.borrow_mut() = Some((words, report.error.map_or(0, |error| error.code.0)));
    };
    done.observed(&Echo, &env, Instant::now(), None, &observe);
    told.into_inner()
}

#[test]
fn an_observer_is_told_of_every_call_by_what_was_understood_of_it() {
    let (net, panicking) = (NET, NET.replace("\"type\"", "\"mode\":\"panic\",\"type\""));
    let quoted = [("CNI_CONTAINERID", "a\"b")];
    for (command, replaced, stdin, told) in [
        ("ADD", &[][..], net, Some(("ADD net/c1/eth0", 0))),
        (
            "DEL",
            &[("CNI_NETNS", "")],
            net,
            Some(("DEL net/c1/eth0", 0)),
        ),
        ("STATUS", &[], net, Some(("STATUS net//", 0))),
        ("ADD", &[], &panicking, Some(("ADD net/c1/eth0", 999))),
        ("ADD", &[], "{", Some(("ADD /c1/eth0", 6))),
        ("ADD", &quoted, net, Some(("ADD /a\"b/eth0", 4))),
        ("FLY", &[], net, Some(("FLY /c1/eth0", 4))),
        ("VERSION", &[], "", None),
        ("", &[], "", None),
    ] {
        let told = told.map(|(words, code): (&str, u32)| (words.to_owned(), code));
        assert_eq!(
            observed(command, replaced, stdin),
            told,
            "{command} {stdin}"
        );
    }
}
