//! Reports as Markdown, for a page that says what was found.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::check::{Level, Outcome};
use crate::checks::checks;
use crate::report::Report;
use crate::section::Section;

/// What was found of some plugins: a table of counts, and below it section by section what they do otherwise. What differs from run to
/// run, such as times, is left out.
pub fn findings(reports: &[Report]) -> String {
    let mut text = String::from(
        "| plugin | kind | versions | passed | failed | warned | excepted | not asked |\n|---|---|---|---:|---:|---:|---:|---:|\n",
    );
    for report in reports {
        let counts = report.counts();
        let versions = match (report.versions.first(), report.versions.last()) {
            (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
            (Some(only), _) => only.clone(),
            _ => "none".to_owned(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | {versions} | {} | {} | {} | {} | {} |",
            report.plugin,
            report.kind,
            counts.passed,
            counts.failed,
            counts.warned,
            counts.excepted,
            counts.skipped + counts.unable,
        );
    }
    for (section, found) in by_section(reports) {
        let _ = writeln!(text, "\n### {section}\n");
        for ((id, wrong), (level, says, plugins)) in found {
            let _ = writeln!(
                text,
                "- **{level}** `{id}`: {says}. {wrong} ({})",
                plugins.join(", ")
            );
        }
    }
    text
}

/// Of one check and what is wrong: how much it matters, what the section says, and which plugins do so.
type Found<'r> = BTreeMap<(&'static str, String), (&'static str, &'static str, Vec<&'r str>)>;

fn by_section(reports: &[Report]) -> BTreeMap<Section, Found<'_>> {
    let mut found: BTreeMap<Section, Found<'_>> = BTreeMap::new();
    for report in reports {
        for judged in &report.judged {
            let (level, fault) = match &judged.outcome {
                Outcome::Failed(fault) => ("fails", fault),
                Outcome::Warned(fault) => ("warning", fault),
                Outcome::Excepted(fault, _) => ("excepted", fault),
                _ => continue,
            };
            let check = judged.check;
            let wrong = format!(
                "Asked for {}: {}.",
                escaped(&fault.asked),
                escaped(&without_names(&fault.wrong))
            );
            let of_section = found.entry(check.section).or_default();
            let of_check = of_section.entry((check.id, wrong));
            let (_, _, plugins) = of_check.or_insert((level, check.says, Vec::new()));
            plugins.push(&report.plugin);
        }
    }
    found
}

/// All checks as a table.
pub fn table() -> String {
    let mut text = String::from(
        "| check | section | | since | of | what is asked | what the section says |\n|---|---|---|---|---|---|---|\n",
    );
    let mut all: Vec<_> = checks().collect();
    all.sort_by_key(|check| check.section);
    for check in all {
        let kinds: Vec<_> = check.of.iter().map(|kind| kind.as_str()).collect();
        let of = match kinds.len() {
            3 => "all".to_owned(),
            _ => kinds.join(", "),
        };
        let level = match check.level {
            Level::Must => "MUST",
            Level::Should => "SHOULD",
        };
        let _ = writeln!(
            text,
            "| `{}` | [{}]({}) | {level} | {} | {of} | {} | {} |",
            check.id,
            check.section,
            check.section.url(),
            check.since,
            escaped(check.asks),
            escaped(check.says)
        );
    }
    text
}

/// A text without the names and numbers that are made by chance: of a pair's ends, of namespaces, of chains.
fn without_names(text: &str) -> String {
    const LONG: usize = 8;
    let is_of_name = |c: char| c.is_ascii_alphanumeric();
    let mut shown = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_of_name) {
        let end = rest[start..].find(|c| !is_of_name(c));
        let end = end.map_or(rest.len(), |length| start + length);
        let (name, digits) = (&rest[start..end], |c: &char| c.is_ascii_digit());
        let is_by_chance = name.len() >= LONG && name.chars().filter(digits).count() >= 3;
        shown.push_str(&rest[..start]);
        shown.push_str(if is_by_chance { "…" } else { name });
        rest = &rest[end..];
    }
    shown.push_str(rest);
    shown
}

/// A text within a line or a cell.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if matches!(letter, '|' | '*' | '_' | '<' | '`' | '[' | ']' | '\\') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_made_by_chance_are_left_out() {
        assert_eq!(
            without_names("the link veth9c40186f818 is left; 10.89.1.3/24 of conformance0 is gone"),
            "the link … is left; 10.89.1.3/24 of conformance0 is gone"
        );
    }

    #[test]
    fn a_text_does_not_end_a_cell() {
        assert_eq!(escaped("a|b_c"), "a\\|b\\_c");
    }
}
