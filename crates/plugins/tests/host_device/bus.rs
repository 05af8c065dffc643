//! Devices named by their place on a bus, with a made tree in place of the hardware.

use linkspan_testkit::{Sandbox, Snapshot, sandbox, with_prev_result};
use serde_json::json;

use super::{MAC, World, network};

/// What the kernel shows of `nic0` on both buses, and of a device that a user-space driver has.
fn hardware(sandbox: &Sandbox) {
    sandbox.run(
        "mount -t tmpfs made /sys/bus; cd /sys/bus; \
         mkdir -p pci/drivers/vfio-pci pci/drivers/ixgbe pci/devices/0000:3b:00.1/net/nic0 \
             pci/devices/0000:3b:00.2 auxiliary/devices/mlx5_core.sf.2/net/nic0; \
         ln -s ../../drivers/ixgbe pci/devices/0000:3b:00.1/driver; \
         ln -s ../../drivers/vfio-pci pci/devices/0000:3b:00.2/driver",
    );
}

#[test]
fn a_device_is_found_by_its_place_on_a_bus() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        hardware(sandbox);
        for keys in [
            json!({ "pciBusID": "0000:3b:00.1" }),
            json!({ "runtimeConfig": { "deviceID": "0000:3b:00.1" } }),
            json!({ "runtimeConfig": { "deviceID": "mlx5_core.sf.2" } }),
        ] {
            let config = network(keys.clone());
            let result = world.add(&config).success();
            assert_eq!(result["interfaces"][0]["mac"], MAC, "{keys}");
            world.netns.ping("10.1.0.1");
            let checked = with_prev_result(&config, &result);
            let check = world.ours.check(&checked, "c1", &world.netns, "eth0");
            check.success();
            world.del(&checked).success();
            world.assert_home(&keys.to_string());
        }
    });
}

/// It has no interface that the kernel knows: a program in the container drives it. The result alone is made.
#[test]
fn a_device_of_user_space_gets_a_result_and_nothing_else() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        hardware(sandbox);
        for keys in [
            json!({ "pciBusID": "0000:3b:00.2" }),
            json!({ "runtimeConfig": { "deviceID": "0000:3b:00.2" } }),
        ] {
            let config = network(keys);
            let before = Snapshot::of(&[&world.host, &world.netns], &["/run/cni"]);
            let result = world.add(&config).success();
            assert_eq!(result["ips"][0]["address"], "10.1.0.2/24", "{result}");
            let checked = with_prev_result(&config, &result);
            let check = world.ours.check(&checked, "c1", &world.netns, "eth0");
            check.success();
            for _ in 0..2 {
                world.del(&checked).success();
            }
            let after = Snapshot::of(&[&world.host, &world.netns], &["/run/cni"]);
            before.assert_same(&after, "after ADD, CHECK and DEL");
        }
    });
}
