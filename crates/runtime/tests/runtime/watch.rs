//! A watched directory of configurations: each way in which it has been seen to change in the field.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use linkspan_runtime::{Cancel, Deadline, Error, Networks, Watcher};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use crate::world::{World, words};

/// How long the directory has to be quiet.
const QUIET: Duration = Duration::from_millis(20);

/// Long enough that a change which is to come has come; what takes so long is a failure.
const LONG: Duration = Duration::from_secs(20);

/// Long enough that something which is not to come would have come: ten times as long as the directory has to be quiet.
const SHORT: Duration = Duration::from_millis(200);

fn list(name: &str, plugin: &str) -> String {
    format!(r#"{{"cniVersion":"1.0.0","name":"{name}","plugins":[{{"type":"{plugin}"}}]}}"#)
}

struct Watched {
    world: World,
    watcher: Watcher,
}

impl Watched {
    fn new(prepare: impl FnOnce(&World)) -> Self {
        let world = World::new(&[]);
        prepare(&world);
        let watcher = Watcher::new(world.path("net.d")).unwrap();
        let watcher = watcher.with_times(QUIET, Duration::from_secs(2));
        Self { world, watcher }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.world.path(name)
    }

    fn write(&self, name: &str, text: &str) {
        self.world.write(name, text);
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// The next change.
    fn change(&mut self) -> Arc<Networks> {
        let change = self.watcher.wait(Deadline::after(LONG), None).unwrap();
        change.unwrap_or_else(|| panic!("nothing was told"))
    }

    /// The default network's first plugin, and whether anything is wrong, at the next change.
    fn told(&mut self) -> (Option<String>, usize) {
        self.change();
        self.now()
    }

    fn now(&self) -> (Option<String>, usize) {
        let networks = self.watcher.networks();
        let plugin = networks.default_network().map(|network| {
            let plugins = network.plugins.iter();
            let types = plugins.map(|one| one.plugin_type().unwrap().to_string());
            types.collect::<Vec<_>>().join(" ")
        });
        (plugin, networks.faults().count())
    }

    /// That nothing is told.
    fn silence(&mut self) {
        let change = self.watcher.wait(Deadline::after(SHORT), None).unwrap();
        assert!(change.is_none(), "{change:?}");
    }
}

fn good(plugin: &str) -> (Option<String>, usize) {
    (Some(plugin.to_owned()), 0)
}

const NONE: (Option<String>, usize) = (None, 0);

#[test]
fn what_is_there_is_known_at_once_and_what_comes_is_told() {
    let mut watched = Watched::new(|world| world.write("net.d/20.conflist", &list("b", "two")));
    assert_eq!(watched.now(), good("two"));
    watched.silence();
    watched.write(
        "net.d/10.conf",
        r#"{"cniVersion":"1.0.0","name":"a","type":"one"}"#,
    );
    let networks = watched.change();
    assert_eq!(watched.now(), good("one"));
    let names = ["a", "b", "c"].map(|name| networks.network(name).is_some());
    assert_eq!(names, [true, true, false]);
    fs::remove_file(watched.path("net.d/10.conf")).unwrap();
    assert_eq!(watched.told(), good("two"));
    fs::remove_file(watched.path("net.d/20.conflist")).unwrap();
    assert_eq!(watched.told(), NONE);
}

/// containerd#6490, containerd#7196, containerd PR#10646: removed, made again, replaced by a rename, and never there.
#[test]
fn the_directory_may_come_go_and_be_another() {
    let mut watched = Watched::new(|world| fs::remove_dir(world.path("net.d")).unwrap());
    assert_eq!(watched.now(), NONE);
    watched.write("net.d/10.conflist", &list("net", "first"));
    assert_eq!(watched.told(), good("first"));
    fs::remove_dir_all(watched.path("net.d")).unwrap();
    assert_eq!(watched.told(), NONE);
    watched.write("net.d/10.conflist", &list("net", "again"));
    assert_eq!(watched.told(), good("again"));
    watched.write("other/10.conflist", &list("net", "other"));
    watched.silence();
    watched.rename("net.d", "old");
    watched.rename("other", "net.d");
    assert_eq!(watched.told(), good("other"));
    // The one that was moved away is nobody's now.
    watched.write("old/10.conflist", &list("net", "old"));
    watched.silence();
    watched.write("net.d/10.conflist", &list("net", "last"));
    assert_eq!(watched.told(), good("last"));
}

#[test]
fn what_leads_to_the_directory_may_be_another() {
    let world = World::new(&[]);
    world.write("a/cni/net.d/10.conflist", &list("net", "a"));
    world.write("b/net.d/10.conflist", &list("net", "b"));
    symlink("a", world.path("link")).unwrap();
    let watcher = Watcher::new(world.path("link/cni/net.d")).unwrap();
    let watcher = watcher.with_times(QUIET, LONG);
    let mut watched = Watched { world, watcher };
    assert_eq!(watched.now(), good("a"));
    // A directory above it is moved away, and made anew.
    watched.rename("a/cni", "a/cni.old");
    assert_eq!(watched.told(), NONE);
    watched.write("a/cni/net.d/10.conflist", &list("net", "new"));
    assert_eq!(watched.told(), good("new"));
    // A link on the way leads elsewhere.
    watched.rename("b", "c");
    fs::create_dir(watched.path("d")).unwrap();
    symlink("../c", watched.path("d/cni")).unwrap();
    symlink("d", watched.path("link.new")).unwrap();
    watched.rename("link.new", "link");
    assert_eq!(watched.told(), good("b"));
}

/// containerd#11715: a rename over the file, as Ansible's; containerd PR#8826, kindnet#42: a file beside it is written and renamed.
#[test]
fn a_file_that_is_renamed_into_its_place_is_read_once_and_the_one_beside_it_never() {
    let mut watched = Watched::new(|world| world.write("net.d/10.conflist", &list("net", "old")));
    for temporary in [
        "10.conflist.temp",
        "10.conflist.tmp",
        ".ansible_tmp1.conflist",
        "10.conflist~",
    ] {
        let beside = format!("net.d/{temporary}");
        watched.write(&beside, "{ \"name\": ");
        watched.silence();
        watched.write(&beside, &list("net", temporary));
        watched.rename(&beside, "net.d/10.conflist");
        assert_eq!(watched.told(), good(temporary));
        watched.write("net.d/10.conflist", &list("net", "old"));
        assert_eq!(watched.told(), good("old"));
    }
    // From outside, and to a name that was not there.
    watched.write("elsewhere", &list("first", "first"));
    watched.rename("elsewhere", "net.d/05.conflist");
    assert_eq!(watched.told(), good("first"));
    fs::hard_link(
        watched.path("net.d/10.conflist"),
        watched.path("net.d/01.conflist"),
    )
    .unwrap();
    assert_eq!(watched.told(), good("old"));
}

#[test]
fn editors_are_not_looked_at() {
    let mut watched = Watched::new(|world| world.write("net.d/10.conflist", &list("net", "old")));
    for name in [
        ".10.conflist.swp",
        ".10.conflist.swx",
        "4913",
        "#10.conflist#",
        "10.conflist.bak",
    ] {
        watched.write(&format!("net.d/{name}"), "anything");
    }
    symlink("user@host.1:2", watched.path("net.d/.#10.conflist")).unwrap();
    watched.silence();
    // As vim saves: the old file is the backup, and a new one is written.
    watched.rename("net.d/10.conflist", "net.d/10.conflist~");
    watched.write("net.d/10.conflist", &list("net", "new"));
    fs::remove_file(watched.path("net.d/10.conflist~")).unwrap();
    assert_eq!(watched.told(), good("new"));
    watched.silence();
}

/// containerd#5041: what is touched, read or written as it was is no change, and reading it is none.
#[test]
fn nothing_is_told_when_nothing_is_different() {
    let text = list("net", "one");
    let mut watched = Watched::new(|world| world.write("net.d/10.conflist", &text));
    for _ in 0..3 {
        watched.write("net.d/10.conflist", &text);
        fs::read(watched.path("net.d/10.conflist")).unwrap();
        watched.silence();
    }
    watched.write("net.d/20.conflist", "{");
    assert_eq!(watched.told(), (Some("one".into()), 1));
    watched.write("net.d/20.conflist", "{");
    watched.silence();
}

/// amazon-vpc-cni-k8s#1437, containerd#8607: a file that is read before it is whole.
#[test]
fn a_file_that_becomes_unusable_keeps_its_network_and_says_what_is_wrong() {
    let mut watched = Watched::new(|world| {
        world.write("net.d/10.conflist", &list("net", "good"));
        world.write("net.d/20.conflist", &list("other", "other"));
    });
    watched.write("net.d/10.conflist", r#"{"name":"net","#);
    assert_eq!(watched.told(), (Some("good".into()), 1));
    let networks = watched.watcher.networks();
    let fault = words(networks.faults().next().unwrap());
    assert!(
        fault.contains("net.d/10.conflist") && fault.contains("line 1"),
        "{fault}"
    );
    assert!(networks.network("net").is_some() && networks.files[0].network.is_some());
    // containerd#6876, cni#899: of a time to come.
    watched.write(
        "net.d/10.conflist",
        r#"{"cniVersion":"9.0.0","name":"net","plugins":[{"type":"p"}]}"#,
    );
    assert_eq!(watched.told(), (Some("good".into()), 1));
    let networks = watched.watcher.networks();
    let fault = words(networks.faults().next().unwrap());
    assert!(fault.contains(r#"unknown CNI version "9.0.0""#), "{fault}");
    watched.write("net.d/10.conflist", &list("net", "mended"));
    assert_eq!(watched.told(), good("mended"));
    // One that never was usable hides those behind it, which are other networks.
    watched.write("net.d/05.conflist", "{");
    assert_eq!(watched.told(), (None, 1));
    fs::remove_file(watched.path("net.d/05.conflist")).unwrap();
    assert_eq!(watched.told(), good("mended"));
}

#[test]
fn many_changes_are_one_and_an_endless_writer_is_not_waited_for() {
    let mut watched = Watched::new(|_| {});
    for number in 0..50 {
        watched.write(
            &format!("net.d/{number:02}.conflist"),
            &list(&format!("n{number}"), "p"),
        );
    }
    assert_eq!(watched.change().files.len(), 50);
    watched.silence();

    let watcher = Watcher::new(watched.path("net.d")).unwrap();
    watched.watcher = watcher.with_times(LONG, Duration::from_millis(50));
    let path = watched.path("net.d/00.conflist");
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let writer = std::thread::spawn(move || {
        let mut number = 0;
        while stopped.try_recv().is_err() {
            number += 1;
            fs::write(&path, list("n0", &format!("p{number}"))).unwrap();
        }
    });
    let change = watched
        .watcher
        .wait(Deadline::after(LONG / 2), None)
        .unwrap();
    stop.send(()).unwrap();
    writer.join().unwrap();
    assert!(change.is_some());
}

/// A ConfigMap that kubelet mounts: `..data` is renamed, the files stay the links that they were.
#[test]
fn a_volume_of_kubernetes_is_seen_to_change() {
    let mut watched = Watched::new(|world| {
        world.write("net.d/..2026_1/10.conflist", &list("net", "old"));
        symlink("..2026_1", world.path("net.d/..data")).unwrap();
        symlink("..data/10.conflist", world.path("net.d/10.conflist")).unwrap();
    });
    assert_eq!(watched.now(), good("old"));
    watched.write("net.d/..2026_2/10.conflist", &list("net", "new"));
    symlink("..2026_2", watched.path("net.d/..data_tmp")).unwrap();
    watched.silence();
    watched.rename("net.d/..data_tmp", "net.d/..data");
    assert_eq!(watched.told(), good("new"));
    fs::remove_dir_all(watched.path("net.d/..2026_1")).unwrap();
    watched.silence();
    // And without a new volume, through the link.
    watched.write("net.d/..2026_2/10.conflist", &list("net", "edited"));
    assert_eq!(watched.told(), good("edited"));
}

#[test]
fn a_file_may_be_a_link_out_of_the_directory() {
    let mut watched = Watched::new(|world| {
        world.write("store/a", &list("net", "old"));
        symlink("../store/a", world.path("net.d/10.conflist")).unwrap();
    });
    watched.write("store/a", &list("net", "new"));
    assert_eq!(watched.told(), good("new"));
    watched.write("store/b", &list("net", "renamed"));
    watched.rename("store/b", "store/a");
    assert_eq!(watched.told(), good("renamed"));
    fs::remove_file(watched.path("store/a")).unwrap();
    assert_eq!(watched.told(), (Some("renamed".into()), 1));
    watched.write("store/a", &list("net", "back"));
    assert_eq!(watched.told(), good("back"));
}

/// cni#1164: the folder of a network is a part of it.
#[test]
fn the_folder_of_a_network_is_watched_as_well() {
    let mut watched = Watched::new(|world| world.write("net.d/10.conflist", &list("net", "one")));
    watched.write("net.d/net/10.conf", r#"{"type":"two"}"#);
    assert_eq!(watched.told(), good("one two"));
    watched.write("net.d/net/20.conf.tmp", r#"{"type":"three"}"#);
    watched.silence();
    watched.rename("net.d/net/20.conf.tmp", "net.d/net/20.conf");
    assert_eq!(watched.told(), good("one two three"));
    watched.write("net.d/net/20.conf", "{");
    assert_eq!(watched.told(), (Some("one two three".into()), 1));
    watched.write("net.d/net/20.conf", r#"{"type":"four"}"#);
    assert_eq!(watched.told(), good("one two four"));
    watched.rename("net.d/net", "net.d/gone");
    assert_eq!(watched.told(), good("one"));
    symlink("gone", watched.path("net.d/net")).unwrap();
    assert_eq!(watched.told(), good("one two four"));
    let only = r#"{"name":"net","loadOnlyInlinedPlugins":true,"plugins":[{"type":"one"}]}"#;
    watched.write("net.d/10.conflist", only);
    assert_eq!(watched.told(), good("one"));
}

#[test]
fn a_loop_of_its_own_waits_for_a_descriptor() {
    let mut watched = Watched::new(|_| {});
    let poll_for = |watcher: &Watcher, time: Duration| {
        let mut events = [PollFd::new(watcher, PollFlags::IN)];
        let time = Timespec::try_from(time).unwrap();
        poll(&mut events, Some(&time)).unwrap()
    };
    assert!(watched.watcher.check().unwrap().is_none());
    assert_eq!(poll_for(&watched.watcher, Duration::ZERO), 0);
    watched.write("net.d/10.conflist", &list("net", "one"));
    let mut told = None;
    while told.is_none() {
        assert_eq!(
            poll_for(&watched.watcher, LONG),
            1,
            "it is told by the descriptor"
        );
        told = watched.watcher.check().unwrap();
    }
    assert_eq!(watched.now(), good("one"));
    assert_eq!(
        poll_for(&watched.watcher, SHORT),
        0,
        "nothing is left to do"
    );
    // Names that are nobody's wake whoever waits once, and nothing is read for them.
    watched.write("net.d/.10.conflist", "");
    assert!(watched.watcher.check().unwrap().is_none());
    assert_eq!(
        poll_for(&watched.watcher, SHORT),
        0,
        "nothing is to be read"
    );
}

/// A thread of root without the right to read everything is like any other user's.
fn without_rights() {
    let mut sets = capabilities(None).unwrap();
    sets.effective
        .remove(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
    set_capabilities(None, sets).unwrap();
}

#[test]
fn what_could_not_be_read_is_seen_when_it_can() {
    let test = || {
        without_rights();
        let mut watched =
            Watched::new(|world| world.write("net.d/10.conflist", &list("net", "one")));
        for (place, blind) in [
            ("net.d/10.conflist", "net.d/10.conflist"),
            ("net.d", "net.d"),
        ] {
            let path = watched.path(place);
            let mode = |mode| fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            mode(0);
            assert_eq!(watched.told(), (Some("one".into()), 1), "{place}");
            let fault = words(watched.watcher.networks().faults().next().unwrap());
            assert!(fault.contains(blind), "{fault}");
            mode(0o755);
            assert_eq!(watched.told(), good("one"), "{place}");
        }
        watched.write("net.d/10.conflist", &list("net", "two"));
        assert_eq!(watched.told(), good("two"));
    };
    std::thread::spawn(test).join().unwrap();
}

/// containerd#7196: one that has failed once must not be deaf from then on.
#[test]
fn what_there_was_no_descriptor_for_is_read_later() {
    // All of a process's descriptors: in one of its own.
    if World::of_parent().is_none() {
        let test = "watch::what_there_was_no_descriptor_for_is_read_later";
        let status = World::new(&[]).again(test).status().unwrap();
        assert!(status.success());
        return;
    }
    let mut watched = Watched::new(|world| world.write("net.d/10.conflist", &list("net", "one")));
    watched.watcher = watched.watcher.with_times(QUIET, 2 * QUIET);
    watched.write("net.d/10.conflist", &list("net", "two"));
    let limit = Rlimit {
        current: Some(64),
        ..getrlimit(Resource::Nofile)
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    let taken: Vec<_> = std::iter::from_fn(|| fs::File::open("/").ok()).collect();
    for _ in 0..2 {
        let error = watched
            .watcher
            .wait(Deadline::after(LONG), None)
            .unwrap_err();
        assert!(matches!(error, Error::Watch { .. }), "{error}");
        assert_eq!(watched.now(), good("one"));
    }
    drop(taken);
    assert_eq!(watched.told(), good("two"));
    watched.write("net.d/10.conflist", &list("net", "three"));
    assert_eq!(watched.told(), good("three"));
}

#[test]
fn a_wait_ends_at_its_deadline_and_when_it_is_given_up() {
    let mut watched = Watched::new(|_| {});
    let cancel = Cancel::new().unwrap();
    let given_up = Cancel::new().unwrap();
    given_up.cancel();
    let wait = watched.watcher.wait(Deadline::after(LONG), Some(&given_up));
    assert!(wait.unwrap().is_none());
    watched.write("net.d/10.conflist", &list("net", "one"));
    let mut changes = watched.watcher.changes(Some(&cancel));
    let first = changes.next().unwrap().unwrap();
    assert!(first.default_network().is_some());
    cancel.cancel();
    assert!(changes.next().is_none());
    assert!(changes.next().is_none(), "it has ended");
}
