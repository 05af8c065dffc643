//! docs/operate/test.md shows what happens.

use linkspan_testkit::{Output, Setup};
use serde_json::json;

use super::{BRIDGES_ALONE, LONG, Node, ipam, portmap};
use crate::demo::build_plugins;
use crate::transcript::replay;

/// What another run has otherwise, as it is shown: the process, the port, the addresses outside, and times.
fn shown(_: &str, output: &Output) -> String {
    let mut text = output.stdout.clone();
    let named = text.split_once("linkspan-test-");
    let pid = named.and_then(|(_, rest)| Some(rest.split_once('-')?.0.to_owned()));
    if let Some(pid) = pid {
        text = text.replace(&format!("-{pid}-"), "-4711-");
    }
    text.lines().map(|line| stable(line) + "\n").collect()
}

/// A line without what is by chance: of a check the first column and the last, without the time between them.
fn stable(line: &str) -> String {
    let margin: String = line.chars().take_while(|c| *c == ' ').collect();
    let columns = line.trim().split("  ").map(str::trim);
    let columns: Vec<_> = columns
        .filter(|column| !column.is_empty() && !column.ends_with(" ms"))
        .map(words)
        .collect();
    match &columns[..] {
        [subject, detail] => format!("{margin}{subject:44}  {detail}"),
        columns => margin + &columns.join("  "),
    }
}

fn words(column: &str) -> String {
    let mut words: Vec<_> = column.split(' ').map(address).collect();
    if let Some(time) = words.iter().position(|word| word == "ms.") {
        words[time - 1] = "2993".to_owned();
    }
    words.join(" ")
}

/// An address outside is one of the first of its range, and a port of the host's 40000.
fn address(word: &str) -> String {
    let (address, port) = match word.split_once(':') {
        Some((address, port)) if port.parse::<u16>().is_ok() => (address, ":40000"),
        _ => (word, ""),
    };
    let outside = address.strip_prefix("192.0.2.").map(|last| {
        let end = if last.ends_with('.') { "." } else { "" };
        let number: u32 = last.trim_end_matches('.').parse().unwrap();
        format!("192.0.2.{}{end}", number % 4)
    });
    outside.unwrap_or_else(|| address.to_owned()) + port
}

#[test]
fn what_the_page_shows_is_what_happens() {
    build_plugins();
    Setup::default().deadline(LONG).sandbox(|host| {
        let node = Node::new(host);
        host.run(BRIDGES_ALONE);
        let bridge =
            json!({"type": "bridge", "isGateway": true, "ipMasq": true, "ipam": ipam(false)});
        node.network(&json!([bridge, portmap()]));
        std::fs::create_dir_all("/opt/cni").unwrap();
        std::os::unix::fs::symlink(&node.bin, "/opt/cni/bin").unwrap();
        replay("operate/test.md", shown);
    });
}
