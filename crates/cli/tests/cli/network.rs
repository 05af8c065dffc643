//! `gc`, `status`, `list` and `version`.

use std::fs;

use linkspan_testkit::sandbox;
use serde_json::json;

use crate::world::{World, json, status};

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
        assert_eq!(
            world.stdin("GC")["cni.dev/valid-attachments"],
            json!([{"containerID": "alive", "ifname": "eth0"}])
        );
        assert_eq!(world.cached(), 1);
        world.ok(&["gc", "mynet", &path, "--all"]);
        assert_eq!(world.stdin("GC").get("cni.dev/valid-attachments"), None);
        assert_eq!(world.cached(), 0);
    });
}

#[test]
fn gc_spares_what_it_is_told_to() {
    let world = World::new();
    world.network("1.1.0");
    for id in ["c1", "c2", "c3"] {
        world.ok(&["add", "mynet", "/run/netns/c", "--container-id", id]);
    }
    world.ok(&["gc", "mynet", "--keep", "c1", "--keep", "c2:net1"]);
    assert_eq!(world.cached(), 1);
    assert_eq!(
        world.stdin("GC")["cni.dev/attachments"],
        json!([{"containerID": "c1", "ifname": "eth0"}, {"containerID": "c2", "ifname": "net1"}])
    );
    assert_eq!(status(&world.run(&["gc", "mynet", "--keep", "c1:"])), 2);
    assert_eq!(
        status(&world.run(&["gc", "mynet", "--keep", "c1", "--all"])),
        2
    );
}

#[test]
fn status_is_that_of_the_plugins() {
    let world = World::new();
    assert_eq!(world.run(&["status", "mynet", "/c1"]).success(), "");
    assert!(!world.called("STATUS"), "1.0.0 has none");
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
    let output = world.run(&["list", "other", "--json"]);
    assert_eq!(
        json(output.success()),
        json!({"networks": [], "attachments": []})
    );
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
