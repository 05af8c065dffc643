//! Podman's containers run on while the plugins are exchanged below them.

use linkspan_packaging::machine::Machine;
use linkspan_testkit::{Netns, Outside, Sandbox};

use crate::world;

/// Debian's Podman with networks of CNI, and an image of busybox.
struct Podman<'a> {
    host: &'a Sandbox,
    machine: &'a Machine,
    outside: Outside,
}

impl<'a> Podman<'a> {
    fn new(host: &'a Sandbox, machine: &'a Machine) -> Self {
        machine.run(
            "cat >/etc/containers/containers.conf <<'END'
[network]
network_backend = \"cni\"
[engine]
events_logger = \"none\"
runtime = \"crun\"
END
             # crun looks for it, though it is told to use none.
             mount -t cgroup2 cgroup2 /sys/fs/cgroup
             mkdir -p /tmp/image/bin && cp /bin/busybox /tmp/image/bin
             tar -C /tmp/image -c . | podman --storage-driver vfs import - image",
        );
        let outside = host.outside();
        outside
            .netns
            .serve_tcp(&format!("{}:80", Outside::ROUTER_V4));
        Self {
            host,
            machine,
            outside,
        }
    }

    fn podman(&self, words: &str) -> String {
        let line = format!("podman --storage-driver vfs --cgroup-manager cgroupfs {words}");
        self.machine.run(&line)
    }

    /// Starts a container that serves at a port of the host.
    fn start(&self, name: &str, port: u16) {
        self.podman(&format!(
            "run --detach --name {name} --cgroups disabled --ulimit nofile=1024:1024 --ulimit nproc=4096:4096 \
             --publish {port}:80 image /bin/busybox sleep 1000"
        ));
        self.netns(name).serve_tcp("0.0.0.0:80");
    }

    fn netns(&self, name: &str) -> Netns {
        let path = self.podman(&format!(
            "inspect --format '{{{{.NetworkSettings.SandboxKey}}}}' {name}"
        ));
        let (_, name) = path.rsplit_once('/').unwrap();
        self.host.existing_netns(name)
    }

    /// Packets come in by the port, from outside and from the host itself, and go out; commands run in it.
    #[track_caller]
    fn works(&self, name: &str, port: u16) {
        let published = format!("{}:{port}", Outside::HOST_V4);
        for from in [&self.outside.netns, self.host.host()] {
            let talked = from.talk_tcp(&published);
            assert!(talked.is_ok(), "{name} from {}: {talked:?}", from.name());
        }
        let router = format!("{}:80", Outside::ROUTER_V4);
        let seen = self.netns(name).talk_tcp(&router).unwrap().ip().to_string();
        assert_eq!(seen, Outside::HOST_V4, "{name}");
        self.podman(&format!("exec {name} /bin/busybox true"));
    }

    fn stop(&self, names: &str) {
        self.podman(&format!("rm --force --time 0 {names}"));
    }

    /// What is on the host because of containers, counters aside.
    fn left(&self) -> String {
        self.machine.run(
            "iptables-save | grep '^-A'
             nft list tables | sed '/^table ip6\\? [a-z]*$/d'
             ip -o link | sed 's/^[0-9]*: //; s/:.*//'
             mkdir -p /run/cni && find /run/cni /var/lib/cni -type f ! -name lock ! -name 'last_reserved*'",
        )
    }
}

/// What a package could have left. The machine's lower layer may have more of that name: this project's own tree.
fn named_linkspan(machine: &Machine) -> String {
    machine.run(
        "find /etc /opt /run /srv /usr /var -xdev -name '*linkspan*' ! -path '*/target/*' | sort",
    )
}

#[test]
fn containers_run_on_from_the_reference_to_linkspan_and_back() {
    world::sandbox(|host| {
        let machine = Machine::new(host);
        let podman = Podman::new(host, &machine);
        let reference = world::reference(&machine);
        let packages = world::bring(&machine);
        let next = world::bring_next(&machine);
        let named = named_linkspan(&machine);
        podman.start("gone", 8080);
        podman.stop("gone");
        let before = podman.left();

        podman.start("old", 8081);
        podman.works("old", 8081);
        machine.run(&format!("apt-get install --yes {packages}"));
        podman.works("old", 8081);
        podman.start("new", 8082);
        let attached = machine.run("linkspan show");
        assert!(attached.contains("8082→80/tcp"), "{attached}");
        podman.stop("old");
        podman.works("new", 8082);

        machine.run(&format!("dpkg --install {next}"));
        podman.works("new", 8082);
        podman.start("newer", 8083);

        machine.run(&format!("apt-get install --yes {reference}"));
        for (name, port) in [("new", 8082), ("newer", 8083)] {
            podman.works(name, port);
        }
        podman.start("last", 8084);
        podman.works("last", 8084);
        podman.stop("new newer last");
        assert_eq!(podman.left(), before);
        machine.run("dpkg --purge linkspan linkspan-cni-plugins");
        assert_eq!(named_linkspan(&machine), named);
    });
}
