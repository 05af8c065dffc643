//! How the program behaves towards people, scripts and terminals, whatever the command.

use std::fs;

use linkspan_testkit::sandbox;

use crate::world::{World, json, status};

/// A plugin that takes its time.
const SLOW: &str = "#!/bin/sh\ncat >/dev/null\nsleep 1.5\necho '{\"cniVersion\":\"1.0.0\"}'\n";

#[test]
fn a_namespace_is_named_by_path_name_or_process() {
    sandbox(|host| {
        let world = World::new();
        host.run("ip netns add c1");
        let own = std::process::id().to_string();
        fs::write(world.path("here"), "").unwrap();
        for (given, netns) in [
            ("c1", "/run/netns/c1".to_owned()),
            (&own, format!("/proc/{own}/ns/net")),
            ("here", world.text("here")),
        ] {
            world.ok(&["add", "mynet", given]);
            assert_eq!(world.env("ADD", "CNI_NETNS"), netns);
            // The ID is that of the path, however it was named.
            let id = world.env("ADD", "CNI_CONTAINERID");
            world.ok(&["check", "mynet", &netns]);
            assert_eq!(world.env("CHECK", "CNI_CONTAINERID"), id);
            // A path that is there goes before a name.
            fs::write(world.path("c1"), "").unwrap();
            world.ok(&["check", "mynet", given]);
            let expected = if given == "c1" {
                world.text("c1")
            } else {
                netns.clone()
            };
            assert_eq!(world.env("CHECK", "CNI_NETNS"), expected);
            fs::remove_file(world.path("c1")).unwrap();
        }
        // What was attached is found by what it was called, though it is gone by now.
        host.run("ip netns del c1");
        fs::remove_file(world.path("here")).unwrap();
        for (given, netns) in [
            ("c1", "/run/netns/c1".to_owned()),
            ("here", world.text("here")),
        ] {
            let output = world.run(&["del", "mynet", given, "--json"]);
            assert_eq!(json(output.success())["detached"], true);
            assert_eq!(world.env("DEL", "CNI_NETNS"), netns);
        }
    });
}

#[test]
fn quiet_tells_errors_alone_and_verbose_what_was_read_and_run() {
    let world = World::new();
    let noted = "#!/bin/sh\ncat >/dev/null\necho chatter >&2\necho '{\"cniVersion\":\"1.0.0\"}'\n";
    world.script("bin/rec", noted);
    for (flags, notes) in [
        (&["-q"][..], &[][..]),
        (&[], &["chatter"]),
        (
            &["-v"],
            &[
                "the namespace is /run/netns/c9",
                "network mynet is read from ",
                "/bin/rec, 1 of 1 in network mynet, succeeded in ",
                "chatter",
                "the result is kept in ",
            ],
        ),
    ] {
        let args = [&["add", "mynet", "/run/netns/c9"], flags].concat();
        let output = world.run(&args);
        assert_eq!(json(output.success())["cniVersion"], "1.0.0");
        assert_eq!(output.stderr.lines().count(), notes.len(), "{output}");
        for (line, note) in output.stderr.lines().zip(notes) {
            assert!(line.contains(note), "{output}");
        }
        // The same for a program, in one object.
        let output = world.run(&[&args[..], &["--json"]].concat());
        let told = output.stderr.trim();
        let told = if told.is_empty() {
            "{\"notes\":[]}"
        } else {
            told
        };
        assert_eq!(json(told)["notes"].as_array().unwrap().len(), notes.len());
    }
    let output = world.run(&["-q", "add", "nonet", "/run/netns/c9"]);
    assert_eq!(status(&output), 3);
    assert!(output.stderr.contains("error: "), "{output}");
    assert!(output.stderr.contains("next: "), "{output}");
    let output = world.run(&["-q", "-v", "list"]);
    assert_eq!(status(&output), 2, "{output}");
}

/// What a terminal gets of a command, with TERM and others set.
fn on_a_terminal(world: &World, args: &str, variables: &[(&str, &str)]) -> String {
    let command = format!(
        "{} {args} --cache-dir {}",
        env!("CARGO_BIN_EXE_linkspan"),
        world.text("cache")
    );
    let starter = ["script", "-qec", &command, "/dev/null"];
    let terminal = world.started_by(&starter);
    let terminal = terminal.env("TERM", "xterm");
    let set = variables.iter();
    set.fold(terminal, |command, (name, value)| command.env(name, value))
        .output()
        .success()
        .to_owned()
}

#[test]
fn what_takes_a_second_is_shown_on_a_terminal_and_erased() {
    let world = World::new();
    world.script("bin/rec", SLOW);
    let shown = on_a_terminal(&world, "add mynet /run/netns/c9", &[]);
    let line = "\r\x1b[Kwaiting for plugin rec, ADD … 1 s\r\x1b[K{";
    assert!(shown.starts_with(line), "{shown:?}");
    for (flag, variables) in [
        ("-q", &[][..]),
        ("--json", &[]),
        ("", &[("TERM", "dumb")]),
        ("", &[("TERM", "")]),
    ] {
        let shown = on_a_terminal(
            &world,
            &format!("add mynet /run/netns/c9 {flag}"),
            variables,
        );
        assert!(shown.starts_with('{'), "{flag} {variables:?}: {shown:?}");
    }
    let output = world.run(&["add", "mynet", "/run/netns/c9"]);
    assert_eq!(output.stderr, "");
}

#[test]
fn colour_is_for_terminals_that_have_it() {
    let world = World::new();
    for (variables, is_coloured) in [
        (&[][..], true),
        (&[("NO_COLOR", "")], true),
        (&[("NO_COLOR", "1")], false),
        (&[("TERM", "dumb")], false),
        (&[("TERM", "")], false),
    ] {
        let shown = on_a_terminal(&world, "list", variables);
        assert!(shown.contains("NETWORK"), "{shown}");
        assert_eq!(
            shown.contains('\x1b'),
            is_coloured,
            "{variables:?}: {shown:?}"
        );
    }
    assert!(!world.ok(&["list"]).contains('\x1b'));
}
