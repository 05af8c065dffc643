//! What the ring keeps, whatever happens to its files.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::UNIX_EPOCH;

use linkspan_testkit::sandbox;

use super::*;
use crate::Follow;

/// A call that lasts a millisecond.
fn event(container: &str) -> Event {
    Event {
        began: UNIX_EPOCH + Duration::from_secs(1_764_537_600),
        took: Duration::from_millis(1),
        command: "ADD".into(),
        plugin: "bridge".into(),
        network: "mynet".into(),
        container: container.into(),
        ifname: "eth0".into(),
        pod: String::new(),
        caller: 1,
        ipam: Vec::new(),
        error: None,
    }
}

/// One that becomes another file after some twenty calls.
fn small() -> Ring {
    Ring::open().unwrap().with_limit(4 << 10)
}

fn count(history: &History) -> u64 {
    history.totals.all().map(|(.., calls)| calls.count()).sum()
}

fn path(ring: &Ring, name: &str) -> PathBuf {
    ring.folder.path().join(name)
}

fn names(ring: &Ring) -> Vec<String> {
    let mut names = ring.folder.names().unwrap();
    names.sort();
    names
}

fn last(history: &History) -> &str {
    &history.events.last().unwrap().container
}

#[test]
fn the_last_calls_are_kept_and_all_are_counted() {
    sandbox(|_| {
        assert!(Ring::open_if_there().unwrap().is_none());
        let ring = small();
        assert_eq!(count(&ring.read().unwrap()), 0);
        for number in 1..=500_u64 {
            ring.append(&event(&number.to_string())).unwrap();
            let history = Ring::open_if_there().unwrap().unwrap().read().unwrap();
            assert_eq!(count(&history), number);
            assert_eq!(last(&history), number.to_string());
            let held = history.events.len();
            assert!(held >= number.min(20) as usize && held < 80, "{held}");
        }
        let names = names(&ring);
        assert_eq!(names.len(), 3, "{names:?}");
        for name in &names {
            let mode = fs::metadata(path(&ring, name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o7777, 0o600, "{name}");
        }
    });
}

/// A file that is removed between its opening and the look at it is nobody else's; it was taken for a user's, and the call was not told.
#[test]
fn a_file_that_is_removed_while_it_is_opened_is_no_users() {
    sandbox(|_| {
        let done = AtomicBool::new(false);
        let folder = || Ring::open().unwrap().folder;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let folder = folder();
                while !done.load(Ordering::Relaxed) {
                    folder.remove(NAME).unwrap();
                }
            });
            let folder = folder();
            let is_stale =
                |error: &io::Error| error.raw_os_error() == Some(Errno::STALE.raw_os_error());
            let wrong = (0..20_000)
                .map(|_| folder.append(NAME))
                .find(|opened| match opened {
                    Ok(found) => found.is_none(),
                    Err(error) => !is_stale(error),
                });
            done.store(true, Ordering::Relaxed);
            assert!(wrong.is_none(), "{wrong:?}");
        });
    });
}

/// Many append and turn at once; whoever reads meanwhile never sees a counter go back.
#[test]
fn counters_never_go_back_while_many_append_at_once() {
    const WRITERS: u64 = 6;
    const CALLS: u64 = 2000;
    let ring = || Ring::open().unwrap().with_limit(64 << 10);
    sandbox(|_| {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let ring = ring();
                let (mut before, mut reads) = (0, 0);
                while !done.load(Ordering::Relaxed) {
                    let now = count(&ring.read().unwrap());
                    assert!(now >= before, "{now} after {before}");
                    (before, reads) = (now, reads + 1);
                    std::thread::sleep(Duration::from_millis(1));
                }
                assert!(reads > 1);
            });
            let writers: Vec<_> = (0..WRITERS)
                .map(|_| {
                    scope.spawn(|| {
                        for number in 0..CALLS {
                            ring().append(&event(&number.to_string())).unwrap();
                        }
                    })
                })
                .collect();
            // One that fails lets the reader end.
            let written: Vec<_> = writers.into_iter().map(|one| one.join()).collect();
            done.store(true, Ordering::Relaxed);
            written.into_iter().for_each(|one| one.unwrap());
            reader.join().unwrap();
        });
        let ring = ring();
        // One who opened the file and was not let write before it was old twice writes to what is gone.
        let counted = count(&ring.read().unwrap());
        let all = WRITERS * CALLS;
        assert!(counted <= all && counted > all - all / 100, "{counted}");
        assert!(path(&ring, TOTALS).exists());
    });
}

/// The files as a kill leaves them between two steps.
#[test]
fn a_kill_between_two_steps_loses_no_count_and_counts_nothing_twice() {
    sandbox(|_| {
        let ring = small();
        let mut number = 0;
        let mut fill = |until: &dyn Fn() -> bool| {
            while !until() {
                number += 1;
                ring.append(&event(&number.to_string())).unwrap();
            }
            number
        };
        let all = fill(&|| path(&ring, "events.2").exists() && path(&ring, NAME).exists());
        // Counted and not yet removed.
        fs::copy(path(&ring, "events.2"), path(&ring, "events.1")).unwrap();
        assert_eq!(count(&ring.read().unwrap()), all);
        // Removed, and the large one not yet renamed.
        fs::remove_file(path(&ring, "events.1")).unwrap();
        let all = fill(&|| path(&ring, "events.3").exists());
        fs::rename(path(&ring, "events.3"), path(&ring, NAME)).unwrap();
        assert_eq!(count(&ring.read().unwrap()), all);
        ring.append(&event("next")).unwrap();
        assert_eq!(count(&ring.read().unwrap()), all + 1);
        assert_eq!(names(&ring), ["events.3", TOTALS]);
        // Counts that were damaged begin anew, and nothing is removed uncounted.
        for damaged in ["", "{", "{\"upTo\":18446744073709551615,\"calls\":[]}"] {
            fs::write(path(&ring, TOTALS), damaged).unwrap();
            let held = ring.read().unwrap();
            assert_eq!(count(&held), held.events.len() as u64, "{damaged}");
        }
        let before = count(&ring.read().unwrap());
        let more = (0..100).map(|number| ring.append(&event(&number.to_string())));
        assert!(more.into_iter().all(|appended| appended.is_ok()));
        assert_eq!(count(&ring.read().unwrap()), before + 100);
    });
}

#[test]
fn hostile_lines_are_passed_over() {
    sandbox(|_| {
        let ring = small();
        for hostile in [
            &b"\n\n{}\nnull\n[1]\n"[..],
            b"\xff\xfe\x00\n",
            &[b'x'; 10_000],
            b"\n{\"v\":1,\"time\":1}\n",
            b"{\"v\":1,\"time\":1,\"took\":1,\"command\":\"A",
            b"\n",
        ] {
            let (mut file, _) = ring.folder.append(NAME).unwrap().unwrap();
            file.write_all(hostile).unwrap();
        }
        ring.append(&event("c1")).unwrap();
        ring.append(&event("c2")).unwrap();
        let history = ring.read().unwrap();
        assert_eq!(history.events, [event("c1"), event("c2")]);
        assert_eq!(count(&history), 2);
    });
}

fn host_now() -> Option<Identity> {
    Some(Identity::current().unwrap())
}

#[track_caller]
fn refused(ring: &Ring) {
    ring.append(&event("c1")).unwrap_err();
    Ring::tell(host_now(), &event("c1")).unwrap_err();
}

/// As somebody could have planted it while the folder was open to others.
#[test]
fn what_is_no_file_of_ours_is_neither_written_nor_read() {
    sandbox(|host| {
        let ring = small();
        let file = path(&ring, NAME);
        let elsewhere = host.dir().join("elsewhere");
        fs::write(&elsewhere, "theirs").unwrap();
        symlink(&elsewhere, &file).unwrap();
        refused(&ring);
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "theirs");
        assert_eq!(count(&ring.read().unwrap()), 0);
        fs::remove_file(&file).unwrap();
        // Nobody reads it: whoever opened it as usual would wait for ever.
        host.run(&format!("mkfifo {}", file.display()));
        refused(&ring);
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        refused(&ring);
        fs::remove_dir(&file).unwrap();
        // Another name of a file elsewhere.
        fs::write(path(&ring, "theirs"), "theirs").unwrap();
        fs::set_permissions(path(&ring, "theirs"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::hard_link(path(&ring, "theirs"), &file).unwrap();
        refused(&ring);
        assert_eq!(fs::read_to_string(&file).unwrap(), "theirs");
        fs::remove_file(&file).unwrap();
        Ring::tell(host_now(), &event("c0")).unwrap();
        ring.append(&event("c1")).unwrap();
        Ring::tell(host_now(), &event("c2")).unwrap();
        Ring::tell(None, &event("c3")).unwrap();
        assert_eq!(count(&ring.read().unwrap()), 4);
    });
}

#[test]
fn where_run_is_full_or_read_only_nothing_is_kept_anywhere() {
    sandbox(|host| {
        host.run("mkdir -p /run/cni /var/lib/cni; mount -t tmpfs -o ro none /run/cni");
        Ring::open().unwrap_err();
        assert!(Ring::open_if_there().unwrap().is_none());
        assert_eq!(host.run("ls -A /var/lib/cni"), "");
        host.run("umount /run/cni; mount -t tmpfs -o size=8k none /run/cni");
        let ring = Ring::open().unwrap();
        let appended = (0..200)
            .filter(|_| ring.append(&event("c1")).is_ok())
            .count();
        assert!((1..60).contains(&appended), "{appended}");
        // What was written in part is no call, and the room that comes is used.
        let held = count(&ring.read().unwrap());
        assert!(held.abs_diff(appended as u64) <= 1, "{held}, {appended}");
        host.run("mount -o remount,size=1m /run/cni");
        ring.append(&event("c2")).unwrap();
        ring.append(&event("c3")).unwrap();
        assert_eq!(last(&ring.read().unwrap()), "c3");
    });
}

/// One who holds the lock and was stopped costs memory to a bound, and no call waits.
#[test]
fn a_reader_that_was_stopped_lets_nobody_wait_and_nothing_grow_without_end() {
    sandbox(|_| {
        let ring = Ring::open().unwrap().with_limit(1);
        let held = Lock::take(
            ring.folder.again().unwrap().into(),
            Mode::Shared,
            Duration::ZERO,
        );
        let long = Event {
            error: Some(linkspan_spec::Error::new(
                linkspan_spec::ErrorCode(5),
                "x".repeat(1000),
            )),
            ..event("c1")
        };
        let refused = (0..2000).filter(|_| ring.append(&long).is_err()).count();
        assert!(refused > 0);
        assert!(fs::metadata(path(&ring, NAME)).unwrap().len() < MAX + 4096);
        drop(held);
        ring.append(&long).unwrap();
    });
}

#[test]
fn whoever_follows_hears_of_each_call_once_also_when_files_are_moved() {
    sandbox(|host| {
        let ring = small();
        ring.append(&event("before")).unwrap();
        let (history, mut follow) = Follow::new(small()).unwrap();
        assert_eq!(last(&history), "before");
        let mut heard = Vec::new();
        for number in 0..100 {
            ring.append(&event(&number.to_string())).unwrap();
            while heard.len() <= number {
                heard.extend(follow.wait().unwrap());
            }
        }
        let containers: Vec<_> = heard.iter().map(|event| event.container.clone()).collect();
        assert_eq!(containers, Vec::from_iter((0..100).map(|n| n.to_string())));
        assert!(path(&ring, TOTALS).exists(), "files were moved twice");
        drop(ring);
        host.run("rm -r /run/cni/linkspan");
        let ended = (0..10).find_map(|_| follow.wait().err()).unwrap();
        assert_eq!(ended.kind(), io::ErrorKind::NotFound);
    });
}
