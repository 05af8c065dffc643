//! `demo`.

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use linkspan_testkit::{Cmd, Output, Sandbox, Snapshot, sandbox};
use serde_json::{Value, json};

pub(crate) use crate::programs::build_plugins;
use crate::world::{json, status};

/// The session of a container's first ADD, as everybody is shown it.
const RESULT: &str = r#"{ "cniVersion": "0.2.0", "ip4": { "ip": "10.22.0.2/16", "gateway": "10.22.0.1",
    "routes": [ { "dst": "0.0.0.0/0", "gw": "10.22.0.1" } ] }, "dns": {} }"#;

const LINKSPAN: &str = env!("CARGO_BIN_EXE_linkspan");
const PLUGINS: &str = "linkspan-plugins";

/// The demo of the plugins that are beside the program.
fn demo() -> Cmd {
    Cmd::new(LINKSPAN).arg("demo")
}

/// Runs it, and sees to it that the machine is then as it was before.
fn on_a_machine(host: &Sandbox, demo: Cmd) -> Output {
    fs::create_dir_all("/etc/cni/net.d").unwrap();
    fs::write("/etc/cni/net.d/mynet.conf", "somebody's").unwrap();
    let directories = ["/run", "/etc/cni", "/var/lib/cni", "/opt/cni"];
    let before = Snapshot::of(&[host.host()], &directories);
    let output = demo.output();
    before.assert_same(
        &Snapshot::of(&[host.host()], &directories),
        "after the demo",
    );
    output
}

/// As an ordinary user, where root may have kept the programs to itself.
fn of_user(host: &Sandbox) -> Cmd {
    let dir = host.dir();
    let everybody = || fs::Permissions::from_mode(0o755);
    fs::set_permissions(&dir, everybody()).unwrap();
    for name in ["linkspan", PLUGINS] {
        let copy = dir.join(name);
        fs::copy(Path::new(LINKSPAN).with_file_name(name), &copy).unwrap();
        fs::set_permissions(&copy, everybody()).unwrap();
    }
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    Cmd::new(dir.join("linkspan"))
        .arg("demo")
        .under(&[&["setpriv"], &nobody[..], &["--"]].concat())
}

/// Whether a text holds these words, wherever its lines are broken.
fn told_in_words(text: &str, words: &str) {
    let in_one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        in_one_line(text).contains(&in_one_line(words)),
        "{words}:\n{text}"
    );
}

#[test]
fn a_person_sees_every_step() {
    build_plugins();
    sandbox(|host| {
        let output = on_a_machine(host, demo());
        let text = output.success();
        let told = |words: &str| assert!(text.contains(words), "{words}:\n{text}");
        told_in_words(
            text,
            "in a sandbox: network and mount namespaces of its own",
        );
        told_in_words(text, include_str!("../../src/commands/demo/mynet.conf"));
        for words in [
            "✓ ADD c1, eth0 in /run/netns/c1",
            "├── cni0  bridge, 10.22.0.1/16\n",
            " ─── eth0 in c2  10.22.0.3/16, default via 10.22.0.1\n",
            "✓ c1 pings c2       10.22.0.3     seen as 10.22.0.2 ",
            "✓ c1 pings gateway  10.22.0.1     seen as 10.22.0.2 ",
            "✓ c1 pings outside  198.51.100.2  seen as 198.51.100.1, masqueraded",
            "├── mynet/c1/eth0\n",
            "masquerade4  10.22.0.2\n",
            "✓ DEL c2 ",
            "✓ nftables    no element; the table inet linkspan stays\n",
            "last_reserved_ip.0, lock in /var/lib/cni/networks/mynet\n",
            "All as it should be",
        ] {
            told(words);
        }
        assert!(text.lines().count() <= 60, "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        assert!(!text.contains('\x1b'), "colours are for terminals");
        assert_eq!(output.stderr, "");
    });
}

#[test]
fn an_ordinary_user_can_run_it() {
    build_plugins();
    let assert_done = |output: &Output| {
        let text = output.success();
        told_in_words(
            text,
            "in a sandbox: user, network and mount namespaces of its own",
        );
        assert!(text.contains("All as it should be"), "{output}");
    };
    if !rustix::process::geteuid().is_root() {
        return assert_done(&demo().output());
    }
    sandbox(|host| assert_done(&on_a_machine(host, of_user(host))));
}

#[test]
fn a_program_gets_a_report() {
    build_plugins();
    sandbox(|host| {
        let output = on_a_machine(host, demo().arg("--json"));
        let report = json(output.success());
        assert_eq!(report["userNamespace"], false);
        assert_eq!(report["attached"][0]["result"], json(RESULT));
        let seen = |number: usize| report["pings"][number]["sourceSeen"].clone();
        assert_eq!(
            [seen(0), seen(1), seen(2)],
            ["10.22.0.2", "10.22.0.2", "198.51.100.1"]
        );
        assert_eq!(report["left"]["interfaces"], json!(["cni0"]));
        let interfaces = report["topology"]["interfaces"].as_array().unwrap();
        let of = |place: &str, name: &str| -> Value {
            let wanted = |one: &&Value| one["namespace"] == place && one["name"] == name;
            interfaces.iter().find(wanted).unwrap().clone()
        };
        let port = of("c1", "eth0")["peer"].as_str().unwrap().to_owned();
        let port = of("host", port.strip_prefix("host/").unwrap());
        assert_eq!(port["bridge"], "cni0");
    });
}

/// The plugins, with a script in the place of `bridge`, in which `bridge` runs the plugin.
fn with_bridge(host: &Sandbox, script: &str) -> PathBuf {
    let dir = host.dir();
    let plugins = Path::new(LINKSPAN).with_file_name(PLUGINS);
    let text = format!(
        "#!/bin/sh\nbridge() {{ {} bridge; }}\n{script}\n",
        plugins.display()
    );
    fs::write(dir.join("bridge"), text).unwrap();
    fs::set_permissions(dir.join("bridge"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink(&plugins, dir.join("host-local")).unwrap();
    dir
}

#[test]
fn what_is_not_as_it_should_be_is_an_error() {
    build_plugins();
    sandbox(|host| {
        for (script, words) in [
            (
                "echo '{\"code\":7,\"msg\":\"not today\"}'; exit 1",
                &[
                    "error: plugin type=\"bridge\" failed (add)",
                    "cause: not today",
                ][..],
            ),
            (
                "[ $CNI_COMMAND = DEL ] || bridge",
                &[
                    "error: after DEL the machine is not as it was before ADD",
                    "of host is left",
                    "eth0 of c1 is left",
                ],
            ),
            (
                "sed 's/\"ipMasq\": *true/\"ipMasq\":false/' | bridge",
                &[
                    "error: c1 does not reach outside",
                    "cannot ping 198.51.100.2",
                ],
            ),
            ("exit 0", &["error: plugin type=\"bridge\" failed (add)"]),
        ] {
            let output = on_a_machine(host, demo().arg("--plugins").arg(with_bridge(host, script)));
            assert_eq!(status(&output), 1, "{output}");
            for words in words {
                assert!(output.stderr.contains(words), "{words}: {output}");
            }
        }
    });
}

#[test]
fn the_plugins_are_found_where_they_are_installed() {
    build_plugins();
    sandbox(|host| {
        let (programs, plugins) = (host.dir(), host.dir());
        let alone = programs.join("linkspan");
        fs::copy(LINKSPAN, &alone).unwrap();
        let demo = || Cmd::new(&alone).arg("demo").env("CNI_PATH", &plugins);
        let output = demo().output();
        assert_eq!(status(&output), 1);
        let words = format!("{}/linkspan-plugins", plugins.display());
        assert!(output.stderr.contains(&words), "{output}");
        let install = ["install", "--bin-dir", plugins.to_str().unwrap()];
        Cmd::new(LINKSPAN).args(install).run();
        assert!(demo().output().success().contains("All as it should be"));
    });
}

#[test]
fn it_runs_in_a_chroot() {
    build_plugins();
    sandbox(|host| {
        host.run("mkdir /run/root && mount --rbind / /run/root");
        let output = demo().under(&["chroot", "/run/root"]).output();
        assert!(output.success().contains("All as it should be"), "{output}");
    });
}

#[test]
fn errors_before_it_begins() {
    build_plugins();
    let missing = demo().args(["--plugins", "/no/such"]).output();
    assert_eq!(status(&missing), 1);
    assert!(
        missing.stderr.contains("cannot find /no/such/bridge"),
        "{missing}"
    );
    let both = demo().args(["--shell", "--json"]).output();
    assert_eq!(status(&both), 2);
    let forbid = "echo 0 > /proc/sys/user/max_user_namespaces
        exec setpriv --bounding-set=-all --inh-caps=-all -- \"$@\"";
    let user = [
        "unshare",
        "--user",
        "--map-root-user",
        "sh",
        "-ec",
        forbid,
        "sh",
    ];
    let denied = demo().under(&user).output();
    assert_eq!(status(&denied), 1, "{denied}");
    assert!(denied.stderr.contains("Run it as root"), "{denied}");
}
