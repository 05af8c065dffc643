//! `gc`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use linkspan_testkit::{Cmd, sandbox};
use serde_json::json;

use crate::demo::build_plugins;
use crate::world::{World, json, status, wait_for_ports};

const LINKSPAN: &str = env!("CARGO_BIN_EXE_linkspan");

/// Makes a cached result one of before the machine was started.
fn age(world: &World, container: &str) {
    let file = world.path(&format!("cache/results/mynet-{container}-eth0"));
    let file = fs::File::open(file).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(86_400))
        .unwrap();
}

#[test]
fn gc_spares_what_is_alive() {
    sandbox(|host| {
        let world = World::new();
        world.network("1.1.0");
        let alive = host.netns("alive");
        let path = alive.path().to_str().unwrap().to_owned();
        // As a reboot leaves it: the file is there, the namespace is not.
        fs::write(world.path("ns/dead"), "").unwrap();
        world.ok(&["add", "mynet", &path, "--container-id", "alive"]);
        for (netns, id) in [("ns/dead", "dead"), ("ns/gone", "gone")] {
            world.ok(&["add", "mynet", netns, "--container-id", id]);
        }
        world.ok(&["gc", "mynet"]);
        assert_eq!(world.cached(), 3, "that nothing is seen is no proof");
        for id in ["dead", "gone", "alive"] {
            age(&world, id);
        }
        let told = world.run(&["gc", "mynet"]);
        assert!(
            told.ok()
                && told
                    .stderr
                    .contains("removing dead eth0, since its namespace is gone; gone eth0,"),
            "{told}"
        );
        assert_eq!(
            world.stdin("GC")["cni.dev/valid-attachments"],
            json!([{"containerID": "alive", "ifname": "eth0"}])
        );
        assert_eq!(world.cached(), 1);
        world.ok(&["gc", "mynet", &path, "--all"]);
        assert_eq!(world.stdin("GC")["cni.dev/valid-attachments"], json!([]));
        assert_eq!(world.cached(), 0);
    });
}

/// A path that leads nowhere may be one of another mount namespace, or have been unmounted with processes inside.
#[test]
fn gc_takes_no_namespace_for_gone_that_exists() {
    sandbox(|host| {
        let world = World::new();
        world.network("1.1.0");
        for name in ["used", "unused"] {
            host.run(&format!("ip netns add {name}"));
            let path = format!("/run/netns/{name}");
            world.ok(&["add", "mynet", &path, "--container-id", name]);
        }
        // The last that holds it.
        let mut process = std::process::Command::new("ip")
            .args(["netns", "exec", "used", "sleep", "600"])
            .spawn()
            .unwrap();
        let net = format!("/proc/{}/ns/net", process.id());
        let used = fs::metadata("/run/netns/used").unwrap();
        let inside = || fs::metadata(&net).is_ok_and(|meta| meta.ino() == used.ino());
        while !inside() {
            std::thread::sleep(Duration::from_millis(5));
        }
        host.run("ip netns del used; ip netns del unused; touch /run/netns/unused");
        let told = json(&world.ok(&["gc", "mynet", "--json"]));
        process.kill().unwrap();
        process.wait().unwrap();
        let why = |list: &str, id: &str| {
            let mut list = told[list].as_array().unwrap().iter();
            let one = list.find(|one| one["containerID"] == id);
            one.map(|one| one["why"].as_str().unwrap().to_owned())
        };
        let reason = why("kept", "used").unwrap();
        assert!(
            reason.starts_with("nothing is at its namespace's path, but"),
            "{told}"
        );
        // Older kernels cannot tell from inside a PID namespace.
        let is_told = why("removed", "unused").is_some()
            || why("kept", "unused").unwrap().contains("not all");
        assert!(is_told, "{told}");
    });
}

/// Where nothing is known, the plugins of others would be told that nothing is in use.
#[test]
fn gc_that_knows_of_nothing_does_not_begin_without_all() {
    let world = World::new();
    world.network("1.1.0");
    world.ok(&["add", "mynet", "/run/netns/c1"]);
    let (missing, empty) = (world.text("missing"), world.text("ns"));
    for (cache, words) in [
        (&missing, "cannot read the cache's directory"),
        (&empty, "no attachment of network mynet is known in"),
    ] {
        let args = ["gc", "mynet", "--cache-dir", cache.as_str()];
        let output = world.linkspan(&args).output();
        assert_eq!(status(&output), 1, "{output}");
        assert!(output.stderr.contains(words), "{output}");
        assert!(output.stderr.contains("Nothing was removed."), "{output}");
        assert!(!world.called("GC"));
    }
    assert!(!world.path("missing").exists());
    let all = ["gc", "mynet", "--all", "--cache-dir", &empty];
    assert!(world.linkspan(&all).output().ok());
    assert!(world.called("GC"));
    // A version without GC asks no plugin, and says so.
    world.network("1.0.0");
    for (args, words) in [
        (&[][..], "are not asked what they hold"),
        (&["--dry-run"], "are not asked what they hold"),
        (&["--json"], r#""pluginsAsked": false"#),
    ] {
        let gc = ["gc", "mynet", "--cache-dir", &empty];
        let output = world.linkspan(&[&gc, args].concat()).output();
        let told = format!("{}{}", output.stdout, output.stderr);
        assert!(output.ok() && told.contains(words), "{args:?}: {output}");
    }
}

#[test]
fn gc_spares_what_it_is_told_to() {
    let world = World::new();
    world.network("1.1.0");
    // Named by ID, by the namespace's name and by its path; the ID of two is derived from that.
    let named = ["c1", "c2:net1", "c3", "/var/run/netns/c4"];
    let attach = || {
        for (netns, args) in [
            ("/srv/c1", &["--container-id", "c1"][..]),
            ("/run/netns/c2", &["--container-id", "x2"]),
            (
                "/run/netns/c2",
                &["--container-id", "x2", "--ifname", "net1"],
            ),
            ("/run/netns/c3", &[]),
            ("/var/run/netns/c4", &[]),
            ("/run/netns/c5", &[]),
        ] {
            world.ok(&[&["add", "mynet", netns], args].concat());
        }
    };
    attach();
    let keep: Vec<_> = named.iter().flat_map(|name| ["--keep", name]).collect();
    world.ok(&[&["gc", "mynet"], &keep[..]].concat());
    assert_eq!(world.cached(), 4);
    assert_eq!(
        world.stdin("GC")["cni.dev/attachments"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    let left = json(&world.ok(&["list", "--json"]));
    let names = left["attachments"].as_array().unwrap().iter();
    let mut netns: Vec<_> = names.map(|one| one["netns"].as_str().unwrap()).collect();
    netns.sort_unstable();
    assert_eq!(
        netns,
        [
            "/run/netns/c2",
            "/run/netns/c3",
            "/srv/c1",
            "/var/run/netns/c4"
        ]
    );
    for nobody in ["c9", "c1:", "c1:net9", "/run/netns/c9", "c5"] {
        let output = world.run(&["gc", "mynet", "--keep", "c1", "--keep", nobody]);
        assert_eq!(status(&output), 2, "{output}");
        let words = format!("--keep {nobody:?} names no attachment of network mynet");
        assert!(output.stderr.contains(&words), "{output}");
        assert!(
            output.stderr.contains("Attached are: c1:eth0 (/srv/c1), "),
            "{output}"
        );
        assert_eq!(world.cached(), 4, "{nobody}");
    }
    let both = world.run(&["gc", "mynet", "--keep", "c1", "--all"]);
    assert_eq!(status(&both), 2);
}

#[test]
fn gc_shows_beforehand_what_would_go() {
    sandbox(|host| {
        let world = World::new();
        world.network("1.1.0");
        let alive = host.netns("alive");
        let path = alive.path().to_str().unwrap().to_owned();
        world.ok(&["add", "mynet", &path, "--container-id", "alive"]);
        world.ok(&["add", "mynet", "/run/netns/gone", "--container-id", "gone"]);
        age(&world, "gone");
        let output = world.run(&["gc", "mynet", "--dry-run"]);
        let lines: Vec<_> = output
            .success()
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            lines,
            [
                "CONTAINER INTERFACE NAMESPACE WOULD WHY".to_owned(),
                format!("alive eth0 {path} stay its namespace is there"),
                "gone eth0 /run/netns/gone go its namespace is gone".to_owned(),
                "What the network's plugins hold for any other attachment would go too.".to_owned(),
            ]
        );
        let told = json(&world.ok(&["gc", "mynet", "--keep", "gone", "--dry-run", "--json"]));
        assert_eq!(
            told,
            json!({
                "network": "mynet", "dryRun": true,
                "removed": [{"containerID": "alive", "ifname": "eth0", "netns": path,
                    "why": "no --keep names it"}],
                "kept": [{"containerID": "gone", "ifname": "eth0", "netns": "/run/netns/gone",
                    "why": "--keep names it"}],
                "unknown": [], "pluginsAsked": true,
            })
        );
        assert!(!world.called("GC") && !world.called("DEL"));
        assert_eq!(world.cached(), 2);
        let told = json(&world.ok(&["gc", "mynet", "--json"]));
        assert_eq!(told["dryRun"], json!(false));
        assert_eq!(told["removed"][0]["containerID"], "gone");
        assert_eq!(world.cached(), 1);
    });
}

/// What could belong to a running container must not go.
#[test]
fn gc_does_not_begin_where_it_does_not_know_all_attachments() {
    let world = World::new();
    world.network("1.1.0");
    world.ok(&["add", "mynet", "/run/netns/gone", "--container-id", "gone"]);
    let broken = world.path("cache/results/mynet-c1-eth0");
    fs::write(&broken, "").unwrap();
    for args in [
        &["gc", "mynet"][..],
        &["gc", "mynet", "--keep", "gone"],
        &["gc", "mynet", "--dry-run"],
    ] {
        let output = world.run(args);
        assert_eq!(status(&output), 1, "{output}");
        let words = format!("are known, because of {}", broken.display());
        assert!(output.stderr.contains(&words), "{output}");
        assert!(
            output.stderr.contains("next: Nothing was removed."),
            "{output}"
        );
        assert!(!world.called("DEL") && !world.called("GC"), "{output}");
    }
    let listed = world.run(&["list", "mynet"]);
    assert!(
        listed.success().contains("mynet-c1-eth0 cannot be used"),
        "{listed}"
    );
    assert_eq!(
        status(&world.run(&["gc", "mynet", "--all"])),
        1,
        "and all else is removed"
    );
    assert!(world.called("DEL") && world.called("GC"));
    fs::remove_file(&broken).unwrap();
    world.ok(&["add", "mynet", "/run/netns/c1"]);
    world.ok(&["gc", "mynet"]);
}

/// What the plugins would remove is told, and that of a running container does not go though another runtime has attached it.
#[test]
fn gc_does_not_disconnect_whom_it_does_not_know() {
    build_plugins();
    sandbox(|host| {
        fs::create_dir_all("/etc/cni/net.d").unwrap();
        let network = json!({ "cniVersion": "1.1.0", "name": "mynet", "plugins": [
            { "type": "bridge", "ipam": { "type": "host-local", "subnet": "10.22.0.0/16" } }] });
        fs::write("/etc/cni/net.d/10-mynet.conflist", network.to_string()).unwrap();
        let linkspan = |args: &str| Cmd::new(LINKSPAN).args(args.split(' ')).output();
        let ok = |args: &str| Cmd::new(LINKSPAN).args(args.split(' ')).run();
        ok("install --bin-dir /opt/cni/bin");
        for name in ["known", "running", "gone"] {
            host.run(&format!("ip netns add {name}"));
            ok(&format!("add mynet {name} --container-id {name}"));
        }
        for name in ["running", "gone"] {
            fs::remove_file(format!("/var/lib/cni/results/mynet-{name}-eth0")).unwrap();
        }
        host.run("ip netns del gone");
        wait_for_ports(host, 2);
        // As the reference reserves it, before there is an interface.
        fs::write("/var/lib/cni/networks/mynet/10.22.0.9", "under-way\r\neth0").unwrap();
        let would = || ok("gc mynet --dry-run");
        let told = would();
        for words in [
            "not known here, its container is running: reservation /var/lib/cni/networks/mynet/10.22.0.3, link veth",
            "not known here, its container is gone: reservation /var/lib/cni/networks/mynet/10.22.0.4\n",
            "Nothing would, as it is now: containers are attached to network mynet, or just being so, that /var/lib/cni does not know: running, under-way.",
        ] {
            assert!(told.contains(words), "{told}");
        }
        let output = linkspan("gc mynet");
        assert_eq!(status(&output), 1, "{output}");
        assert!(
            output
                .stderr
                .contains("does not know: running, under-way\n"),
            "{output}"
        );
        assert_eq!(would(), told, "nothing was removed");
        // Whoever names those in use means it.
        ok("gc mynet --keep known");
        assert!(!would().contains("not known"));
        assert!(
            host.run("ls /var/lib/cni/networks/mynet")
                .contains("10.22.0.2\n")
        );
    });
}

/// go-cni#60, containerd#5438: what an ADD that failed has left is known, and goes though the container is there.
#[test]
fn gc_detaches_what_was_only_begun() {
    sandbox(|host| {
        let world = World::new();
        world.network("1.1.0");
        let netns = host.netns("c1");
        let path = netns.path().to_str().unwrap();
        // It dies without a word, so that anything may be left.
        let dies = "#!/bin/sh\n[ $CNI_COMMAND = ADD ] && exit 1\necho $CNI_COMMAND >> ${0%/bin/*}/log/calls\n";
        world.script("bin/rec", dies);
        let args = ["add", "mynet", path, "--container-id", "c1"];
        assert_eq!(status(&world.run(&args)), 1);
        assert_eq!(world.cached(), 0);
        let listed = world.ok(&["list"]);
        assert!(listed.contains(&format!("{path} (only begun)")), "{listed}");
        let listed = json(&world.ok(&["list", "--json"]));
        assert_eq!(listed["attachments"][0]["complete"], false);
        let shown = world.ok(&["show"]);
        assert!(shown.contains(" begun"), "{shown}");
        let shown = json(&world.ok(&["show", "--json"]));
        assert_eq!(shown["attachments"][0]["incomplete"], true);
        let kept = world.ok(&["gc", "mynet", "--keep", "c1", "--dry-run"]);
        assert!(kept.contains("--keep names it"), "{kept}");
        let would = world.ok(&["gc", "mynet", "--dry-run"]);
        assert!(would.contains("it was only begun"), "{would}");
        world.ok(&["gc", "mynet"]);
        let calls = fs::read_to_string(world.path("log/calls")).unwrap();
        assert_eq!(calls, "DEL\nGC\n");
        let listed = world.ok(&["list"]);
        assert!(listed.ends_with("No attachments.\n"), "{listed}");
    });
}
