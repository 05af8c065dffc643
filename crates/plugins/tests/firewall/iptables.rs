//! The backend `iptables`, and what the reference plugin made with it.

use linkspan_testkit::{Cmd, Outside, Plugins, Sandbox, iptables, sandbox, with_prev_result};
use serde_json::{Value, json};

use super::world::{
    Container, Forwarding, LEGACY, NFT, PORT, World, does_not_reach, reaches, reconcile, save,
};

fn by_iptables() -> Value {
    json!({ "backend": "iptables" })
}

fn call(world: &World<'_>, path: &str, verb: &str, container: &Container) -> Cmd {
    world.call(verb, container).cmd().env("PATH", path)
}

fn passes(sandbox: &Sandbox, forwarding: Forwarding, variant: &str) {
    let path = iptables(variant);
    let world = World::new(sandbox, forwarding, by_iptables());
    let [one, other] = ["one", "other"].map(|name| world.attach_bridge(name));
    for container in [&one, &other] {
        call(&world, &path, "ADD", container).run();
    }
    let traffic = || {
        let outside = &world.outside.netns;
        reaches(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
        reaches(&one.netns, &other.v4, &other.v6, PORT);
        reaches(sandbox.host(), &one.v4, &one.v6, PORT);
        does_not_reach(outside, &one.v4, &one.v6, PORT);
    };
    traffic();
    world.flush_conntrack();
    traffic();
    call(&world, &path, "CHECK", &one).run();
    world
        .publish_call("ADD", &one)
        .cmd()
        .env("PATH", &path)
        .run();
    reaches(
        &world.outside.netns,
        Outside::HOST_V4,
        Outside::HOST_V6,
        8080,
    );

    call(&world, &path, "DEL", &one).run();
    let rules = save(sandbox, variant);
    assert!(!rules.contains(&format!("{}/", one.v4)), "{rules}");
    assert!(!rules.contains(&format!("{}/", one.v6)), "{rules}");
    call(&world, &path, "CHECK", &other).run();
    world.flush_conntrack();
    does_not_reach(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
    call(&world, &path, "DEL", &one).run();
    call(&world, &path, "DEL", &other).run();
    let rules = save(sandbox, variant);
    for end in ["-s", "-d"] {
        let rule = format!("-A CNI-FORWARD {end}");
        assert!(!rules.contains(&rule), "{rules}");
    }
}

cases! { passes:
    passes_by_iptables(NFT, "nft");
    passes_by_the_older_iptables(LEGACY, "legacy");
}

/// hashicorp/nomad#6567: chains and the rules that lead to them are made once.
#[test]
fn many_at_once_make_the_chains_once() {
    sandbox(|sandbox| {
        let world = World::new(sandbox, NFT, by_iptables());
        let containers: Vec<_> = (0..8)
            .map(|number| world.attach_bridge(&format!("c{number}")))
            .collect();
        std::thread::scope(|scope| {
            for container in &containers {
                scope.spawn(|| world.call("ADD", container).run().success());
            }
        });
        let rules = sandbox.run("iptables-nft -S");
        assert_eq!(rules.matches("-j CNI-FORWARD").count(), 1, "{rules}");
        assert_eq!(rules.matches("-j CNI-ADMIN").count(), 1, "{rules}");
        assert_eq!(rules.matches("-s 10.22.").count(), 8, "{rules}");
        for container in &containers {
            world.call("CHECK", container).run().success();
        }
    });
}

#[test]
fn flushed_rules_are_missed_and_come_back() {
    sandbox(|sandbox| {
        let world = World::new(sandbox, NFT, by_iptables());
        let one = world.attach("one");
        for flush in [
            "iptables-nft -F",
            "iptables-nft -F CNI-FORWARD",
            "iptables-nft -F FORWARD",
        ] {
            sandbox.run(flush);
            world
                .call("CHECK", &one)
                .run()
                .fails(None, &["of the filter table of iptables"]);
            assert_ne!(reconcile(), Vec::<String>::new());
            world.call("CHECK", &one).run().success();
        }
    });
}

/// What the reference attached is detached by ours, so that a node can be upgraded with pods running.
fn migrates(sandbox: &Sandbox, variant: &str, keys: Value) {
    let path = iptables(variant);
    let forwarding = Forwarding::DroppedBy(if variant == "nft" { "nft" } else { "legacy" });
    let world = World::new(sandbox, forwarding, keys.clone());
    let [one, other] = ["one", "other"].map(|name| world.attach_bridge(name));
    let reference = Plugins::reference();
    let by_reference = |verb: &str, container: &Container| {
        let mut result = container.result.clone();
        result["cniVersion"] = json!("1.0.0");
        let mut config = with_prev_result(&world.firewall, &result);
        config["cniVersion"] = json!("1.0.0");
        config["backend"] = json!("iptables");
        world
            .call_with(&reference, &config, verb, container)
            .cmd()
            .env("PATH", &path)
            .run();
    };
    by_reference("ADD", &one);
    by_reference("ADD", &other);
    call(&world, &path, "CHECK", &one).run();
    call(&world, &path, "DEL", &one).run();
    let rules = save(sandbox, variant);
    assert!(!rules.contains(&format!("{}/", one.v4)), "{rules}");
    assert!(!rules.contains(&format!("{}/", one.v6)), "{rules}");
    reaches(&other.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
    // A late DEL takes nothing from who has the address now.
    call(&world, &path, "ADD", &one).run();
    let config = with_prev_result(&world.firewall, &one.result);
    let late = world
        .plugins
        .call("DEL", &config)
        .container("late")
        .ifname("eth0");
    late.cmd().env("PATH", &path).run();
    call(&world, &path, "CHECK", &one).run();
    // And back: what ours attached, the reference detaches.
    by_reference("DEL", &one);
    let rules = save(sandbox, variant);
    assert!(!rules.contains(&format!("{}/", one.v4)), "{rules}");
    assert!(!rules.contains(&format!("{}/", one.v6)), "{rules}");
}

cases! { migrates:
    from_the_reference_to_nftables("nft", json!({ "backend": "nftables" }));
    from_the_reference_with_the_older_iptables_to_nftables("legacy", json!({ "backend": "nftables" }));
    from_the_reference_to_iptables("nft", by_iptables());
    from_the_reference_to_the_older_iptables("legacy", by_iptables());
}

/// They name an address alone, so GC leaves them, whose they may be.
#[test]
fn what_the_reference_left_goes_with_the_addresss_next_container() {
    sandbox(|sandbox| {
        let world = World::new(sandbox, NFT, by_iptables());
        let one = world.attach_bridge("one");
        let mut result = one.result.clone();
        result["cniVersion"] = json!("1.0.0");
        let mut config = with_prev_result(&world.firewall, &result);
        config["cniVersion"] = json!("1.0.0");
        let call = world.call_with(&Plugins::reference(), &config, "ADD", &one);
        call.run().success();
        let rules = || sandbox.run("iptables-nft -S CNI-FORWARD");
        let of_one = |rules: &str| rules.matches(&format!("{}/32", one.v4)).count();
        let left = rules();
        assert!(of_one(&left) > 0, "{left}");
        world.plugins.gc(&world.firewall, &[]).success();
        assert_eq!(rules(), left);
        // For the rules, whoever has the address is as good as another container.
        world.call("ADD", &one).run().success();
        assert_eq!(of_one(&rules()), of_one(&left));
        world.del(&one).success();
        assert_eq!(of_one(&rules()), 0, "{}", rules());
    });
}

/// The chains of both are of one mind.
#[test]
fn the_reference_finds_its_chains_as_it_makes_them() {
    sandbox(|sandbox| {
        let world = World::new(sandbox, NFT, by_iptables());
        let [one, other] = ["one", "other"].map(|name| world.attach_bridge(name));
        world.call("ADD", &one).run().success();
        let mut result = other.result.clone();
        result["cniVersion"] = json!("1.0.0");
        let mut config = with_prev_result(&world.firewall, &result);
        config["cniVersion"] = json!("1.0.0");
        let call = world.call_with(&Plugins::reference(), &config, "ADD", &other);
        call.run().success();
        let rules = sandbox.run("iptables-nft -S");
        assert_eq!(rules.matches("-j CNI-FORWARD").count(), 1, "{rules}");
        assert_eq!(rules.matches("-j CNI-ADMIN").count(), 1, "{rules}");
    });
}
