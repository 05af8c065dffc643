//! `ipam`.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use linkspan_testkit::{Plugins, sandbox};
use serde_json::{Value, json};

use crate::node::Node;
use crate::world::status;

const POOLS: &str = "/var/lib/cni/networks";

/// Makes a file one of before the machine was started.
fn age(file: impl AsRef<Path>) {
    let file = fs::File::open(file).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(86_400))
        .unwrap();
}

/// A reservation as the reference writes it.
fn reserve(network: &str, address: &str, text: &str) -> String {
    let file = format!("{POOLS}/{network}/{address}");
    fs::write(&file, text).unwrap();
    file
}

/// What is wrong: kind and address of each item.
fn found(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let items = report["items"].as_array().unwrap().iter();
    items
        .map(|item| (text(&item["kind"]), text(&item["address"])))
        .collect()
}

#[test]
fn a_healthy_node_has_nothing_to_give_back() {
    sandbox(|host| {
        let node = Node::busy(host);
        // As containerd attaches every pod.
        let loopback = json!({ "cniVersion": "0.3.1", "name": "cni-loopback", "type": "loopback" });
        fs::write("/etc/cni/net.d/90-lo.conf", loopback.to_string()).unwrap();
        for name in ["c1", "c2"] {
            node.ok(&["add", "cni-loopback", name, "--ifname", "lo"]);
        }
        let output = node.run(&["ipam", "check"]);
        assert_eq!(output.success(), "Nothing is wrong with the pools.\n");
        assert_eq!(found(&node.json(&["ipam", "check"])), []);
        let shown = node.told(&["ipam", "show"]);
        for words in [
            "▕███████████████     ▏  3 of 4 (75 %)",
            "4 of 253 (1 %)",
            "4 of about 2^64 (0 %)",
            "3 of 13 (23 %)",
        ] {
            assert!(shown.contains(words), "{words:?} in {shown}");
        }
        let shown = node.told(&["ipam", "show", "p2p"]);
        for words in [
            "in use: 10.23.0.2-10.23.0.4 (3); 0 holes",
            "shop/web-5",
            "alive",
        ] {
            assert!(shown.contains(words), "{words:?} in {shown}");
        }
    });
}

// plugins#332, plugins#498, plugins#252, k3s#5885: what is leaked is found, and given back without touching what runs.
#[test]
fn what_is_leaked_is_found_and_given_back() {
    sandbox(|host| {
        let node = Node::busy(host);
        host.run("ip netns del c3; ip netns del c6");
        reserve("mynet", "10.22.0.77", "");
        age(reserve("lan", "10.24.0.99", "ghost\r\neth0"));
        reserve("lan", "10.24.0.98", "young\r\neth0");
        fs::remove_file(format!("{POOLS}/mynet/10.22.0.2")).unwrap();
        fs::remove_file(format!("{POOLS}/mynet/10.22.0.5")).unwrap();
        reserve("mynet", "10.22.0.5", "other\r\neth0");
        let report = host.dir().join("report.json");
        let report = report.to_str().unwrap();
        let output = node.run(&["--json", "ipam", "check", "--report", report]);
        assert_eq!(status(&output), 1, "{output}");
        let told: Value = serde_json::from_str(&output.stdout).unwrap();
        let expected = [
            ("outside-ranges", "10.24.0.98"),
            ("leaked", "10.24.0.99"),
            ("unreserved", "10.22.0.2"),
            ("leaked", "10.22.0.4"),
            ("duplicate", "10.22.0.5"),
            ("leftover", "10.22.0.77"),
            ("leaked", "fd22::4"),
            ("leaked", "10.23.0.3"),
        ];
        let texts = |(kind, address): (&str, &str)| (kind.to_owned(), address.to_owned());
        assert_eq!(found(&told), expected.map(texts), "{told}");
        let before = node.told(&["ipam", "show"]);
        node.ok(&["ipam", "free", "--from-report", report, "--dry-run"]);
        assert_eq!(node.told(&["ipam", "show"]), before, "nothing is changed");
        let told = node.run(&["ipam", "free", "--from-report", report]);
        let words = "Giving back what is still as the report says: ";
        assert!(told.ok() && told.stdout.contains(words), "{told}");
        let left = found(&node.json(&["ipam", "check"]));
        let freed = |row: &(&str, &str)| ["leaked", "leftover"].contains(&row.0);
        let expected: Vec<_> = expected
            .into_iter()
            .filter(|row| !freed(row))
            .map(texts)
            .collect();
        assert_eq!(left, expected);
        for running in ["10.22.0.3", "10.22.0.5", "fd22::2", "fd22::3", "fd22::5"] {
            assert!(
                Path::new(&format!("{POOLS}/mynet/{running}")).exists(),
                "{running} is held by who runs"
            );
        }
    });
}

/// Between the report and its use an address may have been given to somebody else, or the container be there again.
#[test]
fn a_report_that_is_out_of_date_takes_nothing_from_anybody() {
    sandbox(|host| {
        let node = Node::busy(host);
        let report = host.dir().join("report.json");
        let report = report.to_str().unwrap();
        for (address, holder) in [
            ("10.24.0.90", "ghost"),
            ("10.24.0.91", "ghost"),
            ("10.24.0.92", "ghost"),
            ("10.24.0.93", "ghost"),
        ] {
            age(reserve("lan", address, &format!("{holder}\r\neth0")));
        }
        node.run(&["ipam", "check", "--report", report]);
        // Another holder, another interface, another time, and one that is free by now.
        age(reserve("lan", "10.24.0.90", "other\r\neth0"));
        age(reserve("lan", "10.24.0.91", "ghost\r\neth1"));
        reserve("lan", "10.24.0.92", "ghost\r\neth0");
        fs::remove_file(format!("{POOLS}/lan/10.24.0.93")).unwrap();
        let told = node.json(&["ipam", "free", "--from-report", report]);
        let outcomes: Vec<_> = told["outcomes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["outcome"].clone())
            .collect();
        assert_eq!(
            outcomes,
            ["left-alone", "left-alone", "left-alone", "already-free"],
            "{told}"
        );
        for address in ["10.24.0.90", "10.24.0.91", "10.24.0.92"] {
            assert!(
                Path::new(&format!("{POOLS}/lan/{address}")).exists(),
                "{address}"
            );
        }
    });
}

#[test]
fn a_report_that_is_none_is_refused() {
    sandbox(|host| {
        let node = Node::empty(host);
        let path = host.dir().join("report.json");
        let elsewhere = host.dir().join("10.0.0.1");
        fs::write(&elsewhere, "precious\r\neth0").unwrap();
        age(&elsewhere);
        let leaked = |file: &Path| {
            json!([{ "kind": "leaked", "network": "x", "file": file, "address": "10.0.0.1", "containerID": "precious",
                "ifname": "eth0", "since": 86400, "why": "" }])
        };
        let report = |format: u32, items: Value| json!({ "format": format, "boot": null, "written": 0, "items": items, "blindSpots": [] });
        for (text, code) in [
            (String::new(), 1),
            ("{}".to_owned(), 1),
            ("[1]".to_owned(), 1),
            (report(9, json!([])).to_string(), 1),
            (report(1, json!([])).to_string(), 0),
            // The word of a file is not enough: what it names must be leaked in a pool of this host.
            (report(1, leaked(Path::new("/etc/passwd"))).to_string(), 0),
            (report(1, leaked(&elsewhere)).to_string(), 0),
        ] {
            fs::write(&path, &text).unwrap();
            let output = node.run(&["ipam", "free", "--from-report", path.to_str().unwrap()]);
            assert_eq!(status(&output), code, "{text}: {output}");
        }
        assert!(Path::new("/etc/passwd").exists() && elsewhere.exists());
        // A pipe whose writer never comes is not waited for.
        let pipe = host.dir().join("pipe");
        host.run(&format!("mkfifo {}", pipe.display()));
        for path in ["/nowhere", pipe.to_str().unwrap()] {
            let output = node.run(&["ipam", "free", "--from-report", path]);
            assert_eq!(status(&output), 1, "{output}");
            let advice = "ipam check --report FILE";
            assert!(output.stderr.contains(advice), "{output}");
        }
    });
}

#[test]
fn an_address_tells_its_owner() {
    sandbox(|host| {
        let node = Node::busy(host);
        for (address, words) in [
            ("10.22.0.3", "held by c2, interface eth0 of network mynet"),
            ("fd22::3", "held by c2, interface eth0 of network mynet"),
            ("10.23.0.2", "held by shop/web-5"),
            ("10.22.0.200", "is free, in a range of mynet"),
            ("192.0.2.77", "held by nobody, and is in no range"),
        ] {
            let told = node.run(&["ipam", "show", "--ip", address]);
            assert!(told.success().contains(words), "{words:?} in {told}");
        }
        let told = node.json(&["ipam", "show", "--ip", "10.22.0.3"]);
        assert_eq!(told["reserved"][0]["containerID"], "c2");
        assert_eq!(
            told["attachments"][0]["hostLink"]
                .as_str()
                .map(|name| name.starts_with("veth")),
            Some(true)
        );
        let told = node.run(&["ipam", "show", "nonet"]);
        assert_eq!(status(&told), 3);
        assert!(
            told.stderr.contains("There are pools of: lan, mynet, p2p."),
            "{told}"
        );
    });
}

/// Nothing is known here of the reservation but its text and its time: whose namespace it was for tells the interface alone.
#[test]
fn reservations_of_the_reference_are_judged_by_what_namespaces_have() {
    sandbox(|host| {
        let node = Node::with_plugins(host, &Plugins::reference());
        node.attach_ten();
        assert_eq!(found(&node.json(&["ipam", "check"])), [], "all are there");
        host.run("ip netns del c2");
        let told = node.json(&["ipam", "show", "mynet"]);
        let life = |address: IpAddr| {
            let held = told["pools"][0]["reservations"].as_array().unwrap();
            let held = held
                .iter()
                .find(|held| held["address"] == address.to_string());
            held.unwrap()["state"].as_str().unwrap().to_owned()
        };
        assert_eq!(life("10.22.0.2".parse().unwrap()), "alive");
        let gone = life("10.22.0.3".parse().unwrap());
        assert!(["gone", "unknown"].contains(&gone.as_str()), "{told}");
    });
}
