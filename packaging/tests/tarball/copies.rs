//! What becomes of all plugins in one file when they are copied as installers copy them: by the stubs that are shipped, and by links,
//! which are not. `cargo test -p linkspan-packaging --test tarball copies -- --nocapture` prints the table of docs/install.md.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use linkspan_testkit::{Call, Cmd, Netns, PLUGIN_NAMES, Plugins, Setup, sandbox, with_prev_result};
use serde_json::{Value, json};

/// How the names are tied to the one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tied {
    Stubs,
    Symlinks,
    HardLinks,
}

/// Who copies so, and how: shell, with the unpacked folder, its tarball and where it goes.
const WAYS: [(&str, &str); 8] = [
    ("tar -xz", "tar -xzf $TGZ -C $TO"),
    ("cp -r", "cp -r $FROM/. $TO"),
    ("cp -a", "cp -a $FROM/. $TO"),
    // DaemonSets that copy what is in their image: `cp /plugins/* /host/opt/cni/bin`.
    ("cp DIR/*", "cp $FROM/* $TO"),
    // Packages of buildroot, as minikube's. The names are those that they know.
    (
        "install -D, by name",
        "for name in $NAMES; do install -D -m 0755 $FROM/$name $TO/$name; done",
    ),
    // An image's layer for each name: what is copied is a file's content and mode.
    (
        "COPY, by name",
        "for name in $NAMES; do cat $FROM/$name >$TO/$name; chmod 755 $TO/$name; done",
    ),
    // Those who ship plugins of others take a few: Calico's Makefile five, Cilium's images loopback alone.
    (
        "tar, five names",
        "tar -xzf $TGZ -C $TO ./loopback ./bridge ./host-local ./portmap ./bandwidth",
    ),
    // kind's image keeps four of what it has unpacked, loopback among them.
    (
        "tar, find -delete",
        "tar -xzf $TGZ -C $TO; find $TO -type f -not \\( -name bridge -o -name host-local -o -name loopback -o -name portmap \\) -delete",
    ),
];

/// What is there after a way of copying.
#[derive(Debug)]
struct Copied {
    /// On the disk, in KiB.
    size: u64,
    answering: usize,
    /// How many programs ADD, CHECK and DEL of bridge and host-local execute; `None` where they fail.
    executed: Option<[usize; 3]>,
}

/// A folder and its tarball with all names, tied so.
fn packed(tied: Tied, top: &Path) -> (PathBuf, PathBuf) {
    let (from, tgz) = (
        top.join(format!("{tied:?}")),
        top.join(format!("{tied:?}.tgz")),
    );
    fs::create_dir(&from).unwrap();
    super::unpack(&from);
    if tied != Tied::Stubs {
        let holder = from.join("linkspan-plugins");
        fs::rename(from.join("loopback"), &holder).unwrap();
        for name in PLUGIN_NAMES {
            let path = from.join(name);
            let _ = fs::remove_file(&path);
            match tied {
                Tied::HardLinks => fs::hard_link(&holder, path).unwrap(),
                _ => symlink("linkspan-plugins", path).unwrap(),
            }
        }
    }
    let tar = Cmd::new("tar").arg("-czf").arg(&tgz).arg("--sort=name");
    tar.arg("-C").arg(&from).arg(".").run();
    (from, tgz)
}

fn answers(dir: &Path, name: &str) -> bool {
    let version = Cmd::new(dir.join(name)).env("CNI_COMMAND", "VERSION");
    // What is not there at all cannot be run.
    dir.join(name).exists() && version.output().ok()
}

/// How many programs are executed for one call, and what it answers.
fn executed(call: &Call) -> (usize, Value) {
    let log = "/run/executed";
    let traced = [
        "strace",
        "-f",
        "-qq",
        "-e",
        "trace=execve,execveat",
        "-o",
        log,
    ];
    let output = call.cmd().under(&traced).output();
    assert!(output.ok(), "{output}");
    let log = fs::read_to_string(log).unwrap();
    let count = log.lines().filter(|line| line.ends_with("= 0")).count();
    (
        count,
        serde_json::from_str(&output.stdout).unwrap_or_default(),
    )
}

fn config() -> Value {
    json!({ "cniVersion": "1.0.0", "name": "net", "type": "bridge", "isGateway": true, "ipMasq": true,
        "ipam": { "type": "host-local", "subnet": "10.22.0.0/16" } })
}

/// What ADD, CHECK and DEL of bridge and host-local execute.
fn execute(plugins: &Plugins, netns: &Netns) -> [usize; 3] {
    let attachment = plugins.attachment("c", netns, "eth0");
    let (add, result) = executed(&attachment.call("ADD", &config()));
    let config = with_prev_result(&config(), &result);
    [
        add,
        executed(&attachment.call("CHECK", &config)).0,
        executed(&attachment.call("DEL", &config)).0,
    ]
}

fn copied(way: &str, (from, tgz): &(PathBuf, PathBuf), to: &Path, netns: &Netns) -> Copied {
    fs::create_dir(to).unwrap();
    let shell = Cmd::shell(way)
        .env("FROM", from)
        .env("TGZ", tgz)
        .env("TO", to);
    shell.env("NAMES", PLUGIN_NAMES.join(" ")).output();
    let size = Cmd::new("du").arg("-sk").arg(to).run();
    let works = ["bridge", "host-local"]
        .iter()
        .all(|name| answers(to, name));
    Copied {
        size: size.split_whitespace().next().unwrap().parse().unwrap(),
        answering: PLUGIN_NAMES.iter().filter(|name| answers(to, name)).count(),
        executed: works.then(|| execute(&Plugins::at(to), netns)),
    }
}

#[test]
fn by_stubs_every_copy_works_is_small_and_delegates_in_its_process() {
    sandbox(|host| {
        let (top, netns) = (host.dir(), host.netns("c"));
        println!(
            "| copied by | tied by | on disk, MB | names that answer | programs executed by ADD, CHECK, DEL |"
        );
        println!("|---|---|---|---|---|");
        for tied in [Tied::Stubs, Tied::Symlinks, Tied::HardLinks] {
            let packed = packed(tied, &top);
            for (number, (who, way)) in WAYS.iter().enumerate() {
                let to = top.join(format!("{tied:?}{number}"));
                let copied = copied(way, &packed, &to, &netns);
                let executed = copied
                    .executed
                    .map_or("fails".to_owned(), |all| format!("{all:?}"));
                println!(
                    "| `{who}` | {tied:?} | {:.1} | {} | {executed} |",
                    copied.size as f64 * 1024.0 / 1e6,
                    copied.answering
                );
                if tied == Tied::Stubs {
                    let expected = match *who {
                        "tar, five names" => 5,
                        "tar, find -delete" => 4,
                        _ => 18,
                    };
                    assert_eq!(copied.answering, expected, "{who}");
                    // The stub, and the file of all plugins in its place.
                    assert_eq!(copied.executed, Some([2, 2, 2]), "{who}");
                    assert!(copied.size < 5 << 10, "{who}: {copied:?}");
                }
            }
        }
    });
}

/// A directory of links to the stubs, as `/usr/lib/cni` is to `/opt/cni/bin`, and a stub beside a holder that is a copy.
#[test]
fn links_to_stubs_and_copies_of_their_holder_delegate_in_their_process() {
    sandbox(|host| {
        let (bin, lib, copy) = (host.dir(), host.dir(), host.dir());
        super::unpack(&bin);
        super::unpack(&copy);
        for name in PLUGIN_NAMES {
            symlink(bin.join(name), lib.join(name)).unwrap();
        }
        let netns = host.netns("c");
        assert_eq!(execute(&Plugins::at(&lib), &netns), [2, 2, 2]);
        // bridge from one folder, host-local from another of the same release.
        fs::remove_file(bin.join("host-local")).unwrap();
        let both = format!("{}:{}", bin.display(), copy.display());
        let call = Plugins::at(&bin)
            .attachment("c", &netns, "eth0")
            .call("ADD", &config());
        assert_eq!(executed(&call.env("CNI_PATH", both)).0, 2);
    });
}

/// A measurement: VERSION, and ADD of bridge and host-local, by each in turn.
/// `cargo test -p linkspan-packaging --test tarball what_a_stub_costs -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn what_a_stub_costs() {
    Setup::default()
        .deadline(Duration::from_secs(300))
        .sandbox(|host| {
            const ROUNDS: usize = 200;
            let (top, netns) = (host.dir(), host.netns("c"));
            let all = [Tied::Symlinks, Tied::HardLinks, Tied::Stubs];
            let folders = all.map(|tied| packed(tied, &top).0);
            for command in ["VERSION", "ADD"] {
                let mut times = all.map(|_| Vec::with_capacity(ROUNDS));
                for round in 0..=ROUNDS {
                    for turn in 0..all.len() {
                        // Each is first, second and last as often as the others.
                        let which = (turn + round) % all.len();
                        let attachment =
                            Plugins::at(&folders[which]).attachment("c", &netns, "eth0");
                        let call = attachment.call(command, &config()).cmd();
                        let began = Instant::now();
                        let output = call.output();
                        let took = began.elapsed().as_secs_f64() * 1e3;
                        assert!(output.ok(), "{output}");
                        if command == "ADD" {
                            attachment.del(&config()).success();
                        }
                        if round > 0 {
                            times[which].push(took);
                        }
                    }
                }
                for (tied, own) in all.iter().zip(&times) {
                    let pairs = own.iter().zip(&times[0]);
                    println!(
                        "{tied:?}: {command} {:.2} ms, {:+.2} ms beside {:?}",
                        median(own.clone()),
                        median(pairs.map(|(own, other)| own - other).collect()),
                        all[0]
                    );
                }
            }
        });
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
