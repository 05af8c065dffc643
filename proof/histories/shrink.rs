//! A failing schedule made short: by dropping lines (ddmin, Zeller and Hildebrandt 2002), and then by dropping what is left of
//! concurrency and of kills.
//! That workers wait for each other stays: nothing shall become concurrent that was not.

use crate::schedule::{Line, Schedule, Step};

/// The shortest schedule found that still fails, asking `fails` at most so many times.
///
/// What fails by chance fails less often when it is shorter, so `fails` may try more than once.
pub(crate) fn shrink(
    schedule: &Schedule,
    budget: usize,
    mut fails: impl FnMut(&Schedule) -> bool,
) -> Schedule {
    let mut left = budget;
    let mut fails = |lines: &[Line]| {
        left > 0 && {
            left -= 1;
            fails(&Schedule(lines.to_vec()))
        }
    };
    let mut lines = drop_lines(schedule.0.clone(), &mut fails);
    for simpler in [alone, unkilled] {
        let candidate: Vec<Line> = lines.iter().map(|line| simpler(*line)).collect();
        if candidate != lines && fails(&candidate) {
            lines = candidate;
        }
    }
    Schedule(lines)
}

fn drop_lines(mut lines: Vec<Line>, fails: &mut impl FnMut(&[Line]) -> bool) -> Vec<Line> {
    let mut parts = 2;
    while lines.len() > 1 {
        let size = lines.len().div_ceil(parts);
        let without = (0..lines.len()).step_by(size).find_map(|from| {
            let dropped = from..(from + size).min(lines.len());
            let stays = |(index, line): (usize, &Line)| {
                (*line == Line::Wait || !dropped.contains(&index)).then_some(*line)
            };
            let rest: Vec<Line> = lines.iter().enumerate().filter_map(stays).collect();
            (rest.len() < lines.len() && fails(&rest)).then_some(rest)
        });
        match without {
            Some(rest) => {
                lines = rest;
                parts = (parts - 1).max(2);
            }
            None if size == 1 => break,
            None => parts = (parts * 2).min(lines.len()),
        }
    }
    lines
}

/// One worker does everything.
fn alone(line: Line) -> Line {
    match line {
        Line::Step(step) => Line::Step(Step { worker: 1, ..step }),
        other => other,
    }
}

/// Nobody is killed.
fn unkilled(line: Line) -> Line {
    match line {
        Line::Step(step) => Line::Step(Step { kill: None, ..step }),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::Mix;

    /// Whether a schedule has these lines, in this order, with anything between them.
    fn has(schedule: &Schedule, wanted: &[&str]) -> bool {
        let text = schedule.to_string();
        let mut lines = text.lines();
        wanted.iter().all(|one| lines.any(|line| line == *one))
    }

    #[test]
    fn what_is_left_are_the_lines_that_fail_together() {
        let long = Schedule::of(11, Mix::Ours).to_string();
        let wanted = [
            "3 add c6 ptp port=8001 by=ours",
            "* reboot",
            "3 del c6 ptp by=ours",
        ];
        let half = long.lines().count() / 2;
        let lines: Vec<&str> = long
            .lines()
            .take(half)
            .chain(wanted)
            .chain(long.lines().skip(half))
            .collect();
        let schedule: Schedule = lines.join("\n").parse().unwrap();
        let mut asked = 0;
        let shrunk = shrink(&schedule, 1000, |candidate| {
            asked += 1;
            has(candidate, &wanted)
        });
        assert_eq!(shrunk.to_string(), wanted.join("\n") + "\n");
        assert!(asked < 150, "{asked}");
    }

    #[test]
    fn concurrency_and_kills_go_where_they_are_no_cause() {
        let schedule: Schedule = "1 add c1 lan by=ours kill=30us\n2 del c2 ptp by=old"
            .parse()
            .unwrap();
        let shrunk = shrink(&schedule, 100, |candidate| candidate.0.len() == 2);
        assert_eq!(
            shrunk.to_string(),
            "1 add c1 lan by=ours\n1 del c2 ptp by=old\n"
        );
        let shrunk = shrink(&schedule, 100, |candidate| {
            candidate.to_string().contains("kill=")
        });
        assert_eq!(shrunk.to_string(), "1 add c1 lan by=ours kill=30us\n");
    }

    #[test]
    fn nothing_becomes_concurrent_that_was_not() {
        let schedule: Schedule = "1 add c1 lan by=old\n* wait\n2 del c1 lan by=ours\n2 lose c1"
            .parse()
            .unwrap();
        let shrunk = shrink(&schedule, 100, |candidate| {
            candidate.to_string().contains("del c1")
        });
        assert_eq!(shrunk.to_string(), "* wait\n1 del c1 lan by=ours\n");
    }

    #[test]
    fn it_ends_with_its_budget() {
        let mut asked = 0;
        shrink(&Schedule::of(1, Mix::Ours), 7, |_| {
            asked += 1;
            false
        });
        assert_eq!(asked, 7);
    }
}
