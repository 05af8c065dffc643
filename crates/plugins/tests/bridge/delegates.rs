//! IPAM plugins of others that do not come to an end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use linkspan_testkit::{Cmd, sandbox};
use serde_json::json;

use crate::host::{Host, network};

fn script(path: &Path, lines: &str) {
    fs::write(path, format!("#!/bin/sh\n{lines}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Each is a process, so that no stack ends it: the host's memory would.
#[test]
fn plugins_that_ask_each_other_in_a_circle_are_told_so() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let dir = sandbox.dir();
        let log = dir.join("log");
        let bridge = host.plugins.dir().join("bridge");
        // Asks the plugin that asks it, with the same configuration, for an interface of its own.
        script(
            &dir.join("mirror"),
            &format!(
                "echo $LINKSPAN_DELEGATIONS >>{}\nexport CNI_IFNAME=eth$LINKSPAN_DELEGATIONS\nexec {}",
                log.display(),
                bridge.display()
            ),
        );
        let netns = sandbox.netns("a");
        let config = network(json!({ "ipam": { "type": "mirror" } }));
        for verb in ["DEL", "STATUS"] {
            fs::write(&log, "").unwrap();
            let call = host.call(verb, &config, &netns);
            let call = call.env("CNI_PATH", dir.display().to_string());
            let words = [
                "\"mirror\" is called by more than 8 plugins that delegate to each other",
                "correct the type",
            ];
            call.run().fails(7, &words);
            let depths = fs::read_to_string(&log).unwrap();
            let deepest = depths.lines().map(|line| line.parse::<u8>().unwrap()).max();
            assert_eq!(deepest, Some(8), "{verb}: {depths}");
        }
        let links = netns.run("ls /sys/class/net");
        assert_eq!(links.trim(), "lo");
    });
}

/// Whether a process runs; a zombie does not.
fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| &rest[..1]);
    state.is_some_and(|state| state != "Z" && state != "X")
}

/// Waits until something is so.
#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A delegate has no deadline of its own: it is in the group that the runtime ends at the runtime's. cni#687
#[test]
fn a_delegate_that_hangs_ends_with_the_group_of_the_plugin_that_asked_it() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let dir = sandbox.dir();
        let log = dir.join("pid");
        let hangs = format!(
            "[ $CNI_COMMAND = ADD ] || exit 0\necho $$ >{0}.new\nmv {0}.new {0}\nexec sleep 50",
            log.display()
        );
        script(&dir.join("hangs"), &hangs);
        let netns = sandbox.netns("a");
        let config = network(json!({ "ipam": { "type": "hangs" } }));
        for (signal, number) in [("TERM", 15), ("KILL", 9)] {
            let call = |verb| {
                let call = host.call(verb, &config, &netns);
                call.env("CNI_PATH", dir.display().to_string())
            };
            let plugin = call("ADD").cmd().start();
            until("the delegate is called", || log.exists());
            let delegate = fs::read_to_string(&log).unwrap();
            let delegate = delegate.trim();
            assert!(runs(delegate), "{delegate}");
            Cmd::shell(&format!("kill -s {signal} -- -{}", plugin.pid())).run();
            assert_eq!(plugin.wait().status.signal(), Some(number));
            until("the delegate has ended", || !runs(delegate));
            fs::remove_file(&log).unwrap();
            call("DEL").run().success();
            assert_eq!(netns.run("ls /sys/class/net").trim(), "lo", "{signal}");
            let left = sandbox.run("ls /sys/class/net");
            assert!(!left.contains("veth"), "{signal}: {left}");
        }
    });
}
