//! What a call does as a process: how many there are, how large they are, what it asks of the kernel and when.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use linkspan_testkit::{
    Cmd, Feature, PLUGIN_NAMES, Plugins, Sandbox, fail_at_syscall, needs, sandbox, with_prev_result,
};
use serde_json::{Value, json};

use super::host::{Host, dual_stack, left, network};

/// The calls of these names that a program makes, as strace shows them, one to a line.
fn traced(sandbox: &Sandbox, program: Cmd, names: &str) -> Vec<String> {
    let log: PathBuf = sandbox.dir().join("log");
    let filter = format!("--trace={names}");
    let strace = [
        "strace",
        "-f",
        "-qq",
        "-v",
        "-yy",
        "-s",
        "256",
        &filter,
        "-o",
        log.to_str().unwrap(),
        "--",
    ];
    let output = program.under(&strace).output();
    assert!(output.ok(), "{output}");
    fs::read_to_string(log)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

fn everything() -> Value {
    network(json!({ "ipMasq": true, "macspoofchk": true, "ipam": dual_stack() }))
}

/// siderolabs/talos#12463, multus#1346, plugins#510: a dozen processes for each container.
#[test]
fn no_process_is_started() {
    starts_no_process(|_| Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins")));
}

/// RKE2, minikube and Dockerfiles copy plugins, each by its name, which links do not survive.
#[test]
fn copies_are_the_same_build_and_start_no_process_either() {
    starts_no_process(|sandbox| {
        let linked = Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins"));
        let copies = sandbox.dir().join("copies");
        fs::create_dir(&copies).unwrap();
        for name in ["bridge", "host-local"] {
            fs::copy(linked.dir().join(name), copies.join(name)).unwrap();
        }
        Plugins::at(copies)
    });
}

fn starts_no_process(plugins: impl Fn(&Sandbox) -> Plugins) {
    sandbox(|sandbox| {
        let host = Host {
            sandbox,
            plugins: plugins(sandbox),
        };
        let config = everything();
        let netns = sandbox.netns("a");
        let starts = |verb: &str, config: &Value| {
            let cmd = host.cmd(verb, config, &netns);
            for line in traced(sandbox, cmd, "process") {
                let is_start = ["execve(", "execveat(", "fork(", "vfork("]
                    .iter()
                    .any(|call| line.contains(call));
                // A thread, to be in another namespace for a moment.
                let is_thread = line.contains("CLONE_THREAD");
                let is_itself = line.contains("execve(") && line.contains("/bridge\"");
                assert!(!is_start || is_itself, "{verb}: {line}");
                let is_clone = line.contains(" clone(") || line.contains(" clone3(");
                assert!(
                    !is_clone || is_thread || line.contains("resumed"),
                    "{verb}: {line}"
                );
            }
        };
        starts("ADD", &config);
        let result = host.call("DEL", &config, &netns).run();
        result.success();
        let result = host.add(&config, &netns).success();
        starts("CHECK", &with_prev_result(&config, &result));
        starts("DEL", &config);
        let mut gc = config.clone();
        gc["cni.dev/valid-attachments"] = json!([]);
        starts("GC", &gc);
        starts("STATUS", &config);

        // The other backend does, so what is looked for is seen.
        let iptables = network(json!({ "ipMasq": true, "ipMasqBackend": "iptables" }));
        let log = traced(sandbox, host.cmd("ADD", &iptables, &netns), "process");
        assert!(
            log.iter()
                .any(|line| line.contains("execve(") && line.contains("iptables-restore"))
        );
    });
}

/// What a process was started with is asked of the C library: elsewhere than in `/proc` the kernel tells it since Linux 6.4 alone, and
/// every plugin ended by SIGABRT. The kernel of the virtual machine is older. An ADD needs `/proc`, which it says; DEL does without.
#[test]
fn without_proc_plugins_answer() {
    needs(&[Feature::BridgeVlanFiltering]).sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let netns = sandbox.netns("a");
        let without = [
            "unshare",
            "-m",
            "sh",
            "-c",
            "while umount -l /proc; do :; done 2>/dev/null; exec \"$0\" \"$@\"",
        ];
        let call = |verb: &str| {
            host.cmd(verb, &everything(), &netns)
                .under(&without)
                .output()
        };
        let before = left(&[&netns]);
        for verb in ["VERSION", "STATUS", "ADD", "CHECK", "DEL", "GC"] {
            let output = call(verb);
            let answer: Value = serde_json::from_str(&output.stdout).unwrap_or_default();
            let is_error = output.status.code() == Some(1)
                && answer["code"].is_u64()
                && answer["msg"].is_string();
            assert!(output.ok() || is_error, "{verb}: {output}");
            eprintln!("{verb}: {output}");
        }
        assert_eq!(left(&[&netns]), before);
    });
}

/// Nothing on an attachment's way lists what there is on the host: the same requests among a thousand links.
#[test]
fn an_add_costs_the_same_on_a_crowded_host() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "ipMasq": true }));
        host.attach(&config, "first");
        let netns = sandbox.netns("a");
        let calls = || {
            let cmd = host.cmd("ADD", &config, &netns);
            let calls = traced(sandbox, cmd, "sendto,sendmsg,recvfrom,recvmsg").len();
            host.del(&config, &netns).success();
            calls
        };
        let few = calls();
        let many = "for i in $(seq 300); do echo link add x$i type veth peer name y$i; echo addr add 192.0.2.1/32 dev x$i; done";
        sandbox.run(&format!("({many}) | ip -batch -"));
        assert_eq!(calls(), few);
    });
}

/// CVE-2020-10749: deaf to router advertisements before anything can be heard.
#[test]
fn router_advertisements_are_switched_off_before_the_bridge_is_switched_on() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let netns = sandbox.netns("a");
        let log = traced(
            sandbox,
            host.cmd("ADD", &everything(), &netns),
            "pwrite64,sendto",
        );
        let first = |parts: &[&str]| {
            let found = log
                .iter()
                .position(|line| parts.iter().all(|part| line.contains(part)));
            found.unwrap_or_else(|| panic!("{parts:?} is not in {log:#?}"))
        };
        let deaf = first(&["pwrite64", "cni0/accept_ra"]);
        let up = first(&[
            "RTM_NEWLINK",
            "if_nametoindex(\"cni0\")",
            "ifi_flags=IFF_UP",
        ]);
        assert!(deaf < up, "{log:#?}");
        // A port has no carrier before the container's end is switched on, in the same send as its addresses.
        let port = first(&["pwrite64", "conf/veth", "/accept_ra"]);
        let address = first(&["RTM_NEWADDR", "10.22.0.1"]);
        assert!(port < address, "{log:#?}");
    });
}

/// plugins#737, plugins PR#738, PR#606: the reference's plugins are 55 MB and more, one file each.
#[test]
fn one_file_is_every_plugin() {
    let binary = env!("CARGO_BIN_EXE_linkspan-plugins");
    needs(&[]).sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let mut known = 0;
        for name in PLUGIN_NAMES {
            let by_link = Cmd::new(host.plugins.dir().join(name))
                .env("CNI_COMMAND", "VERSION")
                .stdin("{}")
                .output();
            let by_argument = Cmd::new(binary)
                .arg(name)
                .env("CNI_COMMAND", "VERSION")
                .stdin("{}")
                .output();
            assert_eq!(by_link.stdout, by_argument.stdout, "{name}");
            known += u32::from(by_link.ok());
        }
        assert!(known >= 4, "{known}");
        let hard = sandbox.dir().join("bridge");
        fs::copy(binary, &hard).unwrap();
        let output = Cmd::new(&hard)
            .env("CNI_COMMAND", "VERSION")
            .stdin("{}")
            .output();
        assert!(output.success().contains("1.1.0"));
        let unknown = Cmd::new(binary)
            .arg("nonsense")
            .env_remove("CNI_COMMAND")
            .output();
        assert!(
            !unknown.ok() && unknown.stderr.contains("bridge"),
            "{unknown}"
        );
    });
}

/// Whoever ships plugins of their own beside the host's renames them (buildkit-cni-bridge, cnv-tuning). A runtime that calls a
/// name which says nothing is answered as the protocol has it.
#[test]
fn a_file_of_another_name_is_a_plugin_or_answers_with_an_error() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let netns = sandbox.netns("a");
        for (name, target) in [
            ("cnv-bridge", "linkspan-plugins"),
            ("bridge_custom", "linkspan-plugins"),
            ("net0", "bridge"),
            ("sbr-static", "linkspan-plugins"),
        ] {
            let target = match target {
                "bridge" => host.plugins.dir().join(target),
                _ => fs::canonicalize(host.plugins.dir().join("bridge")).unwrap(),
            };
            let link = host.plugins.dir().join(name);
            symlink(target, &link).unwrap();
            let mut config = network(json!({ "type": name }));
            if name != "sbr-static" {
                host.add(&config, &netns).success();
                host.del(&config, &netns).success();
                continue;
            }
            for verb in ["ADD", "DEL", "VERSION", "STATUS"] {
                config["cniVersion"] = json!("0.4.0");
                let output = host.cmd(verb, &config, &netns).output();
                assert_eq!(output.status.code(), Some(1), "{verb}: {output}");
                let error: Value = serde_json::from_str(&output.stdout).unwrap();
                assert_eq!(error["cniVersion"], "0.4.0", "{verb}: {error}");
                assert_eq!(error["code"], 50, "{verb}: {error}");
                assert!(error["msg"].as_str().unwrap().contains("sbr-static"));
            }
        }
    });
}

/// By hand, on a terminal, without variables: what is this?
#[test]
fn run_by_hand_it_says_what_it_is() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let output = Cmd::new(host.plugins.dir().join("bridge"))
            .env_remove("CNI_COMMAND")
            .output();
        assert!(output.ok() && output.stdout.is_empty(), "{output}");
        for part in ["connects the container to a bridge", "0.1.0", "1.1.0"] {
            assert!(output.stderr.contains(part), "{part}: {output}");
        }
    });
}

/// What runtimes read of it decides what they do: `nerdctl` wants the first line to end with the version of `firewall`, from 1.1.0
/// on, and leaves bridges open to each other otherwise (pkg/netutil/netutil_unix.go); Nomad takes the first word that is a
/// version, places no job where that of `bridge` is below 0.4.0, and asks for no CHECK where it is below 1.3.0
/// (client/fingerprint/plugins_cni.go, client/allocrunner/networking_cni.go).
#[test]
fn runtimes_find_the_version_that_they_compare() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        for name in PLUGIN_NAMES {
            let output = Cmd::new(host.plugins.dir().join(name))
                .env_remove("CNI_COMMAND")
                .output();
            let first = output.stderr.lines().next().unwrap_or_default();
            let version = first.strip_prefix(&format!("CNI {name} plugin v"));
            let (reference, own) = version
                .and_then(|version| version.split_once("+linkspan."))
                .unwrap_or_else(|| panic!("{output}"));
            let numbers: Vec<u32> = reference
                .split('.')
                .map(|number| number.parse().expect("a number"))
                .collect();
            assert!(numbers.len() == 3 && numbers >= vec![1, 7, 1], "{first}");
            assert_eq!(own, env!("CARGO_PKG_VERSION"), "{first}");
        }
    });
}

/// A runtime that gets no answer knows of no attachment: there is none then.
#[test]
fn an_answer_that_nobody_takes_is_a_failure_and_what_was_made_is_undone() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = everything();
        let netns = sandbox.netns("a");
        for (stdout, why) in [
            (">/dev/full", "No space left"),
            (">&-", "Bad file descriptor"),
            ("| true", "Broken pipe"),
        ] {
            let line = format!("set -o pipefail; (sleep 0.1; exec \"$@\") {stdout}");
            let program = host.cmd("ADD", &config, &netns);
            let output = program.under(&["bash", "-c", &line, "bash"]).output();
            assert_eq!(output.status.code(), Some(1), "{stdout}: {output}");
            assert!(output.stderr.contains(why), "{stdout}: {output}");
            assert_eq!(netns.run("ip -oneline link | wc -l"), "1", "{stdout}");
            assert_eq!(
                sandbox.run("ip -oneline link show type veth | wc -l"),
                "0",
                "{stdout}"
            );
            assert_eq!(
                sandbox.run("find /var/lib/cni/networks -name '10.*' | wc -l"),
                "0",
                "{stdout}"
            );
        }
    });
}

/// A runtime may start us without standard output or error. An IPAM plugin that we start has them all the same, and not the
/// first file that it opens in their place.
#[test]
fn descriptors_that_were_closed_are_open_for_who_is_started() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let dir = sandbox.dir();
        let (log, ipam) = (dir.join("log"), dir.join("others"));
        let script = format!(
            "#!/bin/sh\nreadlink /proc/$$/fd/2 >{}\necho '{{\"cniVersion\":\"1.0.0\",\"ips\":[{{\"address\":\"10.22.0.2/16\"}}]}}'\n",
            log.display()
        );
        fs::write(&ipam, script).unwrap();
        fs::set_permissions(&ipam, fs::Permissions::from_mode(0o755)).unwrap();
        let config = network(json!({ "ipam": { "type": "others" } }));
        let netns = sandbox.netns("a");
        let call = |verb: &str, closed: &str| {
            host.call(verb, &config, &netns)
                .env("CNI_PATH", dir.display().to_string())
                .cmd()
                .under(&["sh", "-c", &format!("exec \"$@\" {closed}"), "sh"])
                .output()
        };
        for closed in ["2>&1", "2>&-", ">&- 2>&-"] {
            let output = call("ADD", closed);
            // Without standard output the result is lost, which is a failure.
            assert_eq!(output.ok(), !closed.starts_with('>'), "{closed}: {output}");
            let seen = fs::read_to_string(&log).unwrap();
            assert!(seen.starts_with("pipe:["), "{closed}: {seen}");
            assert!(call("DEL", closed).ok());
        }
        // Nothing that was opened since is taken for the configuration.
        let output = call("ADD", "<&-");
        assert!(
            !output.ok() && output.stdout.contains("standard input"),
            "{output}"
        );
    });
}

/// kubernetes#100648: between a look at the path and its use it may come to lead to the host's own namespace.
#[test]
fn the_path_of_the_container_is_followed_once() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let netns = sandbox.netns("a");
        let path = format!("\"{}\"", netns.path().display());
        for verb in ["ADD", "DEL"] {
            let cmd = host.cmd(verb, &everything(), &netns);
            let calls = traced(sandbox, cmd, "%file");
            let follow: Vec<_> = calls.iter().filter(|line| line.contains(&path)).collect();
            let opens = follow.iter().filter(|line| line.contains("open")).count();
            assert_eq!((opens, follow.len()), (1, 1), "{verb}: {follow:#?}");
        }
    });
}

/// What cannot be looked at is not taken for gone: DEL fails, or frees everything.
#[test]
fn with_few_descriptors_nothing_is_forgotten() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "ipMasq": true }));
        let netns = sandbox.netns("a");
        let mut failures = 0;
        // With fewer the program is not even loaded.
        for limit in 4..24 {
            host.add(&config, &netns).success();
            let limit = format!("--nofile={limit}");
            let del = host.call("DEL", &config, &netns).cmd();
            let output = del.under(&["prlimit", &limit, "--"]).output();
            let after = left(&[&netns]);
            host.del(&config, &netns).success();
            if output.ok() {
                assert_eq!(after, left(&[&netns]), "{limit}: {output}");
            } else {
                failures += 1;
                assert!(output.stdout.contains("\"code\""), "{limit}: {output}");
            }
        }
        assert!(failures > 0 && failures < 20, "{failures}");
    });
}

/// What cannot be written is an error with a reason, and not the end in the middle.
#[test]
fn a_limit_on_the_size_of_files_leaves_nothing() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let (config, netns) = (everything(), sandbox.netns("a"));
        host.add(&config, &netns).success();
        host.del(&config, &netns).success();
        let before = left(&[&netns]);
        // What is answered goes into a pipe, which has no such limit.
        for limit in [0, 40, 100, 200] {
            let limit = format!("--fsize={limit}");
            let add = host.call("ADD", &config, &netns).cmd();
            let output = add.under(&["prlimit", &limit, "--"]).output();
            assert_eq!(output.status.code(), Some(1), "{limit}: {output}");
            assert!(
                output.stdout.contains("File too large"),
                "{limit}: {output}"
            );
            assert_eq!(left(&[&netns]), before, "{limit}: {output}");
        }
    });
}

/// `make chaos`: a signal while it looked whether its standard descriptors are open ended it by SIGABRT.
#[test]
fn a_signal_at_its_start_is_no_end() {
    let plugins = Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins"));
    let version = plugins.call(
        "VERSION",
        &json!({ "type": "bridge", "cniVersion": "1.1.0" }),
    );
    let output = fail_at_syscall(version.cmd(), "poll", "EINTR", 1).unwrap();
    assert!(output.success().contains("supportedVersions"), "{output}");
}
