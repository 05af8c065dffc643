//! The tarball's plugins below a runtime that people have, as its page in docs/runtimes says. It needs root, as the runtime does.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that uses it"
)]

mod cri;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use linkspan_packaging as packaging;
use linkspan_testkit::{Background, Cmd, Sandbox, Setup};

use cri::{Cri, Pod};

/// The pod's one process is the image of its sandbox, which serves `/www`. Without cgroups and the rights that a machine of its own
/// would have, since the sandbox of the tests is none.
const CONTAINERD: &str = r#"
version = 2
root = "DIR/root"
state = "DIR/state"
[grpc]
address = "DIR/socket"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "docker.io/library/pod:1"
disable_apparmor = true
disable_cgroup = true
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
"#;

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
            Cmd::shell("mount -t cgroup2 cgroup2 /sys/fs/cgroup; mkdir -p /opt/cni/bin /etc/cni/net.d; tar -C /opt/cni/bin -xzf $TGZ")
                .env("TGZ", &tarball)
                .run();
            fs::write("/etc/cni/net.d/10-pods.conflist", NETWORK).unwrap();
            let dir = host.dir();
            let (_running, cri) = start(host, &dir);
            assert!(cri.is_ready());
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
                "mount -t cgroup2 cgroup2 /sys/fs/cgroup; mkdir -p /opt/cni/bin /etc/cni/net.d release
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
            let (_running, cri) = start(host, &dir);
            let before = serve_one(&cri, "before", 8080);

            let (old, gone) = (cri.run("old", 8081), cri.run("gone", 8082));
            linkspan("install --from release --bin-dir /opt/cni/bin");
            works(&old, 8081);
            cri.end(&gone);
            let new = cri.run("new", 8083);
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
                cri.end(pod);
            }
            assert_eq!(left(), before);
        });
}

fn start(host: &Sandbox, dir: &Path) -> (Background, Cri) {
    let config = dir.join("config.toml");
    fs::write(&config, CONTAINERD.replace("DIR", dir.to_str().unwrap())).unwrap();
    let running = Cmd::new("containerd")
        .arg("--config")
        .arg(&config)
        .deadline(Duration::from_secs(110))
        .start();
    let socket = dir.join("socket");
    let began = Instant::now();
    while !socket.exists() && began.elapsed() < Duration::from_secs(20) {
        std::thread::yield_now();
    }
    Cmd::shell(
        "mkdir -p image/www image/bin; cp $(command -v busybox) image/bin/; echo hello >image/www/index.html
         tar -C image -cf layer.tar .
         echo '{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Cmd\":[\"/bin/busybox\",\"httpd\",\"-f\",\"-p\",\"80\",\"-h\",\"/www\"]},
               \"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:'$(sha256sum layer.tar | cut -d ' ' -f 1)'\"]}}' >config.json
         echo '[{\"Config\":\"config.json\",\"RepoTags\":[\"docker.io/library/pod:1\"],\"Layers\":[\"layer.tar\"]}]' >manifest.json
         tar -cf image.tar manifest.json config.json layer.tar
         ctr --address socket --namespace k8s.io images import --snapshotter native image.tar",
    )
    .current_dir(dir)
    .run();
    (running, Cri::at(host, socket))
}

/// Runs a pod, talks to it, ends it; returns what is there then.
#[track_caller]
fn serve_one(cri: &Cri, name: &str, host_port: u64) -> String {
    let pod = cri.run(name, host_port);
    let kept = format!("/var/lib/cni/results/pods-{}-eth0", pod.id);
    assert!(Path::new(&kept).is_file(), "{kept}");
    works(&pod, host_port);
    cri.end(&pod);
    left()
}

/// It is reached by its address and at its port.
#[track_caller]
fn works(pod: &Pod, host_port: u64) {
    for place in [
        format!("{}:80", pod.address),
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
