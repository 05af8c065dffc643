//! The directory compared with a map.

use std::collections::BTreeMap;

use linkspan_testkit::sandbox;
use proptest::prelude::*;

use super::tests::{Place, addresses, ip, record, reserve, span};
use super::*;

#[derive(Clone, Debug)]
enum Step {
    Reserve(u32),
    Release(u32),
    Find(u32),
    Free(u32, u32),
    Reopen,
    Stranger(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = 0u32..80;
    let step = prop_oneof![
        6 => number.clone().prop_map(Step::Reserve),
        3 => number.clone().prop_map(Step::Release),
        2 => number.clone().prop_map(Step::Find),
        2 => (number.clone(), number.clone()).prop_map(|(a, b)| Step::Free(a.min(b), a.max(b))),
        2 => Just(Step::Reopen),
        1 => number.prop_map(Step::Stranger),
    ];
    prop::collection::vec(step, 1..120)
}

/// The directory is a map from addresses to records, whoever changes it and whatever the index does.
#[test]
fn a_directory_is_a_map() {
    sandbox(|_| {
        proptest!(ProptestConfig::with_cases(60), |(steps in steps())| {
            let place = Place::new();
            let mut directory = Some(place.open());
            let mut model: BTreeMap<u32, Record> = BTreeMap::new();
            for step in steps {
                take(step, &place, &mut directory, &mut model);
            }
            drop(directory);
            let held = place.open().holdings().unwrap();
            let held: Vec<_> = held.into_iter().map(|holding| holding.record).collect();
            assert_eq!(held, model.into_values().collect::<Vec<_>>());
        });
    });
}

fn take(
    step: Step,
    place: &Place,
    directory: &mut Option<Directory>,
    model: &mut BTreeMap<u32, Record>,
) {
    let open = directory.get_or_insert_with(|| place.open());
    match step {
        Step::Reserve(number) => {
            assert_eq!(reserve(open, number), !model.contains_key(&number));
            model.entry(number).or_insert_with(|| record(number));
        }
        Step::Release(number) => {
            if let Some(record) = model.remove(&number) {
                open.release(ip(number), &record).unwrap();
            }
        }
        Step::Find(number) => {
            let held = model.get(&number) == Some(&record(number));
            let expected = if held { vec![ip(number)] } else { vec![] };
            assert_eq!(addresses(open, &record(number)), expected);
        }
        Step::Free(first, last) => {
            let free = (first..=last).find(|number| !model.contains_key(number));
            assert_eq!(open.first_free(span(first, last)).unwrap(), free.map(ip));
        }
        Step::Reopen => *directory = None,
        Step::Stranger(number) => {
            *directory = None;
            place.write(&ip(number).to_string(), "stranger\r\neth0");
            model.insert(number, Record::new("stranger", "eth0"));
        }
    }
}
