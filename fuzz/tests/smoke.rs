//! Every target reads its corpus and some thousand changed files of it.

use linkspan_fuzz::TARGETS;
use linkspan_fuzz::engine::{Budget, run};

#[test]
fn every_target_stands_its_corpus_and_what_is_made_of_it() {
    for target in TARGETS {
        let ended = run(target, 1, Budget::Inputs(2_000)).unwrap();
        let inputs = ended.unwrap_or_else(|fault| {
            panic!(
                "{}: {} ({:?}): {}",
                target.name, fault.origin, fault.input, fault.words
            )
        });
        assert!(inputs > 2_000, "{} has no corpus", target.name);
    }
}
