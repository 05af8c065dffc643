//! The page about the conformance of plugins: what is asked.

use linkspan_conformance::markdown;
use linkspan_testkit::document::Document;

#[test]
fn checks_are_those_that_are_made() {
    let _alone = crate::alone();
    let document = Document::read("docs/conformance.md");
    let region = document.region("checks");
    let made = document.with(vec![(region, format!("\n{}\n", markdown::table()))]);
    document.is_to_be(&made);
}
