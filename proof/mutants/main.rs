//! That every mutation beside this file can be made, and names who has to notice it. `make mutants` makes them.
#![forbid(unsafe_code)]

use linkspan_testkit::Cmd;
use linkspan_testkit::document::top;

#[test]
fn each_applies_and_has_a_witness() {
    let told = Cmd::new(top().join("proof/mutants/run"))
        .arg("--check")
        .run();
    let many = told.split_whitespace().next();
    let many: u32 = many.and_then(|many| many.parse().ok()).unwrap_or(0);
    assert!(many >= 41, "{told}");
}
