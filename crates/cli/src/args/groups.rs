//! The list of commands in the help, by what they are for.

use std::fmt::Write;
use std::io;

use clap::Command;

use crate::style::Style;

/// What a reader looks for, and the commands for it.
const GROUPS: [(&str, &[&str]); 5] = [
    (
        "See what is there",
        &[
            "list",
            "show",
            "status",
            "check",
            "ipam",
            "events",
            "metrics",
            "doctor",
            "test",
            "conformance",
            "version",
        ],
    ),
    ("Configure", &["new", "network", "lint", "explain"]),
    (
        "Attach and detach",
        &["add", "del", "trace", "gc", "reconcile"],
    ),
    ("Install", &["install", "uninstall", "demo"]),
    ("Shell and manual", &["completions", "man", "help"]),
];

/// The heading of commands that are in no group.
const OTHERS: &str = "Others";

/// The command line with the commands of its help in groups, which clap has for options alone.
pub(super) fn listed(command: Command) -> Command {
    let list = list(&command);
    let heading = *command.get_styles().get_header();
    command.help_template(format!(
        "{{before-help}}{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{list}\
         {heading}Options:{heading:#}\n{{options}}{{after-help}}"
    ))
}

fn list(command: &Command) -> String {
    let named = GROUPS.iter().flat_map(|(_, names)| names.iter().copied());
    let named: Vec<_> = named.collect();
    let commands = command.get_subcommands().filter(|one| !one.is_hide_set());
    let others = commands.map(Command::get_name);
    let others: Vec<_> = others.filter(|name| !named.contains(name)).collect();
    let mut groups = GROUPS.to_vec();
    groups.push((OTHERS, &others));
    let width = named.iter().chain(&others).map(|name| name.len()).max();
    let width = width.unwrap_or(0);
    let margin = width + 4;
    let lines = Style::of(io::stdout());
    let mut text = String::new();
    for (heading, names) in groups.iter().filter(|(_, names)| !names.is_empty()) {
        let style = command.get_styles().get_header();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{style}{heading}:{style:#}");
        let style = command.get_styles().get_literal();
        for name in *names {
            let about = lines.behind_margin(&about(command, name), margin);
            let _ = writeln!(text, "  {style}{name:width$}{style:#}  {about}");
        }
        text.push('\n');
    }
    text
}

/// What a command is for, in one line. `help` is clap's own and not there before the command line is read.
fn about(command: &Command, name: &str) -> String {
    let about = command.find_subcommand(name).and_then(Command::get_about);
    about.map_or_else(
        || "Print this, or the help of a command".to_owned(),
        |about| about.to_string().trim_end_matches('.').to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let command = crate::args::Cli::command();
        let mut named: Vec<_> = GROUPS.iter().flat_map(|(_, names)| *names).collect();
        named.sort_unstable();
        let commands = command.get_subcommands().filter(|one| !one.is_hide_set());
        let mut names: Vec<_> = commands.map(Command::get_name).chain(["help"]).collect();
        names.sort_unstable();
        assert!(
            named.into_iter().eq(&names),
            "GROUPS lists other commands than there are: {names:?}"
        );
    }
}
