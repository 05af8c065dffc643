//! Whose dependencies the packages satisfy, by apt's own solver.

use linkspan_packaging::machine::Machine;

use crate::world;

/// Packages that need the reference plugins, what they say, and where that stands.
const DEPENDENTS: [(&str, &str, &str); 9] = [
    (
        "kubelet-1.24",
        "Depends: kubernetes-cni (>= 0.8.7)",
        "kubernetes/release: cmd/krel/templates/latest/metadata.yaml",
    ),
    (
        "kubelet-1.27",
        "Depends: kubernetes-cni (>= 1.1.1)",
        "the same",
    ),
    (
        "kubelet-1.28",
        "Depends: kubernetes-cni (>= 1.2.0)",
        "the same, and no other since: 1.36",
    ),
    (
        "kubeadm-1.29",
        "Depends: kubernetes-cni (>= 1.2.0)",
        "the same; from 1.30 on it needs none",
    ),
    (
        "cri-o",
        "Depends: kubernetes-cni",
        "kubernetes/release: cmd/krel/templates/latest/cri-o/cri-o.spec",
    ),
    (
        "podman-3.0",
        "Depends: containernetworking-plugins (>= 0.8.7)",
        "Debian 11",
    ),
    (
        "golang-github-containers-common-0.50",
        "Depends: container-network-stack",
        "Debian 12, 13",
    ),
    (
        "containerd-1.6",
        "Depends: containernetworking-plugins",
        "Debian 11 to 13 suggest it",
    ),
    (
        "later",
        "Depends: containernetworking-plugins (>= 1.1.1+ds1-3), kubernetes-cni (>= 1.8.0)",
        "what Debian 13 and Kubernetes 1.35 ship",
    ),
];

#[test]
fn whoever_needs_the_reference_is_content() {
    world::sandbox(|host| {
        let machine = Machine::new(host);
        let packages = world::bring(&machine);
        // Without the lists of any archive there is nothing else that could be taken for them.
        machine.run("rm -rf /var/lib/apt/lists && mkdir -p /var/lib/apt/lists/partial");
        for (name, needs, source) in DEPENDENTS {
            let fake = world::fake(&machine, name, needs);
            let told = machine.run(&format!("apt-get --simulate install {fake} {packages}"));
            let installed: Vec<_> = told
                .lines()
                .filter_map(|line| line.strip_prefix("Inst "))
                .collect();
            assert_eq!(installed.len(), 3, "{name} ({source}): {told}");
            let removed: Vec<_> = told
                .lines()
                .filter(|line| line.starts_with("Remv "))
                .collect();
            assert_eq!(removed.len(), 1, "{name} ({source}): {told}");
            assert!(
                removed[0].starts_with("Remv containernetworking-plugins "),
                "{told}"
            );
        }
    });
}

/// The same names in one place at a time: who installs one of them has the other removed, and none is left broken.
#[test]
fn one_of_the_three_is_installed_at_a_time() {
    world::sandbox(|host| {
        let machine = Machine::new(host);
        let packages = world::bring(&machine);
        let others = [
            world::reference(&machine),
            world::fake(&machine, "kubernetes-cni", ""),
        ];
        machine.run(&format!("dpkg --install {packages}"));
        for other in others {
            let told = machine.run(&format!("apt-get --simulate install {other}"));
            assert!(told.contains("Remv linkspan-cni-plugins "), "{told}");
            assert!(!told.contains("Remv linkspan "), "{told}");
        }
    });
}
