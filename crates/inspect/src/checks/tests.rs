//! The table of checks, and checks of what no test can break on a machine: over data alone.

use std::collections::BTreeSet;
use std::path::PathBuf;

use linkspan_spec::NetworkList;
use linkspan_testkit::rows;

use super::{CHECKS, Check, Report, quoted};
use crate::attachment::Attachment;
use crate::finding::Severity;
use crate::life::Life;
use crate::link::{Link, Links};
use crate::namespace::Namespace;
use crate::network::Network;
use crate::system::{Directory, Managers, Parameters, Use};
use crate::{Host, System};

/// The worst that a check finds.
fn worst(check: &str, host: &Host, system: &System) -> Option<Severity> {
    Report::of(host, system, &[check.to_owned()]).worst()
}

#[test]
fn connections_are_told_before_the_table_is_full() {
    for (count, max, expected) in rows![
        { ("0", "262144", None) },
        { ("209715", "262144", None) },
        { ("209716", "262144", Some(Severity::Warning)) },
        { ("262144", "262144", Some(Severity::Error)) },
        { ("7", "0", None) },
        { ("x", "y", None) },
    ] {
        let values = [
            ("net/netfilter/nf_conntrack_count", count),
            ("net/netfilter/nf_conntrack_max", max),
        ];
        let system = System {
            parameters: Parameters::from(values),
            ..System::default()
        };
        let found = worst("conntrack-full", &Host::default(), &system);
        assert_eq!(found, expected, "{count} of {max}");
    }
}

#[test]
fn who_may_write_is_told() {
    let root = Some(0);
    for (mode, owner, group, expected) in rows![
        { (0o755, root, 0, None) },
        { (0o775, root, 0, None) },
        { (0o700, None, 65534, None) },
        { (0o775, root, 100, Some(Severity::Error)) },
        { (0o757, root, 0, Some(Severity::Error)) },
        { (0o1777, root, 0, Some(Severity::Error)) },
        { (0o755, Some(1000), 0, Some(Severity::Error)) },
    ] {
        let found = worst(
            "writable-by-others",
            &Host::default(),
            &with(mode, owner, group),
        );
        assert_eq!(found, expected, "{mode:o} {owner:?} {group}");
    }
}

fn with(mode: u32, owner: Option<u32>, group: u32) -> System {
    let directory = Directory {
        path: PathBuf::from("/opt/cni/bin"),
        purpose: Use::Plugins,
        mode,
        owner,
        group,
        is_link: false,
        read_only: false,
        free_bytes: Some(1 << 30),
        free_files: None,
    };
    System {
        directories: vec![directory],
        ..System::default()
    }
}

#[test]
fn state_needs_room() {
    for (read_only, bytes, files, check, expected) in rows![
        { (false, Some(1 << 30), Some(1 << 20), "state-no-space", None) },
        { (false, None, None, "state-no-space", None) },
        {
            (
                false,
                Some(1 << 30),
                Some(3),
                "state-no-space",
                Some(Severity::Error),
            )
        },
        {
            (
                false,
                Some(4096),
                None,
                "state-no-space",
                Some(Severity::Error),
            )
        },
        {
            (
                true,
                Some(1 << 30),
                None,
                "state-read-only",
                Some(Severity::Error),
            )
        },
        { (false, Some(1 << 30), None, "state-read-only", None) },
    ] {
        let mut system = with(0o755, Some(0), 0);
        for directory in &mut system.directories {
            directory.purpose = Use::State;
            directory.read_only = read_only;
            (directory.free_bytes, directory.free_files) = (bytes, files);
        }
        let found = worst(check, &Host::default(), &system);
        assert_eq!(found, expected, "{check} {read_only} {bytes:?} {files:?}");
        // State goes elsewhere where /run cannot be written.
        for directory in &mut system.directories {
            directory.path = "/run/cni".into();
        }
        let found = worst("state-read-only", &Host::default(), &system);
        let expected = (check == "state-read-only" && read_only).then_some(Severity::Warning);
        assert_eq!(found, expected, "{check} {read_only}");
    }
}

/// A container on networks, all of which are there.
fn attached(container: &str, network: &str, bridge: &str) -> Attachment {
    let mut attachment = Attachment::unknown(Life::Alive);
    attachment.container = container.to_owned();
    attachment.network = network.to_owned();
    attachment.bridge = Some(bridge.to_owned());
    attachment
}

#[test]
fn more_containers_than_neighbours_are_told() {
    for (count, max, expected) in rows![
        { (3, "1024", None) },
        { (79, "100", None) },
        { (80, "100", Some(Severity::Warning)) },
        { (80, "", None) },
    ] {
        let host = Host {
            attachments: vec![attached("c", "mynet", "cni0"); count],
            ..Host::default()
        };
        let system = System {
            parameters: Parameters::from([("net/ipv4/neigh/default/gc_thresh3", max)]),
            ..System::default()
        };
        let found = worst("neighbour-table-small", &host, &system);
        assert_eq!(found, expected, "{count} of {max}");
    }
}

/// go-cni#60, containerd#5438
#[test]
fn what_was_only_begun_is_told_once_nobody_can_be_at_it() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.unwrap().as_secs();
    for (incomplete, since, life, expected) in rows![
        { (true, Some(now - 400), Life::Alive, Some(Severity::Warning)) },
        {
            (
                true,
                Some(now - 400),
                Life::Unknown(String::new()),
                Some(Severity::Warning),
            )
        },
        { (true, Some(now - 200), Life::Alive, None) },
        { (true, Some(now + 200), Life::Alive, None) },
        { (true, None, Life::Alive, None) },
        { (true, Some(now - 400), Life::Gone(String::new()), None) },
        { (false, Some(now - 400), Life::Alive, None) },
    ] {
        let mut one = attached("c", "mynet", "cni0");
        (one.incomplete, one.since, one.life) = (incomplete, since, life);
        let host = Host {
            attachments: vec![one.clone()],
            ..Host::default()
        };
        let found = worst("attachment-begun", &host, &System::default());
        assert_eq!(found, expected, "{one:?}");
    }
}

fn network(name: &str, last: &str) -> Network {
    let text = format!(
        r#"{{ "cniVersion": "1.0.0", "name": "{name}", "plugins": [ {{ "type": "bridge", "bridge": "{name}0",
            "isGateway": true }}, {{ "type": "{last}" }} ] }}"#
    );
    Network {
        name: Some(name.to_owned()),
        file: PathBuf::from(name),
        cni_version: None,
        plugins: vec!["bridge".to_owned(), last.to_owned()],
        ipam: Vec::new(),
        problem: None,
        shadowed_by: None,
        list: NetworkList::parse(text.as_bytes()).ok(),
    }
}

#[test]
fn a_strict_source_check_matters_to_containers_on_several_networks() {
    for (all, of_link, last, networks, expected) in rows![
        { ("0", "1", "tuning", &["a", "b"][..], Some(Severity::Note)) },
        { ("1", "0", "tuning", &["a", "b"], Some(Severity::Note)) },
        { ("2", "1", "tuning", &["a", "b"], None) },
        { ("0", "0", "tuning", &["a", "b"], None) },
        { ("1", "1", "sbr", &["a", "b"], None) },
        { ("1", "1", "tuning", &["a"], None) },
    ] {
        let host = Host {
            networks: vec![network("a", last), network("b", last)],
            attachments: networks
                .iter()
                .map(|name| attached("c", name, &format!("{name}0")))
                .collect(),
            ..Host::default()
        };
        let values = [
            ("net/ipv4/conf/all/rp_filter", all),
            ("net/ipv4/conf/a0/rp_filter", of_link),
        ];
        let system = System {
            parameters: Parameters::from(values),
            ..System::default()
        };
        let found = worst("rp-filter-strict", &host, &system);
        assert_eq!(found, expected, "{all} {of_link} {last} {networks:?}");
    }
}

#[test]
fn rules_of_both_iptables_are_told() {
    for (in_use, expected) in [
        ([true, true], Some(Severity::Warning)),
        ([true, false], None),
        ([false, true], None),
    ] {
        let mut system = System::default();
        system.firewall.in_use = in_use;
        let found = worst("iptables-both", &Host::default(), &system);
        assert_eq!(found, expected, "{in_use:?}");
    }
}

/// What udev does to new links is worth a note where the plugins of the reference have made some.
#[test]
fn the_policy_of_udev_is_told_where_it_matters() {
    for (alias, expected) in [(None, Some(Severity::Note)), (Some("mynet/c1/eth0"), None)] {
        let link = Link {
            kind: Some("veth".to_owned()),
            alias: alias.map(str::to_owned),
            name: "veth0".to_owned(),
            ..Link::default()
        };
        let mut host = Host {
            namespaces: vec![Namespace {
                host: true,
                links: Some(Links {
                    links: vec![link],
                    routes: Vec::new(),
                }),
                ..Namespace::default()
            }],
            ..Host::default()
        };
        let mut attachment = Attachment::unknown(Life::Alive);
        attachment.host_link = Some("veth0".to_owned());
        host.attachments.push(attachment);
        let system = System {
            managers: Managers {
                mac_policy: Some("/usr/lib/systemd/network/99-default.link".into()),
                ..Managers::default()
            },
            ..System::default()
        };
        assert_eq!(
            worst("udev-mac-policy", &host, &system),
            expected,
            "{alias:?}"
        );
    }
}

#[test]
fn ids_are_words_and_each_is_one_check() {
    let ids: BTreeSet<_> = CHECKS.iter().map(|check| check.id).collect();
    assert_eq!(ids.len(), CHECKS.len());
    for id in ids {
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(id.chars().all(is_word), "{id}");
    }
}

#[test]
fn words_are_quoted_where_a_shell_would_take_them_apart() {
    for (word, expected) in [
        ("/etc/cni/net.d/10-a.conf", "/etc/cni/net.d/10-a.conf"),
        ("a b", "'a b'"),
        ("it's", r"'it'\''s'"),
        ("$(x)", "'$(x)'"),
        ("", "''"),
    ] {
        assert_eq!(quoted(word), expected);
    }
}

#[test]
fn the_documentation_has_every_check() {
    let document = include_str!("../../../../docs/operate/doctor.md");
    let mut rows = vec![
        "| check | what should be so | what it looks at |",
        "|---|---|---|",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect::<Vec<_>>();
    rows.extend(CHECKS.iter().map(|check| {
        let Check {
            id,
            title,
            looks_at,
            ..
        } = check;
        format!("| `{id}` | {title} | {looks_at} |")
    }));
    let table = rows.join("\n");
    assert!(document.contains(&table), "the table is to be:\n{table}");
}

/// No networks, nothing to see: nothing to complain of.
#[test]
fn an_empty_host_is_healthy() {
    let report = Report::of(&Host::default(), &System::default(), &[]);
    assert_eq!(report.findings, []);
    assert_eq!(report.passed().count(), CHECKS.len());
}
