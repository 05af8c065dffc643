//! Directories that something has left half done: mended where nothing of others is lost, and refused in words where it might be.

use std::fs;

use super::{MULTI_CALL, build, done, install, reference, shell, tree, uninstall, world};
use crate::world::status;

#[test]
fn half_states_are_mended_or_refused() {
    // What is done to a directory in which 7.1.0 was installed over the reference's bridge, and why it is refused; else it is mended.
    let states: [(&str, Option<&str>); 17] = [
        // Names of two builds.
        ("cp linkspan-plugins out/x; mv out/x out/vrf", None),
        // A link to a file that is gone.
        (
            "rm out/linkspan-plugins out/vrf; ln -s linkspan-plugins out/vrf",
            None,
        ),
        (
            "rm out/vrf; ln -s /host/opt/cni/bin/linkspan-plugins out/vrf",
            None,
        ),
        ("rm out/vrf", None),
        ("rm -r out/.linkspan-replaced", None),
        ("rm out/bridge", None),
        (
            "mkdir out/.linkspan-stage-a1B2c3; cp linkspan-plugins out/.linkspan-stage-a1B2c3",
            None,
        ),
        ("cp linkspan-plugins out/.linkspan-replaced/.new", None),
        ("rm out/linkspan-plugins", None),
        // Stubs of another release's tarball, whose holder is not there.
        (
            "sed 's/# Linkspan 7.1.0/# Linkspan is elsewhere/; s/^echo.*/exit 1/' out/vrf > out/x; chmod +x out/x; mv out/x out/vrf",
            None,
        ),
        // A plugin whose loader is not here, as a dynamic one's is not in a container from scratch.
        (
            "rm out/vrf; printf '#!/nowhere/ld.so\\n' > out/vrf; chmod +x out/vrf",
            None,
        ),
        // `cp` writes through a link, and so into the file of all plugins.
        ("cp bin/rec out/vrf", None),
        (
            "rm out/vrf out/linkspan-plugins; cp -L out/ptp out/linkspan-plugins; ln -s linkspan-plugins out/vrf; cp bin/rec out/vrf",
            None,
        ),
        // What may be somebody's.
        (
            "rm out/vrf; ln -s /usr/local/lib/vrf out/vrf",
            Some("vrf: "),
        ),
        ("rm out/vrf; : > out/vrf; chmod +x out/vrf", Some("vrf: ")),
        (
            "rm out/linkspan-plugins; echo mine > out/linkspan-plugins",
            Some("linkspan-plugins: a file that is not Linkspan's"),
        ),
        ("rm out/vrf; mkdir out/vrf", Some("vrf: a directory")),
    ];
    for (damage, refusal) in states {
        let world = world();
        fs::create_dir(world.path("out")).unwrap();
        world.script("out/bridge", &reference("v1.1.1"));
        world.script("old", &build("7.1.0"));
        done(&super::install_from(&world, "old", &[]));
        shell(&world, damage);
        let before = tree(&world, "out");
        let foreseen = install(&world, &["--dry-run"]);
        assert_eq!(tree(&world, "out"), before, "{damage}");
        let output = install(&world, &[]);
        assert_eq!(foreseen.ok(), output.ok(), "{damage}: {foreseen}");
        if let Some(words) = refusal {
            assert_eq!(status(&output), 1, "{damage}: {output}");
            assert!(output.stderr.contains(words), "{damage}: {output}");
            assert!(
                output.stderr.contains("Nothing was changed."),
                "{damage}: {output}"
            );
            let bridge = fs::read_to_string(world.path("out/bridge")).ok();
            assert_eq!(bridge, Some(build("7.1.0")), "{damage}");
            continue;
        }
        assert!(output.ok(), "{damage}: {output}");
        for name in ["bridge", "vrf", "linkspan-plugins"] {
            let now = fs::read_to_string(world.path("out").join(name)).unwrap();
            assert_eq!(now, MULTI_CALL, "{damage}: {name}");
        }
        let stages = tree(&world, "out")
            .matches(".linkspan-stage-a1B2c3")
            .count();
        assert_eq!(stages, 0, "{damage}");
        done(&uninstall(&world, &[]));
        let is_kept = !damage.contains(".linkspan-replaced") || damage.contains(".new");
        let bridge = fs::read_to_string(world.path("out/bridge")).ok();
        assert_eq!(bridge, is_kept.then(|| reference("v1.1.1")), "{damage}");
    }
}

/// What cannot be kept, or put back, is told before, and by `--dry-run`.
#[test]
fn what_is_kept_has_a_directory_of_its_own_beside_the_plugins() {
    let cases = [
        ("echo mine > R", "R is no directory"),
        ("ln -s ../elsewhere R", "R is no directory"),
        ("ln -s nowhere R", "R is no directory"),
        ("mkdir R; mount -t tmpfs none R", "R is another file system"),
        ("mkdir -p R/bridge", "R/bridge is a directory"),
        ("mkdir -p R/.new", "R/.new is a directory"),
        (
            "mount --bind out/bridge out/bridge",
            "bridge is mounted there by itself",
        ),
    ];
    for (damage, words) in cases {
        let at_place = |text: &str| text.replace('R', "out/.linkspan-replaced");
        let world = world();
        fs::create_dir_all(world.path("out")).unwrap();
        fs::create_dir(world.path("elsewhere")).unwrap();
        world.script("out/bridge", &reference("v1.1.1"));
        let by = |args: &[&str]| {
            let script = format!("{}\nexec \"$@\"", at_place(damage));
            let starter = ["unshare", "-m", "sh", "-ec", &script, "sh"];
            let output = world.linkspan_by(&starter, args).output();
            shell(&world, "rm -rf out/.linkspan-replaced");
            output
        };
        let args = ["install", "--bin-dir", "out", "--from", "linkspan-plugins"];
        for more in [&["--dry-run"] as &[&str], &[]] {
            let output = by(&[&args, more].concat());
            assert_eq!(status(&output), 1, "{damage} {more:?}: {output}");
            assert!(
                output.stderr.contains(&at_place(words))
                    && output.stderr.contains("Nothing was changed."),
                "{damage} {more:?}: {output}"
            );
            assert_eq!(fs::read_dir(world.path("out")).unwrap().count(), 1);
        }
        // Nothing is to be kept.
        if !damage.contains("bind") {
            done(&by(&[&args, &["--no-backup"] as &[&str]].concat()));
        }
    }
}

/// overlayfs makes another file of one that gets a link.
#[test]
fn names_of_an_image_are_mended_in_its_container() {
    let world = world();
    let args = |dir| ["install", "--bin-dir", dir, "--from", "linkspan-plugins"];
    done(&world.linkspan(&args("image")).output());
    for damage in ["rm out/vrf", "rm out/linkspan-plugins", ":"] {
        let script = format!(
            "mkdir -p out layer; mount -t tmpfs none layer; mkdir layer/up layer/work
            mount -t overlay -o lowerdir=image,upperdir=layer/up,workdir=layer/work none out
            {damage}; \"$@\"; \"$@\" --check"
        );
        let starter = ["unshare", "-m", "sh", "-ec", &script, "sh"];
        done(&world.linkspan_by(&starter, &args("out")).output());
    }
}

#[test]
fn what_cannot_be_put_back_is_seen_before() {
    let world = world();
    fs::create_dir(world.path("out")).unwrap();
    world.script("out/bridge", &reference("v1.1.1"));
    done(&install(&world, &[]));
    let before = tree(&world, "out");
    let script = "mount --bind out/.linkspan-replaced out/.linkspan-replaced; exec \"$@\"";
    let other = "cp -r out/.linkspan-replaced kept; mount -t tmpfs none out/.linkspan-replaced; \
        cp kept/* out/.linkspan-replaced; exec \"$@\"";
    let by = |script: &str| {
        let starter = ["unshare", "-m", "sh", "-ec", script, "sh"];
        let args = ["uninstall", "--bin-dir", "out", "--files-only"];
        world.linkspan_by(&starter, &args).output()
    };
    for script in [other, script] {
        let output = by(script);
        assert_eq!(status(&output), 1, "{output}");
        assert!(output.stderr.contains("Nothing was changed."), "{output}");
        assert!(output.stderr.contains("file system"), "{output}");
        assert_eq!(tree(&world, "out"), before);
    }
}

#[test]
fn a_pod_that_does_not_see_its_node_does_not_pretend_to_have_put_it_back() {
    let world = world();
    done(&install(&world, &[]));
    let before = tree(&world, "out");
    // In namespaces of their own, with a /run of their own: the host's rules are nobody's here.
    let as_pod = |script: &str, more: &[&str]| {
        let script = format!("mount -t tmpfs none /run; {script}\nexec \"$@\"");
        let starter = ["unshare", "-mn", "sh", "-ec", &script, "sh"];
        let words = ["uninstall", "--bin-dir", "out"];
        world
            .linkspan_by(&starter, &words)
            .args(more)
            .env("KUBERNETES_SERVICE_HOST", "10.96.0.1")
            .output()
    };
    let output = as_pod("", &[]);
    assert_eq!(status(&output), 1, "{output}");
    assert!(output.stderr.contains("--files-only"), "{output}");
    assert_eq!(tree(&world, "out"), before);
    done(&as_pod("", &["--files-only", "--dry-run"]));
    done(&as_pod("mkdir -p /run/cni", &["--dry-run"]));
    done(&as_pod("", &["--files-only"]));
    assert_eq!(fs::read_dir(world.path("out")).unwrap().count(), 0);
}

#[test]
fn files_that_nobody_may_change_are_seen_before() {
    let world = world();
    fs::create_dir(world.path("out")).unwrap();
    // tmpfs has these flags since Linux 6.6; who is not root of the machine may not set them anywhere.
    let run = |prepare: &str, words: &[&str]| {
        let script = format!(
            "mount -t tmpfs none out; cp bin/rec out/bridge; chattr +i out/bridge 2>/dev/null || exit 77
             {prepare}
             status=0; \"$@\" || status=$?; ls out/.linkspan-* >&2 2>/dev/null || true
             chattr -i out/bridge; exit $status"
        );
        let starter = ["unshare", "-m", "sh", "-ec", &script, "sh"];
        world.linkspan_by(&starter, words).output()
    };
    let output = run(
        "",
        &["install", "--bin-dir", "out", "--from", "linkspan-plugins"],
    );
    if status(&output) == 77 {
        eprintln!("not shown here: no file can be made immutable");
        return;
    }
    assert_eq!(status(&output), 1, "{output}");
    assert!(
        output
            .stderr
            .contains("bridge may not be changed by anybody"),
        "{output}"
    );
    assert!(!output.stderr.contains(".linkspan-"), "{output}");
}
