//! Errors in a text: objects as plugins print them, lines of logs, a message alone.

use linkspan_spec::{Error, ErrorCode, Value};

/// The most bytes of a line and of a message that are looked at: more is no message, and a person reads none of it.
const MAX_LINE: usize = 16 << 10;

/// What two reports of the same error have in common, for whomever: message, code, plugin, command, network.
pub(super) type Sameness = (
    String,
    Option<ErrorCode>,
    Option<String>,
    Option<String>,
    Option<String>,
);

/// What was reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    /// The message.
    pub msg: String,
    /// The details beside it; may be empty.
    pub details: String,
    /// The code, where one was told.
    pub code: Option<ErrorCode>,
    /// The plugin that failed.
    pub plugin: Option<String>,
    /// What it was asked for: `add`, `del`, ….
    pub command: Option<String>,
    /// The network.
    pub network: Option<String>,
    /// The pod or the container, as the runtime calls it.
    pub container: Option<String>,
}

impl Reported {
    /// What it has in common with a report of the same error for somebody else.
    pub(super) fn sameness(&self) -> Sameness {
        (
            without_digits(&self.msg),
            self.code,
            self.plugin.clone(),
            self.command.clone(),
            self.network.clone(),
        )
    }
}

/// Names of pods, times and addresses differ where the error is the same.
fn without_digits(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_ascii_digit())
        .collect()
}

/// All reports in a text.
pub(super) fn reports(text: &str) -> Vec<Reported> {
    if let Some(value) = json(text.trim()) {
        let reported = of_object(&value).or_else(|| line_of_log(text));
        return reported.into_iter().collect();
    }
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    // Somebody pasted a message alone, or the output of a command that failed.
    let told = match lines.len() {
        1 => lines
            .iter()
            .map(|line| line_of_log(line).unwrap_or_else(|| message(line)))
            .collect(),
        _ => lines
            .iter()
            .filter_map(|line| line_of_log(line))
            .collect::<Vec<_>>(),
    };
    match told.is_empty() && lines.len() > 1 && lines.len() <= 20 {
        true => vec![message(&lines.join("\n"))],
        false => told,
    }
}

/// A message with nothing around it.
fn message(text: &str) -> Reported {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    Reported {
        msg: beginning(text).to_owned(),
        ..Reported::default()
    }
}

/// What is looked at of a text that may be endless.
fn beginning(text: &str) -> &str {
    let end = (0..=MAX_LINE.min(text.len()))
        .rev()
        .find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

/// The object that a text is.
fn json(text: &str) -> Option<Value> {
    let is_object = text.starts_with('{');
    is_object.then(|| linkspan_spec::decode::value(text.as_bytes()).ok())?
}

/// An error object, or Linkspan's own of `--json`, which has more keys.
fn of_object(value: &Value) -> Option<Reported> {
    // An object without any of the keys is a line of a log written as JSON, or something else.
    let map = value.as_object()?;
    map.contains_key("msg").then_some(())?;
    let is_error =
        map.contains_key("code") || map.contains_key("cniVersion") || map.contains_key("details");
    is_error.then_some(())?;
    let error = Error::from_json(value).ok()?;
    let mut reported = in_words(&error.msg).unwrap_or_else(|| message(&error.msg));
    reported.code = Some(error.code);
    reported.details = beginning(&error.details).to_owned();
    Some(reported)
}

/// What runtimes write around an error of CNI.
const SIGNS: [&str; 14] = [
    "plugin type=",
    "cni plugin",
    "cni network",
    "cni config",
    "networkplugin cni",
    "network plugin is not ready",
    "networkpluginnotready",
    "failed to find plugin",
    "error adding network",
    "error deleting network",
    "failed to setup network",
    "failed to destroy network",
    "netplugin failed",
    "error configuring network",
];

/// A line of a log that tells of CNI.
fn line_of_log(line: &str) -> Option<Reported> {
    // Logs write a message inside quotes with its own quotes escaped.
    let line = unescaped(beginning(line));
    if let Some(reported) = embedded(&line) {
        return Some(reported);
    }
    let lower = line.to_ascii_lowercase();
    if !SIGNS.iter().any(|sign| lower.contains(sign)) {
        return None;
    }
    Some(in_words(&line).unwrap_or_else(|| message(&line)))
}

/// An error object somewhere in a line.
fn embedded(line: &str) -> Option<Reported> {
    let mut from = 0;
    // Each brace costs a parse of what follows, so few are tried.
    for _ in 0..8 {
        let start = from + line.get(from..)?.find('{')?;
        let rest = &line[start..];
        let length = balanced(rest);
        if let Some(reported) = length.and_then(|length| of_object(&json(&rest[..length])?)) {
            let around = in_words(&line[..start]).unwrap_or_default();
            return Some(Reported {
                plugin: reported.plugin.clone().or(around.plugin),
                command: reported.command.clone().or(around.command),
                network: reported.network.clone().or(around.network),
                container: reported.container.clone().or(around.container),
                ..reported
            });
        }
        from = start + 1;
    }
    None
}

/// How long the object is with which a text begins.
fn balanced(text: &str) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (index, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            '{' if !in_string => depth += 1,
            '}' if !in_string => {
                depth -= 1;
                if depth == 0 {
                    return Some(index + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn unescaped(line: &str) -> String {
    let mut text = line.to_owned();
    // Wrapped in quotes twice by two programs.
    for _ in 0..3 {
        match text.contains("\\\"") {
            true => text = text.replace("\\\\", "\\").replace("\\\"", "\""),
            false => break,
        }
    }
    text
}

/// What stands in a message around the plugin's own words.
fn in_words(text: &str) -> Option<Reported> {
    let mut reported = Reported {
        network: between(
            text,
            &["CNI network \"", "network \"", "cni network "],
            &['"', ':', ' ', ','],
        ),
        container: between(
            text,
            &[
                "pod \"",
                "pod=\"",
                "container \"",
                "for pod ",
                "setup network for sandbox \"",
                "adding pod ",
                "for sandbox \"",
            ],
            &['"', ' ', ','],
        ),
        ..Reported::default()
    };
    let (at, marker) = ["plugin type="]
        .iter()
        .filter_map(|marker| text.find(marker).map(|at| (at, *marker)))
        .next()?;
    let rest = &text[at + marker.len()..];
    let rest = rest.trim_start_matches('"');
    let end = rest.find(|c: char| c == '"' || c.is_whitespace())?;
    reported.plugin = Some(rest[..end].to_owned());
    let mut rest = rest[end..].trim_start_matches('"').trim_start();
    // libcni since 1.1 tells the network as well: plugin type="bridge" name="mynet" failed (add): words.
    if let Some((name, behind)) = rest
        .strip_prefix("name=\"")
        .and_then(|rest| rest.split_once('"'))
    {
        reported.network = Some(name.to_owned());
        rest = behind.trim_start();
    }
    // failed (add): words. Linkspan's own has more between: failed (add), 1 of 3 in network "n", container …: words.
    if let Some(rest) = rest.strip_prefix("failed (")
        && let Some((command, rest)) = rest.split_once(')')
    {
        // libcni's word for DEL.
        let command = if command == "delete" { "del" } else { command };
        reported.command = Some(command.to_owned());
        let words = rest
            .strip_prefix(':')
            .or_else(|| rest.split_once(": ").map(|(_, words)| words));
        reported.msg = end_of_message(words.unwrap_or(rest).trim()).to_owned();
    }
    if reported.msg.is_empty() {
        reported.msg = end_of_message(text).to_owned();
    }
    Some(reported)
}

/// Without the fields that a logger writes behind a message in quotes.
fn end_of_message(words: &str) -> &str {
    const FIELDS: [&str; 11] = [
        "\" pod=",
        "\" podUID=",
        "\" containerID=",
        "\" id=",
        "\" error=",
        "\" name=",
        // More lines of a program whose output stands in the message.
        "\"\\n",
        // Loggers that write JSON.
        "\",\"level\":",
        "\",\"msg\":",
        "\",\"time\":",
        "\",\"ts\":",
    ];
    let end = FIELDS.iter().filter_map(|field| words.find(field)).min();
    let words = end.map_or(words, |end| &words[..end]);
    match words.matches('"').count() % 2 {
        1 => words.strip_suffix('"').unwrap_or(words),
        _ => words,
    }
}

fn between(text: &str, before: &[&str], ends: &[char]) -> Option<String> {
    before.iter().find_map(|before| {
        let at = text.find(before)? + before.len();
        let rest = &text[at..];
        let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
        (!word.is_empty()).then(|| word.to_owned())
    })
}
