//! Versions, DEL, GC, STATUS, and a master that vanishes.

use linkspan_testkit::{needs, sandbox};
use serde_json::json;

use super::world;
use crate::world::{LONG, code, fails};
use crate::{crash, on_master};

#[test]
fn every_version_has_its_result() {
    needs(&[])
        .deadline(LONG)
        .sandbox(|sandbox| world(sandbox).0.works_in_every_version());
}

#[test]
fn nothing_is_left() {
    needs(&[])
        .deadline(LONG)
        .sandbox(|sandbox| world(sandbox).0.leaves_nothing());
}

#[test]
fn killed_anywhere_it_is_undone_by_del() {
    crash::patient(needs(&[])).sandbox(|sandbox| crash::del_undoes(&world(sandbox).0));
}

#[test]
fn killed_anywhere_it_is_collected() {
    crash::patient(needs(&[])).sandbox(|sandbox| crash::gc_collects(&world(sandbox).0));
}

/// The kernel takes the container's interface away with its master; the address is still to be given back.
// plugins#953: the reference's DEL failed for ever, and leaked the address.
#[test]
fn a_master_that_vanishes_does_not_keep_a_container_from_being_detached() {
    sandbox(|sandbox| {
        on_master::a_master_that_vanishes_does_not_keep_a_container_from_being_detached(
            &world(sandbox).0,
        );
    });
}

/// An ADD that is refused because the name is taken is followed by a DEL, which must not take what another
/// attachment has under that name.
#[test]
fn the_interface_of_another_attachment_is_left_alone() {
    sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        let other = world.with(json!({ "name": "other" }));
        let a = world.attach("a");
        fails(
            &other.add(&a.netns),
            code::ENVIRONMENT,
            &["eth0", "already exists", "macvlan"],
        );
        other.call("DEL", &a.netns).run().success();
        a.check().success();
        a.del();
        assert!(!a.netns.try_run("ip link show eth0").ok());
    });
}

// plugins#830: STATUS says that ADD would fail, and why.
#[test]
fn status_tells_what_add_would_meet() {
    sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        world.plugins.status(&world.config).success();
        let missing = world.with(json!({ "master": "eth7" }));
        missing.is_not_available(&["failed to lookup master \"eth7\"", "ip link"]);
        world
            .with(json!({ "master": null }))
            .is_not_available(&["default route"]);
        world.host.run("ip link set ens1 down");
        world.is_not_available(&["the master \"ens1\" is switched off", "ip link set ens1 up"]);
        world.host.run("ip link set ens1 up");
        world.plugins.status(&world.config).success();
        let nowhere = world.with(json!({ "ipam": { "type": "nonesuch" } }));
        nowhere.is_not_available(&["nonesuch"]);
    });
}

/// More than fit into the usual answer of the kernel, given by root in the container.
#[test]
fn an_interface_with_hundreds_of_names_is_detached() {
    sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        let a = world.attach("a");
        a.netns.run(
            "for n in $(seq 330); do printf 'link property add dev eth0 altname %0127d\\n' $n; done \
             | ip -batch -",
        );
        a.check().success();
        a.del();
        assert!(!a.netns.try_run("ip link show eth0").ok());
    });
}
