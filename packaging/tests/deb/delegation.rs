//! Plugins call each other without a process, from either directory.

use linkspan_packaging::machine::Machine;

use crate::world;

/// What CNI_PATH may be for podman, containerd, and those that look into both.
const PATHS: [&str; 4] = [
    "/usr/lib/cni",
    "/opt/cni/bin",
    "/opt/cni/bin:/usr/lib/cni",
    "/usr/lib/cni:/opt/cni/bin",
];

#[test]
fn a_delegate_is_called_in_the_same_process() {
    world::sandbox(|host| {
        let machine = Machine::new(host);
        let packages = world::bring(&machine);
        machine.run(&format!("dpkg --install {packages}"));
        for (number, paths) in PATHS.into_iter().enumerate() {
            let (first, _) = paths.split_once(':').unwrap_or((paths, ""));
            let container = host.netns(&format!("c{number}"));
            for command in ["ADD", "DEL"] {
                let traced = machine.run(&format!(
                    "export CNI_COMMAND={command} CNI_CONTAINERID=c{number} CNI_NETNS={} CNI_IFNAME=eth0 CNI_PATH={paths}
                     echo '{{\"cniVersion\": \"1.0.0\", \"name\": \"mynet\", \"type\": \"bridge\", \"bridge\": \"cni0\",
                         \"ipam\": {{\"type\": \"host-local\", \"subnet\": \"10.22.0.0/16\"}}}}' |
                         strace -f -o /tmp/traced -e trace=execve,fork,vfork,clone,clone3 {first}/bridge >/dev/null
                     cat /tmp/traced",
                    container.path().display()
                ));
                let processes = |line: &&str| line.contains("execve(") || line.contains("fork(");
                let started: Vec<_> = traced.lines().filter(processes).collect();
                assert_eq!(started.len(), 1, "{command}, {paths}: {traced}");
            }
        }
    });
}
