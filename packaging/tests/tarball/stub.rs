//! What a stub does with what it finds beside it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use linkspan_testkit::{Cmd, sandbox};
use serde_json::Value;

use super::unpacked;

/// The answer of a plugin that is asked for a version, and whether it was an error.
fn answer(program: Cmd) -> (bool, Value) {
    let output = program
        .env("CNI_COMMAND", "VERSION")
        .stdin("{\"cniVersion\":\"1.0.0\"}")
        .output();
    let answer =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output}"));
    (output.ok(), answer)
}

/// A folder that is only half of one is told, in words; other holders are not executed, which would answer for another plugin.
#[test]
fn what_is_no_holder_is_not_executed() {
    type Case<'a> = (&'a str, &'a dyn Fn(&Path), &'a str);
    let cases: [Case<'_>; 6] = [
        (
            "missing",
            &|holder| fs::remove_file(holder).unwrap(),
            "it is not there (os error 2)",
        ),
        (
            "the reference's",
            &|holder| {
                fs::copy("/usr/lib/cni/loopback", holder).unwrap();
            },
            "it is the plugin of somebody else",
        ),
        (
            "a stub",
            &|holder| {
                fs::copy(holder.with_file_name("bridge"), holder).unwrap();
            },
            "it is a stub, too",
        ),
        (
            "empty",
            &|holder| fs::write(holder, "").unwrap(),
            "it is the plugin of somebody else",
        ),
        (
            "a pipe",
            &|holder| {
                fs::remove_file(holder).unwrap();
                Cmd::new("mkfifo").arg(holder).run();
            },
            "it cannot be read (os error 29)",
        ),
        (
            "not executable",
            &|holder| {
                Cmd::new("chmod").arg("644").arg(holder).run();
            },
            "the kernel refuses it (os error 13)",
        ),
    ];
    for (case, spoil, words) in cases {
        let dir = unpacked();
        let holder = dir.path().join("loopback");
        spoil(&holder);
        let (ok, answer) = answer(Cmd::new(dir.path().join("bridge")));
        assert!(!ok, "{case}: {answer}");
        assert_eq!(answer["code"], 5, "{case}");
        let told = answer["msg"].as_str().unwrap();
        assert!(told.ends_with(words), "{case}: {told}");
        let path = holder.canonicalize().unwrap_or(holder.clone());
        assert!(told.contains(path.to_str().unwrap()), "{case}: {told}");
        assert!(
            answer["details"].as_str().unwrap().len() > 40,
            "{case}: {answer}"
        );
    }
}

/// It is the file's name that counts, as for a plugin that is alone in its file, and not what the caller gives as `argv[0]`.
#[test]
fn a_stub_is_the_plugin_that_its_file_is_named_after() {
    let dir = unpacked();
    let at = |name: &str| dir.path().join(name);
    fs::rename(at("bridge"), at("my-bridge")).unwrap();
    symlink("host-local", at("net0")).unwrap();
    symlink(at("net0"), at("net1")).unwrap();
    fs::create_dir(at("deep")).unwrap();
    symlink("../ptp", at("deep/vlan")).unwrap();
    let cases = [
        ("tap", "tap", "tap"),
        ("tap", "anything", "tap"),
        ("tap", "bridge", "tap"),
        ("tap", "", "tap"),
        ("my-bridge", "my-bridge", "bridge"),
        ("net0", "net0", "host-local"),
        ("net1", "net1", "host-local"),
        // A link of another plugin's name is that plugin, as it is of links to the file of all plugins.
        ("deep/vlan", "vlan", "vlan"),
    ];
    for (file, argument, plugin) in cases {
        let line = format!("exec -a '{argument}' {}", at(file).display());
        let output = Cmd::new("bash")
            .args(["-c", &line])
            .env_remove("CNI_COMMAND")
            .output();
        let words = format!("CNI {plugin} plugin");
        assert!(
            output.stderr.contains(&words),
            "{file} as {argument}: {output}"
        );
    }
    // From its own folder, by a path without one; by a descriptor; and the words behind the name.
    let here = Cmd::new("bash")
        .args(["-c", "PATH=.; tap"])
        .current_dir(dir.path());
    assert!(here.output().stderr.contains("CNI tap plugin"));
    let script =
        "import os,sys; fd=os.open(sys.argv[1], os.O_RDONLY); os.execve(fd, ['x/tap'], {})";
    let by_descriptor = Cmd::new("python3").args(["-c", script]).arg(at("vrf"));
    assert!(by_descriptor.output().stderr.contains("CNI tap plugin"));
    let words = Cmd::new(at("dhcp")).args(["daemon", "--nonsense"]).output();
    assert!(words.stderr.contains("-nonsense"), "{words}");
}

/// What a runtime hands to a plugin the plugin has: environment, standard input, descriptors, and none beside.
#[test]
fn nothing_is_added_and_nothing_is_lost() {
    let dir = unpacked();
    let trace = dir.path().join("trace");
    let line = format!(
        "exec 7</dev/null; strace -f -qq -e trace=execve,execveat,openat,open,close -o {} {}/tap",
        trace.display(),
        dir.path().display()
    );
    let (ok, _) = answer(Cmd::new("bash").args(["-c", &line]));
    assert!(ok);
    let log = fs::read_to_string(trace).unwrap();
    let opened: Vec<_> = log.lines().filter(|line| line.contains("open")).collect();
    assert!(
        opened[0].contains("loopback") && opened[0].contains("O_CLOEXEC"),
        "{log}"
    );
    assert!(!log.contains("close(7)"), "{log}");
    let vars = |line: &&str| {
        line.contains("exec")
            .then(|| line.rsplit("/* ").next().unwrap().to_owned())
    };
    let vars: Vec<_> = log
        .lines()
        .collect::<Vec<_>>()
        .iter()
        .filter_map(vars)
        .collect();
    let counts: Vec<_> = vars
        .iter()
        .map(|vars| vars.split(' ').next().unwrap())
        .collect();
    assert!(counts.len() == 2 && counts[0] == counts[1], "{log}");
}

/// Where nothing is mounted at /proc the path that was started tells.
#[test]
fn it_works_without_proc() {
    sandbox(|host| {
        let root = host.dir();
        super::unpack(&root);
        let asked = Cmd::new("chroot").arg(&root).arg("/tap");
        let (ok, answer) = answer(asked);
        assert!(ok, "{answer}");
        assert!(answer["supportedVersions"].is_array(), "{answer}");
    });
}

/// Whoever may link to a file with rights of its owner would choose what it executes.
#[test]
fn a_stub_with_more_rights_than_its_caller_executes_nothing() {
    if !rustix::process::getuid().is_root() {
        eprintln!("skipped: only root can be somebody else");
        return;
    }
    let dir = unpacked();
    let stub = dir.path().join("tap");
    Cmd::new("chmod").arg("4755").arg(&stub).run();
    Cmd::new("chmod").arg("755").arg(dir.path()).run();
    let somebody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let (ok, answer) = answer(Cmd::new(&stub).under(&somebody));
    assert!(
        !ok && answer["msg"].as_str().unwrap().contains("rights"),
        "{answer}"
    );
}

/// A runtime that is setuid has its plugins run as root for a user: the rights are its own, and the stub has none to give.
#[test]
fn a_stub_works_for_a_caller_with_another_effective_user() {
    if !rustix::process::getuid().is_root() {
        eprintln!("skipped: only root can be somebody else");
        return;
    }
    let dir = unpacked();
    let stub = dir.path().join("tap");
    Cmd::new("chmod").arg("755").arg(dir.path()).run();
    for (mode, is_refused) in [("755", false), ("4755", true), ("2755", true)] {
        Cmd::new("chmod").arg(mode).arg(&stub).run();
        for id in ["--ruid=65534", "--rgid=65534"] {
            let starter = ["setpriv", "--keep-groups", id];
            let (ok, answer) = answer(Cmd::new(&stub).under(&starter));
            assert_eq!(ok, !is_refused, "{mode} {id}: {answer}");
        }
    }
    Cmd::new("chmod").arg("755").arg(&stub).run();
    Cmd::new("setcap").arg("cap_net_admin+ep").arg(&stub).run();
    let (ok, answer) = answer(Cmd::new(&stub).under(&["setpriv", "--ruid=65534"]));
    assert!(!ok, "with a capability: {answer}");
}
