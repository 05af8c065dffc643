//! The packages for RPM: what is in them, what they say of others, and what their scripts do to a machine.
//!
//! They are installed on a Debian machine with a database of RPM's own, which knows none of what they need: the scripts and files are
//! looked at, not the solving of dependencies.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::time::Duration;

use linkspan_packaging::artefact;
use linkspan_packaging::machine::Machine;
use linkspan_testkit::{Cmd, PLUGIN_NAMES, Setup};

/// Where plugins are: Fedora's podman and CRI-O look there, all others, openSUSE's podman.
const DIRECTORIES: [&str; 3] = ["/usr/libexec/cni", "/opt/cni/bin", "/usr/lib/cni"];

fn program() -> PathBuf {
    artefact(concat!("linkspan-", env!("CARGO_PKG_VERSION"), "-"), ".rpm")
}

fn plugins() -> PathBuf {
    artefact("linkspan-cni-plugins-", ".rpm")
}

fn query(what: &str, package: PathBuf) -> String {
    let query = Cmd::new("rpm").args(["--query", "--package", what]);
    query.arg(package).run() + "\n"
}

#[test]
fn the_plugins_are_where_each_distribution_looks() {
    let found = query("--dump", plugins());
    for directory in DIRECTORIES {
        for name in PLUGIN_NAMES.into_iter().chain(["linkspan-plugins"]) {
            let path = format!("{directory}/{name} ");
            let lines: Vec<_> = found
                .lines()
                .filter(|line| line.starts_with(&path))
                .collect();
            let [line] = lines[..] else {
                panic!("{path}: {lines:?}");
            };
            // Path, size, time, hash, mode, owner, group, flags, and where a link leads.
            let words: Vec<_> = line.split(' ').collect();
            let link = match directory {
                "/usr/lib/cni" => "../../libexec/cni/linkspan-plugins",
                _ if name == "linkspan-plugins" => "X",
                _ => "linkspan-plugins",
            };
            assert_eq!(
                [words[5], words[6], words[10]],
                ["root", "root", link],
                "{line}"
            );
            assert!(link != "X" || words[4] == "0100755", "{line}");
        }
    }
}

#[test]
fn they_stand_for_the_reference_and_take_its_place() {
    let (provides, conflicts) = (
        query("--provides", plugins()),
        query("--conflicts", plugins()),
    );
    // Fedora's podman and cri-o; kubernetes.io's kubelet (>= 1.2.0) and cri-o; openSUSE's podman.
    for name in [
        "containernetworking-plugins",
        "kubernetes-cni",
        "cni-plugins",
    ] {
        let begin = format!("{name} = ");
        let version = provides.lines().find_map(|line| line.strip_prefix(&begin));
        let numbers = version
            .unwrap()
            .split('.')
            .map(|number| number.parse::<u32>().unwrap());
        assert!(numbers.collect::<Vec<_>>() >= vec![1, 2, 0], "{provides}");
        assert!(conflicts.contains(&format!("{name}\n")), "{conflicts}");
    }
    assert!(
        provides.contains("container-network-stack = 1\n"),
        "{provides}"
    );
    // It is static: nothing is needed but what the package itself says.
    let needed = query("--requires", plugins());
    let needed: Vec<_> = needed
        .lines()
        .filter(|line| !line.starts_with("rpmlib(") && !line.is_empty())
        .collect();
    assert!(
        needed
            .iter()
            .all(|line| *line == "/bin/sh" || line.starts_with("linkspan >= ")),
        "{needed:?}"
    );
}

#[test]
fn the_program_comes_with_its_manual_completions_and_units() {
    let found = query("--list", program());
    for file in [
        "/usr/bin/linkspan",
        "/usr/share/man/man1/linkspan.1.gz",
        "/usr/share/bash-completion/completions/linkspan",
        "/usr/share/zsh/site-functions/_linkspan",
        "/usr/share/fish/vendor_completions.d/linkspan.fish",
        "/usr/lib/systemd/system/linkspan-reconcile.service",
        "/usr/share/licenses/linkspan/LICENSE",
        "/usr/share/licenses/linkspan/THIRD-PARTY-LICENSES",
    ] {
        assert!(found.contains(&format!("{file}\n")), "{file} in\n{found}");
    }
}

#[test]
fn scripts_keep_what_was_there_leave_containers_to_it_and_put_it_back() {
    let setup = Setup::default().deadline(Duration::from_secs(180));
    setup.sandbox(|host| {
        let machine = Machine::new(host);
        let packages = format!("{} {}", machine.bring(&program()), machine.bring(&plugins()));
        let files = |directory: &str| {
            machine.run(&format!("mkdir -p {directory} && cd {directory} && find . -type f -exec md5sum {{}} + -o -type l -print | sort"))
        };
        machine.run(
            "cp /usr/lib/cni/* /opt/cni/bin/ && echo agent >/opt/cni/bin/flannel
             printf '%s' '{\"cniVersion\": \"1.0.0\", \"name\": \"mynet\", \"plugins\": [{\"type\": \"bridge\", \"isGateway\": true,
                 \"ipMasq\": true, \"ipam\": {\"type\": \"host-local\", \"subnet\": \"10.22.0.0/16\"}}]}' >/etc/cni/net.d/10-mynet.conflist
             # Debian's own package stays in the way of none.
             mv /usr/lib/cni /usr/lib/cni-of-debian",
        );
        let before = DIRECTORIES.map(files);
        let container = host.netns("c1");

        machine.run(&format!("rpm --upgrade --nodeps --noplugins {packages}"));
        for directory in DIRECTORIES {
            for name in PLUGIN_NAMES {
                machine.run(&format!("CNI_COMMAND=VERSION {directory}/{name} </dev/null"));
            }
        }
        machine.run(&format!("rpm --upgrade --nodeps --noplugins --replacepkgs {packages}"));
        machine.run("linkspan add mynet /run/netns/c1 && nft list table inet linkspan | grep 10.22.0.2");
        container.ping("10.22.0.1");

        machine.run("rpm --erase --nodeps --noplugins linkspan-cni-plugins");
        assert_eq!(DIRECTORIES.map(files), before);
        container.ping("10.22.0.1");
        let rules = machine.run("iptables -t nat -S; nft list tables");
        assert!(rules.contains("-s 10.22.0.2/32") && !rules.contains("linkspan"), "{rules}");
        machine.run("linkspan del mynet /run/netns/c1 && rpm --erase --nodeps --noplugins linkspan");
        let rules = machine.run("iptables -t nat -S");
        assert!(!rules.contains("10.22.0"), "{rules}");
        assert_eq!(machine.run("find /etc /opt /run/cni /usr -xdev -name '*linkspan*'"), "");
    });
}

/// rpm would remove the link with the package, and with it the way to what others have there.
#[test]
fn links_in_the_place_of_directories_stay() {
    Setup::default().sandbox(|host| {
        let machine = Machine::new(host);
        let packages = format!("{} {}", machine.bring(&program()), machine.bring(&plugins()));
        machine.run(
            "rm -rf /usr/lib/cni /opt/cni/bin /etc/cni/net.d && mkdir -p /srv/bin /srv/net.d
             ln -s /srv/bin /opt/cni/bin && ln -s /srv/net.d /etc/cni/net.d
             echo theirs >/srv/bin/bridge && echo agent >/srv/bin/flannel && echo theirs >/srv/net.d/10-mynet.conf",
        );
        machine.run(&format!("rpm --upgrade --nodeps --noplugins {packages}"));
        machine.run("rpm --erase --nodeps --noplugins linkspan-cni-plugins");
        let left = machine.run("cat /opt/cni/bin/* /etc/cni/net.d/* && ls -A /srv/bin /opt/cni /etc/cni | grep linkspan || true");
        assert_eq!(left, "theirs\nagent\ntheirs");
    });
}

#[test]
fn nothing_is_installed_where_a_plugin_of_others_cannot_be_kept() {
    Setup::default().sandbox(|host| {
        let machine = Machine::new(host);
        let packages = format!("{} {}", machine.bring(&program()), machine.bring(&plugins()));
        // In the place of the directory for what is kept there is a file.
        machine.run("rm -rf /usr/lib/cni && echo theirs >/opt/cni/bin/bridge && touch /opt/cni/bin/.linkspan-replaced");
        let failed = machine.try_run(&format!("rpm --upgrade --nodeps --noplugins {packages}"));
        assert!(!failed.ok(), "{failed}");
        assert_eq!(machine.run("cat /opt/cni/bin/bridge"), "theirs");
    });
}
