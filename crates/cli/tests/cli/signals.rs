//! Signals, and kernels that lack what waits for a process.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use linkspan_testkit::{Cmd, sandbox};

use crate::demo::build_plugins;
use crate::world::{World, json, status};

/// Says that it was told to end; its ADD waits for that.
const PATIENT: &str = r#"#!/bin/sh
log=${0%/bin/*}/log
cat > /dev/null
echo $CNI_COMMAND >> "$log/calls"
[ $CNI_COMMAND = ADD ] || exit 0
trap 'echo told >> "$log/calls"; exit 1' TERM
echo waiting > "$log/waiting"
sleep 60 &
wait
"#;

/// Attaches, and sends a signal once the plugin waits; returns the exit status and standard error.
fn interrupted(world: &World, signal: &str, args: &str) -> (String, String) {
    let (waiting, log) = (world.text("log/waiting"), world.text("log/stderr"));
    let program = env!("CARGO_BIN_EXE_linkspan");
    // A shell has its background ignore SIGINT.
    let line = format!(
        "env --default-signal=INT,TERM,HUP,QUIT,USR1,USR2,ALRM {program} {args} --cache-dir {} 2> {log} & pid=$!
         while [ ! -s {waiting} ]; do sleep 0.02; done
         rm {waiting}; kill -{signal} $pid; code=0; wait $pid || code=$?; echo $code",
        world.text("cache")
    );
    let root = match rustix::process::geteuid().is_root() {
        true => Cmd::shell(&line),
        false => Cmd::new("unshare").args(["-Ur", "sh", "-ec", &line]),
    };
    let output = root
        .env("CNI_PATH", world.path("bin"))
        .env("NETCONFPATH", world.path("net.d"))
        .output();
    (
        output.success().trim().to_owned(),
        fs::read_to_string(log).unwrap(),
    )
}

#[test]
fn a_signal_is_handed_on_and_what_was_begun_is_detached() {
    let world = World::new();
    world.script("bin/rec", PATIENT);
    for (signal, expected) in [
        ("INT", "130"),
        ("TERM", "143"),
        ("HUP", "129"),
        ("QUIT", "131"),
        ("USR1", "138"),
        ("USR2", "140"),
        ("ALRM", "142"),
    ] {
        let (code, stderr) = interrupted(&world, signal, "add mynet /run/netns/c1");
        assert_eq!(code, expected, "{stderr}");
        assert!(
            stderr.contains("cause: the operation was given up"),
            "{stderr}"
        );
        assert!(stderr.contains("has been detached again"), "{stderr}");
        let calls = fs::read_to_string(world.path("log/calls")).unwrap();
        assert_eq!(calls, "ADD\ntold\nDEL\n", "{signal}");
        fs::remove_file(world.path("log/calls")).unwrap();
        assert_eq!(world.cached(), 0);
    }
    let (code, stderr) = interrupted(&world, "TERM", "add mynet /run/netns/c1 --json");
    assert_eq!(
        (code.as_str(), json(&stderr)["code"].as_u64()),
        ("143", Some(11))
    );
}

#[test]
fn a_cancelled_add_claims_no_more_than_was_undone() {
    let world = World::new();
    world.script(
        "bin/rec",
        &PATIENT.replace("exit 0", r#"{ echo '{"code":11,"msg":"busy"}'; exit 1; }"#),
    );
    let (code, stderr) = interrupted(&world, "TERM", "add mynet /run/netns/c1");
    assert_eq!(code, "143", "{stderr}");
    assert!(!stderr.contains("has been detached again"), "{stderr}");
    assert!(stderr.contains("could not be detached again"), "{stderr}");
    assert!(stderr.contains("cause: busy"), "{stderr}");
}

/// A program inherits that it is ignored, and then its children are nobody's.
#[test]
fn a_starter_that_ignores_its_children_is_borne() {
    let world = World::new();
    let cache = world.text("cache");
    let ignoring = ["env", "--ignore-signal=CHLD"];
    // A DEL prints nothing that would tell how it ended.
    for (command, cached) in [("add", 1), ("del", 0)] {
        let args = [command, "mynet", "/run/netns/c1", "--cache-dir", &cache];
        let output = world.linkspan_by(&ignoring, &args).output();
        assert!(output.ok(), "{output}");
        assert_eq!(world.cached(), cached);
    }
}

/// So do the plugins, which start those of others for addresses.
#[test]
fn a_plugin_bears_it_too() {
    build_plugins();
    sandbox(|host| {
        let world = World::new();
        let binary = Path::new(env!("CARGO_BIN_EXE_linkspan")).with_file_name("linkspan-plugins");
        symlink(binary, world.path("bin/bridge")).unwrap();
        let netns = host.netns("c1");
        let config = r#"{"cniVersion":"1.0.0","name":"net","type":"bridge","ipam":{"type":"rec"}}"#;
        let output = Cmd::new(world.path("bin/bridge"))
            .under(&["env", "--ignore-signal=CHLD"])
            .stdin(config)
            .env("CNI_COMMAND", "ADD")
            .env("CNI_CONTAINERID", "c1")
            .env("CNI_IFNAME", "eth0")
            .env("CNI_NETNS", netns.path())
            .env("CNI_PATH", world.path("bin"))
            .output();
        let told = json(output.success());
        assert_eq!(told["ips"][0]["address"], "10.22.0.2/16", "{output}");
        assert!(world.called("ADD"));
    });
}

/// Before Linux 5.3, and in sandboxes, processes have no descriptors.
#[test]
fn a_plugin_is_awaited_without_a_descriptor_of_its_process() {
    let world = World::new();
    world.script(
        "bin/rec",
        "#!/bin/sh\ncat > /dev/null\nsleep 0.3\necho '{}'\n",
    );
    world.script("bin/slow", "#!/bin/sh\nsleep 60\n");
    let slow = r#"{"cniVersion":"1.0.0","name":"slow","type":"slow"}"#;
    fs::write(world.path("net.d/30-slow.conf"), slow).unwrap();
    let without = [
        "strace",
        "-f",
        "-o",
        "/dev/null",
        "-e",
        "inject=pidfd_open:error=ENOSYS",
    ];
    let cache = world.text("cache");
    let run = |args: &[&str]| {
        let args = [args, &["--cache-dir", &cache]].concat();
        world.linkspan_by(&without, &args).output()
    };
    let output = run(&["add", "mynet", "/run/netns/c1"]);
    assert!(output.ok(), "{output}");
    assert_eq!(world.cached(), 1);
    let output = run(&["add", "slow", "/run/netns/c1", "--timeout", "300ms"]);
    assert_eq!(status(&output), 4, "{output}");
}

/// As the first process of a container, where a signal that nobody handles does not end a process.
#[test]
fn pause_stays_until_it_is_told_to_end_and_leaves_no_zombie() {
    sandbox(|host| {
        let told = host.run(&format!(
            "unshare --pid --fork --kill-child --mount-proc sh -c '(sleep 0.1 &) ; exec {} pause' & child=$!
             while ! pid=$(pgrep --parent $child) || [ \"$(cat /proc/$pid/comm)\" != linkspan ]; do sleep 0.02; done
             while pgrep --parent $pid --runstates S >/dev/null; do sleep 0.02; done; sleep 0.1
             echo \"zombies: $(pgrep --parent $pid --runstates Z)\"
             kill -TERM $pid; code=0; wait $child || code=$?; echo \"status: $code\"",
            env!("CARGO_BIN_EXE_linkspan")
        ));
        assert_eq!(told.trim(), "zombies: \nstatus: 0");
    });
}
