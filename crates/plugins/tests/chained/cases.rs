//! What holds of every plugin that comes after another.

use std::fs;

use std::time::Duration;

use linkspan_testkit::{
    Attachment, Feature, Netns, Sandbox, Snapshot, VERSIONS, in_version, lose_every_answer, needs,
    tests_for, with,
};
use serde_json::{Value, json};

use crate::world::{Pair, Routers};
use crate::{bandwidth as limits, sbr as source_routing, tuning as settings, vrf as routing};

tests_for! {
    every_version_has_its_result: bandwidth sbr tuning vrf;
    it_needs_the_result_of_the_plugin_before: bandwidth sbr tuning vrf;
    a_namespace_that_is_gone_leaves_no_file_at_its_path: bandwidth sbr tuning vrf;
    a_path_that_leads_to_another_container_changes_nothing_there: sbr tuning vrf;
    status_and_gc_have_nothing_to_say: bandwidth sbr tuning vrf;
    a_lost_answer_leaves_nothing: bandwidth bandwidth_both sbr tuning;
}

/// A plugin, and what asks it to do something.
struct Plugin {
    features: &'static [Feature],
    keys: Value,
    scene: fn(&Sandbox, Value) -> Scene,
    /// The MAC address that the result gets.
    mac: Option<&'static str>,
}

/// An interface that the plugin before has made, with its result.
struct Scene {
    attachment: Attachment,
    netns: Netns,
    config: Value,
}

fn pair(pair: &Pair, keys: Value) -> Scene {
    Scene {
        attachment: pair.attachment(),
        netns: pair.netns.clone(),
        config: pair.config(keys),
    }
}

fn routers(routers: &Routers, config: Value) -> Scene {
    Scene {
        attachment: routers.attachment(1),
        netns: routers.netns.clone(),
        config,
    }
}

fn bandwidth() -> Plugin {
    Plugin {
        features: &[],
        keys: json!({ "ingressRate": 8_000_000 }),
        scene: |sandbox, keys| pair(&limits::world(sandbox), keys),
        mac: None,
    }
}

fn bandwidth_both() -> Plugin {
    Plugin {
        keys: json!({ "ingressRate": 8_000_000, "egressRate": 8_000_000, "shapedSubnets": ["10.9.0.0/16"] }),
        ..bandwidth()
    }
}

fn sbr() -> Plugin {
    Plugin {
        features: &[],
        keys: json!({ "table": 7 }),
        scene: |sandbox, keys| {
            let world = source_routing::world(sandbox, 1);
            routers(&world, world.config(1, keys))
        },
        mac: None,
    }
}

fn tuning() -> Plugin {
    Plugin {
        features: &[],
        keys: json!({ "mac": "02:00:00:00:00:01" }),
        scene: |sandbox, keys| pair(&settings::world(sandbox), keys),
        mac: Some("02:00:00:00:00:01"),
    }
}

fn vrf() -> Plugin {
    Plugin {
        features: &[Feature::Vrf],
        keys: json!({ "vrfname": "red" }),
        scene: |sandbox, keys| {
            let world = routing::world(sandbox);
            world.make_routes(1);
            routers(&world, routing::config(&world, 1, keys))
        },
        mac: None,
    }
}

impl Plugin {
    #[track_caller]
    fn test(self, body: impl FnOnce(&Scene)) {
        self.test_within(Duration::from_secs(60), |scene, _| body(scene));
    }

    #[track_caller]
    fn test_within(self, deadline: Duration, body: impl FnOnce(&Scene, &Sandbox)) {
        let setup = needs(self.features).deadline(deadline);
        setup.sandbox(|sandbox| body(&(self.scene)(sandbox, self.keys), sandbox));
    }
}

/// It is that of the plugin before.
fn every_version_has_its_result(plugin: Plugin) {
    let mac = plugin.mac;
    plugin.test(|scene| {
        for version in VERSIONS.into_iter().filter(|version| *version >= "0.3") {
            let config = in_version(&scene.config, version);
            let mut expected = config["prevResult"].clone();
            if let Some(mac) = mac {
                expected["interfaces"][1]["mac"] = mac.into();
            }
            let result = scene.attachment.add(&config).success();
            assert_eq!(result, expected, "{version}");
            scene.attachment.del(&config).success();
        }
    });
}

fn it_needs_the_result_of_the_plugin_before(plugin: Plugin) {
    plugin.test(|scene| {
        let alone = with(&scene.config, json!({ "prevResult": null }));
        scene.attachment.add(&alone).fails(7, &["chained plugin"]);
    });
}

/// The reference's sbr makes a plain file at the path of a namespace that is gone, on which the next DEL then fails.
fn a_namespace_that_is_gone_leaves_no_file_at_its_path(plugin: Plugin) {
    plugin.test(|scene| {
        let (attachment, config) = (&scene.attachment, &scene.config);
        attachment.add(config).success();
        scene.netns.delete();
        let path = scene.netns.path();
        for _ in 0..2 {
            attachment.del(config).success();
            assert!(!path.exists());
        }
        // As containerd asks the second time: no namespace at all.
        attachment.call("DEL", config).netns("").run().success();
        // A mount point whose namespace is gone.
        fs::write(path, "").unwrap();
        attachment.del(config).success();
    });
}

/// kubernetes#100648: the interface of that name has neither the MAC address nor an address of the result.
fn a_path_that_leads_to_another_container_changes_nothing_there(plugin: Plugin) {
    plugin.test(|scene| {
        let (attachment, config) = (&scene.attachment, &scene.config);
        attachment.add(config).success();
        let mut of_the_dead = config.clone();
        let result = &mut of_the_dead["prevResult"];
        for interface in result["interfaces"].as_array_mut().unwrap() {
            interface["mac"] = "02:00:00:00:00:dd".into();
        }
        result["ips"] = json!([{ "address": "10.99.0.2/24" }]);
        let before = Snapshot::of(&[&scene.netns], &[]);
        for _ in 0..2 {
            attachment.del(&of_the_dead).success();
            before.assert_same(&Snapshot::of(&[&scene.netns], &[]), "after DEL");
        }
    });
}

/// ADD that loses one of the kernel's answers, whichever it is, succeeds or leaves nothing, without a DEL.
fn a_lost_answer_leaves_nothing(plugin: Plugin) {
    plugin.test_within(Duration::from_secs(300), |scene, sandbox| {
        let Scene {
            attachment,
            netns,
            config,
        } = scene;
        // What a first ADD leaves in any case.
        attachment.add(config).success();
        attachment.del(config).success();
        let look = || {
            let kept = ["/run/cni/tuning", "/run/cni/linkspan/tuning"];
            Snapshot::of(&[sandbox.host(), netns], &kept)
        };
        let queues = || sandbox.host().run("tc qdisc show");
        let before = (look(), queues());
        let add = || {
            attachment.del(config).success();
            attachment.call("ADD", config).cmd()
        };
        let failures = lose_every_answer(add, |output, context| {
            if output.ok() {
                attachment.del(config).success();
            }
            before.0.assert_same(&look(), context);
            assert_eq!(queues(), before.1, "{context}");
        });
        assert!(failures > 2, "{failures}");
    });
}

fn status_and_gc_have_nothing_to_say(plugin: Plugin) {
    plugin.test(|scene| {
        let config = with(
            &scene.config,
            json!({ "cniVersion": "1.1.0", "prevResult": null }),
        );
        scene.attachment.call("STATUS", &config).run().success();
        let gc = with(&config, json!({ "cni.dev/valid-attachments": [] }));
        scene.attachment.call("GC", &gc).run().success();
    });
}
