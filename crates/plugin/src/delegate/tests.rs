//! Plugins that delegate, in this process and to others.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command as Process, Stdio};

use linkspan_spec::{IpConfig, decode};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::config::NoKeys;
use crate::{Answer, Call, Gc, Needs, Plugin, Role, testing};

/// Gives everything to the plugin that the key `to` configures, as multus and flannel do.
struct Meta;

impl Meta {
    fn other<'a>(call: &Call<'a, NoKeys>) -> Result<Delegation<'a>, Error> {
        let config = call.raw().as_map()["to"].as_object().cloned().unwrap();
        let name = config["type"].as_str().unwrap().to_owned();
        let other = call.delegate(&name, config)?;
        Ok(match call.args.get("NETNS") {
            Some(netns) => other.with_netns(netns),
            None => other,
        })
    }
}

impl Plugin for Meta {
    type Config = NoKeys;
    const NAME: &'static str = "meta";
    const ABOUT: &'static str = "for tests";
    const ARGS: Option<&'static [&'static str]> = Some(&["NETNS", "FAIL"]);
    const ROLE: Role = Role::Chained {
        needs: Needs::Interface,
    };

    fn add(&self, call: &Call<'_, NoKeys>) -> Result<Success, Error> {
        let mut undo = Undo::new();
        let other = Self::other(call)?.with_ifname("net1".parse()?);
        let result = other.with_args("A=1;IgnoreUnknown=1").add(&mut undo)?;
        match call.args.get("FAIL") {
            Some(_) => return Err(Error::new(ErrorCode(100), "after it")),
            None => undo.commit(),
        }
        Ok(result)
    }

    fn check(&self, call: &Call<'_, NoKeys>) -> Result<(), Error> {
        Self::other(call)?.check()
    }

    fn del(&self, call: &Call<'_, NoKeys>) -> Result<(), Error> {
        Self::other(call)?.del()
    }

    fn gc(&self, gc: &Gc<'_, NoKeys>) -> Result<(), Error> {
        gc.delegate("other", Map::new())?.gc()
    }

    fn status(&self, call: &Call<'_, NoKeys>) -> Result<(), Error> {
        Self::other(call)?.status()
    }
}

/// As little as an IPAM plugin can be.
struct Minimal;

impl Plugin for Minimal {
    type Config = NoKeys;
    const NAME: &'static str = "minimal";
    const ABOUT: &'static str = "for tests";
    const ROLE: Role = Role::Ipam;
    const VERSIONS: &'static [Version] = &[Version::V1_0_0, Version::V1_1_0];

    fn add(&self, call: &Call<'_, NoKeys>) -> Result<Success, Error> {
        let asked = [call.ifname()?.as_str(), call.args_text()].join(" ");
        let mut success =
            Success::default().with_ips([IpConfig::new("10.1.0.5/24".parse().unwrap())]);
        success.dns.domain = asked;
        Ok(success)
    }

    fn check(&self, _: &Call<'_, NoKeys>) -> Result<(), Error> {
        Ok(())
    }

    fn del(&self, _: &Call<'_, NoKeys>) -> Result<(), Error> {
        Ok(())
    }
}

impl Call<'_, NoKeys> {
    fn args_text(&self) -> &str {
        &self.invocation().args
    }
}

/// A directory of CNI_PATH, with a plugin `other` of others that keeps what it is told.
struct Others(TempDir);

impl Others {
    /// `answer` is what it does at last.
    fn that(answer: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let script = format!(
            "#!/bin/sh\ncd {}\ncat > $CNI_COMMAND.json\n\
             echo $CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME $CNI_ARGS $LINKSPAN_DELEGATIONS >> calls\n{answer}\n",
            directory.path().display()
        );
        // By a program of its own: what this process has open for writing, one that another test starts may hold.
        let mut shell = Process::new("sh")
            .args(["-c", "cat > $0/other && chmod +x $0/other"])
            .arg(directory.path())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = shell.stdin.take().unwrap();
        std::io::Write::write_all(&mut stdin, script.as_bytes()).unwrap();
        drop(stdin);
        assert!(shell.wait().unwrap().success());
        Self(directory)
    }

    /// With this executable under the name of a plugin of it.
    fn link(self, name: &str) -> Self {
        symlink("/proc/self/exe", self.0.path().join(name)).unwrap();
        self
    }

    fn call(&self, command: Command) -> testing::Call {
        testing::Call::of(&Meta, command)
            .beside(&Minimal)
            .path(self.0.path())
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.0.path().join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    fn told(&self, command: &str) -> String {
        fs::read_to_string(self.0.path().join(format!("{command}.json"))).unwrap()
    }
}

const RESULT: &str = r#"echo '{"cniVersion":"1.0.0","interfaces":[{"name":"net1"}],"ips":[{"address":"10.1.0.6/24"}]}'"#;

// multus#755, multus#1449: what DEL got was not what ADD got, and addresses leaked.
#[test]
fn a_configuration_reaches_another_plugin_as_it_was_given() {
    let others = Others::that(RESULT);
    let to = r#"{"type":"other","x-B":[1.5,{"deep":null}],"a":"\u00e9 \"q\"","big":18446744073709551615,"cniVersion":"1.0.0"}"#;
    let config = json!({ "to": decode::value(to.as_bytes()).unwrap(), "secret": 1,
        "runtimeConfig": { "mac": "02:00:00:00:00:01" } });
    let before = Success::default();
    let call = |command| {
        let call = others.call(command).config(config.clone());
        call.prev_result(&before).run()
    };
    let result = call(Command::Add).result();
    assert_eq!(result.ips[0].address.to_string(), "10.1.0.6/24");
    for command in [Command::Check, Command::Del] {
        call(command).succeeded();
    }
    for command in ["ADD", "CHECK", "DEL"] {
        let told = decode::value(others.told(command).as_bytes()).unwrap();
        let expected = r#"{"type":"other","x-B":[1.5,{"deep":null}],"a":"é \"q\"","big":18446744073709551615,"cniVersion":"1.0.0",
            "name":"test","runtimeConfig":{"mac":"02:00:00:00:00:01"},"prevResult":{"cniVersion":"1.1.0","dns":{}}}"#;
        assert_eq!(
            told,
            decode::value(expected.as_bytes()).unwrap(),
            "{command}"
        );
    }
    assert_eq!(
        others.calls(),
        [
            "ADD c1 net1 A=1;IgnoreUnknown=1 1",
            "CHECK c1 eth0 1",
            "DEL c1 eth0 1"
        ]
    );
}

#[test]
fn what_a_delegate_made_is_undone_with_what_it_said() {
    let others = Others::that(RESULT);
    let config = json!({ "to": { "type": "other" } });
    let failed = others
        .call(Command::Add)
        .config(config)
        .args("FAIL=1")
        .run();
    assert_eq!(failed.error().msg, "after it");
    assert_eq!(
        others.calls(),
        [
            "ADD c1 net1 A=1;IgnoreUnknown=1 1",
            "DEL c1 net1 A=1;IgnoreUnknown=1 1"
        ]
    );
    let told = decode::value(others.told("DEL").as_bytes()).unwrap();
    assert_eq!(told["prevResult"]["ips"][0]["address"], "10.1.0.6/24");
}

/// A delegate may answer in a newer version than it was asked in.
#[test]
fn what_a_delegate_made_is_undone_though_its_result_has_no_form_in_its_version() {
    let others = Others::that(r#"echo '{"cniVersion":"1.0.0","interfaces":[{"name":"net1"}]}'"#);
    let config = json!({ "cniVersion": "1.0.0", "to": { "type": "other", "cniVersion": "0.2.0" } });
    let call = || others.call(Command::Add).config(config.clone());
    assert_eq!(call().args("FAIL=1").run().error().msg, "after it");
    assert_eq!(others.calls().len(), 2);
    assert!(others.calls()[1].starts_with("DEL c1 net1"));
    // Ours is of a version that can say it.
    assert_eq!(call().run().result().interfaces[0].name, "net1");
    let config = json!({ "cniVersion": "0.2.0", "to": { "type": "other" } });
    let failed = others.call(Command::Add).config(config).run();
    assert!(failed.error().msg.contains("without an IP address"));
    assert!(others.calls()[4].starts_with("DEL c1"));
}

/// The specification, section 4: the plugin that delegates calls DEL after an ADD that failed.
#[test]
fn an_add_that_failed_is_followed_by_del() {
    let others =
        Others::that(r#"[ $CNI_COMMAND = DEL ] || { echo '{"code":103,"msg":"no"}'; exit 1; }"#);
    let config = json!({ "to": { "type": "other" } });
    let failed = others.call(Command::Add).config(config).run();
    assert_eq!(failed.error().code, ErrorCode(103));
    assert_eq!(others.calls().len(), 2);
    assert!(others.calls()[1].starts_with("DEL c1 net1"));
    assert!(failed.warnings().is_empty(), "{:?}", failed.warnings());
}

#[test]
fn gc_and_status_reach_another_plugin() {
    let others = Others::that("");
    let config = json!({ "to": { "type": "other" } });
    others
        .call(Command::Gc)
        .config(config.clone())
        .valid(&[("c7", "eth0")])
        .run()
        .succeeded();
    let told = decode::value(others.told("GC").as_bytes()).unwrap();
    assert_eq!(told["cni.dev/valid-attachments"][0]["containerID"], "c7");
    others
        .call(Command::Status)
        .config(config)
        .run()
        .succeeded();
    assert_eq!(others.calls(), ["GC 1", "STATUS 1"]);
    let nowhere = json!({ "to": { "type": "nowhere" } });
    let failed = others.call(Command::Status).config(nowhere).run();
    assert_eq!(failed.error().code, ErrorCode::PLUGIN_NOT_AVAILABLE);
}

#[test]
fn a_plugin_of_this_executable_is_called_in_this_process() {
    for name in ["minimal", "my-minimal"] {
        let others = Others::that("exit 1").link(name);
        let call = |version: &str| {
            let config = json!({ "to": { "type": name, "cniVersion": version } });
            others.call(Command::Add).config(config).run()
        };
        let result = call("1.1.0").result();
        assert_eq!(result.dns.domain, "net1 A=1;IgnoreUnknown=1", "{name}");
        // It has its own list of versions there as well.
        assert_eq!(call("0.4.0").error().code, ErrorCode::INCOMPATIBLE_VERSION);
    }
}

/// kubernetes#100648, for a namespace that the plugin names.
#[test]
fn another_namespace_is_looked_at_as_the_runtimes_is() {
    let others = Others::that("exit 1").link("minimal");
    let config = json!({ "to": { "type": "minimal" } });
    let call = |netns: &str| {
        let call = others.call(Command::Add).config(config.clone());
        let args = format!("NETNS={netns}");
        // The runtime's path leads nowhere, so what is asked about is the other one.
        call.args(&args).is_own(|_| Ok(true)).run()
    };
    assert_eq!(
        call("/proc/self/ns/net").error().code,
        ErrorCode::INVALID_NETNS
    );
    call("/nowhere/else").succeeded();
}

#[test]
fn an_ipam_plugin_does_not_ask_itself() {
    let others = Others::that("exit 1").link("minimal");
    for command in [Command::Gc, Command::Status] {
        let call = testing::Call::of(&Minimal, command).path(others.0.path());
        let config = json!({ "ipam": { "type": "minimal" } });
        call.config(config).run().succeeded();
    }
}

#[test]
fn plugins_that_delegate_in_a_circle_come_to_an_end() {
    let others = Others::that("exit 1").link("meta");
    // The innermost is the one that is configured so, again and again.
    let mut to = json!({ "type": "meta" });
    to["to"] = (0..20).fold(
        to.clone(),
        |inner, _| json!({ "type": "meta", "to": inner }),
    );
    for command in [Command::Add, Command::Check, Command::Del, Command::Status] {
        let config = json!({ "to": to });
        let error = others.call(command).config(config).run().error();
        assert!(error.msg.contains("delegate to each other"), "{error}");
        assert_eq!(error.code, ErrorCode::INVALID_NETWORK_CONFIG);
    }
    for (before, is_too_many) in [(None, false), (Some("7"), false), (Some("8"), true)] {
        let after = process::one_more(before, "meta");
        assert_eq!(after.is_err(), is_too_many, "{before:?}");
    }
}

#[test]
fn versions_are_those_that_the_plugin_speaks() {
    let versions = testing::Call::version(&Minimal).run().versions();
    assert_eq!(versions.supported_versions, ["1.0.0", "1.1.0"]);
    let config = json!({ "cniVersion": "0.4.0" });
    let error = testing::Call::add(&Minimal).config(config).run().error();
    assert_eq!(error.code, ErrorCode::INCOMPATIBLE_VERSION);
    assert_eq!(error.msg, "incompatible CNI versions");
    assert!(error.details.contains("1.0.0, 1.1.0"), "{error}");
    let about = testing::Call::add(&Minimal).variable("CNI_COMMAND", "");
    let Answer::About(text) = about.run().answer().clone() else {
        panic!("no about text")
    };
    assert_eq!(
        text,
        "CNI minimal plugin\nfor tests\nCNI protocol versions supported: 1.0.0, 1.1.0\n"
    );
}
