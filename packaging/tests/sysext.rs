//! The extension of /usr, `linkspan_….raw`, for systemd-sysext.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;

use linkspan_packaging::{artefact, top};
use linkspan_testkit::{Cmd, PLUGIN_NAMES, Plugins, Setup};
use serde_json::json;

/// Where extensions are looked for that are there until the next start.
const EXTENSIONS: &str = "/run/extensions";

/// Nothing is extended but /usr: an extension with an /opt would make all of it read-only. // flatcar/sysext-bakery, cni-plugins
#[test]
fn it_has_nothing_but_usr() {
    let listed = Cmd::new("unsquashfs")
        .args(["-lls", "-dest", ""])
        .arg(artefact("linkspan_", "_x86-64.raw"))
        .run();
    let mut files = Vec::new();
    for line in listed.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words[1], "root/root", "{line}");
        let path = words.get(5).map_or("", |path| path.trim_start_matches('/'));
        let is_directory = words[0].starts_with('d');
        match is_directory {
            true => assert!(path.is_empty() || path.starts_with("usr"), "{line}"),
            false if !path.starts_with("usr/lib/cni/") => files.push(path),
            false => {}
        }
    }
    assert_eq!(
        files,
        [
            "usr/bin/linkspan",
            "usr/lib/extension-release.d/extension-release.linkspan",
            "usr/lib/systemd/system/linkspan-install.service",
            "usr/lib/systemd/system/multi-user.target.d/10-linkspan.conf",
            "usr/share/doc/linkspan/LICENSE",
            "usr/share/doc/linkspan/THIRD-PARTY-LICENSES",
        ]
    );
}

/// systemd-sysext merges it on any system, the plugins are there, and what its unit starts lays them into /opt/cni/bin.
#[test]
fn it_is_merged_and_its_unit_installs_the_plugins() {
    let image = artefact("linkspan_", "_x86-64.raw");
    Setup::default().sandbox(|host| {
        // As it is where there are loop devices for it, else as a directory, which systemd-sysext takes as well.
        fs::create_dir(EXTENSIONS).unwrap();
        let is_merged = |what: &str| {
            // It lays /usr in a namespace of its own, from where it comes here.
            host.run("mount --make-rshared / && mount --make-rshared /run");
            let merged = Cmd::new("systemd-sysext").arg("merge").output();
            assert!(merged.ok() || what == "image", "{merged}");
            Path::new("/usr/lib/cni/linkspan-plugins").exists()
        };
        let place = Path::new(EXTENSIONS).join("linkspan.raw");
        fs::copy(&image, &place).unwrap();
        if !is_merged("image") {
            fs::remove_file(&place).unwrap();
            let unpack =
                Cmd::new("unsquashfs").args(["-quiet", "-no-progress", "-no-xattrs", "-dest"]);
            unpack.arg(place.with_extension("")).arg(&image).run();
            assert!(is_merged("directory"));
        }
        let merged = Plugins::at("/usr/lib/cni");
        for name in PLUGIN_NAMES {
            merged.version(name, "1.0.0").success();
        }

        let unit = top().join("packaging/sysext/linkspan-install.service");
        let unit = fs::read_to_string(unit).unwrap();
        let started = unit
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart="));
        host.run(started.unwrap());
        let installed = Plugins::at("/opt/cni/bin");
        let config = json!({ "cniVersion": "1.0.0", "name": "mynet", "type": "bridge" });
        installed.call("VERSION", &config).run().success();

        Cmd::new("systemd-sysext").arg("unmerge").run();
        assert!(!Path::new("/usr/bin/linkspan").exists());
        // What was copied works on.
        installed.call("VERSION", &config).run().success();
    });
}
