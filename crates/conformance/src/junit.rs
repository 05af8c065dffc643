//! Reports as JUnit's XML, which systems of continuous integration read.

use std::fmt::Write;

use crate::check::{Fault, Outcome};
use crate::report::{Judged, Report};

/// The XML: a test suite for each plugin and section, a test case for each check. What a plugin should do is a test that passes, with a warning in
/// its output; an exception is a test that is skipped, for its reason.
pub fn xml(reports: &[Report]) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"CNI conformance\">\n",
    );
    for report in reports {
        for (section, judged) in report.by_section() {
            let title = format!("{}: {section}", report.plugin);
            suite(&mut text, &title, &judged);
        }
    }
    text.push_str("</testsuites>\n");
    text
}

fn suite(text: &mut String, title: &str, judged: &[&Judged]) {
    let count =
        |is_it: fn(&Outcome) -> bool| judged.iter().filter(|one| is_it(&one.outcome)).count();
    let failures = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let errors = count(|outcome| matches!(outcome, Outcome::Unable(_)));
    let skipped = count(|outcome| matches!(outcome, Outcome::Skipped(_) | Outcome::Excepted(..)));
    let _ = writeln!(
        text,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\">",
        escaped(title),
        judged.len()
    );
    for one in judged {
        case(text, title, one);
    }
    text.push_str("  </testsuite>\n");
}

fn case(text: &mut String, title: &str, judged: &Judged) {
    let _ = write!(
        text,
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"",
        escaped(title),
        judged.check.id,
        judged.elapsed.as_secs_f64()
    );
    let inner = match &judged.outcome {
        Outcome::Passed => {
            text.push_str("/>\n");
            return;
        }
        Outcome::Failed(fault) => told("failure", &fault.wrong, &words(fault)),
        Outcome::Unable(why) => told("error", why, ""),
        Outcome::Warned(fault) => format!("<system-out>{}</system-out>", escaped(&words(fault))),
        Outcome::Skipped(why) => format!("<skipped message=\"{}\"/>", escaped(why)),
        Outcome::Excepted(_, why) => {
            format!(
                "<skipped message=\"{}\"/>",
                escaped(&format!("excepted: {why}"))
            )
        }
    };
    let _ = writeln!(text, ">\n      {inner}\n    </testcase>");
}

fn told(element: &str, message: &str, words: &str) -> String {
    format!(
        "<{element} message=\"{}\">{}</{element}>",
        escaped(message),
        escaped(words)
    )
}

fn words(fault: &Fault) -> String {
    format!(
        "asked: {}\ncame: {}\nwrong: {}",
        fault.asked, fault.came, fault.wrong
    )
}

/// A text as XML has it; characters that XML cannot have are left out (XML 1.0, 2.2).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push(' '),
            '\u{fffe}' | '\u{ffff}' => {}
            letter if letter.is_control() => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::checks::checks;
    use crate::kind::Kind;

    #[test]
    fn what_came_is_xml() {
        let fault = || Fault {
            asked: "ADD <x>".to_owned(),
            came: "\"a\" & \u{1b}[31mb".to_owned(),
            wrong: "it is \"wrong\"".to_owned(),
            mild: false,
        };
        let outcomes = [
            Outcome::Passed,
            Outcome::Failed(fault()),
            Outcome::Warned(fault()),
            Outcome::Excepted(fault(), "for a <reason>".to_owned()),
            Outcome::Skipped("not of it".to_owned()),
            Outcome::Unable("no space".to_owned()),
        ];
        let judged = checks().zip(outcomes).map(|(check, outcome)| Judged {
            check,
            outcome,
            elapsed: Duration::from_millis(12),
        });
        let report = Report {
            plugin: "a&b".to_owned(),
            kind: Kind::Interface,
            versions: Vec::new(),
            judged: judged.collect(),
            needless: Vec::new(),
        };
        let xml = xml(std::slice::from_ref(&report));
        for line in [
            r#"<testsuite name="a&amp;b: Section 5, VERSION Success" tests="2" failures="1" errors="0" skipped="0">"#,
            r#"<failure message="it is &quot;wrong&quot;">asked: ADD &lt;x&gt;&#10;came: &quot;a&quot; &amp; [31mb&#10;"#,
            r#"<skipped message="excepted: for a &lt;reason&gt;"/>"#,
            r#"<error message="no space"></error>"#,
            r#"time="0.012""#,
        ] {
            assert!(xml.contains(line), "{xml}\nhas not {line}");
        }
        assert!(!report.conforms());
    }
}
