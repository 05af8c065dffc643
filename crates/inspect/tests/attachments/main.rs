//! What runtimes and plugins have left on disk and in the kernel, told rightly: files as Podman 4.3, containerd 1.6 and older versions
//! of libcni write them, written by hand, beside links made with `ip`.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that uses it"
)]

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use linkspan_inspect::attachment::Attachment;
use linkspan_inspect::life::Life;
use linkspan_inspect::repair::{Outcome, Repair};
use linkspan_inspect::{Host, Places, Seen};
use linkspan_testkit::{Sandbox, sandbox};
use serde_json::{Value, json};

/// `{"cniVersion":"0.4.0","name":"podman","plugins":[{"type":"bridge"}]}`, in Base64 as libcni keeps it.
const CONFIG: &str =
    "eyJjbmlWZXJzaW9uIjoiMC40LjAiLCJuYW1lIjoicG9kbWFuIiwicGx1Z2lucyI6W3sidHlwZSI6ImJyaWRnZSJ9XX0=";

const ID: &str = "26f8686e7745cf19c0a7bd149570d3981b96c4d2e52305685e9fa4791277a67e";
const OTHER: &str = "8f92c2e3c239aca13b2f89aa1777a26b41f55957c1ff56e7b0c517ddd1716188";

/// What libcni keeps of an ADD, without a key for the namespace, as before 2024.
fn keep(network: &str, id: &str, args: &Value, capability_args: &Value, result: &Value) {
    let kept = json!({
        "kind": "cniCacheV1", "containerId": id, "config": CONFIG, "ifName": "eth0", "networkName": network,
        "cniArgs": args, "capabilityArgs": capability_args, "result": result,
    });
    fs::create_dir_all("/var/lib/cni/results").unwrap();
    let path = format!("/var/lib/cni/results/{network}-{id}-eth0");
    fs::write(path, kept.to_string()).unwrap();
}

/// A result of 0.4.0 with one address.
fn result(address: &str, netns: &str) -> Value {
    json!({
        "cniVersion": "0.4.0", "dns": {},
        "interfaces": [
            { "name": "cni-podman0", "mac": "6e:6e:1d:b2:f6:91" },
            { "name": "vethc4b6e4d6", "mac": "5e:11:55:a1:1a:87" },
            { "name": "eth0", "mac": "1a:d7:43:d7:f7:c6", "sandbox": netns },
        ],
        "ips": [{ "version": "4", "interface": 2, "address": address, "gateway": "10.88.0.1" }],
    })
}

/// What host-local of the reference writes.
fn reserve(network: &str, address: &str, id: &str, ifname: Option<&str>) {
    let folder = format!("/var/lib/cni/networks/{network}");
    fs::create_dir_all(&folder).unwrap();
    let text = match ifname {
        Some(ifname) => format!("{id}\r\n{ifname}"),
        None => id.to_owned(),
    };
    fs::write(format!("{folder}/{address}"), text).unwrap();
    fs::write(format!("{folder}/lock"), "").unwrap();
    fs::write(format!("{folder}/last_reserved_ip.0"), address).unwrap();
}

/// A container's namespace as bridge of the reference leaves it.
fn attach(host: &Sandbox, netns: &str, link: &str, address: &str) {
    let inside = host.netns(netns);
    host.run("ip link show cni-podman0 >/dev/null 2>&1 || ip link add cni-podman0 up type bridge");
    host.run(&format!(
        "ip link add {link} master cni-podman0 up type veth peer name eth0 netns {netns}"
    ));
    inside.run(&format!(
        "ip addr add {address} dev eth0; ip link set eth0 up"
    ));
}

fn look() -> Vec<Attachment> {
    Host::look(&Places::usual()).attachments
}

/// The only attachment of a container.
#[track_caller]
fn of<'a>(attachments: &'a [Attachment], container: &str) -> &'a Attachment {
    let mut found = attachments.iter().filter(|one| one.container == container);
    let one = found
        .next()
        .unwrap_or_else(|| panic!("{container}: {attachments:#?}"));
    assert!(found.next().is_none(), "{attachments:#?}");
    one
}

#[test]
fn a_container_of_podman() {
    sandbox(|host| {
        attach(host, "netns-8268d646", "vethc4b6e4d6", "10.88.0.2/16");
        keep(
            "podman",
            ID,
            &json!([["IgnoreUnknown", "1"], ["K8S_POD_NAME", "web"]]),
            &json!({
                "aliases": { "podman": ["26f8686e7745"] },
                "portMappings": [{ "hostPort": 8080, "containerPort": 80, "protocol": "tcp" }],
            }),
            &result("10.88.0.2/16", "/run/netns/netns-8268d646"),
        );
        reserve("podman", "10.88.0.2", ID, Some("eth0"));
        let all = look();
        let one = of(&all, ID);
        assert_eq!(one.life, Life::Alive);
        let name = one.name.as_ref().unwrap();
        assert_eq!(
            (name.to_string().as_str(), name.known_by.as_str()),
            ("web", "podman")
        );
        assert_eq!(one.addresses, ["10.88.0.2/16".parse().unwrap()]);
        assert_eq!(one.host_link.as_deref(), Some("vethc4b6e4d6"));
        assert_eq!(one.bridge.as_deref(), Some("cni-podman0"));
        assert_eq!(one.kind.as_deref(), Some("veth"));
        assert_eq!(one.ports[0].to_string(), "8080→80/tcp");
        assert!(one.reserved.contains(&"10.88.0.2".parse().unwrap()));
        assert_ne!(
            one.mac.as_deref(),
            Some("1a:d7:43:d7:f7:c6"),
            "the kernel's, not that of ADD"
        );
        let places = one
            .seen
            .iter()
            .map(Seen::to_string)
            .collect::<Vec<_>>()
            .join("; ");
        for place in ["kept result", "reservation", "interface eth0 in namespace"] {
            assert!(places.contains(place), "{places}");
        }
    });
}

#[test]
fn a_pod_of_containerd() {
    sandbox(|host| {
        attach(host, "cni-6d2b", "veth1d2b", "10.88.0.3/16");
        keep(
            "podnet",
            ID,
            &json!([
                ["K8S_POD_NAMESPACE", "shop"],
                ["K8S_POD_NAME", "web-0"],
                ["K8S_POD_INFRA_CONTAINER_ID", ID]
            ]),
            &json!({ "portMappings": [{ "HostPort": 8080, "ContainerPort": 80, "Protocol": "TCP", "HostIP": "" }] }),
            &result("10.88.0.3/16", "/var/run/netns/cni-6d2b"),
        );
        // nerdctl's container, of which only containerd knows the name.
        attach(host, "nerd", "veth2d2b", "10.88.0.4/16");
        let nerd = format!("default-{OTHER}");
        keep(
            "podnet",
            &nerd,
            &json!([]),
            &json!({}),
            &result("10.88.0.4/16", "/run/netns/nerd"),
        );
        let task = format!("/run/containerd/io.containerd.runtime.v2.task/default/{OTHER}");
        fs::create_dir_all(&task).unwrap();
        let specification = json!({ "annotations": { "nerdctl/name": "cache" } });
        fs::write(format!("{task}/config.json"), specification.to_string()).unwrap();
        let all = look();
        let pod = of(&all, ID);
        assert_eq!(pod.life, Life::Alive);
        assert_eq!(pod.label(), "shop/web-0");
        assert_eq!(pod.ports[0].to_string(), "8080→80/tcp");
        assert_eq!(of(&all, &nerd).label(), "cache");
        assert_eq!(of(&all, &nerd).life, Life::Alive);
    });
}

#[test]
fn a_result_without_interfaces_is_found_by_its_address() {
    sandbox(|host| {
        attach(host, "somewhere", "veth1", "10.88.0.5/16");
        let old = json!({ "cniVersion": "0.2.0", "ip4": { "ip": "10.88.0.5/16", "gateway": "10.88.0.1" }, "dns": {} });
        keep("podman", ID, &json!([]), &json!({}), &old);
        // Of before 2018: the container's ID alone.
        reserve("podman", "10.88.0.5", ID, None);
        let all = look();
        let one = of(&all, ID);
        assert_eq!(one.life, Life::Alive);
        assert_eq!(one.host_link.as_deref(), Some("veth1"));
        assert!(one.reserved.contains(&"10.88.0.5".parse().unwrap()));
    });
}

#[test]
fn a_reservation_alone_is_an_attachment() {
    sandbox(|host| {
        attach(host, "somewhere", "veth1", "10.88.0.6/16");
        reserve("podman", "10.88.0.6", ID, Some("eth0"));
        reserve("podman", "10.88.0.7", OTHER, Some("eth0"));
        let old = "/var/lib/cni/networks/podman/10.88.0.7";
        host.run(&format!("touch -d 2001-01-01 {old}"));
        let all = look();
        let one = of(&all, ID);
        assert_eq!(
            (&one.life, one.bridge.as_deref()),
            (&Life::Alive, Some("cni-podman0"))
        );
        assert!(!one.is_kept());
        let dead = of(&all, OTHER);
        let why = "it was made before the machine was started again";
        assert_eq!(dead.life, Life::Gone(why.to_owned()));
    });
}

/// The clock of a machine without one of its own is set when it has found the net, and pods run by then. What they have is not given to others.
#[test]
fn what_the_clock_makes_older_than_the_boot_and_is_there_lives() {
    sandbox(|host| {
        attach(host, "there", "veth1", "10.88.0.6/16");
        attach(host, "other", "veth2", "10.88.0.8/16");
        for (container, address, path) in [
            (ID, "10.88.0.6/16", "/run/netns/there"),
            (OTHER, "10.88.0.7/16", "/run/netns/other"),
        ] {
            let result = result(address, path);
            keep("podman", container, &json!([]), &json!({}), &result);
        }
        reserve("podman", "10.88.0.6", ID, Some("eth0"));
        reserve("podman", "10.88.0.7", OTHER, Some("eth0"));
        host.run("find /var/lib/cni -type f -exec touch -d 2001-01-01 {} +");
        let all = look();
        assert_eq!(of(&all, ID).life, Life::Alive);
        assert_eq!(of(&all, ID).host_link.as_deref(), Some("veth1"));
        // Another's namespace is at its path.
        assert!(of(&all, OTHER).life.is_gone());
    });
}

#[test]
fn what_is_gone_is_not_taken_for_what_came_after_it() {
    sandbox(|host| {
        // The namespace at its path is another's by now, with another address.
        attach(host, "reused", "veth1", "10.88.0.8/16");
        keep(
            "podman",
            "former",
            &json!([]),
            &json!({}),
            &result("10.88.0.9/16", "/run/netns/reused"),
        );
        // Its path leads to the host, as that of a process whose number was given again.
        keep(
            "podman",
            "process",
            &json!([]),
            &json!({}),
            &result("10.88.0.10/16", "/proc/self/ns/net"),
        );
        // Its address was given to another, whose namespace is where it should be.
        attach(host, "later", "veth2", "10.88.0.11/16");
        keep(
            "podman",
            "earlier",
            &json!([]),
            &json!({}),
            &result("10.88.0.11/16", "/run/netns/earlier"),
        );
        keep(
            "podman",
            "later",
            &json!([]),
            &json!({}),
            &result("10.88.0.11/16", "/run/netns/later"),
        );
        let all = look();
        for (container, assigned) in [("former", "10.88.0.9/16"), ("process", "10.88.0.10/16")] {
            let one = of(&all, container);
            assert!(!one.life.is_alive(), "{one:?}");
            assert_eq!(
                one.addresses,
                [assigned.parse().unwrap()],
                "those that it had: {one:?}"
            );
            assert_eq!((one.namespace, &one.host_link), (None, &None), "{one:?}");
        }
        let why = "container later has its address by now";
        assert_eq!(of(&all, "earlier").life, Life::Gone(why.to_owned()));
        assert_eq!(of(&all, "earlier").host_link, None);
        assert_eq!(of(&all, "later").life, Life::Alive);
        assert_eq!(of(&all, "later").host_link.as_deref(), Some("veth2"));
    });
}

#[test]
fn links_bear_marks_of_linkspan_and_of_others() {
    sandbox(|host| {
        attach(host, "a", "veth1", "10.88.0.12/16");
        attach(host, "b", "veth2", "10.88.0.13/16");
        host.run("ip link set veth1 alias podman/only-marked/eth0; ip link set veth2 alias rack/row/place");
        host.run("ip link add uplink type bridge; ip link set uplink alias building/floor/room");
        let all = look();
        let one = of(&all, "only-marked");
        assert_eq!(
            (&one.life, one.host_link.as_deref()),
            (&Life::Alive, Some("veth1"))
        );
        assert_eq!(one.addresses, ["10.88.0.12/16".parse().unwrap()]);
        let others: Vec<_> = all.iter().map(|one| one.container.as_str()).collect();
        assert!(!others.contains(&"floor"), "{others:?}");
    });
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_seen() {
    sandbox(|host| {
        attach(host, "a", "veth1", "10.88.0.14/16");
        keep(
            "podman",
            ID,
            &json!([]),
            &json!({}),
            &result("10.88.0.14/16", "/run/netns/a"),
        );
        fs::write("/var/lib/cni/results/podman-broken-eth0", "{").unwrap();
        fs::write("/var/lib/cni/results/podman-empty-eth0", "").unwrap();
        reserve("podman", "10.88.0.15", "", None);
        let seen = Host::look(&Places::usual());
        assert_eq!(of(&seen.attachments, ID).life, Life::Alive);
        let told: Vec<_> = seen.blind_spots.iter().map(ToString::to_string).collect();
        for file in ["podman-broken-eth0", "podman-empty-eth0"] {
            assert!(told.iter().any(|words| words.contains(file)), "{told:?}");
        }
        let pool = &seen.pools[0];
        let left: Vec<_> = pool
            .leftovers
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        assert_eq!(left, ["/var/lib/cni/networks/podman/10.88.0.15"]);
    });
}

/// What the plugins of the reference have reserved tells no namespace, and what is given back while it is in use is given twice.
#[test]
fn nothing_is_gone_that_is_hard_to_find() {
    sandbox(|host| {
        // Where the first process may not be looked at, nothing is ever taken for gone.
        host.run("mount -t tmpfs none /proc/1 2>/dev/null || true");
        attach(host, "pod", "veth1", "10.88.0.20/16");
        host.run("ip -n pod link add net1 type bridge; ip -n pod addr add 10.99.0.20/24 dev net1");
        let pod = result("10.88.0.20/16", "/run/netns/pod");
        keep("podman", ID, &json!([]), &json!({}), &pod);
        reserve("other", "10.99.0.20", "by-another-runtime", Some("net1"));

        attach(host, "opened", "veth2", "10.88.0.21/16");
        let kept = fs::File::open("/run/netns/opened").unwrap();
        attach(host, "mounted", "veth3", "10.88.0.22/16");
        let mut keeper = Command::new("unshare")
            .args([
                "-m",
                "--propagation",
                "private",
                "sh",
                "-c",
                "echo; exec cat",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let told = keeper.stdout.as_mut().unwrap();
        told.read_exact(&mut [0]).unwrap();
        for netns in ["opened", "mounted"] {
            host.run(&format!("umount -l /run/netns/{netns}"));
        }
        attach(host, "bare", "veth4", "10.88.0.23/16");
        host.run("ip -n bare addr flush dev eth0");
        for (address, container) in [
            ("10.88.0.21", "opened"),
            ("10.88.0.22", "mounted"),
            ("10.88.0.23", "bare"),
        ] {
            reserve("podman", address, container, Some("eth0"));
        }
        host.run("touch -d '-10 minutes' /var/lib/cni/networks/*/10.*");
        let all = look();
        for container in ["by-another-runtime", "opened", "mounted", "bare"] {
            let one = of(&all, container);
            assert!(!one.life.is_gone(), "{one:?}");
        }
        drop(kept);
        drop(keeper.stdin.take());
        keeper.wait().unwrap();
    });
}

/// Whoever may write to a directory can put links there: rights are taken from no others' files, and given to nobody.
#[test]
fn a_mode_is_mended_of_the_file_alone_that_was_found() {
    sandbox(|host| {
        let dir = host.dir();
        let path = |name: &str| dir.join(name);
        let mode = |name: &str| fs::metadata(path(name)).unwrap().permissions().mode() & 0o7777;
        let seen = Host::default();
        for (name, before, after) in [("wide", 0o666, 0o644), ("narrow", 0o600, 0o600)] {
            fs::write(path(name), "").unwrap();
            fs::set_permissions(path(name), Permissions::from_mode(before)).unwrap();
            let link = path(&format!("link-to-{name}"));
            symlink(path(name), &link).unwrap();
            let mended = |path| Repair::Mode { path, mode: 0o644 }.carry_out(&seen);
            assert!(mended(link).is_err(), "a link");
            assert_eq!(mode(name), before);
            assert_eq!(mended(path(name)).unwrap(), Outcome::Done);
            assert_eq!(mode(name), after);
        }
        host.run(&format!("mkfifo {}", path("pipe").display()));
        for repair in [
            Repair::Executable { path: path("pipe") },
            Repair::Mode {
                path: path("pipe"),
                mode: 0o644,
            },
        ] {
            assert!(repair.carry_out(&seen).is_err(), "a pipe");
        }
    });
}
