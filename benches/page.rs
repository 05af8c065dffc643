//! `docs/benchmarks.md` and the pictures beside it, made of the data.

use std::fs;
use std::io;
use std::path::Path;

use crate::data::{Data, Figure, Run};
use crate::numbers;
use crate::plots;
use crate::table;

/// Where the data are, from the top of the repository.
pub const DATA: &str = "docs/benchmarks/data.json";
/// Where the pictures are.
pub const PICTURES: &str = "docs/benchmarks";
/// The page with the tables.
pub const PAGE: &str = "docs/benchmarks.md";

/// The tables: the name of the region that they stand in, and the scenarios whose figures are in them.
pub const TABLES: &[(&str, &[&str])] = &[
    ("calls", plots::CALLS),
    ("host-local", &["host-local"]),
    ("ports", &["ports"]),
    ("pods", &["pods"]),
    ("storm", &["storm"]),
    ("netavark", &["netavark"]),
    ("memory", &["memory", "dhcp memory"]),
    ("size", &["size"]),
    ("itself", &["show", "events", "spans", "floor"]),
];

/// Every scenario that is shown.
fn shown() -> Vec<&'static str> {
    let scenarios = TABLES.iter().flat_map(|(_, scenarios)| scenarios.iter());
    scenarios.copied().collect()
}

/// Signs for runs other than the first.
const SIGNS: [&str; 9] = [" ¹", " ²", " ³", " ⁴", " ⁵", " ⁶", " ⁷", " ⁸", " ⁹"];

/// The data that are kept below `top`.
///
/// # Errors
/// Where they cannot be read, or are none; the file is named.
pub fn read(top: &Path) -> io::Result<Data> {
    let path = top.join(DATA);
    let text = fs::read_to_string(&path).map_err(|error| named("read", &path, &error))?;
    serde_json::from_str(&text).map_err(|error| named("read", &path, &error))
}

/// Writes the data, and all that is made of them.
///
/// # Errors
/// Where a file cannot be written, or the page lacks a region; the file is named.
pub fn write(top: &Path, data: &Data) -> io::Result<()> {
    let put = |path: &str, text: String| {
        let path = top.join(path);
        fs::write(&path, text).map_err(|error| named("write", &path, &error))
    };
    fs::create_dir_all(top.join(PICTURES))?;
    put(DATA, json(data))?;
    for (name, drawn) in plots::ALL {
        put(&format!("{PICTURES}/{name}"), drawn(data))?;
    }
    let page = top.join(PAGE);
    let text = fs::read_to_string(&page).map_err(|error| named("read", &page, &error))?;
    put(
        PAGE,
        redrawn(&text, data).map_err(|error| named("write", &page, &error))?,
    )
}

fn named(what: &str, path: &Path, why: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("cannot {what} {}: {why}", path.display()))
}

/// The data as they are kept: a line for each number, so that a change shows what has changed.
#[must_use]
pub fn json(data: &Data) -> String {
    // Maps of strings and numbers have a form in JSON.
    let text = serde_json::to_string_pretty(data).unwrap_or_default();
    format!("{text}\n")
}

/// The page with other tables between `<!-- NAME -->` and `<!-- end -->`.
///
/// # Errors
/// The region that is not there.
pub fn redrawn(page: &str, data: &Data) -> Result<String, String> {
    let runs = data.runs_of(&shown());
    let mut text = with_region(page, "runs", &runs_drawn(data, &runs))?;
    for (name, scenarios) in TABLES {
        let rows: Vec<(&Figure, &str)> = scenarios
            .iter()
            .flat_map(|scenario| {
                let sign = sign(data, &runs, scenario);
                data.figures(scenario).map(move |figure| (figure, sign))
            })
            .collect();
        let table = match rows.is_empty() {
            true => "Not measured yet.\n".to_owned(),
            false => table::drawn(&rows),
        };
        text = with_region(&text, name, &table)?;
    }
    Ok(text)
}

/// What stands behind the figures of a scenario: of which run they are, where it is not that of most.
fn sign(data: &Data, runs: &[&Run], scenario: &str) -> &'static str {
    let run = data.scenarios.get(scenario).map(|measured| &measured.run);
    let place = runs.iter().position(|other| Some(&other.began) == run);
    let before = place.and_then(|place| place.checked_sub(1));
    before
        .and_then(|place| SIGNS.get(place).copied())
        .unwrap_or_default()
}

fn runs_drawn(data: &Data, runs: &[&Run]) -> String {
    let Some((first, others)) = runs.split_first() else {
        return "Nothing is measured yet.\n".to_owned();
    };
    let mut text = format!("{first}.{}\n", noise(data, first));
    for (other, sign) in others.iter().zip(SIGNS) {
        let noise = noise(data, other);
        text += &format!("\n{} A run of its own: {other}.{noise}\n", sign.trim());
    }
    text
}

/// How noisy a run was, where ours was compared with itself.
fn noise(data: &Data, run: &Run) -> String {
    let noise = data.noise(run);
    noise.map_or_else(String::new, |noise| {
        format!(
            " Half of the calls of ours were within {} % of ours in the same round.",
            numbers::read(100.0 * (noise - 1.0))
        )
    })
}

fn with_region(page: &str, name: &str, words: &str) -> Result<String, String> {
    let begin = format!("<!-- {name} -->\n");
    let found = page.find(&begin).and_then(|position| {
        let start = position + begin.len();
        let length = page[start..].find("<!-- end -->")?;
        Some((start, start + length))
    });
    let (start, end) = found
        .ok_or_else(|| format!("there is nothing between <!-- {name} --> and <!-- end -->"))?;
    Ok(format!("{}\n{words}\n{}", &page[..start], &page[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests::run;
    use crate::data::{Side, Unit};
    use crate::spread::Spread;

    fn data() -> Data {
        let mut data = Data::default();
        let figure = |what: &str| {
            vec![Figure::new(what, Unit::KiB).with(Side::Linkspan, Spread::exactly(7.0))]
        };
        data.keep(&run("old"), "size", 7, figure("all"));
        data.keep(&run("new"), "memory", 7, figure("one"));
        data.keep(&run("new"), "dhcp memory", 7, figure("two"));
        data
    }

    fn page() -> String {
        let names = TABLES.iter().map(|(name, _)| *name).chain(["runs"]);
        let regions = names.map(|name| format!("<!-- {name} -->\nold\n<!-- end -->\n"));
        format!("before\n{}after\n", regions.collect::<String>())
    }

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let made = redrawn(&page(), &data()).unwrap();
        assert!(
            made.starts_with("before\n") && made.ends_with("after\n"),
            "{made}"
        );
        assert!(!made.contains("\nold\n"), "{made}");
        assert_eq!(redrawn(&made, &data()).unwrap(), made);
    }

    #[test]
    fn what_is_of_another_run_says_so() {
        let made = redrawn(&page(), &data()).unwrap();
        for line in [
            "| one | 7 KiB |",
            "| all ¹ | 7 KiB |",
            "¹ A run of its own: old UTC;",
        ] {
            assert!(made.contains(line), "no {line:?} in {made}");
        }
    }

    #[test]
    fn a_run_says_how_noisy_it_was() {
        let mut data = data();
        let noisy = |high| {
            let mut figure = Figure::new("it", Unit::Milliseconds);
            figure.noise = Some(Spread::of([1.0, high]));
            figure
        };
        let figures = vec![noisy(1.04), noisy(1.2), noisy(9.0)];
        data.keep(&run("new"), "memory", 7, figures);
        let made = redrawn(&page(), &data).unwrap();
        let sentence = "Half of the calls of ours were within 15.0 % of ours in the same round.";
        assert!(made.contains(sentence), "{made}");
    }

    #[test]
    fn a_page_without_a_place_is_refused() {
        let error = redrawn("<!-- runs -->\n<!-- end -->\n", &data()).unwrap_err();
        assert!(error.contains("<!-- calls -->"), "{error}");
    }

    #[test]
    fn data_are_read_as_they_were_written() {
        let data = data();
        let read: Data = serde_json::from_str(&json(&data)).unwrap();
        assert_eq!(read, data);
    }
}
