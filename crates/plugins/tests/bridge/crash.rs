//! Killed at its system calls: whatever is left, DEL and GC bring the host back to where it was.

use std::collections::BTreeSet;
use std::time::Duration;

use linkspan_testkit::{
    Cmd, Kill, Netns, Sandbox, kill_at_every_change, kill_at_every_syscall, needs, sandbox,
};
use serde_json::{Value, json};

use super::host::{Host, dual_stack, left, network};

/// How long a loop may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(300);

/// Everything at once that leaves something on the host.
fn everything() -> Value {
    network(json!({ "ipMasq": true, "macspoofchk": true, "ipam": dual_stack() }))
}

/// A host and a container that is attached and detached, and perhaps another one that stays attached all the time: what
/// is left must always be what that one has.
struct Scene<'a> {
    host: Host<'a>,
    netns: Netns,
    config: Value,
    others: &'static [(&'static str, &'static str)],
    before: BTreeSet<String>,
}

impl<'a> Scene<'a> {
    /// Nobody is attached, and there is no bridge.
    fn empty(sandbox: &'a Sandbox, config: Value) -> Self {
        let host = Host::new(sandbox);
        let netns = sandbox.netns("c1");
        Self {
            before: left(&[&netns]),
            host,
            netns,
            config,
            others: &[],
        }
    }

    fn beside_another(sandbox: &'a Sandbox, config: Value) -> Self {
        let scene = Self::empty(sandbox, config);
        scene.host.attach(&scene.config, "other");
        Self {
            before: left(&[&scene.netns]),
            others: &[("other", "eth0")],
            ..scene
        }
    }

    fn cmd(&self, verb: &str) -> Cmd {
        self.host.cmd(verb, &self.config, &self.netns)
    }

    fn add(&self) {
        self.host.add(&self.config, &self.netns).success();
    }

    fn del(&self) {
        self.host.del(&self.config, &self.netns).success();
    }

    fn del_without_namespace(&self) {
        let call = self.host.call("DEL", &self.config, &self.netns);
        call.env("CNI_NETNS", "").run().success();
    }

    fn gc(&self) {
        self.host.plugins.gc(&self.config, self.others).success();
    }

    #[track_caller]
    fn assert_nothing_left(&self, kill: Option<&Kill>) {
        let now = left(&[&self.netns]);
        let more: Vec<_> = now.difference(&self.before).collect();
        let less: Vec<_> = self.before.difference(&now).collect();
        assert!(
            more.is_empty() && less.is_empty(),
            "killed at {kill:?}: left {more:#?}, missing {less:#?}"
        );
    }
}

/// These tests are worth what [`left`] sees.
#[test]
fn an_attachment_that_stands_is_seen() {
    sandbox(|sandbox| {
        let scene = Scene::empty(sandbox, everything());
        scene.add();
        let left = left(&[&scene.netns]);
        let shown = left
            .difference(&scene.before)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n");
        for part in [
            "c1 link eth0",
            "host link veth",
            "10.22.0.2 comment \"mynet/c1/eth0\"",
            "fd00:22::2 . fd00:22:: comment \"mynet/c1/eth0\"",
            "nft element of guarded: \"veth",
            "/netfilter/mynet:c1:eth0:bridge.json",
            "file /var/lib/cni/networks/mynet/10.22.0.2",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(!shown.contains("cni0"), "{shown}");
    });
}

#[test]
fn the_first_add_killed_at_any_system_call_is_undone_by_del() {
    needs(&[]).deadline(DEADLINE).sandbox(|sandbox| {
        let scene = Scene::empty(sandbox, everything());
        let before = scene.host.snapshot(&[&scene.netns]);
        let kills = kill_at_every_syscall(
            || scene.cmd("ADD"),
            |kill| {
                scene.del();
                scene.assert_nothing_left(kill);
                sandbox.run("ip link del cni0 2>/dev/null || true");
            },
        );
        assert!(kills > 80, "{kills}");
        before.assert_same(&scene.host.snapshot(&[&scene.netns]), "after the last DEL");
    });
}

#[test]
fn an_add_beside_another_killed_at_any_change_is_undone_by_del() {
    needs(&[]).deadline(DEADLINE).sandbox(|sandbox| {
        let scene = Scene::beside_another(sandbox, everything());
        let before = scene.host.snapshot(&[&scene.netns]);
        let kills = kill_at_every_change(
            || scene.cmd("ADD"),
            |kill| {
                scene.del();
                scene.assert_nothing_left(kill);
            },
        );
        assert!(kills > 20, "{kills}");
        before.assert_same(&scene.host.snapshot(&[&scene.netns]), "after the last DEL");
    });
}

#[test]
fn del_killed_at_any_system_call_is_completed_by_another_del() {
    needs(&[]).deadline(DEADLINE).sandbox(|sandbox| {
        let scene = Scene::beside_another(sandbox, everything());
        let before = scene.host.snapshot(&[&scene.netns]);
        let kills = kill_at_every_syscall(
            || {
                scene.add();
                scene.cmd("DEL")
            },
            |kill| {
                scene.del();
                scene.assert_nothing_left(kill);
            },
        );
        assert!(kills > 80, "{kills}");
        before.assert_same(&scene.host.snapshot(&[&scene.netns]), "after the last DEL");
    });
}

/// By another DEL, by one that does not know the namespace any more, by a collection.
#[test]
fn the_last_del_killed_at_any_change_is_completed_in_any_way() {
    needs(&[]).deadline(DEADLINE).sandbox(|sandbox| {
        let scene = Scene::empty(sandbox, everything());
        for recover in [Scene::del, Scene::del_without_namespace, Scene::gc] {
            kill_at_every_change(
                || {
                    scene.add();
                    scene.cmd("DEL")
                },
                |kill| {
                    recover(&scene);
                    scene.assert_nothing_left(kill);
                },
            );
        }
    });
}

/// Among the states is a link that has just been made.
#[test]
fn an_add_killed_at_any_change_is_collected() {
    needs(&[]).deadline(DEADLINE).sandbox(|sandbox| {
        // Without anything in netfilter there is no record beside the link.
        for config in [everything(), network(json!({}))] {
            let scene = Scene::empty(sandbox, config);
            kill_at_every_change(
                || scene.cmd("ADD"),
                |kill| {
                    scene.gc();
                    scene.assert_nothing_left(kill);
                },
            );
            scene.netns.delete();
        }
    });
}

/// plugins#810: without a namespace the reference leaves rules behind.
#[test]
fn an_add_killed_at_any_change_is_undone_without_the_namespace() {
    needs(&[]).deadline(DEADLINE).sandbox(|sandbox| {
        let scene = Scene::beside_another(sandbox, everything());
        kill_at_every_change(
            || scene.cmd("ADD"),
            |kill| {
                scene.del_without_namespace();
                scene.assert_nothing_left(kill);
            },
        );
    });
}

#[test]
fn an_add_with_iptables_killed_at_any_change_is_undone_by_del_and_by_gc() {
    needs(&[]).deadline(DEADLINE).sandbox(|sandbox| {
        let config = network(json!({ "ipMasq": true, "ipMasqBackend": "iptables" }));
        let scene = Scene::beside_another(sandbox, config);
        for recover in [Scene::del, Scene::gc] {
            kill_at_every_change(
                || scene.cmd("ADD"),
                |kill| {
                    recover(&scene);
                    scene.assert_nothing_left(kill);
                },
            );
        }
    });
}
