//! The protocol before any plugin's own work: VERSION, variables, and configurations that are none.

use linkspan_testkit::{Call, Outcome, Plugins, rows, sandbox};
use serde_json::{Value, json};

use crate::case::{VERSIONS, ours};
use crate::expected::Era;

/// The plugins that are compared.
const PLUGINS: [&str; 3] = ["bridge", "host-local", "loopback"];

/// What Linkspan knows beyond Debian's reference.
const NEWER: &str = "1.1.0";

#[test]
fn version_answers() {
    sandbox(|_| {
        let (reference, ours) = (Plugins::reference(), ours());
        for plugin in PLUGINS {
            for version in VERSIONS {
                let [theirs, mine] =
                    [&reference, &ours].map(|p| p.version(plugin, version).success());
                for answer in [&theirs, &mine] {
                    // Each says the newest version that it knows.
                    let versions = answer["supportedVersions"].as_array().expect("a list");
                    assert_eq!(answer["cniVersion"], *versions.last().expect("a version"));
                }
                assert_eq!(
                    without_newer(theirs),
                    without_newer(mine),
                    "VERSION of {plugin} in {version}"
                );
            }
        }
    });
}

fn without_newer(answer: Value) -> Value {
    let mut answer = answer;
    if let Some(versions) = answer["supportedVersions"].as_array_mut() {
        versions.retain(|version| version != NEWER);
    }
    answer["cniVersion"] = Value::Null;
    answer
}

/// One call that cannot be served, by what it lacks or has wrong.
type Wrong = (&'static str, fn(Call, &Value) -> Call);

const WRONG: [Wrong; 24] = rows! {
    ("no command", |call, _| call.env("CNI_COMMAND", "")),
    ("an unknown command", |call, _| { call.env("CNI_COMMAND", "ATTACH") }),
    ("a command in small letters", |call, _| { call.env("CNI_COMMAND", "add") }),
    ("no container", |call, _| call.container("")),
    ("a container with a slash", |call, _| call.container("a/b")),
    ("a container that begins with a dash", |call, _| { call.container("-a") }),
    ("no namespace", |call, _| call.netns("")),
    ("a namespace that does not exist", |call, _| { call.netns("/run/netns/nonesuch") }),
    ("a namespace that is a file", |call, _| { call.netns("/etc/passwd") }),
    ("a namespace that is the host's", |call, _| { call.netns("/proc/self/ns/net") }),
    ("no interface", |call, _| call.ifname("")),
    ("an interface of 16 letters", |call, _| { call.ifname("interface-name-1") }),
    ("an interface with a slash", |call, _| call.ifname("a/b")),
    ("an interface with a space", |call, _| call.ifname("a b")),
    ("an interface called dot", |call, _| call.ifname(".")),
    ("no path", |call, _| call.env("CNI_PATH", "")),
    ("arguments without a value", |call, _| call.args("IP")),
    ("no configuration", |call, _| call.stdin("")),
    ("a configuration that is no JSON", |call, _| { call.stdin("{ \"cniVersion\": ") }),
    ("a configuration that is a list", |call, _| call.stdin("[]")),
    ("an unknown version", |call, config| { with(call, config, "cniVersion", "9.9.9") }),
    ("a malformed version", |call, config| { with(call, config, "cniVersion", "one") }),
    ("no name", |call, config| with(call, config, "name", "")),
    ("a name with a slash", |call, config| { with(call, config, "name", "a/b") }),
};

/// Where ours answers otherwise, and why.
const MEANT: [(&str, &str, &str); 6] = rows! {
    ("", "a namespace that is the host's", "1.1.1 works on the host; the newer reference refuses with code 8 as well, after its work"),
    ("CHECK", "a malformed version", "the reference says 6 here, and 1 in ADD and DEL"),
    ("DEL", "a namespace that is a file", "that is what stays of a namespace after a reboot"),
    ("DEL", "no name", "a container can be detached whatever the configuration says"),
    ("DEL", "a name with a slash", "a container can be detached whatever the configuration says"),
    ("DEL", "arguments without a value", "a container can be detached whatever CNI_ARGS say"),
};

fn is_meant(verb: &str, wrong: &str) -> bool {
    MEANT
        .iter()
        .any(|(verbs, what, _)| verb.starts_with(verbs) && wrong == *what)
}

fn with(call: Call, config: &Value, key: &str, value: &str) -> Call {
    let mut config = config.clone();
    config[key] = value.into();
    call.stdin(config.to_string())
}

#[test]
fn calls_that_cannot_be_served() {
    let mut differences = Vec::new();
    sandbox(|host| {
        let (reference, ours) = (Plugins::reference(), ours());
        let container = host.netns("container");
        for plugin in PLUGINS {
            let config = json!({
                "cniVersion": "1.0.0", "name": "mynet", "type": plugin,
                "ipam": { "type": "host-local", "subnet": "10.22.0.0/16" }
            });
            for verb in ["ADD", "CHECK", "DEL"] {
                for (what, wrong) in WRONG {
                    let outcomes = [&reference, &ours].map(|plugins| {
                        let call = plugins
                            .call(verb, &config)
                            .container("c")
                            .netns(container.path())
                            .ifname("eth0");
                        let outcome = wrong(call, &config).run();
                        // Whatever a call has done in spite of what is wrong with it, the next one finds nothing of it.
                        plugins.del(&config, "c", &container, "eth0");
                        outcome
                    });
                    let title = format!("{verb} of {plugin} with {what}");
                    let found = difference(&title, &outcomes);
                    differences.extend(found.filter(|_| !is_meant(verb, what)));
                }
            }
        }
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    });
}

/// How the outcomes differ: in their exit status, or in a code that the specification defines.
fn difference(title: &str, [reference, ours]: &[Outcome; 2]) -> Option<String> {
    let code = |outcome: &Outcome| match &outcome.json {
        Some(json) if !outcome.output.ok() => json["code"].as_u64(),
        _ => None,
    };
    let same_status = reference.output.status.code() == ours.output.status.code();
    let same_code = match code(reference) {
        Some(expected @ 1..100) => code(ours) == Some(expected),
        Some(_) => code(ours).is_some(),
        None => true,
    };
    (!same_status || !same_code).then(|| {
        format!(
            "=== {title}\n--- should be\n{}--- and is\n{}",
            reference.output, ours.output
        )
    })
}

#[test]
fn what_debians_reference_does_not_know() {
    sandbox(|_| {
        let (reference, ours) = (Plugins::reference(), ours());
        let is_of_debian = Era::of(&reference) == Era::Debian;
        for plugin in PLUGINS {
            for (verb, version, code) in [
                ("STATUS", "1.1.0", None),
                ("GC", "1.1.0", None),
                ("STATUS", "1.0.0", Some(1)),
                ("GC", "1.0.0", Some(1)),
            ] {
                let config = json!({
                    "cniVersion": version, "name": "mynet", "type": plugin,
                    "ipam": { "type": "host-local", "subnet": "10.22.0.0/16" },
                    "cni.dev/valid-attachments": []
                });
                let code_of = |plugins: &Plugins| {
                    let outcome = plugins
                        .call(verb, &config)
                        .container("c")
                        .ifname("eth0")
                        .run();
                    let json = outcome.json.unwrap_or_default();
                    (!outcome.output.ok()).then(|| json["code"].as_u64().unwrap_or_default())
                };
                let title = format!("{verb} of {plugin} in {version}");
                assert_eq!(code_of(&ours), code, "{title}");
                // An unknown command.
                let theirs = if is_of_debian { Some(4) } else { code };
                assert_eq!(code_of(&reference), theirs, "{title}");
            }
        }
    });
}
