//! Several networks for one container.

use std::time::{Duration, Instant};

use linkspan_runtime::{
    Cancel, Command, Endpoint, Event, InvalidPod, NetworkList, Order, Outcome, Pod, PortMapping,
    Protocol, with_labels,
};
use serde_json::json;

use crate::world::{World, list};

fn network(name: &str, plugin: &str) -> NetworkList {
    list(&json!({"cniVersion": "1.0.0", "name": name, "plugins": [
        {"type": plugin, "capabilities": {"portMappings": true}},
    ]}))
}

fn same(endpoint: Endpoint) -> Endpoint {
    endpoint
}

/// A pod in three networks, each with a plugin of its own.
fn pod() -> Pod {
    let pod = Pod::new("c1".parse().unwrap()).with_netns("/run/netns/c1");
    ["one", "two", "three"].iter().fold(pod, |pod, plugin| {
        pod.with_network(network(&format!("net-{plugin}"), plugin), same)
            .unwrap()
    })
}

fn world() -> World {
    let world = World::new(&["one", "two", "three", "loopback"]);
    for plugin in ["one", "two", "three"] {
        let answer = format!(r#"{{"cniVersion":"1.0.0","interfaces":[{{"name":"{plugin}"}}]}}"#);
        world.answer(plugin, "ADD", &answer);
    }
    world
}

#[test]
fn interfaces_are_named_in_order_and_by_the_first_free_number() {
    let network = || network("net", "one");
    let names = |pod: &Pod| -> Vec<_> {
        let networks = pod.networks().iter();
        networks
            .map(|one| one.endpoint.ifname.to_string())
            .collect()
    };
    let pod = Pod::new("c1".parse().unwrap());
    let pod = pod.with_network(network(), same).unwrap();
    let pod = pod
        .with_interface("eth1".parse().unwrap(), network(), same)
        .unwrap();
    let pod = pod.with_network(network(), same).unwrap();
    let pod = pod
        .with_prefix("net")
        .with_network(network(), same)
        .unwrap();
    let pod = pod.with_loopback().unwrap();
    assert_eq!(names(&pod), ["lo", "eth0", "eth1", "eth2", "net0"]);
    let taken = pod
        .clone()
        .with_interface("eth2".parse().unwrap(), network(), same);
    assert!(matches!(taken, Err(InvalidPod::Taken { .. })), "{taken:?}");
    assert!(matches!(
        pod.clone().with_loopback(),
        Err(InvalidPod::Taken { .. })
    ));
    let long = pod
        .with_prefix("interface-number")
        .with_network(network(), same);
    assert!(matches!(long, Err(InvalidPod::Name(_))), "{long:?}");
}

#[test]
fn each_network_gets_its_own_arguments_and_those_of_the_pod() {
    let world = world();
    let port = PortMapping::new(8080, 80, Protocol::Tcp).unwrap();
    let labelled = with_labels(network("net-two", "two"), [("app", "web")]).unwrap();
    let pod = Pod::new("c1".parse().unwrap())
        .with_arg("IgnoreUnknown", "1")
        .unwrap()
        .with_network(network("net-one", "one"), |eth0| {
            eth0.with_port_mappings([port])
        })
        .unwrap()
        .with_network(labelled, same)
        .unwrap()
        .with_netns("/run/netns/c1")
        .with_arg("K8S_POD_NAME", "web-1")
        .unwrap();
    assert!(pod.clone().with_arg("A", "b;c").is_err());
    world.runtime().add_pod(&pod, Order::Serial).unwrap();
    for plugin in ["one", "two"] {
        let args = world.env(plugin, "ADD", "CNI_ARGS");
        assert_eq!(args.as_deref(), Some("IgnoreUnknown=1;K8S_POD_NAME=web-1"));
        assert_eq!(
            world.env(plugin, "ADD", "CNI_NETNS").as_deref(),
            Some("/run/netns/c1")
        );
    }
    assert_eq!(
        world.env("one", "ADD", "CNI_IFNAME").as_deref(),
        Some("eth0")
    );
    assert_eq!(
        world.env("two", "ADD", "CNI_IFNAME").as_deref(),
        Some("eth1")
    );
    let (one, two) = (world.stdin("one", "ADD"), world.stdin("two", "ADD"));
    assert_eq!(one["runtimeConfig"]["portMappings"][0]["hostPort"], 8080);
    assert!(one.get("args").is_none() && two.get("runtimeConfig").is_none());
    assert_eq!(
        two["args"],
        json!({"cni": {"labels": [{"key": "app", "value": "web"}]}})
    );
}

#[test]
fn labels_join_those_that_are_there() {
    let with = |args| {
        let plugin = json!({"type": "one", "Args": args});
        let network = list(&json!({"cniVersion": "1.0.0", "name": "net", "plugins": [plugin]}));
        with_labels(network, [("b", "2")])
    };
    let label = |key, value| json!({"key": key, "value": value});
    let both = with(json!({"other": 1, "cni": {"labels": [label("a", "1")]}})).unwrap();
    let args = &both.plugins[0].as_map()["Args"];
    assert_eq!(
        args,
        &json!({"other": 1, "cni": {"labels": [label("a", "1"), label("b", "2")]}})
    );
    for (args, place) in [
        (json!([]), r#""args""#),
        (json!({"cni": 1}), r#""args.cni""#),
        (json!({"cni": {"labels": {}}}), r#""args.cni.labels""#),
    ] {
        let error = with(args.clone()).unwrap_err().to_string();
        assert!(error.starts_with(place), "{args}: {error}");
    }
}

#[test]
fn results_are_in_the_order_of_the_networks_and_del_goes_the_other_way() {
    let world = world();
    // The first is the last to be ready.
    world.script("one", "#!/bin/sh\nsleep 0.3; echo '{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"one\"}]}'");
    for order in [Order::Serial, Order::Parallel] {
        let made = world.runtime().add_pod(&pod(), order).unwrap();
        let told: Vec<_> = made
            .iter()
            .map(|one| {
                format!(
                    "{} {} {}",
                    one.network, one.ifname, one.result.interfaces[0].name
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                "net-one eth0 one",
                "net-two eth1 two",
                "net-three eth2 three"
            ]
        );
        assert_eq!(world.cached().len(), 3);
        world.calls();
        world.runtime().del_pod(&pod()).unwrap();
        assert_eq!(world.calls(), ["DEL three c1", "DEL two c1"]);
        assert!(world.cached().is_empty());
    }
}

#[test]
fn in_parallel_they_do_not_wait_for_each_other() {
    let world = world();
    // Each waits until all three are there.
    let script = "#!/bin/sh\ncd ${0%/*}; : > here.${0##*/}\nwhile [ \"$(echo here.*)\" != 'here.one here.three here.two' ]; do sleep 0.01; done; echo '{}'";
    for plugin in ["one", "two", "three"] {
        world.script(plugin, script);
    }
    let runtime = world.builder().timeout(Duration::from_secs(20)).build();
    let begin = Instant::now();
    runtime.add_pod(&pod(), Order::Parallel).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(20));
}

/// go-cni returns the first error of those that run in parallel, and forgets which networks are attached.
#[test]
fn who_failed_and_what_is_attached_are_told() {
    let world = world();
    world.fail("two", "ADD", "no room");
    let calls = |order, detach| {
        let runtime = world.builder().detach_failed(detach).build();
        let error = runtime.add_pod(&pod(), order).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"ADD of container "c1" failed in 1 of 3 networks: "net-two" (eth1)"#
        );
        assert_eq!(error.code().0, 100);
        assert!(error.not_detached.is_empty() && !error.is_cancelled());
        let attached: Vec<_> = error
            .attached
            .iter()
            .map(|one| one.network.to_string())
            .collect();
        let mut calls = world.calls();
        if order == Order::Parallel {
            calls[..3].sort();
        }
        runtime.del_pod(&pod()).unwrap();
        world.calls();
        (attached, calls)
    };
    let (one, both) = (
        vec!["net-one".to_owned()],
        vec!["net-one".to_owned(), "net-three".to_owned()],
    );
    let (adds, dels) = (["ADD one c1", "ADD two c1"], ["DEL three c1", "DEL one c1"]);
    assert_eq!(
        calls(Order::Serial, false),
        (one, adds.map(str::to_owned).to_vec())
    );
    let serial = ["ADD one c1", "ADD two c1", "DEL one c1"].map(str::to_owned);
    assert_eq!(calls(Order::Serial, true), (vec![], serial.to_vec()));
    let all = ["ADD one c1", "ADD three c1", "ADD two c1"].map(str::to_owned);
    assert_eq!(calls(Order::Parallel, false), (both, all.to_vec()));
    let undone: Vec<_> = all.into_iter().chain(dels.map(str::to_owned)).collect();
    assert_eq!(calls(Order::Parallel, true), (vec![], undone));
}

/// What gives ADD up does not give up the DEL of what ADD has made.
#[test]
fn a_pod_that_is_given_up_is_detached_all_the_same() {
    let world = world();
    let cancel = Cancel::new().unwrap();
    let given_up = cancel.clone();
    let builder = world.builder().cancel(cancel).detach_cancelled(true);
    let runtime = builder.observer(move |event| {
        if matches!(event, Event::Step(done) if done.step.command == Command::Add) {
            given_up.cancel();
        }
    });
    let error = runtime.build().add_pod(&pod(), Order::Serial).unwrap_err();
    assert!(error.is_cancelled(), "{error}");
    assert!(error.attached.is_empty() && error.not_detached.is_empty());
    // Of the second no plugin was run.
    assert_eq!(world.calls(), ["ADD one c1", "DEL one c1"]);
    assert!(world.cached().is_empty());
}

#[test]
fn what_cannot_be_detached_again_is_told_beside_the_failure() {
    let world = world();
    world.fail("three", "ADD", "no room");
    world.fail("one", "DEL", "busy");
    let runtime = world.builder().detach_failed(true).build();
    let error = runtime.add_pod(&pod(), Order::Serial).unwrap_err();
    assert_eq!(error.failures[0].network.as_str(), "net-three");
    let left: Vec<_> = error
        .not_detached
        .iter()
        .map(|one| one.network.as_str())
        .collect();
    assert_eq!(left, ["net-one"]);
}

#[test]
fn del_and_check_go_on_after_failures_and_tell_all_of_them() {
    let world = world();
    world.runtime().add_pod(&pod(), Order::Serial).unwrap();
    for (plugin, command) in [
        ("three", "DEL"),
        ("one", "DEL"),
        ("one", "CHECK"),
        ("three", "CHECK"),
    ] {
        world.fail(plugin, command, "broken");
    }
    world.calls();
    let error = world.runtime().check_pod(&pod()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with(r#"failed in 2 of 3 networks: "net-one" (eth0), "net-three" (eth2)"#),
        "{error}"
    );
    assert_eq!(
        world.calls(),
        ["CHECK one c1", "CHECK two c1", "CHECK three c1"]
    );
    let error = world.runtime().del_pod(&pod()).unwrap_err();
    let failed: Vec<_> = error
        .failures
        .iter()
        .map(|one| one.ifname.as_str())
        .collect();
    assert_eq!(failed, ["eth2", "eth0"]);
    assert_eq!(world.calls(), ["DEL three c1", "DEL two c1", "DEL one c1"]);
}

/// containerd#6876, cni#899: a later version for the loopback interface broke nodes whose plugins did not know it.
#[test]
fn a_loopback_is_attached_first_and_its_version_has_no_check() {
    let world = world();
    let pod = pod().with_loopback().unwrap();
    let made = world.runtime().add_pod(&pod, Order::Serial).unwrap();
    assert_eq!(
        (made[0].network.as_str(), made[0].ifname.as_str()),
        ("cni-loopback", "lo")
    );
    assert_eq!(world.calls()[0], "ADD loopback c1");
    assert_eq!(world.stdin("loopback", "ADD")["cniVersion"], "0.3.1");
    let outcomes = world.runtime().check_pod(&pod).unwrap();
    assert_eq!(outcomes[..2], [Outcome::NotInVersion, Outcome::Done]);
    // As go-cni keeps it, so that either detaches what the other has attached.
    assert!(world.cached().contains(&"cni-loopback-c1-lo".to_owned()));
    world.runtime().del_pod(&pod).unwrap();
    assert_eq!(world.calls().last().unwrap(), "DEL loopback c1");
}

#[test]
fn a_pod_that_is_attached_once_more_goes_on_working_when_that_fails() {
    for order in [Order::Serial, Order::Parallel] {
        let world = world();
        let runtime = world.builder().detach_failed(true).build();
        let pod = pod();
        runtime.add_pod(&pod, order).unwrap();
        // What the first network does once more succeeds; the third is new.
        let endpoint = &pod.networks()[2].endpoint;
        runtime.del(&pod.networks()[2].network, endpoint).unwrap();
        world.fail("two", "ADD", "eth1 exists");
        world.calls();
        let error = runtime.add_pod(&pod, order).unwrap_err();
        let calls = world.calls();
        assert!(!calls.contains(&"DEL one c1".to_owned()), "{calls:?}");
        assert_eq!(world.cached(), ["net-one-c1-eth0", "net-two-c1-eth1"]);
        let attached: Vec<_> = error
            .attached
            .iter()
            .map(|one| one.ifname.as_str())
            .collect();
        assert_eq!(attached, ["eth0"]);
        assert!(error.not_detached.is_empty());
    }
}
