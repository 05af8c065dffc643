//! Prometheus' text format, version 0.0.4: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::Write;

/// What a family's values mean to Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Never goes down but to nothing.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by upper bounds.
    Histogram,
}

/// Families, each with its help and its kind before its samples.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
}

impl Exposition {
    /// Begins a family. One without samples is told as well, so that it is known that there is nothing.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let text = &mut self.text;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family { text, name }
    }

    pub(super) fn text(self) -> String {
        self.text
    }
}

/// A family whose samples are being written.
pub(super) struct Family<'e> {
    text: &'e mut String,
    name: &'static str,
}

impl Family<'_> {
    /// A sample with these labels.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.write("", labels, value);
    }

    /// The samples of a histogram: how many were no larger than each bound, and the sum of all.
    pub(super) fn histogram(
        &mut self,
        labels: &[(&str, &str)],
        counts: impl IntoIterator<Item = (f64, u64)>,
        sum: f64,
    ) {
        let mut total: u64 = 0;
        for (bound, count) in counts {
            total = total.saturating_add(count);
            let bound = match bound.is_finite() {
                true => bound.to_string(),
                false => "+Inf".to_owned(),
            };
            let labels = [labels, &[("le", &bound)]].concat();
            self.write("_bucket", &labels, total);
        }
        self.write("_sum", labels, sum);
        self.write("_count", labels, total);
    }

    fn write(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let label = |(name, value): &(&str, &str)| format!("{name}=\"{}\"", escaped(value));
        let labels: Vec<_> = labels.iter().map(label).collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{}{suffix}{labels} {value}", self.name);
    }
}

/// A label's value: backslash, quote and newline are the only ones that the format knows.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_told_before_its_samples() {
        let mut all = Exposition::default();
        let mut family = all.family("calls_total", Kind::Counter, "Calls.");
        family.sample(&[("plugin", "a\"b\\c\nd"), ("command", "ADD")], 7);
        all.family("nothing", Kind::Gauge, "Nothing.")
            .sample(&[], 0);
        let mut family = all.family("took_seconds", Kind::Histogram, "Durations.");
        family.histogram(
            &[("a", "b")],
            [(0.0005, 1), (1.0, 0), (f64::INFINITY, 2)],
            4.5,
        );
        assert_eq!(
            all.text(),
            "# HELP calls_total Calls.\n\
             # TYPE calls_total counter\n\
             calls_total{plugin=\"a\\\"b\\\\c\\nd\",command=\"ADD\"} 7\n\
             # HELP nothing Nothing.\n\
             # TYPE nothing gauge\n\
             nothing 0\n\
             # HELP took_seconds Durations.\n\
             # TYPE took_seconds histogram\n\
             took_seconds_bucket{a=\"b\",le=\"0.0005\"} 1\n\
             took_seconds_bucket{a=\"b\",le=\"1\"} 1\n\
             took_seconds_bucket{a=\"b\",le=\"+Inf\"} 3\n\
             took_seconds_sum{a=\"b\"} 4.5\n\
             took_seconds_count{a=\"b\"} 3\n"
        );
    }
}
