//! The tables that are made from declarations: keys of plugins, and messages that are known.

use linkspan_explain::key::owners;
use linkspan_explain::reference::{messages, table};
use linkspan_testkit::document::Document;

/// `<!-- keys NAME -->` stands before the keys of a plugin, or of network, plugin and ipam.
#[test]
fn keys_are_those_that_are_declared() {
    let _alone = crate::alone();
    for document in Document::all() {
        let own = |name: &str| document.text.contains(&format!("<!-- keys {name} -->\n"));
        let owners = owners().into_iter().filter(|owner| own(owner.name));
        let places = owners.map(|owner| {
            let region = document.region(&format!("keys {}", owner.name));
            (region, format!("\n{}\n", table(owner)))
        });
        let made = document.with(places.collect());
        document.is_to_be(&made);
    }
}

#[test]
fn messages_are_those_that_are_known() {
    let document = Document::read("docs/operate/errors.md");
    let region = document.region("messages");
    let made = document.with(vec![(region, format!("\n{}\n", messages()))]);
    document.is_to_be(&made);
}
