//! The tarball's plugins below a runtime that people have, as its page in docs/runtimes says. It needs root, as the runtime does.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that uses it"
)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use linkspan_packaging as packaging;
use linkspan_testkit::{Cmd, Containerd, Cri, Pod, PodConfig, Protocol, Setup};

const NETWORK: &str = r#"{
  "cniVersion": "1.0.0", "name": "pods",
  "plugins": [
    {
      "type": "bridge", "isGateway": true, "ipMasq": true,
      "ipam": { "type": "host-local", "subnet": "10.22.0.0/16", "routes": [{ "dst": "0.0.0.0/0" }] }
    },
    { "type": "portmap", "capabilities": { "portMappings": true } },
    { "type": "firewall" }
  ]
}"#;

/// Pods of containerd are attached, reached by their address and at their port, and leave nothing: what the first one has left, which is
/// the bridge and constant rules, is all that there is after the next.
#[test]
fn containerd() {
    let tarball = packaging::artefact("cni-plugins-linux-", ".tgz");
    Setup::default()
        .deadline(Duration::from_secs(120))
        .sandbox(|host| {
            Cmd::shell("mkdir -p /opt/cni/bin /etc/cni/net.d; tar -C /opt/cni/bin -xzf $TGZ")
                .env("TGZ", &tarball)
                .run();
            fs::write("/etc/cni/net.d/10-pods.conflist", NETWORK).unwrap();
            let containerd = Containerd::start(host);
            let cri = containerd.cri();
            assert_eq!(cri.network_ready(), Ok(()));
            let first = serve_one(&cri, "first", 8081);
            let second = serve_one(&cri, "second", 8082);
            assert_eq!(first, second);
        });
}

/// docs/runtimes/containerd.md, "The one change": pods run on while the plugins of the reference are replaced, and come back; each is ended
/// by the plugins that are there then, and nothing is left that was not there before.
#[test]
fn containerd_from_the_reference_to_linkspan_and_back() {
    let tarball = packaging::artefact("cni-plugins-linux-", ".tgz");
    let package = packaging::artefact("linkspan_", ".deb");
    Setup::default()
        .deadline(Duration::from_secs(180))
        .sandbox(|host| {
            let dir = host.dir();
            Cmd::shell(
                "mkdir -p /opt/cni/bin /etc/cni/net.d release
                 cp /usr/lib/cni/* /opt/cni/bin; tar -C release -xzf $TGZ; dpkg-deb --extract $DEB program",
            )
            .current_dir(&dir)
            .env("TGZ", &tarball)
            .env("DEB", &package)
            .run();
            fs::write("/etc/cni/net.d/10-pods.conflist", NETWORK).unwrap();
            let linkspan = |words: &str| {
                let program = Cmd::new(dir.join("program/usr/bin/linkspan"));
                program.args(words.split(' ')).current_dir(&dir).run()
            };
            let containerd = Containerd::start(host);
            let cri = containerd.cri();
            let before = serve_one(&cri, "before", 8080);

            let (old, gone) = (run(&cri, "old", 8081), run(&cri, "gone", 8082));
            linkspan("install --from release --bin-dir /opt/cni/bin");
            works(&old, 8081);
            cri.end(&gone.id).unwrap();
            let new = run(&cri, "new", 8083);
            works(&new, 8083);
            works(&old, 8081);
            let seen = linkspan("events");
            assert!(seen.contains("ADD"), "{seen}");

            linkspan("uninstall --bin-dir /opt/cni/bin");
            Cmd::shell("cmp /opt/cni/bin/bridge /usr/lib/cni/bridge; test ! -e /opt/cni/bin/tap").run();
            for (pod, port) in [(&old, 8081), (&new, 8083)] {
                works(pod, port);
            }
            for pod in [&old, &new] {
                cri.end(&pod.id).unwrap();
            }
            assert_eq!(left(), before);
        });
}

/// Runs a pod that publishes its port 80.
#[track_caller]
fn run(cri: &Cri, name: &str, host_port: u16) -> Pod {
    let pod = PodConfig::new(name).port(Protocol::Tcp, 80, "", host_port);
    cri.run(&pod).unwrap()
}

/// Runs a pod, talks to it, ends it; returns what is there then.
#[track_caller]
fn serve_one(cri: &Cri, name: &str, host_port: u16) -> String {
    let pod = run(cri, name, host_port);
    let kept = format!("/var/lib/cni/results/pods-{}-eth0", pod.id);
    assert!(Path::new(&kept).is_file(), "{kept}");
    works(&pod, host_port);
    cri.end(&pod.id).unwrap();
    left()
}

/// It is reached by its address and at its port.
#[track_caller]
fn works(pod: &Pod, host_port: u16) {
    for place in [
        format!("{}:80", pod.ips[0]),
        format!("127.0.0.1:{host_port}"),
    ] {
        let answer = Cmd::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--retry",
                "5",
                "--retry-connrefused",
            ])
            .arg(format!("http://{place}/"));
        assert_eq!(answer.run(), "hello", "{place}");
    }
}

/// What is there besides pods. Tables of iptables stay where it looked for a rule, and are told by their rules alone.
fn left() -> String {
    Cmd::shell(
        "ip -brief link | cut -d ' ' -f 1; ip -oneline -4 address | awk '{ print $2, $4 }'
         nft list tables | sed -E '/^table ip6? (filter|nat|raw|mangle|security)$/d' | while read -r table; do nft --stateless list $table; done
         iptables-save | sed -n '/^-A/p'; ip6tables-save | sed -n '/^-A/p'; find /var/lib/cni /run/cni/linkspan -not -path '*/events*' | sort",
    )
    .run()
}
