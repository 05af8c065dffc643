//! What is known of an ADD that did not come to its end.

use std::fs;
use std::thread;
use std::time::Duration;

use linkspan_runtime::{CachedAttachment, Error, Event, Runtime};
use linkspan_spec::{ErrorCode, PluginConfig};
use serde_json::json;

use crate::world::{World, endpoint, list, named, network, read, words};

/// Records what it is called for; an ADD says that it has begun, and ends once nobody holds it.
const HELD: &str = r#"#!/bin/sh
plugin=${0##*/}
log=${0%/bin/*}/log
cat > "$log/$plugin.$CNI_COMMAND.stdin"
echo "$CNI_COMMAND $plugin" >> "$log/calls"
[ "$CNI_COMMAND" = ADD ] || exit 0
echo > "$log/$plugin.begun"
while [ -e "$log/$plugin.hold" ]; do sleep 0.02; done
echo '{}'
"#;

const RESULT: &str = r#"{"cniVersion":"1.1.0","ips":[{"address":"10.1.0.2/24"}]}"#;

fn known(runtime: &Runtime) -> Vec<CachedAttachment> {
    runtime.attachments(&"net".parse().unwrap()).unwrap()
}

/// Tells at which step the process is to stop: behind the plugin of this number.
const STEP: &str = "LINKSPAN_TEST_STEP";

/// The process of an ADD that never ends, but in the middle of a plugin that is held.
fn add_and_stop(world: &World, step: usize) {
    let reached = world.path("log/reached");
    let builder = world.builder().observer(move |event| {
        if matches!(event, Event::Step(finished) if finished.step.number == step) {
            fs::write(&reached, "").unwrap();
            thread::sleep(Duration::from_secs(60));
        }
    });
    let endpoint = endpoint("c1").with_arg("A", "b").unwrap();
    let network = network("1.1.0", &["one", "two"]);
    builder.build().add(&network, &endpoint).unwrap();
    fs::write(world.path("log/kept"), "").unwrap();
    thread::sleep(Duration::from_secs(60));
}

/// go-cni#60, containerd#5438, containerd#5768: addresses of containers that nobody knew of any more.
#[test]
fn an_add_that_is_killed_at_any_step_is_known_and_collected() {
    if let Some(world) = World::of_parent() {
        let step = std::env::var(STEP).unwrap().parse().unwrap();
        return add_and_stop(&world, step);
    }
    // Where it is killed: which plugin is held, or else behind which it stops; what it has reached then.
    for (held, step, reached, calls) in [
        (Some("one"), 0, "log/one.begun", &["ADD one"][..]),
        (None, 1, "log/reached", &["ADD one"]),
        (Some("two"), 0, "log/two.begun", &["ADD one", "ADD two"]),
        (None, 2, "log/reached", &["ADD one", "ADD two"]),
        (None, 0, "log/kept", &["ADD one", "ADD two"]),
    ] {
        let world = World::new(&[]);
        world.script("one", HELD);
        world.script("two", HELD);
        let hold = held.map(|plugin| format!("log/{plugin}.hold"));
        if let Some(hold) = &hold {
            world.write(hold, "");
        }
        let name = "journal::an_add_that_is_killed_at_any_step_is_known_and_collected";
        let mut adding = world
            .again(name)
            .env(STEP, step.to_string())
            .spawn()
            .unwrap();
        world.wait_for(reached);
        adding.kill().unwrap();
        adding.wait().unwrap();
        if let Some(hold) = &hold {
            fs::remove_file(world.path(hold)).unwrap();
        }
        let case = format!("{reached} of {held:?} behind {step}");
        let is_kept = reached == "log/kept";
        assert_eq!(world.calls(), calls, "{case}");
        assert_eq!(world.cached().len(), usize::from(is_kept), "{case}");
        assert_eq!(world.pending().len(), usize::from(!is_kept), "{case}");
        // As another process finds it.
        let runtime = world.runtime();
        let [found] = known(&runtime).try_into().unwrap();
        assert_eq!(found.is_complete, is_kept, "{case}");
        assert_eq!(found.endpoint.args, [("A".into(), "b".into())], "{case}");
        let network = network("1.1.0", &["one", "two"]);
        assert_eq!(found.network_list().unwrap(), network, "{case}");
        assert_eq!(
            runtime.cached(&network.name, &endpoint("c1")).unwrap(),
            Some(found),
            "{case}"
        );
        runtime.gc(&network, &[]).unwrap();
        let collected = ["DEL two", "DEL one", "GC one", "GC two"];
        assert_eq!(world.calls(), collected, "{case}");
        assert_eq!(known(&runtime), [], "{case}");
        assert_eq!([world.cached(), world.pending()].concat(), [""; 0]);
    }
}

/// Its plugin outlives a runtime that is killed. What it made after a DEL nobody would know of.
#[test]
fn a_plugin_of_a_runtime_that_was_killed_is_given_up_by_who_is_next() {
    const NAME: &str = "journal::a_plugin_of_a_runtime_that_was_killed_is_given_up_by_who_is_next";
    const STUBBORN: &str = r#"#!/bin/sh
log=${0%/bin/*}/log
echo "$CNI_COMMAND" >> "$log/calls"
if [ "$CNI_COMMAND" = ADD ]; then
    if [ -e "$log/deaf" ]; then trap '' TERM; fi
    setsid sleep 60 > /dev/null 2>&1 < /dev/null & echo $! > "$log/daemon"
    echo > "$log/begun"
    until [ -e "$log/go" ]; do sleep 0.02; done
    echo > "$log/made"
    echo '{}'
fi
"#;
    let network = network("1.1.0", &["stubborn"]);
    if let Some(world) = World::of_parent() {
        drop(world.runtime().add(&network, &endpoint("c1")));
        return;
    }
    for is_deaf in [false, true] {
        let world = World::new(&[]);
        world.script("stubborn", STUBBORN);
        if is_deaf {
            world.write("log/deaf", "");
        }
        let mut adding = world.again(NAME).spawn().unwrap();
        world.wait_for("log/begun");
        adding.kill().unwrap();
        adding.wait().unwrap();
        let runtime = world.runtime();
        match is_deaf {
            true => drop(runtime.gc(&network, &[]).unwrap()),
            false => runtime.detach_all(&"c1".parse().unwrap()).unwrap(),
        }
        world.write("log/go", "");
        // Long enough for it to go on, were it still there.
        thread::sleep(Duration::from_millis(200));
        assert!(!world.path("log/made").exists(), "{is_deaf}");
        assert_eq!(known(&runtime), []);
        // What it has left behind on purpose lives.
        let daemon = fs::read_to_string(world.path("log/daemon")).unwrap();
        let mut kill = std::process::Command::new("kill");
        assert!(kill.arg(daemon.trim()).status().unwrap().success());
    }
}

#[test]
fn what_a_plugin_has_failed_is_known_until_it_is_detached() {
    // containerd#5438: the DEL had no time left, and nobody tried again.
    let world = World::new(&["one", "two"]);
    world.fail("two", "ADD", "no room");
    world.fail("one", "DEL", "locked");
    let network = network("1.1.0", &["one", "two"]);
    let runtime = world.builder().detach_failed(true).build();
    let error = runtime.add(&network, &endpoint("c1")).unwrap_err();
    assert!(matches!(error, Error::Undone(_)), "{error:?}");
    assert!(!known(&runtime)[0].is_complete);
    assert_eq!(
        read(&world.path("cache/pending/net-c1-eth0")).get("result"),
        None
    );
    assert_eq!(
        world.cached(),
        [""; 0],
        "what the reference would take for a result"
    );
    runtime.del(&network, &endpoint("c1")).unwrap_err();
    assert_eq!(known(&runtime).len(), 1);
    world.mend("one", "DEL");
    runtime.del(&network, &endpoint("c1")).unwrap();
    assert_eq!(known(&runtime), []);
    assert_eq!(world.pending(), [""; 0]);
}

#[test]
fn a_del_that_fails_is_known_though_nothing_was_kept() {
    // go-cni#60, containerd#12130
    let world = World::new(&["one", "two"]);
    world.fail("one", "DEL", "xtables lock");
    let network = network("1.1.0", &["one", "two"]);
    let runtime = world.runtime();
    let given = endpoint("c1").with_arg("A", "b").unwrap();
    runtime.del(&network, &given).unwrap_err();
    let [found] = known(&runtime).try_into().unwrap();
    assert!(!found.is_complete);
    assert_eq!(found.endpoint, given);
    world.calls();
    let error = runtime.gc(&network, &[]).unwrap_err();
    assert!(words(&error).ends_with("xtables lock"), "{error}");
    assert_eq!(
        world.calls(),
        ["DEL two c1", "DEL one c1", "GC one", "GC two"]
    );
    assert_eq!(known(&runtime).len(), 1);
    world.mend("one", "DEL");
    runtime.detach_all(&"c1".parse().unwrap()).unwrap();
    assert_eq!(known(&runtime), []);
}

#[test]
fn gc_leaves_what_is_begun_for_a_container_in_use() {
    let world = World::new(&["one", "two"]);
    world.fail("two", "ADD", "no room");
    let network = network("1.1.0", &["one", "two"]);
    let runtime = world.runtime();
    runtime.add(&network, &endpoint("c1")).unwrap_err();
    world.calls();
    runtime
        .gc(&network, &[endpoint("c1").attachment()])
        .unwrap();
    assert_eq!(world.calls(), ["GC one", "GC two"]);
    assert_eq!(world.pending(), ["net-c1-eth0"]);
}

#[test]
fn what_was_never_begun_is_not_noted() {
    let world = World::new(&["one"]);
    world.fail("one", "ADD", "eth0 exists");
    let network = network("1.1.0", &["one"]);
    let runtime = world.runtime();
    runtime.add(&network, &endpoint("c1")).unwrap_err();
    assert_eq!(known(&runtime), []);
    // Of what was begun before it stays known.
    world.write("log/one.ADD.out", "");
    runtime.add(&network, &endpoint("c1")).unwrap_err();
    assert_eq!(known(&runtime).len(), 1);
    world.fail("one", "ADD", "eth0 exists");
    runtime.add(&network, &endpoint("c1")).unwrap_err();
    assert_eq!(known(&runtime).len(), 1);
}

#[test]
fn what_is_complete_is_not_noted_again() {
    let world = World::new(&["one", "two"]);
    let network = network("1.1.0", &["one", "two"]);
    let runtime = world.runtime();
    runtime.add(&network, &endpoint("c1")).unwrap();
    world.fail("two", "ADD", "eth0 exists");
    runtime.add(&network, &endpoint("c1")).unwrap_err();
    assert!(known(&runtime)[0].is_complete);
    assert_eq!(world.pending(), [""; 0]);
    // Killed between the result and the end of the note.
    fs::copy(
        world.path("cache/results/net-c1-eth0"),
        world.path("cache/pending/net-c1-eth0"),
    )
    .unwrap();
    let [found] = known(&runtime).try_into().unwrap();
    assert!(found.is_complete);
    runtime.del(&network, &endpoint("c1")).unwrap();
    assert_eq!(world.pending(), [""; 0]);
}

#[test]
fn what_is_noted_has_the_same_dangers_as_what_is_kept() {
    let world = World::new(&["one", "two"]);
    world.fail("two", "ADD", "no room");
    let runtime = world.runtime();
    let (one, other) = (
        named("a-b", "1.1.0", &["one", "two"]),
        named("a", "1.1.0", &["one"]),
    );
    runtime.add(&one, &endpoint("c")).unwrap_err();
    let error = runtime.add(&other, &endpoint("b-c")).unwrap_err();
    assert!(matches!(error, Error::CacheTaken { .. }), "{error:?}");
    runtime.del(&other, &endpoint("b-c")).unwrap();
    assert_eq!(world.pending(), ["a-b-c-eth0"]);
    // cni#1055: it may be read, or not.
    for broken in ["", "{", "[]", "{}"] {
        world.write("cache/pending/net-c1-eth0", broken);
        let error = runtime.attachments(&"net".parse().unwrap()).unwrap_err();
        assert!(
            matches!(error, Error::UnknownAttachments { .. }),
            "{error:?}"
        );
        let network = network("1.1.0", &["one"]);
        runtime.del(&network, &endpoint("c1")).unwrap();
        assert_eq!(world.pending(), ["a-b-c-eth0"], "{broken}");
    }
}

#[test]
fn what_is_noted_is_not_hidden_by_a_result_of_the_same_name() {
    let world = World::new(&["one"]);
    let runtime = world.runtime();
    let (one, other) = (
        named("a-b", "1.1.0", &["one"]),
        named("a", "1.1.0", &["one"]),
    );
    runtime.add(&one, &endpoint("c")).unwrap();
    world.fail("one", "DEL", "busy");
    runtime.del(&other, &endpoint("b-c")).unwrap_err();
    let [found] = runtime
        .attachments(&other.name)
        .unwrap()
        .try_into()
        .unwrap();
    assert_eq!(found.endpoint.container_id.as_str(), "b-c");
    world.mend("one", "DEL");
    world.calls();
    runtime.detach_all(&"b-c".parse().unwrap()).unwrap();
    assert_eq!(world.calls(), ["DEL one b-c"]);
    assert_eq!(world.cached(), ["a-b-c-eth0"]);
    assert_eq!(world.pending(), [""; 0]);
}

/// The plugin was run, and nobody knows how it ended: this program ignores SIGCHLD.
#[test]
fn what_a_plugin_may_have_begun_is_noted_though_the_system_failed() {
    const NAME: &str = "journal::what_a_plugin_may_have_begun_is_noted_though_the_system_failed";
    let network = network("1.1.0", &["one"]);
    if let Some(world) = World::of_parent() {
        let error = world.runtime().add(&network, &endpoint("c1")).unwrap_err();
        assert!(error.advice().unwrap().contains("SIGCHLD"), "{error}");
        return;
    }
    let world = World::new(&["one"]);
    world.answer("one", "ADD", "");
    let again = world.again(NAME);
    let mut ignoring = std::process::Command::new("env");
    ignoring
        .arg("--ignore-signal=CHLD")
        .arg(again.get_program());
    ignoring
        .args(again.get_args())
        .stdout(std::process::Stdio::null());
    ignoring.envs(
        again
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    assert!(ignoring.status().unwrap().success());
    assert_eq!(world.calls(), ["ADD one c1"]);
    assert_eq!(world.pending(), ["net-c1-eth0"]);
}

#[test]
fn what_cannot_be_noted_is_not_begun() {
    let world = World::new(&["one"]);
    world.write("cache/pending", "a file where the directory should be");
    let network = network("1.1.0", &["one"]);
    let error = world.runtime().add(&network, &endpoint("c1")).unwrap_err();
    assert!(matches!(error, Error::NotNoted { .. }), "{error:?}");
    assert!(
        error.to_string().starts_with("no plugin was run"),
        "{error}"
    );
    assert_eq!(error.code(), ErrorCode::IO_FAILURE);
    assert_eq!(world.calls(), [""; 0]);
    // A DEL needs no note.
    world.runtime().del(&network, &endpoint("c1")).unwrap();
    world.fail("one", "DEL", "busy");
    let error = world.runtime().del(&network, &endpoint("c1")).unwrap_err();
    assert!(words(&error).ends_with("busy"), "{error}");
}

/// The cache becomes unwritable while the plugins run.
const SPOILER: &str = r#"#!/bin/sh
cache=${0%/bin/*}/cache
echo "$CNI_COMMAND" >> "${0%/bin/*}/log/calls"
[ "$CNI_COMMAND" = ADD ] || exit 0
rm -rf "$cache/results"
echo > "$cache/results"
"#;

#[test]
fn what_cannot_be_kept_is_attached_and_can_be_undone() {
    let world = World::new(&[]);
    world.script("one", &format!("{SPOILER}echo '{RESULT}'\n"));
    let network = network("1.1.0", &["one"]);
    let runtime = world.runtime();
    let error = runtime.add(&network, &endpoint("c1")).unwrap_err();
    let told = words(&error);
    assert!(
        told.starts_with(r#"container "c1" is attached to network "net" by "eth0", but"#),
        "{told}"
    );
    assert!(told.contains("cannot keep the cached result"), "{told}");
    let Error::NotKept { result, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(result.ips[0].address.to_string(), "10.1.0.2/24");
    let noted = runtime.attachments(&network.name);
    assert!(
        noted.is_err(),
        "what a file hides is not nothing: {noted:?}"
    );
    fs::remove_file(world.path("cache/results")).unwrap();
    assert!(!known(&runtime)[0].is_complete);
    runtime.del(&network, &endpoint("c1")).unwrap();
    assert_eq!(world.calls(), ["ADD", "DEL"]);
    assert_eq!(known(&runtime), []);
    // At once.
    let runtime = world.builder().detach_failed(true).build();
    let error = runtime.add(&network, &endpoint("c1")).unwrap_err();
    assert!(matches!(error, Error::Undone(_)), "{error:?}");
    assert_eq!(world.calls(), ["ADD", "DEL"]);
}

#[test]
fn what_was_run_is_what_is_kept() {
    // multus#1449, multus#755
    let world = World::new(&["one", "two"]);
    let mut network = list(&json!({
        "cniVersion": "1.1.0", "name": "net", "ours": {"x": 1}, "plugins": [{"type": "one"}]
    }));
    network
        .plugins
        .push(PluginConfig::parse(br#"{"type":"two","key":[1]}"#).unwrap());
    network.plugins[0].insert("mtu", 1400.into());
    let runtime = world.runtime();
    runtime.add(&network, &endpoint("c1")).unwrap();
    let [kept] = known(&runtime).try_into().unwrap();
    let then = kept.network_list().unwrap();
    assert_eq!(then.plugins, network.plugins);
    assert_eq!(
        linkspan_spec::decode::value(&kept.config).unwrap(),
        json!({
            "cniVersion": "1.1.0", "name": "net", "ours": {"x": 1},
            "plugins": [{"type": "one", "mtu": 1400}, {"type": "two", "key": [1]}]
        })
    );
    runtime.detach(&kept).unwrap();
    assert_eq!(world.stdin("one", "DEL")["mtu"], 1400);
    assert_eq!(world.stdin("two", "DEL")["key"], json!([1]));
}
