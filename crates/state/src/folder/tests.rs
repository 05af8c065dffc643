//! What folders keep to.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use linkspan_testkit::sandbox;

use super::place::is_read_only;
use super::*;
use crate::origin::Boot;

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn modes_are_the_same_whatever_the_umask() {
    for umask in [0, 0o022, 0o027] {
        sandbox(|_| {
            rustix::process::umask(Mode::from_raw_mode(umask));
            let folder = Folder::of_host("a").unwrap();
            folder.write("file", b"text").unwrap();
            folder.write_named("other", b"text").unwrap();
            drop(folder.file("lock").unwrap());
            folder.folder("b").unwrap();
            let own = folder.path().parent().unwrap().to_owned();
            for ours in [
                Path::new("/run/cni/linkspan"),
                &own,
                folder.path(),
                &folder.path().join("b"),
            ] {
                assert_eq!(mode(ours), 0o700, "{}", ours.display());
            }
            assert_eq!(mode("/run/cni"), 0o755 & !umask);
            for file in ["file", "other", "lock"] {
                assert_eq!(mode(folder.path().join(file)), 0o600, "{file}");
            }
            let elsewhere = Path::new("/run/elsewhere/data");
            Folder::at(elsewhere, 0o700).unwrap();
            assert_eq!(mode(elsewhere), 0o700);
            assert_eq!(mode("/run/elsewhere"), 0o755 & !umask);
        });
    }
}

/// As earlier versions left them with a umask of 0.
#[test]
fn what_others_could_write_to_is_put_right() {
    sandbox(|host| {
        host.run("umask 0; mkdir -p /run/cni/linkspan/a /run/cni/networks/net; chmod 755 /run");
        Folder::of_all("a").unwrap();
        let modes = ["/run/cni", "/run/cni/linkspan", "/run/cni/linkspan/a"].map(mode);
        assert_eq!(modes, [0o755, 0o700, 0o700]);
        Folder::at(Path::new("/run/cni/networks/net"), 0o755).unwrap();
        for directory in ["/run/cni/networks", "/run/cni/networks/net"] {
            assert_eq!(mode(directory), 0o755, "{directory}");
        }
        // Everybody's on purpose.
        host.run("mkdir -m 1777 /run/shared; mkdir -m 777 /run/shared/net");
        Folder::at(Path::new("/run/shared/net"), 0o755).unwrap();
        assert_eq!(
            (mode("/run/shared"), mode("/run/shared/net")),
            (0o1777, 0o755)
        );
    });
}

#[test]
fn no_link_is_followed() {
    sandbox(|host| {
        host.run("mkdir -p /run/cni /run/theirs/a; echo theirs > /run/theirs/file");
        symlink("/run/theirs", "/run/cni/linkspan").unwrap();
        Folder::of_all("a").unwrap_err();
        Folder::of_all_if_there("a").unwrap_err();
        host.run("rm /run/cni/linkspan");

        let folder = Folder::of_all("a").unwrap();
        for name in ["file", "sub"] {
            symlink("/run/theirs/file", folder.path().join(name)).unwrap();
        }
        assert_eq!(folder.read("file", 100).unwrap(), None);
        folder.folder("sub").unwrap_err();
        folder.folder_if_there("sub").unwrap_err();
        folder.file("file").unwrap_err();
        assert_eq!(
            folder.link_target("file").unwrap().unwrap(),
            Path::new("/run/theirs/file")
        );
        folder.write("file", b"ours").unwrap();
        folder.remove("sub").unwrap();
        assert_eq!(folder.read("file", 100).unwrap().unwrap(), b"ours");
        assert_eq!(fs::read_to_string("/run/theirs/file").unwrap(), "theirs\n");
        assert_eq!(folder.names().unwrap(), ["file"]);
    });
}

#[test]
fn where_run_is_read_only_a_folder_of_this_boot_takes_its_place() {
    sandbox(|host| {
        host.run("mkdir -p /run/cni; mount -t tmpfs -o ro none /run/cni");
        assert!(Folder::of_host_if_there("a").unwrap().is_none());
        let boot = Boot::current().unwrap();
        let folder = Folder::of_host("a").unwrap();
        let base = Path::new("/var/lib/cni/linkspan").join(boot.id());
        assert!(folder.path().starts_with(&base), "{folder:?}");
        folder.write("file", b"text").unwrap();
        let again = Folder::of_host_if_there("a").unwrap().unwrap();
        assert_eq!(again.read("file", 100).unwrap().unwrap(), b"text");
        host.run("rm -r /var/lib/cni/linkspan; mount -t tmpfs -o ro none /var/lib/cni");
        let error = Folder::of_host("a").unwrap_err();
        assert!(is_read_only(&error), "{error}");
        assert!(Folder::of_host_if_there("a").unwrap().is_none());
    });
}

/// A file system that was writable when it was written to.
#[test]
fn what_cannot_be_removed_any_more_is_no_obstacle() {
    sandbox(|host| {
        host.run("mkdir -p /run/cni; mount -t tmpfs none /run/cni");
        let folder = Folder::of_host("a").unwrap();
        folder.write("file", b"text").unwrap();
        host.run("mount -o remount,ro /run/cni");
        let folder = Folder::of_host_if_there("a").unwrap().unwrap();
        folder.remove("file").unwrap();
        folder.write("other", b"text").unwrap_err();
    });
}

/// Whoever reads meanwhile, or is started after a kill, finds the file as it was or as it is.
#[test]
fn a_file_that_is_written_anew_is_never_absent() {
    sandbox(|_| {
        let folder = Folder::of_all("a").unwrap();
        folder.write("file", b"0").unwrap();
        let is_over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..500 {
                    folder
                        .write("file", format!("{number}").as_bytes())
                        .unwrap();
                }
                is_over.store(true, std::sync::atomic::Ordering::SeqCst);
            });
            while !is_over.load(std::sync::atomic::Ordering::SeqCst) {
                assert!(
                    folder
                        .read("file", 10)
                        .unwrap()
                        .is_some_and(|it| !it.is_empty())
                );
            }
        });
        assert_eq!(folder.names().unwrap(), ["file"]);
    });
}

#[test]
fn what_a_killed_writer_left_is_nobodys_file() {
    sandbox(|_| {
        let folder = Folder::of_all("a").unwrap();
        let left = folder.path().join(".new-file");
        fs::write(&left, "half").unwrap();
        assert!(folder.is_empty().unwrap());
        assert_eq!(folder.names().unwrap(), [""; 0]);
        folder.sweep().unwrap();
        assert!(!left.exists());
        // And goes with the file that it was for.
        for is_there in [false, true] {
            fs::write(&left, "half").unwrap();
            if is_there {
                folder.write("file", b"whole").unwrap();
            }
            folder.remove("file").unwrap();
            assert!(!left.exists(), "{is_there}");
        }
    });
}

#[test]
fn what_is_spared_is_all_that_stays_of_a_host() {
    sandbox(|_| {
        let all = Folder::of_all("").unwrap();
        let own = Folder::of_host("").unwrap().path().to_owned();
        for name in ["gone", "spared"] {
            let folder = Folder::of_host(name).unwrap();
            folder.write("file", b"text").unwrap();
            Folder::of_all(name).unwrap();
        }
        forget_host(&["spared"]).unwrap();
        assert_eq!(fs::read(own.join("spared/file")).unwrap(), b"text");
        assert_eq!(fs::read_dir(&own).unwrap().count(), 1);
        assert_eq!(all.names().unwrap().len(), 1, "nothing is of all hosts");
        forget_host(&[]).unwrap();
        assert!(!all.path().exists());
    });
}
