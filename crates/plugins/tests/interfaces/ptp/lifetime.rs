//! Versions, DEL, GC and STATUS.

use linkspan_testkit::{needs, sandbox};
use serde_json::json;

use super::world;
use crate::crash;
use crate::world::{LONG, code, fails};

#[test]
fn every_version_has_its_result() {
    needs(&[])
        .deadline(LONG)
        .sandbox(|sandbox| world(sandbox).works_in_every_version());
}

#[test]
fn nothing_is_left() {
    needs(&[]).deadline(LONG).sandbox(|sandbox| {
        world(sandbox)
            .with(json!({ "ipMasq": true }))
            .leaves_nothing();
    });
}

#[test]
fn the_dns_of_the_configuration_comes_before_that_of_ipam() {
    sandbox(|sandbox| {
        let mut ipam = crate::world::dual_stack();
        std::fs::write("/run/resolv.conf", "nameserver 10.1.1.1\n").unwrap();
        ipam["resolvConf"] = "/run/resolv.conf".into();
        let world = world(sandbox).with(json!({ "ipam": ipam }));
        assert_eq!(
            world.attach("a").result["dns"]["nameservers"],
            json!(["10.1.1.1"])
        );
        let own =
            world.with(json!({ "dns": { "nameservers": ["10.2.2.2"], "domain": "example" } }));
        let dns = own.attach("b").result["dns"].clone();
        assert_eq!(
            dns,
            json!({ "nameservers": ["10.2.2.2"], "domain": "example" })
        );
        let none = own.with(json!({ "dns": { "nameservers": [] } }));
        let dns = none.attach("c").result["dns"].clone();
        assert!(dns.is_null() || dns == json!({}), "{dns}");
    });
}

#[test]
fn status_tells_what_add_would_meet() {
    sandbox(|sandbox| {
        let world = world(sandbox).with(json!({ "ipMasq": true }));
        world.plugins.status(&world.config).success();
        let full = json!({ "type": "host-local", "subnet": "10.22.0.0/30" });
        let world = world.with(json!({ "ipam": full }));
        world.plugins.status(&world.config).success();
        world.attach("a");
        fails(
            &world.plugins.status(&world.config),
            code::NOT_AVAILABLE,
            &["10.22.0.1-10.22.0.2"],
        );
    });
}

#[test]
fn killed_anywhere_it_is_undone_by_del() {
    crash::patient(needs(&[])).sandbox(|sandbox| {
        crash::del_undoes(&world(sandbox).with(json!({ "ipMasq": true })));
    });
}

#[test]
fn killed_anywhere_it_is_collected() {
    crash::patient(needs(&[])).sandbox(|sandbox| {
        crash::gc_collects(&world(sandbox).with(json!({ "ipMasq": true })));
    });
}
