//! The tarball in the hands of those who take the reference's: their own commands, in which only the address and the destination are
//! others, and what is there afterwards.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that uses it"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use linkspan_packaging as packaging;
use linkspan_testkit::{Cmd, PLUGIN_NAMES, Plugins, Sandbox, rows, sandbox};
use serde_json::json;

/// Who, where their command is to be read, the command (`$TGZ` is the tarball, `$BIN` the directory that plugins are started from,
/// `$WORK` an empty one), and which names are in `$BIN` then.
type Consumer = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

const ALL: &[&str] = &PLUGIN_NAMES;
const KIND: &[&str] = &["host-local", "loopback", "portmap", "ptp"];
const TALOS: &[&str] = &["bridge", "firewall", "host-local", "loopback", "portmap"];
const MINIKUBE: &[&str] = &[
    "bandwidth",
    "bridge",
    "dhcp",
    "firewall",
    "host-local",
    "ipvlan",
    "loopback",
    "macvlan",
    "portmap",
    "ptp",
    "tuning",
    "vlan",
];

const BY_TAR: [Consumer; 9] = rows! {
    // Ansible's `unarchive`, which compares first, gives each file mode and owner afterwards, and compares again in the next run.
    ("kubespray", "kubespray: roles/network_plugin/cni/tasks/main.yml", r#"
        tar --diff -C $BIN -z --owner=root -f $TGZ >&2 2>/dev/null || tar --extract -C $BIN -z --owner=root -f $TGZ
        for file in $(tar -tzf $TGZ); do [ -d $BIN/$file ] || { chmod 0755 $BIN/$file; chown root $BIN/$file; }; done
        tar --diff -C $BIN -z --owner=root -f $TGZ >$WORK/diff || ! grep -v "Mode differs" $WORK/diff"#, ALL),
    ("kubeadm, by hand", "kubernetes.io: Installing kubeadm", r#"cat $TGZ | tar -C "$BIN" -xz"#, ALL),
    ("containerd, by hand", "containerd: docs/getting-started.md", "tar Cxzvf $BIN $TGZ", ALL),
    // BuildKit calls plugins by names of its own.
    ("nerdctl-full", "nerdctl: Dockerfile", r#"
        tar xzf $TGZ -C $BIN
        for f in $BIN/*; do [ -x "$f" ] && [ -f "$f" ] && ln -s $f $WORK/buildkit-cni-$(basename $f); done || true
        for f in $WORK/*; do $f 2>&1 | grep -q "^CNI ${f##*/buildkit-cni-} plugin v"; done"#, ALL),
    ("kind, up to 0.18", "kind: images/base/Dockerfile", r"
        tar -C $BIN -xzvf $TGZ
        find $BIN -type f -not \( -iname host-local -o -iname ptp -o -iname portmap -o -iname loopback \) -delete", KIND),
    // Into the image of the extension, and from there at each start of kubelet.
    ("Flatcar", "sysext-bakery: kubernetes.sysext/create.sh, 10-kubeadm.conf", r"
        tar --force-local -xf $TGZ -C $WORK
        cp -r $WORK/. $BIN/
        cp -r $WORK/. $BIN/", ALL),
    ("Cilium", "cilium: images/runtime/download-cni.sh", r"
        tar -C $BIN -xf $TGZ ./loopback ./portmap
        for cni_bin in loopback portmap; do strip $BIN/${cni_bin}; done", &["loopback", "portmap"]),
    ("AKS", "AgentBaker: parts/linux/cloud-init/artifacts/cse_install.sh", r"
        tar -xzf $TGZ -C $WORK
        mv $WORK/* $BIN
        chown -R root:root $BIN
        chmod -R 755 $BIN", ALL),
    ("minikube's container", "minikube: deploy/kicbase/Dockerfile", "tar -xf $TGZ -C $BIN", ALL),
};

/// Name by name, which makes files of links, and several of one.
const BY_NAME: [Consumer; 5] = rows! {
    // Buildroot unpacks, and strips the first folder.
    ("minikube's machine", "minikube: deploy/iso/minikube-iso/arch/x86_64/package/cni-plugins-latest", r#"
        gzip -d -c $TGZ | tar --strip-components=1 -C $WORK -xf -
        mkdir $WORK/usr-bin
        for name in bandwidth bridge vlan tuning ptp portmap macvlan loopback ipvlan host-local dhcp firewall; do
            install -D -m 0755 $WORK/$name $BIN/$name
            ln -sf $BIN/$name $WORK/usr-bin/$name
        done
        for f in $WORK/usr-bin/*; do $f 2>&1 | grep -q "^CNI ${f##*/} plugin v"; done"#, MINIKUBE),
    ("kind", "kind: images/base/Dockerfile (COPY --from)", r"
        tar -xzf $TGZ -C $WORK
        for name in host-local loopback ptp portmap; do cp --no-dereference $WORK/$name $BIN/; done", KIND),
    ("Talos", "talos: Dockerfile (COPY --from)", r"
        tar -xzf $TGZ -C $WORK
        for name in bridge firewall host-local loopback portmap; do cp --no-dereference $WORK/$name $BIN/$name; done", TALOS),
    ("RKE2", "image-build-cni-plugins: Dockerfile, install-cnis.sh", r#"
        mkdir $WORK/bin $WORK/image
        tar -xzf $TGZ -C $WORK/bin --exclude '*LICENSE*' --exclude README.md
        install -D $WORK/bin/* $WORK/image
        for plugin in $(ls $WORK/image); do strip $WORK/image/${plugin}; done
        for path in $WORK/image/*; do
            filename="$(basename "$path")"
            cp -v --remove-destination "${path}" "$BIN/${filename}.tmp" && mv -v "$BIN/${filename}.tmp" "$BIN/${filename}"
        done"#, ALL),
    // Its installer is in Go: what is a regular file is written beside its place and renamed, and has its mode afterwards.
    ("AWS VPC CNI", "amazon-vpc-cni-k8s: Makefile, utils/cp/cp.go", r"
        tar xzf $TGZ -C $WORK
        find $WORK -type f | while read -r file; do
            target=$BIN/${file##*/}
            cat $file >$target.tmp; mv $target.tmp $target; chmod --reference=$file $target
        done", ALL),
};

/// Other unpackers than GNU's. `data` is what Python recommends: it refuses what is no file or folder, and links that lead outside.
const BY_OTHERS: [Consumer; 3] = rows! {
    ("Busybox", "Alpine, and what is made from it", "busybox tar -xzf $TGZ -C $BIN", ALL),
    ("Python", "rke2: contrib/custom-image-kubelet/genconfig.py", r#"
        python3 -c "import tarfile; tarfile.open('$TGZ').extractall('$BIN', filter='data')""#, ALL),
    ("without root", "rootless nerdctl", "umask 077; tar --no-same-owner --no-same-permissions -xzf $TGZ -C $BIN", ALL),
};

#[test]
fn by_tar() {
    are_served(&BY_TAR);
}

#[test]
fn name_by_name() {
    are_served(&BY_NAME);
}

#[test]
fn by_other_unpackers() {
    are_served(&BY_OTHERS);
}

/// Over the reference's plugins, one of which runs: it goes on, and the next call is answered by Linkspan.
#[test]
fn a_plugin_in_use_is_replaced() {
    let tarball = packaging::artefact("cni-plugins-linux-", ".tgz");
    sandbox(|host| {
        for unpack in ["tar -xzf $TGZ -C $BIN", "busybox tar -xzf $TGZ -C $BIN"] {
            let bin = host.dir();
            let socket = bin.join("dhcp.sock");
            Cmd::shell("cp $REFERENCE/* $BIN")
                .env("REFERENCE", Plugins::reference().dir())
                .env("BIN", &bin)
                .run();
            let daemon = Cmd::new(bin.join("dhcp"))
                .args(["daemon", "-socketpath"])
                .arg(&socket);
            let daemon = daemon.start();
            wait_for(&socket);
            unpacked(unpack, &tarball, &bin);
            for name in ALL {
                answers(&bin, name, unpack);
            }
            assert!(UnixStream::connect(&socket).is_ok(), "{unpack}: {daemon:?}");
        }
    });
}

/// Over the links of `linkspan install`: they are replaced. What `cp` does instead, and Python, is to write through them into the one
/// file that all of them are; docs/runtimes/README.md says so.
#[test]
fn links_are_replaced_and_not_written_through() {
    let tarball = packaging::artefact("cni-plugins-linux-", ".tgz");
    sandbox(|host| {
        for unpack in [
            "tar -xzf $TGZ -C $BIN",
            "busybox tar -xzf $TGZ -C $BIN",
            "W=$(mktemp -d); tar -xzf $TGZ -C $W; install -D $W/* $BIN",
            "W=$(mktemp -d); tar -xzf $TGZ -C $W; mv $W/* $BIN",
            "W=$(mktemp -d); tar -xzf $TGZ -C $W; cp --remove-destination $W/* $BIN",
        ] {
            let bin = host.dir();
            unpacked("tar -xzf $TGZ -C $BIN ./loopback", &tarball, &bin);
            let plugins = bin.join("linkspan-plugins");
            fs::rename(bin.join("loopback"), &plugins).unwrap();
            for name in ALL {
                symlink("linkspan-plugins", bin.join(name)).unwrap();
            }
            let before = fs::read(&plugins).unwrap();
            unpacked(unpack, &tarball, &bin);
            assert!(before == fs::read(&plugins).unwrap(), "{unpack}");
            for name in ALL {
                answers(&bin, name, unpack);
            }
        }
    });
}

/// Who takes one name out of the tarball, as for Multus on k3s, is told what else it needs: also where `loopback` is another's.
#[test]
fn a_name_alone_says_what_it_misses() {
    let tarball = packaging::artefact("cni-plugins-linux-", ".tgz");
    sandbox(|host| {
        let bin = host.dir();
        unpacked("tar -xzf $TGZ -C $BIN ./macvlan", &tarball, &bin);
        let plugins = Plugins::at(&bin);
        let refusal = |why: &str| {
            let (code, text) = plugins.version("macvlan", "1.0.0").failure();
            assert!(text.contains("loopback"), "{why}: {code} {text}");
        };
        refusal("there is no loopback");
        fs::copy(
            Plugins::reference().dir().join("loopback"),
            bin.join("loopback"),
        )
        .unwrap();
        refusal("loopback is the reference's");
        unpacked("tar -xzf $TGZ -C $BIN ./loopback", &tarball, &bin);
        answers(&bin, "macvlan", "with loopback");
    });
}

#[track_caller]
fn unpacked(command: &str, tarball: &Path, bin: &Path) {
    let command = Cmd::shell(command).env("TGZ", tarball).env("BIN", bin);
    command.run();
}

#[track_caller]
fn wait_for(path: &Path) {
    let began = Instant::now();
    while !path.exists() {
        assert!(began.elapsed() < Duration::from_secs(20), "{path:?}");
        std::thread::yield_now();
    }
}

fn are_served(consumers: &'static [Consumer]) {
    let tarball = packaging::artefact("cni-plugins-linux-", ".tgz");
    sandbox(|host| {
        for consumer in consumers {
            serves(host, &tarball, consumer);
        }
    });
}

/// Every name that is kept answers, `bridge` or `ptp` asks `host-local` in its own process, and all of it is hardly more than one file.
#[expect(
    clippy::print_stdout,
    reason = "--nocapture shows what each takes on disk"
)]
fn serves(host: &Sandbox, tarball: &Path, &(who, source, command, names): &Consumer) {
    let bin = host.dir();
    let command = Cmd::shell(command)
        .env("TGZ", tarball)
        .env("BIN", &bin)
        .env("WORK", host.dir())
        .output();
    assert!(command.ok(), "{who} ({source}): {command}");
    for name in names {
        answers(&bin, name, who);
    }
    let main = ["bridge", "ptp"]
        .into_iter()
        .find(|name| names.contains(name));
    if let Some(main) = main {
        asks_in_its_process(host, &bin, main, who);
    }
    let bytes = on_disk(&bin);
    println!("{who}: {} plugins, {} KiB", names.len(), bytes / 1024);
    assert!(bytes < 6 << 20, "{who}: {bytes} bytes are on disk");
}

#[track_caller]
fn answers(bin: &Path, name: &str, who: &str) {
    let plugins = Plugins::at(bin);
    let versions = plugins.version(name, "1.0.0").success();
    assert_eq!(versions["cniVersion"], "1.1.0", "{who}: {name}");
    let about = Cmd::new(bin.join(name)).env_remove("CNI_COMMAND").output();
    let expected = format!("CNI {name} plugin v");
    assert!(about.stderr.starts_with(&expected), "{who}: {about}");
    assert!(about.stderr.contains("+linkspan."), "{who}: {about}");
}

/// ADD, CHECK and DEL of a plugin with an IPAM plugin are one process each, whatever is executed in it.
#[track_caller]
fn asks_in_its_process(host: &Sandbox, bin: &Path, main: &str, who: &str) {
    let name = format!("c{}", bin.file_name().unwrap().to_string_lossy());
    let container = host.netns(&name);
    let mut config = json!({
        "cniVersion": "1.0.0", "name": name, "type": main,
        "ipam": { "type": "host-local", "subnet": "10.22.0.0/16" }
    });
    if main == "bridge" {
        config["bridge"] = json!("cni0");
    }
    let log = host.dir().join("strace");
    for verb in ["ADD", "CHECK", "DEL"] {
        let output = Cmd::new(bin.join(main))
            .under(&[
                "strace",
                "-f",
                "-qq",
                "-e",
                "trace=process",
                "-o",
                log.to_str().unwrap(),
            ])
            .env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", &name)
            .env("CNI_NETNS", container.path())
            .env("CNI_IFNAME", "eth0")
            .env("CNI_PATH", bin)
            .stdin(config.to_string())
            .output();
        assert!(output.ok(), "{who}: {verb}: {output}");
        if verb == "ADD" {
            config["prevResult"] = serde_json::from_str(&output.stdout).unwrap();
        }
        let calls = fs::read_to_string(&log).unwrap();
        let starts = ["clone(", "clone3(", "fork(", "vfork("];
        let started = calls.lines().filter(|line| {
            let call = line.split_whitespace().nth(1).unwrap_or_default();
            starts.iter().any(|start| call.starts_with(start)) && !line.contains("CLONE_THREAD")
        });
        assert_eq!(started.count(), 0, "{who}: {verb}: {calls}");
        assert!(calls.matches("exec").count() <= 2, "{who}: {verb}: {calls}");
    }
}

/// What the files of a directory take on disk; several names of one file take no more than it.
fn on_disk(bin: &Path) -> u64 {
    let entries = fs::read_dir(bin)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files: BTreeMap<(u64, u64), u64> = entries
        .map(|path| fs::symlink_metadata(path).unwrap())
        .map(|file| ((file.dev(), file.ino()), file.blocks() * 512))
        .collect();
    files.values().sum()
}
