//! What others have put where the plugins go, and installations that end before they are done.

use linkspan_packaging::machine::Machine;
use linkspan_testkit::PLUGIN_NAMES;

use crate::world;

/// The reference's plugins as a tarball leaves them, with a plugin of an agent's: what no package owns.
const TARBALL: &str = "cp /usr/lib/cni/* /opt/cni/bin/
    ln -sf host-local /opt/cni/bin/static
    echo agent >/opt/cni/bin/flannel";

/// Every file there with its content, and where links lead.
fn content(machine: &Machine, directory: &str) -> String {
    machine.run(&format!(
        "cd {directory} && find . -type l -printf '%p -> %l\\n' -o -type f -exec md5sum {{}} + | sort"
    ))
}

/// The plugins in a directory that do not answer.
fn silent(machine: &Machine, directory: &str) -> Vec<&'static str> {
    let answers = |name: &&str| {
        let line = format!("CNI_COMMAND=VERSION {directory}/{name} </dev/null");
        !machine.try_run(&line).ok()
    };
    PLUGIN_NAMES.iter().copied().filter(answers).collect()
}

/// What dpkg thinks of the plugins' package.
fn status(machine: &Machine) -> String {
    machine
        .run("dpkg-query --show --showformat '${db:Status-Status} ${Version}' linkspan-cni-plugins")
}

/// Removes the plugins though Podman then lacks some, as `apt-get install` does for those that come in their place.
const REMOVE: &str = "dpkg --force-depends --remove linkspan-cni-plugins";

#[test]
fn what_no_package_owns_is_kept_and_comes_back() {
    world::sandbox(|host| {
        let machine = Machine::new(host);
        let packages = world::bring(&machine);
        let next = world::bring_next(&machine);
        machine.run(TARBALL);
        let before = content(&machine, "/opt/cni/bin");

        machine.run(&format!("dpkg --install {packages}"));
        assert!(silent(&machine, "/opt/cni/bin").is_empty());
        assert!(silent(&machine, "/usr/lib/cni").is_empty());
        assert_eq!(machine.run("cat /opt/cni/bin/flannel"), "agent");
        let kept = content(&machine, "/opt/cni/bin/.linkspan-replaced");
        let is_plugin = |line: &&str| !line.ends_with("/flannel");
        let plugins: Vec<_> = before.lines().filter(is_plugin).collect();
        assert_eq!(kept, plugins.join("\n"));

        machine.run(&format!("dpkg --install {next}"));
        assert_eq!(content(&machine, "/opt/cni/bin/.linkspan-replaced"), kept);
        machine.run(REMOVE);
        assert_eq!(content(&machine, "/opt/cni/bin"), before);
        machine.run("dpkg --force-depends --purge linkspan-cni-plugins");
        assert_eq!(content(&machine, "/opt/cni/bin"), before);
    });
}

/// Who enables a unit knows why: the reference's daemon for dhcp would be stopped, with the leases that it has in memory alone.
#[test]
fn no_unit_is_enabled_and_one_that_was_is_so_again() {
    world::sandbox(|host| {
        let machine = Machine::new(host);
        let packages = world::bring(&machine);
        let enabled = || machine.run("find /etc/systemd/system -name '*linkspan*' -printf '%f\\n'");
        machine.run(&format!("dpkg --install {packages}"));
        assert_eq!(enabled(), "");
        machine.run("systemctl --quiet enable linkspan-dhcp.socket");
        machine.run(REMOVE);
        machine.run(&format!("dpkg --install {packages}"));
        assert_eq!(enabled(), "linkspan-dhcp.socket");
        machine.run("dpkg --force-depends --purge linkspan-cni-plugins linkspan");
        assert_eq!(enabled(), "");
    });
}

/// `linkspan install` by hand, then the package: what was there before either is what comes back.
#[test]
fn what_an_installation_by_hand_has_kept_comes_back() {
    world::sandbox(|host| {
        let machine = Machine::new(host);
        let packages = world::bring(&machine);
        machine.run(TARBALL);
        let before = content(&machine, "/opt/cni/bin");
        machine.run(&format!(
            "for deb in {packages}; do dpkg-deb --extract $deb /tmp/by-hand; done
             /tmp/by-hand/usr/bin/linkspan install --bin-dir /opt/cni/bin --from /tmp/by-hand/usr/lib/cni/linkspan-plugins
             dpkg --install {packages}"
        ));
        machine.run(REMOVE);
        assert_eq!(content(&machine, "/opt/cni/bin"), before);
    });
}

/// Ways in which the two directories are one, and what is said to undo it, which does.
const ONE_DIRECTORY: [(&str, &str); 3] = [
    (
        "rmdir /opt/cni/bin && ln -s /usr/lib/cni /opt/cni/bin",
        "rm /opt/cni/bin",
    ),
    (
        "rmdir /opt/cni/bin && mv /usr/lib/cni /opt/cni/bin && ln -s /opt/cni/bin /usr/lib/cni",
        "rm /usr/lib/cni",
    ),
    (
        "mount --bind /usr/lib/cni /opt/cni/bin",
        "umount /opt/cni/bin",
    ),
];

/// Two paths of a package may not be one file: dpkg would fail in the middle.
#[test]
fn where_the_two_directories_are_one_nothing_is_begun() {
    world::sandbox(|host| {
        for (way, remedy) in ONE_DIRECTORY {
            let machine = Machine::new(host);
            let packages = world::bring(&machine);
            machine.run(way);
            let before = content(&machine, "/usr/lib/cni/");
            let failed = machine.try_run(&format!("dpkg --install {packages}"));
            assert!(
                !failed.ok() && failed.stderr.contains(&format!("({remedy})")),
                "{way}: {failed}"
            );
            assert_eq!(content(&machine, "/usr/lib/cni/"), before, "{way}");
            machine.run(remedy);
            machine.run(&format!("dpkg --install {packages}"));
            assert!(silent(&machine, "/opt/cni/bin").is_empty(), "{way}");
            assert!(silent(&machine, "/usr/lib/cni").is_empty(), "{way}");
        }
    });
}

/// dpkg would remove them with the package, and with them the way to what others have there.
#[test]
fn links_in_the_place_of_directories_stay() {
    const LINKS: [&str; 3] = ["/opt/cni/bin", "/usr/lib/cni", "/etc/cni/net.d"];
    world::sandbox(|host| {
        let machine = Machine::new(host);
        let packages = world::bring(&machine);
        machine.run(TARBALL);
        // Podman's package has the directory of networks as well, without which it goes with this one.
        machine.run("apt-get purge --yes podman buildah golang-github-containers-common");
        machine.run("mkdir -p /etc/cni/net.d && echo theirs >/etc/cni/net.d/10-mynet.conf");
        for (number, link) in LINKS.into_iter().enumerate() {
            machine.run(&format!(
                "mkdir -p /srv/cni && mv {link} /srv/cni/{number} && ln -s /srv/cni/{number} {link}"
            ));
        }
        let links = || machine.run(&format!("readlink {}", LINKS.join(" ")));
        let before = (links(), content(&machine, "/opt/cni/bin/"));
        for end in ["remove", "purge"] {
            machine.run(&format!("dpkg --install {packages}"));
            machine.run(&format!("dpkg --{end} linkspan-cni-plugins"));
            assert_eq!(
                (links(), content(&machine, "/opt/cni/bin/")),
                before,
                "{end}"
            );
            machine.run("cat /etc/cni/net.d/10-mynet.conf");
        }
        // A removal that is killed before it has put them back, and the package once more.
        machine.run(&format!("dpkg --install {packages}"));
        machine.run(
            "script=/var/lib/dpkg/info/linkspan-cni-plugins.postrm
             sed -i '2i kill -9 $$' $script && ! dpkg --remove linkspan-cni-plugins && [ ! -e /opt/cni/bin ]",
        );
        machine.run(&format!("dpkg --install {packages}"));
        machine.run("dpkg --purge linkspan-cni-plugins");
        assert_eq!((links(), content(&machine, "/opt/cni/bin/")), before);
        assert_eq!(
            machine.run("find /opt /etc/cni /usr/lib -name '*.linkspan'"),
            ""
        );
    });
}

/// The daemon was stopped for a removal that did not happen: the package that stays has it as before.
#[test]
fn a_removal_that_fails_starts_the_daemon_anew() {
    world::sandbox(|host| {
        let machine = Machine::new(host);
        let packages = world::bring(&machine);
        machine.run(&format!("dpkg --install {packages}"));
        // Something that says it is systemd, and rules that cannot be handed over.
        machine.run(
            "mkdir -p /run/systemd/system /run/cni/linkspan
             printf '#!/bin/sh\\necho \"$*\" >>/tmp/asked\\n' >/usr/bin/systemctl
             rm -f /usr/sbin/policy-rc.d && cp /bin/false /usr/bin/linkspan",
        );
        let failed = machine.try_run(REMOVE);
        assert!(
            failed.stderr.contains("linkspan-cni-plugins stays"),
            "{failed}"
        );
        let asked = machine.run("cat /tmp/asked");
        let at = |words| asked.find(words).unwrap_or(usize::MAX);
        let [stopped, started] =
            ["stop linkspan-dhcp.socket", "start linkspan-dhcp.socket"].map(at);
        assert!(stopped < started && started < usize::MAX, "{asked}");
    });
}

#[test]
fn an_installation_that_fails_leaves_all_as_it_was() {
    world::sandbox(|host| {
        let machine = Machine::new(host);
        let packages = world::bring(&machine);
        machine.run(TARBALL);
        // Some other package has a file of ours.
        machine.run(
            "mkdir -p /tmp/owner/DEBIAN /tmp/owner/opt/cni/bin && echo theirs >/tmp/owner/opt/cni/bin/vrf
             printf 'Package: owner\\nVersion: 1\\nArchitecture: all\\nMaintainer: a <a@b>\\nDescription: of a file\\n' >/tmp/owner/DEBIAN/control
             dpkg-deb --build /tmp/owner /tmp/owner.deb && dpkg --install /tmp/owner.deb",
        );
        let before = content(&machine, "/opt/cni/bin");
        let failed = machine.try_run(&format!("dpkg --install {packages}"));
        assert!(!failed.ok(), "{failed}");
        assert!(
            failed
                .stderr
                .contains("trying to overwrite '/opt/cni/bin/vrf'"),
            "{failed}"
        );
        assert_eq!(content(&machine, "/opt/cni/bin"), before);
    });
}

#[test]
fn an_upgrade_that_fails_leaves_the_version_before() {
    world::sandbox(|host| {
        let machine = Machine::new(host);
        let packages = world::bring(&machine);
        let next = world::bring_next(&machine);
        machine.run(&format!("dpkg --install {packages}"));
        let before = (status(&machine), content(&machine, "/opt/cni/bin"));
        machine.run(
            "cd /tmp && rm -rf bad && dpkg-deb --raw-extract next/linkspan-cni-plugins_*.deb bad
             printf '#!/bin/sh\\n[ \"$1\" != upgrade ]\\n' >bad/DEBIAN/preinst
             dpkg-deb -Znone --build bad bad.deb",
        );
        let failed = machine.try_run("dpkg --install /tmp/bad.deb");
        assert!(!failed.ok(), "{failed}");
        assert_eq!(
            (status(&machine), content(&machine, "/opt/cni/bin")),
            before
        );
        machine.run(&format!("dpkg --install {next}"));
        assert_eq!(status(&machine), "installed 99.0");
    });
}

/// dpkg is killed at one of its renames; whatever it had done by then, each plugin of before answers, and to install once more is
/// enough.
#[test]
fn an_installation_that_is_killed_is_completed_by_the_next() {
    world::sandbox(|host| {
        for rename in [2, 80, 130] {
            let machine = Machine::new(host);
            let packages = world::bring(&machine);
            machine.run(TARBALL);
            let before = content(&machine, "/opt/cni/bin");
            let missing = silent(&machine, "/opt/cni/bin");
            let killed = machine.try_run(&format!(
                "strace -o /dev/null -e trace=rename -e inject=rename:signal=KILL:when={rename} dpkg --install {packages}"
            ));
            assert!(!killed.ok(), "at {rename}: {killed}");
            let now = silent(&machine, "/opt/cni/bin");
            assert!(
                now.iter().all(|name| missing.contains(name)),
                "at {rename}: {now:?}"
            );
            let _ = machine.try_run("dpkg --configure --pending");
            machine.run(&format!("dpkg --install {packages}"));
            assert!(status(&machine).starts_with("installed "));
            assert!(silent(&machine, "/opt/cni/bin").is_empty());
            machine.run(REMOVE);
            assert_eq!(content(&machine, "/opt/cni/bin"), before, "at {rename}");
        }
    });
}

/// dpkg writes over each file by renaming: whoever is attached meanwhile finds every plugin.
#[test]
fn no_plugin_is_missing_while_dpkg_exchanges_them() {
    world::sandbox(|host| {
        let machine = Machine::new(host);
        let packages = world::bring(&machine);
        machine.run(TARBALL);
        let line = "while :; do for plugin in /usr/lib/cni/bridge /opt/cni/bin/host-local /usr/lib/cni/portmap; do
            CNI_COMMAND=VERSION $plugin </dev/null >/dev/null || echo missed $plugin; done; echo round; done";
        let watch = machine.shell(line).start();
        watch.wait_for("round");
        machine.run(&format!("dpkg --install {packages}"));
        let told = watch.kill();
        assert!(told.stdout.matches("round").count() > 20, "{told}");
        assert!(!told.stdout.contains("missed"), "{told}");
    });
}
