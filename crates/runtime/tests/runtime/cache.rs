//! What is kept of ADD, in the form of the reference's runtime.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use linkspan_spec::NetworkList;
use serde_json::json;

use crate::world::{World, endpoint, named, network, read, words};

/// As the reference's runtime (1.3.0) has written it for the network below.
const OF_THE_REFERENCE: &str = r#"{"kind":"cniCacheV1","containerId":"c1","config":"eyJjbmlWZXJzaW9uIjoiMS4wLjAiLCJuYW1lIjoibmV0IiwicGx1Z2lucyI6W3sidHlwZSI6Im9uZSJ9XX0=","ifName":"eth0","networkName":"net","netns":"/run/netns/c1","cniArgs":[["IP","10.1.0.9"],["A","b"]],"capabilityArgs":{"mac":"02:00:00:00:00:01"},"result":{"cniVersion":"1.0.0","dns":{},"ips":[{"address":"10.1.0.2/24"}]}}"#;

#[test]
fn the_file_is_that_of_the_reference() {
    let world = World::new(&["one"]);
    world.answer(
        "one",
        "ADD",
        r#"{"cniVersion":"1.0.0","ips":[{"address":"10.1.0.2/24"}]}"#,
    );
    let endpoint = endpoint("c1")
        .with_arg("IP", "10.1.0.9")
        .unwrap()
        .with_arg("A", "b")
        .unwrap()
        .with_capability_arg("mac", json!("02:00:00:00:00:01"));
    let network = network("1.0.0", &["one"]);
    world.runtime().add(&network, &endpoint).unwrap();
    let path = world.path("cache/results/net-c1-eth0");
    assert_eq!(
        read(&path),
        serde_json::from_str::<serde_json::Value>(OF_THE_REFERENCE).unwrap()
    );
    let written = fs::read_to_string(&path).unwrap();
    let until_result = OF_THE_REFERENCE.split("\"result\"").next().unwrap();
    // Whoever reads the file goes by its keys; where objects have no order of their own, these have none either.
    assert!(
        written.starts_with(until_result) || !cfg!(feature = "preserve_order"),
        "the keys are in the same order: {written}"
    );
    let mode = |path| fs::metadata(world.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("cache/results/net-c1-eth0"), 0o600);
    assert_eq!(mode("cache/results"), 0o700);
}

#[test]
fn what_the_reference_has_kept_is_read() {
    let world = World::new(&["one"]);
    world.write("cache/results/net-c1-eth0", OF_THE_REFERENCE);
    let runtime = world.runtime();
    let network = network("1.0.0", &["one"]);
    let bare = endpoint("c1");
    let kept = runtime.cached(&network.name, &bare).unwrap().unwrap();
    assert_eq!(kept.network_list().unwrap(), network);
    assert_eq!(
        kept.endpoint.args,
        [("IP", "10.1.0.9"), ("A", "b")].map(|(key, value)| (key.into(), value.into()))
    );
    assert_eq!(kept.endpoint.capability_args["mac"], "02:00:00:00:00:01");
    assert_eq!(kept.endpoint.netns.as_deref(), bare.netns.as_deref());
    assert_eq!(runtime.attachments(&network.name).unwrap(), [kept]);
    runtime.del(&network, &bare).unwrap();
    assert_eq!(
        world.stdin("one", "DEL")["prevResult"]["ips"][0]["address"],
        "10.1.0.2/24"
    );
    assert_eq!(world.cached(), [""; 0]);
}

#[test]
fn a_namespace_that_was_not_kept_is_that_of_the_result() {
    // The reference's runtime keeps it since 1.2.
    let world = World::new(&["one"]);
    let sandbox = r#""interfaces":[{"name":"cni0"},{"name":"eth0","sandbox":"/run/netns/c1"}]"#;
    let kept = OF_THE_REFERENCE
        .replace(r#""netns":"/run/netns/c1","#, "")
        .replace(r#""dns":{}"#, sandbox);
    world.write("cache/results/net-c1-eth0", &kept);
    let attachments = world
        .runtime()
        .attachments(&"net".parse().unwrap())
        .unwrap();
    assert_eq!(
        attachments[0].endpoint.netns.as_deref(),
        Some("/run/netns/c1".as_ref())
    );
}

#[test]
fn the_form_of_before_there_was_a_kind_is_read() {
    let world = World::new(&["one"]);
    let result = r#"{"cniVersion":"0.3.1","ips":[{"version":"4","address":"10.1.0.2/24"}]}"#;
    world.write("cache/results/net-c1-eth0", result);
    let runtime = world.runtime();
    runtime
        .check(&network("0.4.0", &["one"]), &endpoint("c1"))
        .unwrap();
    let previous = &world.stdin("one", "CHECK")["prevResult"];
    assert_eq!(previous["cniVersion"], "0.4.0");
    let error = runtime.attachments(&"net".parse().unwrap()).unwrap_err();
    assert!(
        words(&error).ends_with(r#""kind" is missing; expected "cniCacheV1""#),
        "{error}"
    );
}

#[test]
fn a_kind_of_a_later_time_is_not_taken_for_the_form_of_before_there_was_one() {
    let world = World::new(&["one"]);
    let later = OF_THE_REFERENCE.replace("cniCacheV1", "cniCacheV2");
    world.write("cache/results/net-c1-eth0", &later);
    let network = network("1.0.0", &["one"]);
    let runtime = world.runtime();
    for error in [
        runtime.cached(&network.name, &endpoint("c1")).unwrap_err(),
        runtime.check(&network, &endpoint("c1")).unwrap_err(),
        runtime.attachments(&network.name).unwrap_err(),
    ] {
        let told = words(&error);
        let expected = r#""kind": expected "cniCacheV1", found "cniCacheV2""#;
        assert!(told.ends_with(expected), "{told}");
    }
    assert_eq!(world.calls(), [""; 0]);
    runtime.del(&network, &endpoint("c1")).unwrap();
    assert_eq!(world.cached(), [""; 0]);
}

#[test]
fn what_cannot_be_read_is_no_obstacle_to_del() {
    // cni#1055, containerd#8197: empty files after a power failure.
    for broken in [
        "",
        "\0\0\0\0",
        "{\"kind\":\"cniCacheV1\",",
        "[]",
        r#"{"kind":"cniCacheV1","containerId":"c1","ifName":"eth0","networkName":"net","result":{"cniVersion":"7"}}"#,
        r#"{"kind":"cniCacheV1","config":"%"}"#,
    ] {
        let world = World::new(&["one"]);
        world.write("cache/results/net-c1-eth0", broken);
        let network = network("1.0.0", &["one"]);
        let runtime = world.runtime();
        let error = runtime.check(&network, &endpoint("c1")).unwrap_err();
        assert!(
            words(&error).contains("net-c1-eth0 cannot be used"),
            "{error}"
        );
        assert!(error.advice().unwrap().contains("Detach the container"));
        runtime.del(&network, &endpoint("c1")).unwrap();
        assert_eq!(
            world.stdin("one", "DEL").get("prevResult"),
            None,
            "{broken}"
        );
        assert_eq!(world.cached(), [""; 0], "{broken}");
    }
}

#[test]
fn attachments_whose_files_have_the_same_name_are_not_mistaken_for_one_another() {
    let world = World::new(&["one"]);
    let runtime = world.runtime();
    let named = |name: &str| {
        let text =
            format!(r#"{{"cniVersion":"1.0.0","name":"{name}","plugins":[{{"type":"one"}}]}}"#);
        NetworkList::parse(text.as_bytes()).unwrap()
    };
    runtime.add(&named("a-b"), &endpoint("c")).unwrap();
    assert_eq!(
        runtime.cached(&named("a").name, &endpoint("b-c")).unwrap(),
        None
    );
    runtime.del(&named("a"), &endpoint("b-c")).unwrap();
    assert_eq!(world.cached(), ["a-b-c-eth0"]);
    assert!(
        runtime
            .cached(&named("a-b").name, &endpoint("c"))
            .unwrap()
            .is_some()
    );
}

/// A file that cannot be read just now may be another's: this process may have no descriptor left for one call.
#[test]
fn what_cannot_be_read_just_now_is_not_forgotten() {
    const NAME: &str = "cache::what_cannot_be_read_just_now_is_not_forgotten";
    let (one, other) = (
        named("a-b", "1.1.0", &["one"]),
        named("a", "1.1.0", &["one"]),
    );
    if let Some(world) = World::of_parent() {
        let deleted = world.runtime().del(&other, &endpoint("b-c"));
        fs::write(world.path("log/outcome"), format!("{deleted:?}")).unwrap();
        return;
    }
    let world = World::new(&["one"]);
    let again = world.again(NAME);
    let (mut refused, mut occurrence) = (0, 1);
    loop {
        world.runtime().add(&one, &endpoint("c")).unwrap();
        let _ = fs::remove_file(world.path("log/outcome"));
        let inject = format!("inject=openat:error=EMFILE:when={occurrence}");
        let mut without = std::process::Command::new("strace");
        // Only of the file that is another's.
        without.args(["-f", "-o", "/dev/null", "-P"]);
        without.arg(world.path("cache/results/a-b-c-eth0"));
        without.args(["-e", "trace=openat", "-e", &inject]);
        without.arg(again.get_program()).args(again.get_args());
        without.envs(
            again
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let status = without.stdout(std::process::Stdio::null()).status();
        assert!(status.unwrap().success());
        assert_eq!(world.cached(), ["a-b-c-eth0"], "{occurrence}");
        let outcome = fs::read_to_string(world.path("log/outcome")).unwrap();
        if outcome == "Ok(())" {
            break;
        }
        assert!(outcome.contains("Too many open files"), "{outcome}");
        (refused, occurrence) = (refused + 1, occurrence + 1);
    }
    assert!(refused >= 2, "{refused}");
}

#[test]
fn the_attachments_of_a_network_are_known_all_or_not_at_all() {
    let world = World::new(&["one"]);
    let runtime = world.runtime();
    for container in ["c1", "c2", "c10"] {
        runtime
            .add(&network("1.0.0", &["one"]), &endpoint(container))
            .unwrap();
    }
    let name = "net".parse().unwrap();
    let containers = || -> Vec<String> {
        let kept = runtime.attachments(&name).unwrap().into_iter();
        kept.map(|kept| kept.endpoint.container_id.to_string())
            .collect()
    };
    assert_eq!(containers(), ["c1", "c10", "c2"]);
    // Those of other networks are in nobody's way.
    for other in ["garbage", "net", "network-c4-eth0", "other-c4-eth0"] {
        world.write(&format!("cache/results/{other}"), "not JSON");
    }
    assert_eq!(containers(), ["c1", "c10", "c2"]);
    assert_eq!(runtime.cached_files().unwrap().len(), 7);
    for broken in [
        "",
        "{",
        "{}",
        "[]",
        r#"{"kind":"cniCacheV1","networkName":"net"}"#,
    ] {
        world.write("cache/results/net-c3-eth0", broken);
        let error = runtime.attachments(&name).unwrap_err();
        let start = format!(
            "not all attachments of network \"net\" are known, because of {}: the cached result",
            world.path("cache/results/net-c3-eth0").display()
        );
        assert!(words(&error).starts_with(&start), "{error}");
        assert!(error.advice().unwrap().contains("remove the file"));
    }
}

#[test]
fn what_could_not_be_read_again_is_not_begun() {
    let world = World::new(&["one"]);
    let network = network("1.1.0", &["one"]);
    let runtime = world.runtime();
    let deep = (0..200).fold(json!(1), |value, _| json!([value]));
    let large = json!("x".repeat(9 << 20));
    for (value, why) in [(deep, "recursion limit"), (large, "at most")] {
        let end = endpoint("c1").with_capability_arg("ours", value);
        let error = runtime.add(&network, &end).unwrap_err();
        let told = words(&error);
        assert!(told.starts_with("no plugin was run"), "{told}");
        assert!(told.contains(why), "{told}");
    }
    assert_eq!(world.calls(), [""; 0]);
    assert_eq!(runtime.attachments(&network.name).unwrap(), []);
}

/// Whatever name the configuration has: else it would stay known when it is detached.
#[test]
fn an_attachment_is_detached_under_the_name_it_is_kept_by() {
    let world = World::new(&["one"]);
    let config =
        r#"eyJjbmlWZXJzaW9uIjoiMS4xLjAiLCJuYW1lIjoiaGFoYSIsInBsdWdpbnMiOlt7InR5cGUiOiJvbmUifV19"#;
    let kept = format!(
        r#"{{"kind":"cniCacheV1","containerId":"c1","ifName":"eth0","networkName":"net","config":"{config}"}}"#
    );
    world.write("cache/results/net-c1-eth0", &kept);
    let runtime = world.runtime();
    runtime.detach_all(&"c1".parse().unwrap()).unwrap();
    assert_eq!(world.stdin("one", "DEL")["name"], "net");
    assert_eq!(world.cached(), [""; 0]);
}

#[test]
fn without_a_cache_there_are_no_attachments() {
    let world = World::new(&[]);
    let name = "net".parse().unwrap();
    assert_eq!(world.runtime().attachments(&name).unwrap(), []);
}
