//! nf_tables.

use std::net::Ipv4Addr;
use std::slice;
use std::thread;

use linkspan_kernel::nftables::Nftables;
use linkspan_kernel::requests_sent;
use linkspan_nft::{
    Batch, Chain, DataType, Element, Family, Field, Hook, InstalledRule, Query, Rule, Set, Table,
};
use linkspan_testkit::sandbox;

use super::container;

/// A table with a set of addresses.
fn table_and_set() -> (Table, Set) {
    let table = Table::new(Family::Inet, "t");
    let set = Set::new(&table, "addresses", [DataType::Ipv4Addr]);
    (table, set)
}

fn elements(count: u32) -> Vec<Element> {
    let first = u32::from(Ipv4Addr::new(10, 0, 0, 0));
    let addresses = (0..count).map(|n| Ipv4Addr::from(first + n));
    addresses
        .map(|address| Element::new(address).comment(format!("net/{address}/eth0")))
        .collect()
}

#[test]
fn a_batch_is_what_nft_shows_and_what_is_read_back() {
    sandbox(|host| {
        let nft = Nftables::open().unwrap();
        nft.probe().unwrap();
        let (table, set) = table_and_set();
        let chain = Chain::nat(&table, "out", Hook::Postrouting, 100).comment("a chain");
        let rule = Rule::new(&table, "out")
            .is_ipv4()
            .in_set([Field::IpSaddr], "addresses")
            .masquerade()
            .comment("a rule");
        let mut batch = Batch::new();
        batch.add(table.clone()).add(set.clone()).add(chain.clone());
        batch.add(rule);
        batch.add_elements(&table, "addresses", elements(2));
        let before = nft.generation().unwrap();
        nft.commit(&batch).unwrap();
        assert_eq!(nft.generation().unwrap(), before + 1);

        let shown = host.run("nft list ruleset");
        for line in [
            "type nat hook postrouting priority srcnat; policy accept;",
            "ip saddr @addresses masquerade comment \"a rule\"",
            "elements = { 10.0.0.0 comment \"net/10.0.0.0/eth0\",",
        ] {
            assert!(shown.contains(line), "{line} is not in\n{shown}");
        }
        assert_eq!(nft.tables(Family::Inet).unwrap(), slice::from_ref(&table));
        assert_eq!(nft.sets(&table).unwrap(), slice::from_ref(&set));
        let mut found = nft.elements(&set).unwrap();
        found.sort_by_key(|element| element.key.to_string());
        assert_eq!(found, elements(2));
        let read = nft.chain(&chain).unwrap().unwrap();
        assert_eq!((&read.base, &read.comment), (&chain.base, &chain.comment));
        let rules = nft.rules(&chain).unwrap();
        assert_eq!(rules.len(), 1);
        assert_eq!(rules[0].comment.as_deref(), Some("a rule"));

        let mut removal = Batch::new();
        removal.delete(rules[0].to_delete()).delete(chain.clone());
        nft.commit(&removal).unwrap();
        assert_eq!(nft.chain(&chain).unwrap(), None);
        assert_eq!(nft.rules(&chain).unwrap(), []);
    });
}

#[test]
fn a_batch_is_made_whole_or_not_at_all() {
    sandbox(|host| {
        let nft = Nftables::open().unwrap();
        let (table, set) = table_and_set();
        let mut batch = Batch::new();
        batch.add(table.clone()).add(set.clone());
        batch.delete(Chain::regular(&table, "none"));
        batch.add_elements(&table, "addresses", elements(1));
        let error = nft.commit(&batch).unwrap_err();
        assert!(error.is_not_found() && !error.is_exists(), "{error}");
        let text =
            "cannot delete chain inet t none in nftables: No such file or directory (os error 2)";
        assert_eq!(error.to_string(), text);
        assert_eq!(host.run("nft list ruleset"), "");

        let mut batch = Batch::new();
        batch.create(table.clone()).create(set.clone());
        nft.commit(&batch).unwrap();
        let mut again = Batch::new();
        again.add(table.clone()).create(set);
        let error = nft.commit(&again).unwrap_err();
        assert!(error.is_exists() && error.exists(1) && !error.exists(0));
        nft.commit(&Batch::new()).unwrap();
    });
}

#[test]
fn a_batch_for_another_generation_changes_nothing() {
    sandbox(|host| {
        let nft = Nftables::open().unwrap();
        let generation = nft.generation().unwrap();
        host.run("nft add table inet other");
        let mut batch = Batch::new();
        batch.add(table_and_set().0).require_generation(generation);
        let error = nft.commit(&batch).unwrap_err();
        assert!(error.is_stale(), "{error}");
        assert_eq!(host.run("nft list tables"), "table inet other");
        batch.require_generation(nft.generation().unwrap());
        nft.commit(&batch).unwrap();
    });
}

#[test]
fn many_elements_go_in_one_batch_and_come_back_in_one_list() {
    sandbox(|_| {
        let nft = Nftables::open().unwrap();
        let (table, set) = table_and_set();
        let mut batch = Batch::new();
        batch.add(table.clone()).add(set.clone());
        batch.add_elements(&table, "addresses", elements(20_000));
        nft.commit(&batch).unwrap();
        let found = nft.elements(&set).unwrap();
        assert_eq!(found.len(), 20_000);
        assert!(found.iter().all(|element| element.comment.is_some()));
        let mut removal = Batch::new();
        removal.delete_elements(&table, "addresses", elements(20_000));
        nft.commit(&removal).unwrap();
        assert_eq!(nft.elements(&set).unwrap(), []);
    });
}

#[test]
fn a_snapshot_tells_what_is_there_and_what_is_not() {
    sandbox(|_| {
        let nft = Nftables::open().unwrap();
        let (table, set) = table_and_set();
        let mut batch = Batch::new();
        batch.add(table.clone()).add(set.clone());
        // Every other one; with the answers, many more than the socket's buffer holds.
        let all = elements(1000);
        let there = all.iter().step_by(2).cloned();
        batch.add_elements(&table, "addresses", there);
        nft.commit(&batch).unwrap();

        let missing = Set::new(&table, "missing", [DataType::Ipv4Addr]);
        let questions = [
            Query::table(Family::Inet, "t"),
            Query::set(&missing),
            Query::set(&set),
        ];
        let mut wanted: Vec<(&Set, &Element)> = all.iter().map(|one| (&set, one)).collect();
        wanted.push((&missing, &all[0]));
        let before = requests_sent();
        let found = nft.snapshot(&questions, &wanted[..28]).unwrap();
        assert_eq!(requests_sent() - before, 1);
        assert_eq!(found.present, [true, false, true]);
        assert_eq!(found.generation, nft.generation().unwrap());
        let found = nft.snapshot(&questions, &wanted).unwrap();
        assert_eq!(found.present, [true, false, true]);
        assert_eq!(found.elements.len(), 1001);
        for (position, found) in found.elements.iter().enumerate() {
            let is_there = position % 2 == 0 && position < 1000;
            assert_eq!(found.as_ref(), is_there.then(|| &all[position]));
        }
    });
}

#[test]
fn a_list_of_rules_is_whole_although_others_change_it() {
    sandbox(|_| {
        let nft = Nftables::open().unwrap();
        let table = Table::new(Family::Inet, "t");
        let chain = Chain::regular(&table, "c");
        let rule = |text: &str| Rule::new(&table, "c").accept().comment(text);
        let mut batch = Batch::new();
        batch.add(table.clone()).add(chain.clone());
        // What is removed stands before what stays, so that all of that moves up.
        for n in 0..2200 {
            batch.add(rule(if n < 200 { "goes" } else { "stays" }));
        }
        nft.commit(&batch).unwrap();
        let with = |rules: &[InstalledRule], text: &str| -> Vec<InstalledRule> {
            let is_it = |rule: &&InstalledRule| rule.comment.as_deref() == Some(text);
            rules.iter().filter(is_it).cloned().collect()
        };
        let going = with(&nft.rules(&chain).unwrap(), "goes");
        assert_eq!(going.len(), 200);
        thread::scope(|scope| {
            let removal = scope.spawn(|| {
                let nft = Nftables::open().unwrap();
                for rule in &going {
                    let mut batch = Batch::new();
                    batch.delete(rule.to_delete());
                    nft.commit(&batch).unwrap();
                }
            });
            while !removal.is_finished() {
                let found = nft.rules(&chain).unwrap();
                assert_eq!(with(&found, "stays").len(), 2000);
            }
        });
    });
}

#[test]
fn more_errors_than_the_buffer_holds_are_told_and_forgotten() {
    sandbox(|_| {
        let nft = Nftables::open().unwrap();
        let (table, _) = table_and_set();
        let mut batch = Batch::new();
        batch.add(table.clone());
        for n in 0..2000 {
            batch.delete(Chain::regular(&table, format!("none{n}")));
        }
        let error = nft.commit(&batch).unwrap_err();
        assert!(error.is_not_found() && !error.is_exists(), "{error}");
        let text = error.to_string();
        assert!(
            text.starts_with("cannot delete chain inet t none0 in nftables: "),
            "{text}"
        );
        let mut batch = Batch::new();
        batch.add(table.clone());
        nft.commit(&batch).unwrap();
        assert_eq!(nft.tables(Family::Inet).unwrap(), [table]);
    });
}

#[test]
fn a_socket_stays_in_the_namespace_that_it_was_opened_in() {
    sandbox(|host| {
        let (a, netns, _) = container(host, "a");
        let nft = Nftables::open_in(&netns).unwrap();
        let mut batch = Batch::new();
        batch.add(table_and_set().0);
        nft.commit(&batch).unwrap();
        assert_eq!(a.run("nft list tables"), "table inet t");
        assert_eq!(host.run("nft list tables"), "");
    });
}
