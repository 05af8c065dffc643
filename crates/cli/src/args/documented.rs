//! The command lines that documents show are command lines.

use clap::error::ErrorKind;
use clap::{Error, FromArgMatches};
use linkspan_testkit::document::Document;

use super::{Cli, command};

/// Every command line of `linkspan` in a document is understood.
#[test]
fn documents_show_command_lines_that_are_understood() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for document in Document::all() {
        // What was, and may be no more.
        if document.path.ends_with("CHANGELOG.md") {
            continue;
        }
        let blocks = document.blocks.iter();
        let shown = blocks.flat_map(|block| {
            block
                .text
                .lines()
                .map(|line| (block.range.start, line, true))
        });
        let phrases = document.phrases.iter();
        let lines = shown.chain(phrases.map(|(place, text)| (*place, text.as_str(), false)));
        for (place, line, is_whole) in lines {
            for words in commands(line) {
                count += 1;
                let read = command().try_get_matches_from(&words);
                if let Err(error) = read.and_then(|matches| Cli::from_arg_matches(&matches))
                    && is_wrong(&error, is_whole)
                {
                    wrong.push(format!(
                        "{}: {}: {error}",
                        document.place(place),
                        words.join(" ")
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 100, "{count} are too few to be all");
}

/// Whether a command line is wrong; one within a sentence may only name the command, or words that stand for a value.
fn is_wrong(error: &Error, is_whole: bool) -> bool {
    let is_named = matches!(
        error.kind(),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            | ErrorKind::InvalidValue
            | ErrorKind::MissingRequiredArgument
            | ErrorKind::MissingSubcommand
            | ErrorKind::ValueValidation
    );
    error.use_stderr() && (is_whole || !is_named)
}

/// The commands in a line that run the program, each as its words. One that leaves something out is none.
fn commands(line: &str) -> Vec<Vec<String>> {
    let line = line.trim().trim_start_matches(['#', '$', ' ']);
    let begins = |part: &&str| part.starts_with("linkspan ") && !part.contains('…');
    pieces(line)
        .iter()
        .map(|piece| piece.trim().trim_start_matches("sudo "))
        .filter(begins)
        .filter_map(shlex::split)
        .map(|words| {
            words
                .into_iter()
                .take_while(|word| !is_redirection(word))
                .collect()
        })
        .collect()
}

/// A line at what stands between commands.
fn pieces(line: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut quote = None;
    for letter in line.chars() {
        match quote {
            None if letter == '#' && pieces.last().is_some_and(|piece| piece.ends_with(' ')) => {
                break;
            }
            None if matches!(letter, ';' | '|' | '&' | '(' | ')') => {
                pieces.push(String::new());
                continue;
            }
            None if matches!(letter, '\'' | '"') => quote = Some(letter),
            Some(end) if letter == end => quote = None,
            _ => {}
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(letter);
        }
    }
    pieces
}

fn is_redirection(word: &str) -> bool {
    word.trim_start_matches(|letter: char| letter.is_ascii_digit())
        .starts_with(['>', '<'])
}

#[test]
fn commands_are_found_in_a_line() {
    let found = |line: &str| -> Vec<String> {
        commands(line).iter().map(|words| words.join("·")).collect()
    };
    assert_eq!(
        found(
            "# ip netns exec c1 true; linkspan add mynet c1 --args 'A=1;B=2' > /dev/null && linkspan show | head"
        ),
        ["linkspan·add·mynet·c1·--args·A=1;B=2", "linkspan·show"]
    );
    assert_eq!(
        found("linkspan status              # one screen; linkspan x"),
        ["linkspan·status"]
    );
    for none in [
        "linkspan-plugins x",
        "the linkspan show",
        "linkspan add …",
        "linkspan",
    ] {
        assert!(found(none).is_empty(), "{none}");
    }
}
