//! `status` of all networks on one screen.

use super::all::{Counts, Findings, NetworkStatus, PoolStatus, Status};
use super::failures::Failures;
use crate::draw::{NEARLY_FULL, age, bar, percent};
use crate::style::Style;
use crate::ui::table;

/// The screen; with `brief` only what is not as it should be.
pub(super) fn text(style: Style, status: &Status, brief: bool) -> String {
    let parts = [
        networks(style, status, brief),
        pools(style, status, brief),
        attachments(style, &status.attachments, brief),
        failures(style, &status.failures),
        findings(style, status.findings),
    ];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}

fn networks(style: Style, status: &Status, brief: bool) -> String {
    let mut rows = vec![
        ["  NETWORK", "VERSION", "PLUGINS", "ATTACHED", "FILE"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let wanted = |network: &&NetworkStatus| !brief || !network.ready;
    let networks: Vec<_> = status.networks.iter().filter(wanted).collect();
    rows.extend(networks.iter().map(|network| row(style, network)));
    if rows.len() == 1 {
        return String::new();
    }
    let mut lines: Vec<String> = table(style, &rows).lines().map(str::to_owned).collect();
    // What is wrong with a network stands below it.
    for (index, network) in networks.iter().enumerate().rev() {
        let below = reasons(style, network);
        lines.splice(index + 2..index + 2, below);
    }
    lines.join("\n") + "\n"
}

fn row(style: Style, network: &NetworkStatus) -> Vec<String> {
    let sign = match (network.ready, &network.shadowed_by) {
        (true, _) => style.good("✓"),
        (false, Some(_)) => style.dim("–"),
        (false, None) => style.bad("✗"),
    };
    vec![
        format!("{sign} {}", network.name.as_deref().unwrap_or("?")),
        network.cni_version.clone().unwrap_or_default(),
        network.plugins.join(" "),
        attached(&network.attachments),
        network.file.display().to_string(),
    ]
}

fn attached(counts: &Counts) -> String {
    let all = counts.alive + counts.gone + counts.unknown;
    match counts.gone {
        0 => all.to_string(),
        gone => format!("{all}, {gone} stale"),
    }
}

fn reasons(style: Style, network: &NetworkStatus) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |label: String, words: &str| {
        lines.extend(
            format!("    {label} {}", style.behind_margin(words, 11))
                .lines()
                .map(str::to_owned),
        );
    };
    if let Some(file) = &network.shadowed_by {
        let words = format!(
            "never used: {} has a network of this name and comes first",
            file.display()
        );
        line(style.dim(" why:"), &words);
    }
    if let Some(problem) = &network.problem {
        line(style.bad(" why:"), &problem.what);
        for why in &problem.why {
            line(style.dim("     "), why);
        }
        if let Some(next) = &problem.next {
            line(style.good("next:"), next);
        }
    }
    lines
}

fn pools(style: Style, status: &Status, brief: bool) -> String {
    let is_nearly_full = |pool: &PoolStatus| {
        let is_so = |used| percent(used, pool.size) >= NEARLY_FULL;
        pool.used.is_some_and(is_so)
    };
    let pools = status
        .pools
        .iter()
        .filter(|pool| !brief || is_nearly_full(pool));
    let rows = pools.map(|pool| {
        let used = pool
            .used
            .map(|used| format!("{used} in use, {} %", percent(used, pool.size)));
        vec![
            format!("  {}", pool.network),
            pool.ranges.clone(),
            pool.used
                .map(|used| bar(style, used, pool.size))
                .unwrap_or_default(),
            used.unwrap_or_else(|| "cannot be read".to_owned()),
        ]
    });
    let heading = ["  POOL", "RANGES", "USED", ""].map(str::to_owned).to_vec();
    let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
    match rows.len() {
        1 => String::new(),
        _ => table(style, &rows),
    }
}

fn attachments(style: Style, counts: &Counts, brief: bool) -> String {
    let all = counts.alive + counts.gone + counts.unknown;
    let mut text = String::new();
    if !brief {
        text = match all {
            0 => "Nothing is attached.\n".to_owned(),
            1 => "1 attachment.\n".to_owned(),
            all => format!(
                "{all} attachments, {} of containers that are there.\n",
                counts.alive
            ),
        };
    }
    if counts.gone > 0 {
        let words = match counts.gone {
            1 => "1 is stale: its container is gone.".to_owned(),
            gone => format!("{gone} are stale: their containers are gone."),
        };
        text.push_str(&format!(
            "{} `linkspan gc NET --dry-run` tells what would go.\n",
            style.bad(&words)
        ));
    }
    if counts.unknown > 0 && !brief {
        text.push_str(&format!(
            "Of {} it cannot be told; `linkspan show` says why.\n",
            counts.unknown
        ));
    }
    text
}

/// Kinds of failures that are told.
const FAILURES: usize = 3;

fn failures(style: Style, failures: &[Failures]) -> String {
    if failures.is_empty() {
        return String::new();
    }
    let count: usize = failures.iter().map(|one| one.count).sum();
    let words = match count {
        1 => "1 call of a plugin failed in the last hour:".to_owned(),
        count => format!("{count} calls of plugins failed in the last hour:"),
    };
    let mut text = format!(
        "{} `linkspan events --failed` has all.\n",
        style.bad(&words)
    );
    for one in failures.iter().take(FAILURES) {
        let network = match one.network.is_empty() {
            true => String::new(),
            false => format!(" on {}", one.network),
        };
        let words = format!(
            "{} of {}{network}, {} times, last {} ago: {}",
            one.command,
            one.plugin,
            one.count,
            age(one.last),
            one.msg
        );
        text.push_str(&format!("  {}\n", style.behind_margin(&words, 2)));
    }
    text
}

fn findings(style: Style, findings: Findings) -> String {
    let kinds = [(findings.errors, "error"), (findings.warnings, "warning")];
    let kinds = kinds.iter().filter(|(count, _)| *count > 0);
    let words = kinds.map(|(count, word)| match count {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    });
    let words: Vec<_> = words.collect();
    match words.is_empty() {
        true => String::new(),
        false => format!(
            "{} found by `linkspan doctor`.\n",
            style.bad(&words.join(", "))
        ),
    }
}
