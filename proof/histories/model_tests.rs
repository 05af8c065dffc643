//! The model notices what it is for, and blames nobody for what is another's.

use super::*;
use crate::schedule::Schedule;

/// A history, a line for each operation: begin, end, what `Step` is read from, `->`, and the answer: addresses, `killed`, or
/// `code N: words`. For GC `sparing c1 lan, c2 lan`.
fn records(text: &str) -> Vec<Record> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(record).collect()
}

fn record(line: &str) -> Record {
    let (what, answer) = line.split_once("->").unwrap();
    let mut words = what.splitn(3, ' ');
    let mut time = || words.next().unwrap().parse().unwrap();
    let (begin, end) = (time(), time());
    let schedule: Schedule = words.next().unwrap().parse().unwrap();
    let answer = answer.trim();
    let code = answer
        .strip_prefix("code ")
        .map(|rest| rest.split_once(": ").unwrap());
    let spared = answer.strip_prefix("sparing ").unwrap_or_default();
    Record {
        begin,
        end,
        line: schedule.0[0],
        answer: match (answer, code) {
            ("killed", _) => Answer::Killed,
            ("skipped", _) => Answer::Skipped,
            (_, Some((code, message))) => Answer::Failed(code.parse().unwrap(), message.to_owned()),
            _ => Answer::Done(
                answer
                    .split_whitespace()
                    .filter_map(|word| word.parse().ok())
                    .collect(),
            ),
        },
        spared: spared.split(", ").filter_map(attachment).collect(),
    }
}

fn attachment(text: &str) -> Option<Attachment> {
    let (container, name) = text.strip_prefix('c')?.split_once(' ')?;
    Some(Attachment {
        container: container.parse().ok()?,
        net: Net::ALL.into_iter().find(|net| net.name() == name)?,
    })
}

/// What is wrong with a history, at the end of which all that lives is well and nothing is left.
fn faults(text: &str) -> Vec<String> {
    judge(&records(text), &Ending::default())
}

/// The history is wrong, and the only fault has these words.
#[track_caller]
fn is_noticed(text: &str, words: &str) {
    let faults = faults(text);
    assert!(
        faults.len() == 1 && faults[0].contains(words),
        "{text}\n{faults:?}"
    );
}

#[track_caller]
fn is_right(text: &str) {
    assert_eq!(faults(text), Vec::<String>::new(), "{text}");
}

#[test]
fn two_holders_of_an_address_are_noticed() {
    let two = "0 5 1 add c1 lan by=ours -> 10.40.0.2\n 3 9 2 add c2 lan by=ours -> 10.40.0.2\n";
    is_noticed(
        two,
        "two holders of 10.40.0.2: c1 lan (by ours since 5 µs), and c2 lan",
    );
    // Whoever gave it, and whoever tried to take it away meanwhile.
    is_noticed(
        &two.replace("c2 lan by=ours", "c2 lan by=reference"),
        "two holders",
    );
    is_noticed(
        &format!("{two} 10 12 1 del c1 lan by=ours -> killed"),
        "two holders",
    );
    // The other interface of a container is another attachment.
    is_noticed(
        "0 1 1 add c1 lan by=ours -> 10.41.0.2\n 2 3 1 add c1 also by=ours -> 10.41.0.2 fd41::2",
        "two holders",
    );
}

#[test]
fn an_address_is_free_from_the_begin_of_what_may_take_it() {
    for end in [
        "6 20 1 del c1 lan by=ours -> done",
        "6 20 1 del c1 lan by=reference -> code 1: no chain",
        "6 20 1 del c1 lan by=ours -> killed",
        "6 20 1 gc lan by=ours -> done",
        "6 7 1 lose c1 -> done",
        "6 7 * reboot -> done",
    ] {
        let history = format!(
            "0 5 1 add c1 lan by=ours -> 10.40.0.2\n{end}\n8 9 2 add c2 lan by=ours -> 10.40.0.2\n"
        );
        let told = faults(&history);
        assert!(
            !told.iter().any(|fault| fault.contains("two holders")),
            "{told:?}"
        );
    }
    // A GC that spares it does not, nor does one of another network, nor what was not done.
    for end in [
        "6 7 3 gc lan by=ours -> sparing c1 lan",
        "6 7 3 gc ptp by=ours -> done",
        "6 7 1 del c1 lan by=ours -> skipped",
    ] {
        let history = format!(
            "0 5 1 add c1 lan by=ours -> 10.40.0.2\n{end}\n8 9 2 add c2 lan by=ours -> 10.40.0.2\n"
        );
        is_noticed(&history, "two holders");
    }
}

#[test]
fn two_holders_of_a_port_are_noticed_where_the_later_is_ours() {
    let two = |one: &str, other: &str, asked: u32| {
        format!(
            "0 5 1 add c1 lan port=8001 by={one} -> 10.40.0.2\n{asked} 19 2 add c2 ptp port=8001 by={other} -> 10.42.0.2\n"
        )
    };
    is_noticed(&two("ours", "ours", 3), "two holders of port 8001");
    is_noticed(&two("reference", "ours", 6), "two holders of port 8001");
    is_noticed(&two("old", "ours", 6), "two holders of port 8001");
    // The reference refuses nobody, and nobody sees what it is about to do.
    is_right(&two("ours", "reference", 6));
    is_right(&two("reference", "ours", 3));
    // Its rules, by which alone it is known, were flushed.
    is_right(&two("reference", "ours", 12).replace('\n', "\n8 9 7 flush-nft -> done\n"));
    // One container, two networks; another port.
    is_right(
        "0 5 1 add c1 lan port=8001 by=ours -> 10.40.0.2\n6 9 1 add c1 ptp port=8001 by=ours -> 10.42.0.2",
    );
    is_right(
        "0 5 1 add c1 lan port=8001 by=ours -> 10.40.0.2\n6 9 1 add c2 ptp port=8002 by=ours -> 10.42.0.2",
    );
}

/// Without an address nothing of the attachment would be looked at.
#[test]
fn a_success_without_its_addresses_is_noticed() {
    for line in [
        "0 1 1 add c1 lan by=ours -> done",
        "0 1 1 add c1 ptp by=ours -> 10.42.0.2 10.42.0.3",
        "0 1 1 add c1 also by=ours -> 10.41.0.2",
    ] {
        is_noticed(line, "succeeded, and told the addresses");
        is_right(&line.replace("by=ours", "by=reference"));
        is_right(&line.replace("by=ours", "by=old"));
    }
    is_right("0 1 1 add c1 also by=ours -> 10.41.0.2 fd41::2");
}

#[test]
fn what_fails_without_a_reason_is_noticed() {
    for line in [
        "0 1 1 add c1 lan by=ours -> code 11: no free address",
        "0 1 1 add c1 lan port=8001 by=ours -> code 100: port is taken",
        "0 1 1 del c1 lan by=ours -> code 5: no such file",
        "0 1 1 gc lan by=ours -> code 5: no such file",
        "0 1 1 gc tool by=ours -> code 1: cannot",
        "0 1 1 status lan by=ours -> code 50: full",
        "0 1 1 reconcile by=ours -> code 1: cannot",
    ] {
        is_noticed(line, "failed without a reason");
        is_right(&line.replace("by=ours", "by=reference"));
        is_right(&line.replace("by=ours", "by=old"));
    }
    is_right("0 1 1 gc tool by=ours -> code 1: say --all");
    // A port of an ADD that was killed may be another's by now; of one that lives it is not.
    let two = "0 5 1 add c1 lan port=8001 by=ours -> killed\n6 8 2 add c2 lan port=8001 by=ours -> 10.40.0.3\n";
    let fails = "9 10 1 reconcile by=ours -> code 1: port 8001 is c2's";
    is_right(&format!("{two}{fails}"));
    is_noticed(
        &format!(
            "{}{fails}",
            two.replace("c2 lan port=8001", "c2 lan port=8002")
        ),
        "reconcile",
    );
    is_noticed(
        &format!(
            "{}{fails}",
            two.replace("6 8", "5 6 1 del c1 lan by=ours -> done\n7 8")
        ),
        "reconcile",
    );
    // A port that the reference leads elsewhere cannot be put back.
    let first = "0 5 1 add c1 lan port=8001 by=ours -> 10.40.0.2\n6 8 2 add c2 lan port=8001 by=reference -> 10.40.0.3\n";
    is_right(&format!(
        "{first}9 10 1 reconcile by=ours -> code 1: port 8001 is c2's"
    ));
    is_noticed(
        &format!(
            "{}9 10 1 reconcile by=ours -> code 1: cannot",
            first.replace("c2 lan port=8001", "c2 lan port=8002")
        ),
        "reconcile",
    );
}

#[test]
fn a_pool_is_full_of_those_that_may_have_an_address() {
    let five: String = (1..=5)
        .map(|n| format!("{n} 9 {n} add c{n} ptp by=ours -> 10.42.0.{}\n", n + 1))
        .collect();
    let refused = "20 21 6 add c6 ptp by=ours -> code 11: no free address\n";
    is_right(&format!("{five}{refused}"));
    is_right(&format!("{}{refused}", five.replace("10.42.0.3", "killed")));
    is_right(&format!(
        "{five}12 22 5 del c5 ptp by=ours -> done\n{refused}"
    ));
    is_right(&format!("{five}12 13 5 lose c5 -> done\n{refused}"));
    is_right(&format!(
        "{five}10 11 7 status ptp by=ours -> code 50: full"
    ));
    for freed in [
        "12 13 5 del c5 ptp by=ours -> done\n",
        "12 13 5 gc ptp by=ours -> done\n",
        "12 13 * reboot -> done\n",
    ] {
        is_noticed(
            &format!("{five}{freed}{refused}"),
            "add c6 ptp by=ours failed without a reason",
        );
    }
    // Of what the reference has reserved nobody knows that it was before the boot.
    is_right(&format!(
        "{}12 13 * reboot -> done\n{refused}",
        five.replace("by=ours", "by=reference")
    ));
}

/// Seed 1796149891: an ADD of the reference that fails leaves its interface, which GC does not find.
#[test]
fn what_half_an_add_of_the_reference_left_is_in_the_way_until_it_is_detached() {
    let refused = "10 12 1 add c1 lan by=ours -> code 4: eth0 already exists";
    let failed = |by: &str, ended: &str| {
        format!("0 5 1 add c1 lan by={by} -> killed\n6 7 2 {ended} -> done\n{refused}")
    };
    is_right(&failed("reference", "gc lan by=ours"));
    for (by, ended) in [
        ("ours", "gc lan by=ours"),
        ("reference", "del c1 lan by=ours"),
    ] {
        is_noticed(
            &failed(by, ended),
            "add c1 lan by=ours failed without a reason",
        );
    }
}

#[test]
fn a_port_is_refused_while_somebody_may_have_it() {
    let refused = "20 21 6 add c6 ptp port=8001 by=ours -> code 100: it is c1's\n";
    let first = "0 5 1 add c1 lan port=8001 by=ours -> 10.40.0.2\n";
    is_right(&format!("{first}{refused}"));
    is_right(&format!(
        "{}{refused}",
        first.replace("10.40.0.2", "killed")
    ));
    is_noticed(
        &format!("{first}7 9 1 del c1 lan by=ours -> done\n{refused}"),
        "failed without a reason",
    );
    is_noticed(
        &format!("{}{refused}", first.replace("8001", "8002")),
        "failed without a reason",
    );
}

#[test]
fn check_of_what_lives_succeeds_but_for_rules_that_somebody_flushed() {
    let add = "0 5 1 add c1 lan port=8001 by=ours -> 10.40.0.2\n";
    let check = "50 60 1 check c1 lan by=ours -> code 103: no rule\n";
    is_noticed(
        &format!("{add}{check}"),
        "check c1 lan by=ours failed without a reason",
    );
    is_right(check);
    is_right(&format!("{add}20 30 7 flush-nft -> done\n{check}"));
    is_right(&format!("{add}55 57 7 flush-iptables -> done\n{check}"));
    is_right(&format!(
        "{add}20 30 1 del c1 lan by=ours -> killed\n{check}"
    ));
    let healed =
        format!("{add}20 30 7 flush-nft -> done\n31 33 7 reconcile by=ours -> done\n{check}");
    is_noticed(&healed, "failed without a reason");
    is_right(&healed.replace(
        "add c1 lan port=8001 by=ours",
        "add c1 lan port=8001 by=reference",
    ));
    is_right(&healed.replace("31 33", "29 33"));
    // The reference leads a port elsewhere that is somebody's, which CHECK tells.
    is_right(&format!(
        "{add}20 30 7 add c2 lan port=8001 by=reference -> 10.40.0.3\n{check}"
    ));
}

#[test]
fn what_lives_and_is_lost_is_noticed() {
    let history = records("0 5 1 add c1 lan by=ours -> 10.40.0.2\n6 7 1 reconcile by=ours -> done");
    let looked_at = |wrong: &[&str]| {
        let at = attachment("c1 lan").unwrap();
        let wrong = wrong.iter().map(|what| (*what).to_owned()).collect();
        Ending {
            looked: 10,
            looked_at: [(at, wrong)].into(),
            leftovers: Vec::new(),
        }
    };
    assert_eq!(judge(&history, &looked_at(&[])), Vec::<String>::new());
    for wrong in [
        "its namespace",
        "the reservation of 10.40.0.2",
        "rules: the way out",
    ] {
        let faults = judge(&history, &looked_at(&[wrong]));
        assert!(faults.len() == 1 && faults[0].contains(wrong), "{faults:?}");
    }
    let unseen = Ending {
        looked: 10,
        ..Ending::default()
    };
    assert!(judge(&history, &unseen)[0].contains("nobody has looked at it"));
    // What was flushed and not put back is somebody's doing; its address is not.
    let flushed = [history, records("8 9 7 flush-nft -> done")].concat();
    assert_eq!(
        judge(&flushed, &looked_at(&["rules: the way out"])),
        Vec::<String>::new()
    );
    assert_eq!(
        judge(&flushed, &looked_at(&["the reservation of 10.40.0.2"])).len(),
        1
    );
}

/// Seed 322: rules of the reference name an address alone, so that a DEL of a former holder that failed half-way or is asked for once
/// more takes the next one's.
#[test]
fn rules_of_the_reference_may_go_with_those_of_a_former_holder() {
    let judged = |deleted: &str, by: &str, again: &str| {
        let history = format!(
            "0 5 1 add c1 lan by=ours -> 10.40.0.2
             6 7 1 del c1 lan by=reference -> {deleted}
             8 9 1 add c2 lan by={by} -> 10.40.0.2
             {again}"
        );
        let wrong = vec!["rules: the way in".to_owned()];
        let ending = Ending {
            looked: 20,
            looked_at: [(attachment("c2 lan").unwrap(), wrong)].into(),
            leftovers: Vec::new(),
        };
        judge(&records(&history), &ending)
    };
    let again = "10 12 1 del c1 lan by=reference -> done";
    for (deleted, again) in [("code 999: no chain", ""), ("done", again)] {
        assert_eq!(judged(deleted, "reference", again), Vec::<String>::new());
    }
    // Ours say whose they are, and a DEL that has ended takes nothing from anybody.
    for (deleted, by, again) in [
        ("code 999: no chain", "ours", again),
        ("done", "reference", ""),
    ] {
        let faults = judged(deleted, by, again);
        assert!(
            faults.len() == 1 && faults[0].contains("the way in"),
            "{faults:?}"
        );
    }
}

#[test]
fn what_is_left_is_noticed_but_where_the_reference_made_it() {
    let left = |text: &str, line: &str| {
        let ending = Ending {
            leftovers: vec![line.to_owned()],
            ..Ending::default()
        };
        judge(&records(text), &ending).len()
    };
    let gone = "0 5 1 add c1 lan by=ours -> 10.40.0.2\n6 7 1 del c1 lan by=ours -> done\n";
    let rule = "host nft ip saddr 10.40.0.2 masquerade";
    assert_eq!(left(gone, rule), 1);
    assert_eq!(left(&gone.replace("by=ours", "by=reference"), rule), 0);
    assert_eq!(
        left(
            &gone.replace("del c1 lan by=ours", "del c1 lan by=reference"),
            rule
        ),
        0
    );
    let other = format!("{gone}8 9 2 add c2 lan by=reference -> 10.40.0.3\n");
    assert_eq!(left(&other, rule), 1);
    let alike = format!("{gone}8 9 2 add c12 lan by=reference -> killed\n");
    assert_eq!(left(&alike, "host link vethf00 alias = lan/c1/eth0"), 1);
    assert_eq!(left(&alike, "host link vethf00 alias = lan/c12/eth0"), 0);
    assert_eq!(left(&other, "host link vethf00 alias = lan/c1/eth0"), 1);
}
