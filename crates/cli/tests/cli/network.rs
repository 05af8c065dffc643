//! `gc`, `status`, `list` and `version`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use linkspan_testkit::sandbox;
use serde_json::json;

use crate::world::{World, json, status};

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
        world.ok(&["gc", "mynet"]);
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
        match linkspan_kernel::netns::is_gone(1, 1) {
            true => assert!(why("removed", "unused").is_some(), "{told}"),
            // Older kernels cannot tell from a mount namespace of a sandbox.
            false => assert!(why("kept", "unused").unwrap().contains("not all"), "{told}"),
        }
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
    // A version without GC asks no plugin.
    world.network("1.0.0");
    assert!(
        world
            .linkspan(&all[..2])
            .args(["--cache-dir", &empty])
            .output()
            .ok()
    );
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

#[test]
fn status_is_that_of_the_plugins() {
    let world = World::new();
    assert_eq!(world.run(&["status", "mynet", "/c1"]).success(), "");
    assert!(!world.called("STATUS"), "1.0.0 has none");
    let output = world.run(&["status", "mynet", "--cni-path", "/no/such/dir"]);
    assert_eq!(status(&output), 1, "{output}");
    assert!(
        output.stderr.contains("failed to find plugin \"rec\""),
        "{output}"
    );
    world.network("0.3.1");
    let output = world.run(&["status", "mynet"]);
    assert_eq!(status(&output), 1, "{output}");
    assert!(
        output
            .stderr
            .contains("does not support config version 0.3.1"),
        "{output}"
    );
    world.network("1.1.0");
    world.ok(&["status", "mynet"]);
    assert!(world.called("STATUS"));
    world.script(
        "bin/rec",
        "#!/bin/sh\necho '{\"code\":50,\"msg\":\"no daemon\"}'\nexit 1\n",
    );
    let output = world.run(&["status", "mynet", "--json"]);
    assert_eq!(status(&output), 1);
    assert_eq!(json(&output.stderr)["code"], 50);
}

#[test]
fn list_tells_networks_and_attachments() {
    let world = World::new();
    let output = world.run(&["list", "--conf-dir", "/no/such/dir"]);
    assert_eq!(
        output.success(),
        "No networks in /no/such/dir.\n\nNo attachments.\n"
    );
    world.ok(&["add", "mynet", "/run/netns/no-such", "--container-id", "c1"]);
    fs::write(world.path("net.d/20-broken.conflist"), "{").unwrap();
    let output = world.run(&["list"]);
    let text = output.success().replace(&world.text(""), "");
    let broken = text.lines().nth(3).unwrap();
    assert!(
        broken.starts_with("error: net.d/20-broken.conflist is not a usable"),
        "{text}"
    );
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "NETWORK  VERSION  PLUGINS  FILE",
            "mynet    1.0.0    rec      net.d/10-mynet.conflist",
            "?        ?        ?        net.d/20-broken.conflist",
        ]
    );
    assert_eq!(
        lines[6..],
        [
            "NETWORK  CONTAINER  INTERFACE  ADDRESSES     NAMESPACE",
            "mynet    c1         eth0       10.22.0.2/16  /run/netns/no-such (gone)",
        ]
    );
    let output = world.run(&["list", "mynet", "--json"]);
    let told = json(output.success());
    assert_eq!(told["networks"][0]["plugins"], json!(["rec"]));
    assert_eq!(
        told["attachments"],
        json!([{"network": "mynet", "containerID": "c1", "ifname": "eth0",
            "addresses": ["10.22.0.2/16"], "netns": "/run/netns/no-such", "alive": false}])
    );
    // An attachment may outlive its network's configuration; what is nowhere is a mistake.
    fs::remove_file(world.path("net.d/20-broken.conflist")).unwrap();
    fs::rename(
        world.path("net.d/10-mynet.conflist"),
        world.path("net.d/off"),
    )
    .unwrap();
    let output = world.run(&["list", "mynet"]);
    assert!(output.success().contains("mynet    c1 "), "{output}");
    for args in [
        &["list", "nosuch"][..],
        &["list", "nosuch", "--json"],
        &["list", "no/such"],
    ] {
        let output = world.run(args);
        assert_eq!(status(&output), 3, "{output}");
        assert!(
            output.stderr.contains("no net configuration with name"),
            "{output}"
        );
        assert_eq!(output.stdout, "");
    }
}

#[test]
fn networks_are_listed_though_the_cache_cannot_be_read() {
    let world = World::new();
    fs::write(world.path("cache/results"), "no directory").unwrap();
    let output = world.run(&["list"]);
    assert_eq!(status(&output), 1);
    assert!(output.stdout.contains("\nmynet "), "{output}");
    let words = "error: cannot list the cached result";
    assert!(output.stderr.contains(words), "{output}");
}

#[test]
fn version_tells_ours_and_those_of_plugins() {
    let world = World::new();
    let output = world.run(&["version"]);
    let words = format!("linkspan {}\nCNI 0.1.0 0.2.0 ", env!("CARGO_PKG_VERSION"));
    assert!(output.success().starts_with(&words), "{output}");
    let output = world.run(&["version", "rec"]);
    assert_eq!(
        output.success(),
        "PLUGIN  CNI VERSIONS\nrec     0.4.0 1.0.0\n"
    );
    let output = world.run(&["version", "rec", "--json"]);
    assert_eq!(
        json(output.success())["rec"]["supportedVersions"],
        json!(["0.4.0", "1.0.0"])
    );
    assert_eq!(status(&world.run(&["version", "none"])), 1);
    assert_eq!(status(&world.run(&["version", "../rec"])), 2);
}

/// Not after a minute of waiting for the kernel, and not by each plugin in its own words.
#[test]
fn who_may_not_change_networks_is_told_at_once() {
    let world = World::new();
    world.network("1.1.0");
    let ordinary = ["setpriv", "--bounding-set", "-net_admin"];
    for args in [
        &["add", "mynet", "/run/netns/c1"][..],
        &["check", "mynet", "/run/netns/c1"],
        &["del", "mynet", "/run/netns/c1"],
        &["gc", "mynet"],
        &["gc", "mynet", "--all"],
        &["reconcile"],
        &["reconcile", "--watch"],
    ] {
        let output = world
            .linkspan_by(&ordinary, args)
            .deadline(Duration::from_secs(10))
            .output();
        assert_eq!(status(&output), 5, "{output}");
        assert!(output.stderr.contains("only root may do"), "{output}");
        assert!(output.stderr.contains("next: Run it as root"), "{output}");
    }
    assert!(
        fs::read_dir(world.path("log")).unwrap().next().is_none(),
        "a plugin was run"
    );
    let cache = world.text("cache");
    for args in [
        &["list", "--cache-dir", &cache][..],
        &["status", "mynet"],
        &["version", "rec"],
        &["gc", "mynet", "--dry-run", "--cache-dir", &cache],
    ] {
        let output = world.linkspan_by(&ordinary, args).output();
        assert!(output.ok(), "{output}");
    }
}

#[test]
fn with_json_each_output_is_one_object_at_most() {
    let world = World::new();
    world.network("1.1.0");
    for args in [
        &["add", "mynet", "/run/netns/c1"][..],
        &["check", "mynet", "/run/netns/c1"],
        &["status", "mynet"],
        &["list"],
        &["gc", "mynet", "--dry-run"],
        &["del", "mynet", "/run/netns/c1"],
        &["gc", "mynet", "--all"],
    ] {
        let output = world.run(&[args, &["--json"]].concat());
        assert!(json(output.success()).is_object(), "{output}");
        assert_eq!(output.stderr, "", "{output}");
    }
    let told = json(&world.ok(&["del", "mynet", "/run/netns/c1", "--json"]));
    assert_eq!(
        (&told["network"], &told["detached"]),
        (&json!("mynet"), &json!(false)),
        "nothing was known of it"
    );
    let old = world.linkspan(&["--json", "version"]).output();
    assert!(json(old.success()).is_object());
    for (args, code) in [
        (&["--json"][..], 2),
        (&["--json", "fly"], 2),
        (&["--json", "add", "mynet"], 2),
        (&["--json", "add", "mynet", "/c1", "--timeout", "soon"], 2),
        (&["--json", "add", "mynet", "/c1", "--args", "IP"], 2),
        (&["--json", "list", "nosuch"], 3),
        (&["--json", "version", "none"], 1),
    ] {
        let output = world.linkspan(args).output();
        assert_eq!(status(&output), code, "{output}");
        let told = json(&output.stderr);
        assert!(told["code"].is_u64() && told["msg"].is_string(), "{output}");
        assert_eq!(output.stdout, "", "{output}");
    }
    // What plugins log is in it too.
    world.script(
        "bin/rec",
        "#!/bin/sh\necho one >&2\necho two >&2\necho '{}'\n",
    );
    let output = world.run(&["add", "mynet", "/run/netns/c1", "--json"]);
    assert!(json(output.success()).is_object());
    assert_eq!(json(&output.stderr), json!({"notes": ["one", "two"]}));
}
