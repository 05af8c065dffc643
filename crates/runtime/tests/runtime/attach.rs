//! ADD, CHECK and DEL of a chain.

use linkspan_runtime::{Error, NetworkList, Outcome, Version};
use serde_json::{Value, json};

use crate::world::{World, endpoint, list, network, read, words};

const RESULT: &str = r#"{"cniVersion":"1.0.0","ips":[{"address":"10.1.0.2/24"}]}"#;

#[test]
fn add_hands_each_plugin_the_result_of_the_one_before() {
    let world = World::new(&["one", "two", "three"]);
    world.answer("one", "ADD", RESULT);
    world.answer(
        "two",
        "ADD",
        r#"{"cniVersion":"1.0.0","ips":[{"address":"10.1.0.3/24"}]}"#,
    );
    world.answer("three", "ADD", RESULT);
    let network = network("1.0.0", &["one", "two", "three"]);
    let result = world.runtime().add(&network, &endpoint("c1")).unwrap();
    assert_eq!(result.ips[0].address.to_string(), "10.1.0.2/24");
    assert_eq!(world.calls(), ["ADD one c1", "ADD two c1", "ADD three c1"]);
    assert_eq!(
        world.stdin("one", "ADD"),
        json!({"type": "one", "cniVersion": "1.0.0", "name": "net"})
    );
    let previous = &world.stdin("two", "ADD")["prevResult"];
    assert_eq!(previous["cniVersion"], "1.0.0");
    assert_eq!(previous["ips"][0]["address"], "10.1.0.2/24");
    let previous = &world.stdin("three", "ADD")["prevResult"];
    assert_eq!(previous["ips"][0]["address"], "10.1.0.3/24");
}

#[test]
fn unknown_keys_reach_the_plugin_untouched_and_in_order() {
    let world = World::new(&["one"]);
    let network = list(&json!({"cniVersion": "1.1.0", "name": "net", "plugins": [
        {"type": "one", "zeta": [1, {"a": null}], "alpha": 1.5, "name": "other"}
    ]}));
    world.runtime().add(&network, &endpoint("c1")).unwrap();
    let expected =
        r#"{"type":"one","zeta":[1,{"a":null}],"alpha":1.5,"name":"net","cniVersion":"1.1.0"}"#;
    let stdin = world.stdin("one", "ADD");
    assert_eq!(stdin, serde_json::from_str::<Value>(expected).unwrap());
    if cfg!(feature = "preserve_order") {
        assert_eq!(stdin.to_string(), expected);
    }
}

#[test]
fn the_variables_of_the_protocol() {
    let world = World::new(&["one"]);
    let endpoint = endpoint("c1")
        .with_arg("K8S_POD_NAME", "p")
        .unwrap()
        .with_arg("IP", "10.1.0.9")
        .unwrap();
    world
        .runtime()
        .add(&network("1.0.0", &["one"]), &endpoint)
        .unwrap();
    let bin = world.path("bin").to_str().unwrap().to_owned();
    for (name, value) in [
        ("CNI_COMMAND", "ADD"),
        ("CNI_CONTAINERID", "c1"),
        ("CNI_NETNS", "/run/netns/c1"),
        ("CNI_IFNAME", "eth0"),
        ("CNI_ARGS", "K8S_POD_NAME=p;IP=10.1.0.9"),
        ("CNI_PATH", bin.as_str()),
    ] {
        assert_eq!(world.env("one", "ADD", name).as_deref(), Some(value));
    }
    assert!(world.env("one", "ADD", "PATH").is_some(), "is inherited");
}

#[test]
fn capability_arguments_go_to_the_plugins_that_declare_them() {
    let world = World::new(&["plain", "mapper", "off"]);
    let network = list(&json!({"cniVersion": "1.0.0", "name": "net", "plugins": [
        {"type": "plain"},
        {"type": "mapper", "capabilities": {"portMappings": true, "mac": true}},
        {"type": "off", "capabilities": {"portMappings": false}}
    ]}));
    let mappings = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]);
    let endpoint = endpoint("c1")
        .with_capability_arg("portMappings", mappings.clone())
        .with_capability_arg("bandwidth", json!({}));
    let runtime = world.runtime();
    runtime.add(&network, &endpoint).unwrap();
    runtime.del(&network, &endpoint).unwrap();
    for command in ["ADD", "DEL"] {
        assert_eq!(
            world.stdin("mapper", command)["runtimeConfig"],
            json!({"portMappings": mappings})
        );
        for plugin in ["plain", "off"] {
            assert_eq!(world.stdin(plugin, command).get("runtimeConfig"), None);
        }
    }
}

#[test]
fn a_result_without_a_version_is_in_that_of_the_configuration() {
    // cni#895
    let world = World::new(&["one", "two"]);
    world.answer("one", "ADD", r#"{"ip4":{"ip":"10.1.0.2/24"}}"#);
    let network = network("0.2.0", &["one", "two"]);
    world.runtime().add(&network, &endpoint("c1")).unwrap();
    assert_eq!(
        world.stdin("two", "ADD")["prevResult"],
        json!({"cniVersion": "0.2.0", "ip4": {"ip": "10.1.0.2/24"}, "dns": {}})
    );
}

/// Of a list that was made in code, or read without the folder that its plugins are in: nothing would be attached.
#[test]
fn a_network_without_plugins_is_no_success() {
    let world = World::new(&[]);
    let network = NetworkList::new("net".parse().unwrap(), Version::V1_1_0);
    let error = world.runtime().add(&network, &endpoint("c1")).unwrap_err();
    assert!(words(&error).contains(r#""plugins" is missing"#), "{error}");
    assert_eq!((world.cached(), world.pending()), (vec![], vec![]));
}

#[test]
fn a_plugin_without_a_result_is_no_failure() {
    for printed in ["{}", "null", r#"{"cniVersion":"1.0.0"}"#] {
        for version in ["0.2.0", "1.0.0"] {
            let world = World::new(&["one", "two"]);
            world.answer("one", "ADD", printed);
            let network = network(version, &["one", "two"]);
            world.runtime().add(&network, &endpoint("c1")).unwrap();
        }
    }
}

#[test]
fn add_stops_at_the_first_failure_and_leaves_the_rest_to_the_caller() {
    let world = World::new(&["one", "two", "three"]);
    world.fail("two", "ADD", "no room");
    let network = network("1.0.0", &["one", "two", "three"]);
    let error = world.runtime().add(&network, &endpoint("c1")).unwrap_err();
    assert_eq!(
        words(&error),
        r#"plugin type="two" failed (add), 2 of 3 in network "net", container "c1", interface "eth0": no room"#
    );
    assert_eq!(error.code().0, 100);
    assert_eq!(world.calls(), ["ADD one c1", "ADD two c1"]);
    assert_eq!(world.cached(), [""; 0]);
}

#[test]
fn a_failed_add_is_detached_when_asked_for() {
    // containerd#5438: with a time of its own, and past a plugin that fails.
    let world = World::new(&["one", "two", "three"]);
    world.fail("two", "ADD", "no room");
    world.fail("two", "DEL", "nothing there");
    let network = network("1.0.0", &["one", "two", "three"]);
    let runtime = world.builder().detach_failed(true).build();
    let error = runtime.add(&network, &endpoint("c1")).unwrap_err();
    assert!(words(&error).ends_with("no room"));
    assert_eq!(
        world.calls(),
        [
            "ADD one c1",
            "ADD two c1",
            "DEL three c1",
            "DEL two c1",
            "DEL one c1"
        ]
    );
}

#[test]
fn a_refused_duplicate_leaves_what_is_attached_alone() {
    let world = World::new(&["one", "two"]);
    let network = network("1.0.0", &["one", "two"]);
    let runtime = world.builder().detach_failed(true).build();
    runtime.add(&network, &endpoint("c1")).unwrap();
    world.fail("two", "ADD", "eth0 exists");
    world.calls();
    runtime.add(&network, &endpoint("c1")).unwrap_err();
    assert_eq!(world.calls(), ["ADD one c1", "ADD two c1"]);
    // What cannot be read is there, too.
    world.write("cache/results/net-c1-eth0", "");
    runtime.add(&network, &endpoint("c1")).unwrap_err();
    assert_eq!(world.calls(), ["ADD one c1", "ADD two c1"]);
    runtime.add(&network, &endpoint("c2")).unwrap_err();
    assert_eq!(
        world.calls(),
        ["ADD one c2", "ADD two c2", "DEL two c2", "DEL one c2"]
    );
}

/// Another runtime, with a cache of its own, has attached it.
#[test]
fn what_the_first_plugin_refuses_or_never_ran_for_is_not_detached() {
    let world = World::new(&["one", "two"]);
    let network = network("1.0.0", &["one", "two"]);
    world.runtime().add(&network, &endpoint("c1")).unwrap();
    world.calls();
    world.write("other/results/.keep", "");
    let runtime = world.builder().cache_dir(world.path("other"));
    let runtime = runtime.detach_failed(true).build();
    world.fail("one", "ADD", "eth0 exists");
    let error = runtime.add(&network, &endpoint("c1")).unwrap_err();
    assert!(!matches!(error, Error::Undone(_)), "{error:?}");
    assert_eq!(world.calls(), ["ADD one c1"]);
    std::fs::rename(world.path("bin/one"), world.path("bin/away")).unwrap();
    runtime.add(&network, &endpoint("c1")).unwrap_err();
    assert_eq!(world.calls(), [""; 0]);
    // One that dies without a word may have left anything.
    std::fs::rename(world.path("bin/away"), world.path("bin/one")).unwrap();
    world.answer("one", "ADD", "");
    runtime.add(&network, &endpoint("c2")).unwrap_err();
    assert_eq!(world.calls(), ["ADD one c2", "DEL two c2", "DEL one c2"]);
}

#[test]
fn whether_a_failed_add_could_be_detached_is_told() {
    let world = World::new(&["one", "two"]);
    let network = network("1.0.0", &["one", "two"]);
    let runtime = world.builder().detach_failed(true).build();
    world.fail("two", "ADD", "no room");
    let undone = |error| match error {
        Error::Undone(undone) => undone,
        error => panic!("{error:?}"),
    };
    let first = undone(runtime.add(&network, &endpoint("c1")).unwrap_err());
    assert!(words(&first.add).ends_with("no room"));
    assert!(first.del.is_ok());
    world.fail("one", "DEL", "busy");
    let second = undone(runtime.add(&network, &endpoint("c1")).unwrap_err());
    assert!(words(&second.del.unwrap_err()).ends_with("busy"));
}

/// "a-b" and "c" are joined as "a" and "b-c" are.
#[test]
fn an_attachment_does_not_take_the_place_of_anothers_cached_result() {
    let world = World::new(&["one"]);
    let named =
        |name| list(&json!({"cniVersion": "1.0.0", "name": name, "plugins": [{"type": "one"}]}));
    let runtime = world.builder().detach_failed(true).build();
    runtime.add(&named("a-b"), &endpoint("c")).unwrap();
    world.calls();
    let error = runtime.add(&named("a"), &endpoint("b-c")).unwrap_err();
    let told = "a-b-c-eth0 is that of network \"a-b\", container \"c\", interface \"eth0\"";
    assert!(words(&error).ends_with(told), "{error}");
    assert!(error.advice().unwrap().contains("Detach the other first"));
    assert_eq!(world.calls(), [""; 0]);
    assert_eq!(
        read(&world.path("cache/results/a-b-c-eth0"))["networkName"],
        "a-b"
    );
    runtime.add(&named("a-b"), &endpoint("c")).unwrap();
}

#[test]
fn check_and_del_get_the_kept_result_and_del_forgets_it() {
    let world = World::new(&["one", "two"]);
    world.answer("two", "ADD", RESULT);
    let network = network("1.0.0", &["one", "two"]);
    let runtime = world.runtime();
    runtime.add(&network, &endpoint("c1")).unwrap();
    assert_eq!(world.cached(), ["net-c1-eth0"]);
    assert_eq!(
        runtime.check(&network, &endpoint("c1")).unwrap(),
        Outcome::Done
    );
    runtime.del(&network, &endpoint("c1")).unwrap();
    assert_eq!(
        world.calls()[2..],
        ["CHECK one c1", "CHECK two c1", "DEL two c1", "DEL one c1"]
    );
    for (plugin, command) in [
        ("one", "CHECK"),
        ("two", "CHECK"),
        ("two", "DEL"),
        ("one", "DEL"),
    ] {
        let previous = &world.stdin(plugin, command)["prevResult"];
        assert_eq!(previous["ips"][0]["address"], "10.1.0.2/24");
    }
    assert_eq!(world.cached(), [""; 0]);
}

#[test]
fn before_0_4_0_there_is_no_check_and_del_gets_no_result() {
    let world = World::new(&["one"]);
    world.answer(
        "one",
        "ADD",
        r#"{"ips":[{"version":"4","address":"10.1.0.2/24"}]}"#,
    );
    let network = network("0.3.1", &["one"]);
    let runtime = world.runtime();
    runtime.add(&network, &endpoint("c1")).unwrap();
    let error = runtime.check(&network, &endpoint("c1")).unwrap_err();
    assert!(
        words(&error).contains("does not support the CHECK command"),
        "{error}"
    );
    runtime.del(&network, &endpoint("c1")).unwrap();
    assert_eq!(world.stdin("one", "DEL").get("prevResult"), None);
    assert_eq!(world.cached(), [""; 0]);
}

#[test]
fn a_kept_result_is_handed_on_in_the_version_that_the_network_has_now() {
    let world = World::new(&["one"]);
    world.answer("one", "ADD", RESULT);
    let runtime = world.runtime();
    runtime
        .add(&network("1.0.0", &["one"]), &endpoint("c1"))
        .unwrap();
    runtime
        .del(&network("0.4.0", &["one"]), &endpoint("c1"))
        .unwrap();
    let previous = &world.stdin("one", "DEL")["prevResult"];
    assert_eq!(previous["cniVersion"], "0.4.0");
    assert_eq!(previous["ips"][0]["version"], "4");
}

#[test]
fn check_is_left_out_where_the_network_says_so() {
    let world = World::new(&["one"]);
    let network = list(
        &json!({"cniVersion": "1.0.0", "name": "net", "disableCheck": true,
        "plugins": [{"type": "one"}]}),
    );
    let outcome = world.runtime().check(&network, &endpoint("c1")).unwrap();
    assert_eq!(outcome, Outcome::Disabled);
    assert_eq!(world.calls(), [""; 0]);
}

#[test]
fn del_without_add_runs_the_plugins() {
    let world = World::new(&["one", "two"]);
    let network = network("1.0.0", &["one", "two"]);
    world.runtime().del(&network, &endpoint("c1")).unwrap();
    assert_eq!(world.calls(), ["DEL two c1", "DEL one c1"]);
    assert_eq!(world.stdin("one", "DEL").get("prevResult"), None);
}

#[test]
fn del_stops_at_a_failure_and_can_be_repeated() {
    let world = World::new(&["one", "two"]);
    let network = network("1.0.0", &["one", "two"]);
    let runtime = world.runtime();
    runtime.add(&network, &endpoint("c1")).unwrap();
    world.fail("two", "DEL", "busy");
    world.calls();
    let error = runtime.del(&network, &endpoint("c1")).unwrap_err();
    assert!(
        words(&error).starts_with(r#"plugin type="two" failed (delete)"#),
        "{error}"
    );
    assert_eq!(world.calls(), ["DEL two c1"]);
    assert_eq!(world.cached(), ["net-c1-eth0"], "for the next try");
    world.mend("two", "DEL");
    runtime.del(&network, &endpoint("c1")).unwrap();
    assert_eq!(world.cached(), [""; 0]);
}

#[test]
fn del_goes_on_past_failures_when_asked_for_and_tells_all() {
    // cni#924
    let world = World::new(&["one", "two", "three"]);
    world.fail("three", "DEL", "third");
    world.fail("one", "DEL", "first");
    let network = network("1.0.0", &["one", "two", "three"]);
    let runtime = world.builder().finish_detach(true).build();
    let error = runtime.del(&network, &endpoint("c1")).unwrap_err();
    assert_eq!(world.calls(), ["DEL three c1", "DEL two c1", "DEL one c1"]);
    let told: Vec<_> = error.errors().into_iter().map(words).collect();
    assert!(
        told[0].ends_with("third") && told[1].ends_with("first"),
        "{told:?}"
    );
    assert!(words(&error).ends_with(": third"), "{error}");
}

#[test]
fn a_result_that_cannot_be_kept_is_told() {
    let world = World::new(&["one"]);
    world.answer("one", "ADD", RESULT);
    world.write("cache/results", "a file where the directory should be");
    let network = network("1.0.0", &["one"]);
    let error = world.runtime().add(&network, &endpoint("c1")).unwrap_err();
    assert!(
        words(&error).contains("cannot keep the cached result"),
        "{error}"
    );
}

#[test]
fn a_single_configuration_is_a_list_of_one() {
    let world = World::new(&["one"]);
    world.write(
        "net.d/10-net.conf",
        r#"{"cniVersion":"0.2.0","name":"net","type":"one","key":1}"#,
    );
    let network = linkspan_runtime::load_network(&world.path("net.d"), "net").unwrap();
    world.runtime().add(&network, &endpoint("c1")).unwrap();
    assert_eq!(
        world.stdin("one", "ADD"),
        json!({"cniVersion": "0.2.0", "name": "net", "type": "one", "key": 1})
    );
    assert_eq!(
        read(&world.path("cache/results/net-c1-eth0"))["networkName"],
        "net"
    );
}
