//! The directory, with and without its index, and with others who change it too. In a sandbox, because an
//! index lies in /run.

use std::fs::{self, File};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use linkspan_testkit::sandbox;

use super::*;

pub(super) struct Place {
    root: tempfile::TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("net")).unwrap();
        Self { root }
    }

    fn path(&self) -> PathBuf {
        self.root.path().join("net")
    }

    pub(super) fn open(&self) -> Directory {
        Directory::create(&self.path()).unwrap()
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

pub(super) fn ip(number: u32) -> IpAddr {
    IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a16_0000 + number))
}

pub(super) fn span(first: u32, last: u32) -> Span {
    Span::new(ip(first), ip(last)).unwrap()
}

pub(super) fn record(number: u32) -> Record {
    Record::new(&format!("container-{number}"), "eth0")
}

pub(super) fn reserve(directory: &mut Directory, number: u32) -> bool {
    let origin = Origin::now(&directory.boot().unwrap(), None);
    directory
        .reserve(ip(number), &record(number), &origin)
        .unwrap()
}

pub(super) fn addresses(directory: &mut Directory, record: &Record) -> Vec<IpAddr> {
    let holdings = directory.holdings_of(record).unwrap();
    holdings
        .into_iter()
        .map(|holding| holding.address)
        .collect()
}

fn is_indexed(directory: &Directory) -> bool {
    matches!(directory.contents, Some(Contents::Index(_)))
}

/// A place with this many reservations and an index that is valid.
fn indexed(count: u32) -> Place {
    let place = Place::new();
    let mut directory = place.open();
    assert!(directory.holdings().unwrap().is_empty());
    (0..count).for_each(|number| assert!(reserve(&mut directory, number)));
    drop(directory);
    assert!(is_indexed(&place.open()));
    place
}

#[test]
fn files_are_the_references_to_the_byte() {
    sandbox(|_| {
        let place = Place::new();
        let mut directory = place.open();
        assert!(reserve(&mut directory, 2));
        let v6: IpAddr = "fd00::2".parse().unwrap();
        let origin = Origin::now(&directory.boot().unwrap(), None);
        assert!(directory.reserve(v6, &record(2), &origin).unwrap());
        directory.set_last_reserved(0, ip(200)).unwrap();
        directory.set_last_reserved(0, ip(2)).unwrap();
        directory.set_last_reserved(1, v6).unwrap();
        drop(directory);
        assert_eq!(
            place.files(),
            [
                "10.22.0.2",
                "fd00::2",
                "last_reserved_ip.0",
                "last_reserved_ip.1",
                "lock"
            ]
        );
        let read = |name: &str| fs::read_to_string(place.path().join(name)).unwrap();
        assert_eq!(read("10.22.0.2"), "container-2\r\neth0");
        assert_eq!(read("fd00::2"), "container-2\r\neth0");
        assert_eq!(
            read("last_reserved_ip.0"),
            "10.22.0.2",
            "a shorter address leaves nothing"
        );
        assert_eq!(read("last_reserved_ip.1"), "fd00::2");

        let mut directory = place.open();
        assert_eq!(directory.last_reserved(0).unwrap(), Some(ip(2)));
        assert_eq!(directory.last_reserved(7).unwrap(), None);
        assert_eq!(addresses(&mut directory, &record(2)), [ip(2), v6]);
        assert!(!reserve(&mut directory, 2), "it is held");
        for holding in directory.holdings_of(&record(2)).unwrap() {
            directory.release(holding.address, &holding.record).unwrap();
        }
        drop(directory);
        assert_eq!(
            place.files(),
            ["last_reserved_ip.0", "last_reserved_ip.1", "lock"]
        );
    });
}

/// plugins#498: empty files, left between making and writing, leaked addresses for ever.
#[test]
fn an_empty_file_reserves_nothing() {
    sandbox(|_| {
        let place = Place::new();
        for number in 2..5 {
            place.write(&ip(number).to_string(), "");
        }
        place.write(".linkspan-10.22.0.7", "container-3\r\neth0");
        let mut directory = place.open();
        assert_eq!(directory.first_free(span(2, 9)).unwrap(), Some(ip(2)));
        assert!(reserve(&mut directory, 3));
        drop(directory);
        assert_eq!(
            place.files(),
            ["10.22.0.3", "lock"],
            "and whoever changes anything sweeps"
        );
    });
}

#[test]
fn an_older_file_belongs_to_its_container() {
    sandbox(|_| {
        let place = Place::new();
        place.write("10.22.0.2", "container-2\n");
        place.write("10.22.0.3", "container-3\r\neth1");
        let mut directory = place.open();
        let older = record(2).without_ifname();
        assert_eq!(
            directory.holdings_of(&record(2)).unwrap(),
            [Holding {
                address: ip(2),
                record: older
            }]
        );
        assert!(
            addresses(&mut directory, &record(3)).is_empty(),
            "another interface's"
        );
    });
}

#[test]
fn other_files_are_left_alone() {
    sandbox(|_| {
        let place = Place::new();
        fs::create_dir(place.path().join("10.22.0.9")).unwrap();
        for name in [
            "notes",
            "FD00::2",
            "::ffff:10.22.0.4",
            "10.22.0.5.bak",
            "last_reserved_ip.0",
        ] {
            place.write(name, "container-2\r\neth0");
        }
        let before = place.files();
        let mut directory = place.open();
        assert!(addresses(&mut directory, &record(2)).is_empty());
        assert!(!reserve(&mut directory, 9), "a directory is in the way");
        directory.sweep().unwrap();
        drop(directory);
        let after: Vec<_> = place
            .files()
            .into_iter()
            .filter(|name| name != "lock")
            .collect();
        assert_eq!(after, before);
    });
}

#[test]
fn where_files_without_a_name_cannot_be_the_other_way_has_the_same_end() {
    sandbox(|_| {
        let place = Place::new();
        let directory = place.open();
        let fd = directory.fd.as_fd();
        let origin = Origin::now(&directory.boot().unwrap(), None);
        let publish =
            |number| files::publish_named(fd, "10.22.0.2", &record(number), Some(&origin));
        assert!(publish(2).unwrap());
        assert!(!publish(3).unwrap());
        assert_eq!(directory.holder(ip(2)).unwrap().unwrap().0, record(2));
        assert_eq!(place.files(), ["10.22.0.2", "lock"]);
    });
}

#[test]
fn where_it_comes_from_stands_beside_the_text() {
    sandbox(|_| {
        let place = Place::new();
        let mut directory = place.open();
        assert!(reserve(&mut directory, 2));
        place.write("10.22.0.3", "container-3\r\neth0");
        let (_, ours) = directory.holder(ip(2)).unwrap().unwrap();
        let (_, theirs) = directory.holder(ip(3)).unwrap().unwrap();
        assert_eq!(
            ours.origin,
            Some(Origin::now(&directory.boot().unwrap(), None))
        );
        assert_eq!(theirs.origin, None);
        assert!(SystemTime::now().duration_since(ours.written).unwrap() < Duration::from_secs(60));
    });
}

#[test]
fn a_few_reservations_need_no_index() {
    sandbox(|_| {
        let place = Place::new();
        let mut directory = place.open();
        for number in 0..FEW as u32 {
            assert!(reserve(&mut directory, number));
        }
        drop(directory);
        assert!(place.open().contents.is_none());
    });
}

#[test]
fn an_index_says_what_the_files_say_and_goes_with_the_last_of_them() {
    sandbox(|_| {
        let place = indexed(1000);
        let mut directory = place.open();
        assert_eq!(addresses(&mut directory, &record(777)), [ip(777)]);
        assert!(addresses(&mut directory, &record(5000)).is_empty());
        assert_eq!(directory.first_free(span(0, 2000)).unwrap(), Some(ip(1000)));
        assert_eq!(directory.first_free(span(0, 999)).unwrap(), None);
        directory.release(ip(500), &record(500)).unwrap();
        assert_eq!(directory.first_free(span(0, 999)).unwrap(), Some(ip(500)));
        assert_eq!(directory.first_free(span(501, 999)).unwrap(), None);
        assert!(is_indexed(&directory));
        drop(directory);

        let mut directory = place.open();
        assert!(is_indexed(&directory), "valid after our own change");
        for number in (0..1000).filter(|number| *number != 500) {
            directory.release(ip(number), &record(number)).unwrap();
        }
        let state = directory.state;
        drop(directory);
        assert!(
            !Index::open(state, &Boot::current().unwrap()).1,
            "the file is gone"
        );
        assert_eq!(place.files(), ["lock"]);
    });
}

#[test]
fn an_index_grows() {
    sandbox(|_| {
        let place = indexed(10);
        let mut directory = place.open();
        (10..3000).for_each(|number| assert!(reserve(&mut directory, number)));
        assert!(is_indexed(&directory));
        for number in [0, 9, 10, 127, 128, 2999] {
            assert_eq!(addresses(&mut directory, &record(number)), [ip(number)]);
        }
        assert_eq!(directory.first_free(span(0, 4000)).unwrap(), Some(ip(3000)));
    });
}

/// Whoever else changes the directory, however soon after us, is noticed.
#[test]
fn a_change_by_others_is_seen_at_once() {
    sandbox(|_| {
        let place = indexed(100);
        for round in 0..50 {
            drop(place.open().reserve(
                ip(200),
                &record(200),
                &Origin::now(&Boot::current().unwrap(), None),
            ));
            let name = ip(1000 + round).to_string();
            place.write(&name, "stranger\r\neth0");
            let mut directory = place.open();
            assert!(!is_indexed(&directory), "round {round}");
            assert_eq!(
                addresses(&mut directory, &Record::new("stranger", "eth0")).len(),
                round as usize + 1
            );
            drop(directory);
            let mut directory = place.open();
            assert!(is_indexed(&directory), "built anew");
            directory.release(ip(200), &record(200)).unwrap();
        }
    });
}

#[test]
fn a_wrong_index_is_found_out() {
    sandbox(|_| {
        let place = indexed(100);
        // Behind the index's back, with the directory's time put back.
        let before = fs::metadata(place.path()).unwrap().modified().unwrap();
        place.write("10.22.0.100", "stranger\r\neth0");
        place.write("10.22.0.7", "stranger\r\neth0");
        fs::remove_file(place.path().join("10.22.0.8")).unwrap();
        File::open(place.path())
            .unwrap()
            .set_modified(before)
            .unwrap();

        let mut directory = place.open();
        assert!(is_indexed(&directory));
        assert_eq!(directory.first_free(span(0, 200)).unwrap(), Some(ip(100)));
        assert!(!reserve(&mut directory, 100), "the file decides");
        assert_eq!(
            directory.first_free(span(0, 200)).unwrap(),
            Some(ip(8)),
            "and then every file"
        );
        assert!(addresses(&mut directory, &record(7)).is_empty());

        drop(directory);
        let mut directory = place.open();
        directory.contents = Index::open(directory.state, &directory.boot().unwrap())
            .0
            .map(Contents::Index);
        assert_eq!(
            addresses(&mut directory, &Record::new("stranger", "eth0")).len(),
            2
        );
    });
}

#[test]
fn rubbish_in_place_of_an_index_is_no_index() {
    sandbox(|_| {
        let place = indexed(100);
        let state = place.open().state;
        let path = index::path_for_tests(state);
        let good = fs::read(&path).unwrap();
        let boot = Boot::current().unwrap();
        for size in [0, 1, 4095, 4096, 100_000] {
            fs::write(&path, &good[..size]).unwrap();
            let mut directory = place.open();
            assert_eq!(addresses(&mut directory, &record(50)), [ip(50)], "{size}");
            drop(directory);
            assert!(
                Index::open(place.open().state, &boot).0.is_some(),
                "written anew"
            );
        }
        let mut wrong = good.clone();
        wrong[4..].iter_mut().for_each(|byte| *byte = 0xff);
        fs::write(&path, &wrong).unwrap();
        assert_eq!(addresses(&mut place.open(), &record(50)), [ip(50)]);
    });
}

#[test]
fn scattered_addresses_do_without_an_index_when_there_is_no_room() {
    sandbox(|_| {
        let place = Place::new();
        let mut directory = place.open();
        let origin = Origin::now(&directory.boot().unwrap(), None);
        let address = |number: u32| {
            IpAddr::from(std::net::Ipv6Addr::new(
                0xfd00,
                0,
                0,
                number as u16,
                0,
                0,
                0,
                2,
            ))
        };
        for number in 0..300 {
            assert!(
                directory
                    .reserve(address(number), &record(number), &origin)
                    .unwrap()
            );
        }
        drop(directory);
        let mut directory = place.open();
        assert!(!is_indexed(&directory));
        assert_eq!(addresses(&mut directory, &record(299)), [address(299)]);
    });
}

#[test]
fn a_probe_changes_nothing() {
    sandbox(|_| {
        let place = Place::new();
        Directory::probe(&place.path()).unwrap();
        Directory::probe(&place.path().join("not/yet/there")).unwrap();
        assert!(place.files().is_empty());
        assert!(Directory::probe(Path::new("/proc/nowhere")).is_err());
        place.write("file", "");
        assert!(Directory::probe(&place.path().join("file/below")).is_err());
        assert!(
            Directory::open(&place.path().join("missing"))
                .unwrap()
                .is_none()
        );
    });
}
