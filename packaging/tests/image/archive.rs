//! The archive: what is in it, and that the tools of the field take it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use linkspan_packaging::{artefact, dist, top};
use linkspan_testkit::{Cmd, Sandbox, sandbox};
use serde_json::{Value, json};

/// How the DaemonSet calls the image.
pub(crate) const IMAGE: &str = "ghcr.io/linkspan/linkspan-installer";

fn archive() -> PathBuf {
    artefact("linkspan-installer_", "_amd64.oci.tar")
}

fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Unpacks the archive and reads blobs from it.
struct Layout(tempfile::TempDir);

impl Layout {
    fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let tar = Cmd::new("tar").arg("-xf").arg(archive());
        tar.arg("-C").arg(directory.path()).run();
        Self(directory)
    }

    fn file(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.0.path().join(name)).unwrap()).unwrap()
    }

    fn path(&self, descriptor: &Value) -> PathBuf {
        let digest = descriptor["digest"].as_str().unwrap().replace(':', "/");
        let path = self.0.path().join("blobs").join(digest);
        assert_eq!(fs::metadata(&path).unwrap().len(), descriptor["size"]);
        path
    }

    fn blob(&self, descriptor: &Value) -> Value {
        serde_json::from_slice(&fs::read(self.path(descriptor)).unwrap()).unwrap()
    }
}

#[test]
fn it_is_an_image_layout_of_one_layer_by_the_specification() {
    let layout = Layout::open();
    assert_eq!(
        layout.file("oci-layout"),
        json!({ "imageLayoutVersion": "1.0.0" })
    );
    // Each blob is what its name says.
    Cmd::shell("for blob in *; do echo \"$blob  $blob\"; done | sha256sum --check --quiet")
        .current_dir(layout.0.path().join("blobs/sha256"))
        .run();
    let named = &layout.file("index.json")["manifests"][0];
    assert_eq!(
        named["annotations"],
        json!({ "org.opencontainers.image.ref.name": version(),
            "io.containerd.image.name": format!("{IMAGE}:{}", version()) })
    );
    // A tag stands for an index, to which other architectures are added.
    let image = &layout.blob(named)["manifests"][0];
    assert_eq!(
        image["platform"],
        json!({ "architecture": "amd64", "os": "linux" })
    );
    let manifest = layout.blob(image);
    let config = layout.blob(&manifest["config"]);
    assert_eq!(config["config"]["Labels"], manifest["annotations"]);
    assert_eq!(
        config["config"]["Labels"]["org.opencontainers.image.version"],
        version()
    );
    assert_eq!(config["config"]["Entrypoint"], json!(["/usr/bin/linkspan"]));
    let layer = layout.path(&manifest["layers"][0]);
    let unpacked = Cmd::shell("gzip -dc \"$0\" | sha256sum").arg(&layer).run();
    let id = format!("sha256:{}", unpacked.split(' ').next().unwrap());
    assert_eq!(config["rootfs"]["diff_ids"], json!([id]));
    // In the order of their names, with the modes of a root that everybody may read, and of one time.
    let listed = Cmd::new("tar")
        .args(["--list", "--verbose", "--numeric-owner", "-zf"])
        .arg(&layer)
        .run();
    let mut times = BTreeSet::new();
    let mut entries = Vec::new();
    for line in listed.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let [mode, owner, _, day, time, path] = words[..] else {
            panic!("{line}");
        };
        times.insert((day, time));
        assert_eq!(owner, "0/0", "{line}");
        entries.push((mode, path));
    }
    assert_eq!(times.len(), 1, "{listed}");
    assert_eq!(
        entries,
        [
            ("drwxr-xr-x", "usr/"),
            ("drwxr-xr-x", "usr/bin/"),
            ("-rwxr-xr-x", "usr/bin/linkspan"),
            ("-rwxr-xr-x", "usr/bin/linkspan-plugins"),
            ("drwxr-xr-x", "usr/share/"),
            ("drwxr-xr-x", "usr/share/doc/"),
            ("drwxr-xr-x", "usr/share/doc/linkspan/"),
            ("-rw-r--r--", "usr/share/doc/linkspan/LICENSE"),
            ("-rw-r--r--", "usr/share/doc/linkspan/THIRD-PARTY-LICENSES"),
        ]
    );
}

/// The image's files, as umoci unpacks them.
pub(crate) fn unpacked(host: &Sandbox) -> PathBuf {
    let (layout, bundle) = (host.dir(), host.dir().join("bundle"));
    Cmd::new("tar")
        .arg("-xf")
        .arg(archive())
        .arg("-C")
        .arg(&layout)
        .run();
    let image = format!("{}:{}", layout.display(), version());
    Cmd::new("umoci")
        .args(["unpack", "--rootless", "--image", &image])
        .arg(&bundle)
        .run();
    bundle.join("rootfs")
}

#[test]
fn skopeo_umoci_and_podman_take_it() {
    sandbox(|host| {
        let archive = format!("oci-archive:{}", archive().display());
        let told = Cmd::new("skopeo").args(["inspect", &archive]).run();
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["Architecture"], "amd64");
        assert_eq!(
            told["Labels"]["org.opencontainers.image.title"],
            "linkspan-installer"
        );

        let root = unpacked(host);
        let version = Cmd::new(root.join("usr/bin/linkspan"))
            .arg("--version")
            .run();
        assert_eq!(version, format!("linkspan {}", self::version()));

        // Its locks are there, and would be those of the machine's.
        host.run("mount -t tmpfs tmpfs /dev/shm");
        let podman = |args: &[&str]| podman(&host.dir(), args);
        let loaded = podman(&["load", "--input", &archive["oci-archive:".len()..]]);
        let name = format!("{IMAGE}:{}", self::version());
        assert!(loaded.ends_with(&name), "{loaded}");
    });
}

/// With a storage of its own, which needs nothing of the kernel.
fn podman(storage: &Path, args: &[&str]) -> String {
    Cmd::new("podman")
        .arg("--root")
        .arg(storage.join("root"))
        .arg("--runroot")
        .arg(storage.join("run"))
        .args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"])
        .args(args)
        .run()
}

/// Of the files of two architectures one image is made, and of nothing that does not go together.
#[test]
fn architectures_are_joined() {
    sandbox(|host| {
        let (binaries, out) = (unpacked(host).join("usr/bin"), host.dir());
        let licences = "THIRD-PARTY-LICENSES";
        fs::copy(dist().join(licences), out.join(licences)).unwrap();
        for arch in ["amd64", "arm64"] {
            Cmd::new(top().join("packaging/image/build"))
                .env("VERSION", version())
                .env("ARCH", arch)
                .env("BIN", &binaries)
                .env("OUT", &out)
                .env("SOURCE_DATE_EPOCH", "1700000000")
                .current_dir(top())
                .run();
        }
        let join = |archives: [&str; 2]| {
            let archives =
                archives.map(|arch| format!("linkspan-installer_{}_{arch}.oci.tar", version()));
            Cmd::new(top().join("packaging/image/join"))
                .arg("joined.tar")
                .args(archives)
                .current_dir(&out)
                .output()
        };
        let output = join(["arm64", "arm64"]);
        assert!(
            !output.ok() && output.stderr.contains("another architecture"),
            "{output}"
        );
        let output = join(["arm64", "amd64"]);
        assert!(output.ok(), "{output}");
        for arch in ["amd64", "arm64"] {
            let image = format!("oci-archive:{}", out.join("joined.tar").display());
            let told = Cmd::new("skopeo")
                .args(["--override-arch", arch, "inspect", &image])
                .run();
            let told: Value = serde_json::from_str(&told).unwrap();
            assert_eq!(told["Architecture"], arch);
        }
    });
}
