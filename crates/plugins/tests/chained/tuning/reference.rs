//! Beside the reference: each puts back what the other replaced.

use linkspan_testkit::{Plugins, Snapshot, sandbox};
use serde_json::json;

use super::{DATA_DIR, files, world};

#[test]
fn each_detaches_what_the_other_attached() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let reference = Plugins::reference();
        // What Debian's version knows, whose CHECK does not know IFNAME; without an MTU, which ours gives
        // to both ends.
        let config = world.config(json!({
            "mac": "02:00:00:00:00:01", "promisc": true, "allmulti": true,
            "sysctl": { "net.ipv4.conf.eth0.arp_filter": "1" },
        }));
        let look = || {
            let words = ["file /run/cni/tuning =", "arp_filter"];
            Snapshot::of(&[&world.host, &world.netns], &[DATA_DIR]).without(&words)
        };
        let before = look();
        let results = [&world.ours, &reference].map(|one| {
            let result = one.add(&config, "c1", &world.netns, "eth0").success();
            let state = look();
            for plugins in [&world.ours, &reference] {
                plugins.check(&config, "c1", &world.netns, "eth0").success();
            }
            let other = if std::ptr::eq(one, &reference) {
                &world.ours
            } else {
                &reference
            };
            other.del(&config, "c1", &world.netns, "eth0").success();
            before.assert_same(&look(), "the other's DEL");
            (result, state)
        });
        let [(ours, our_state), (theirs, their_state)] = results;
        assert_eq!(ours, theirs);
        their_state.assert_same(&our_state, "after ADD");
        assert_eq!(files(DATA_DIR), Vec::<String>::new());
    });
}
