//! One call, and the line that it is in the ring.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use linkspan_spec::{Error, ErrorCode};
use serde::{Deserialize, Serialize};

/// A line is shorter than this, in bytes, so that it is written at once: what is too long for it is cut.
pub(crate) const MAX_LINE: usize = 4 << 10;

/// Bytes in which most lines have room.
const USUAL_LINE: usize = 512;

/// How long a text of a line may be, in bytes: the first with which the line is short enough.
const TEXTS: [usize; 4] = [1024, 256, 64, 16];

/// More IPAM plugins than one call asks.
const MAX_DELEGATED: usize = 8;

/// The version of the format. Readers pass over lines of another; keys that are added do not make it another.
const FORMAT: u64 = 1;

/// A call of a plugin. Texts are as the runtime gave them, and may be anything; empty where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When the plugin began, by the host's clock, to the microsecond.
    pub began: SystemTime,
    /// How long it took, to the microsecond.
    pub took: Duration,
    /// CNI_COMMAND.
    pub command: String,
    /// The plugin.
    pub plugin: String,
    /// The network's name.
    pub network: String,
    /// CNI_CONTAINERID.
    pub container: String,
    /// CNI_IFNAME.
    pub ifname: String,
    /// The pod that the container is of, `namespace/name`, as Kubernetes' runtimes tell in CNI_ARGS.
    pub pod: String,
    /// The process that called, by its number; it may be gone.
    pub caller: u32,
    /// What IPAM plugins were asked for on the way, in order.
    pub ipam: Vec<Delegated>,
    /// Why it failed.
    pub error: Option<Error>,
}

/// A command that the plugin gave to an IPAM plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegated {
    /// The IPAM plugin.
    pub plugin: String,
    /// What it was asked to do.
    pub command: String,
    /// How long that took, to the microsecond.
    pub took: Duration,
    /// Why it failed.
    pub code: Option<ErrorCode>,
}

impl Event {
    /// The IPAM plugin that failed, and the call with it.
    pub fn failed_ipam(&self) -> Option<&Delegated> {
        let code = self.error.as_ref()?.code;
        self.ipam
            .iter()
            .find(|delegated| delegated.code == Some(code))
    }

    /// The line, with its end.
    pub(crate) fn to_line(&self) -> Vec<u8> {
        let lines = TEXTS.iter().map(|&limit| Line::of(self, limit).written());
        let mut fitting = lines.skip_while(|line| line.len() >= MAX_LINE);
        fitting.next().unwrap_or_default()
    }

    /// Reads a line; `None` where it is none of ours.
    pub(crate) fn from_line(line: &[u8]) -> Option<Self> {
        if line.len() >= MAX_LINE {
            return None;
        }
        let line: Line<'_> = serde_json::from_slice(line).ok()?;
        (line.v == FORMAT).then(|| line.event())?
    }
}

/// An event as it is written: times in microseconds, since 1970 or as they are. It is read and written without a tree of JSON
/// between, which takes a plugin longer than to write the line.
#[derive(Deserialize, Serialize)]
struct Line<'a> {
    v: u64,
    time: u64,
    took: u64,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    command: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    plugin: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    network: Cow<'a, str>,
    #[serde(
        borrow,
        default,
        rename = "containerID",
        skip_serializing_if = "str::is_empty"
    )]
    container: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    ifname: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pod: Cow<'a, str>,
    caller: u32,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    ipam: Vec<Asked<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    error: Option<Failed<'a>>,
}

/// A command that was given to an IPAM plugin, as it is written.
#[derive(Deserialize, Serialize)]
struct Asked<'a> {
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    plugin: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    command: Cow<'a, str>,
    took: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<u32>,
}

/// An error, as it is written.
#[derive(Deserialize, Serialize)]
struct Failed<'a> {
    code: u32,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    msg: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    details: Cow<'a, str>,
}

impl<'a> Line<'a> {
    /// With no more than the beginning of each text.
    fn of(event: &'a Event, limit: usize) -> Self {
        let text = |text: &'a str| Cow::Borrowed(beginning(text, limit));
        let since = event.began.duration_since(UNIX_EPOCH).unwrap_or_default();
        let asked = |one: &'a Delegated| Asked {
            plugin: text(&one.plugin),
            command: text(&one.command),
            took: microseconds(one.took),
            code: one.code.map(|code| code.0),
        };
        let failed = |error: &'a Error| Failed {
            code: error.code.0,
            msg: text(&error.msg),
            details: text(&error.details),
        };
        Self {
            v: FORMAT,
            time: microseconds(since),
            took: microseconds(event.took),
            command: text(&event.command),
            plugin: text(&event.plugin),
            network: text(&event.network),
            container: text(&event.container),
            ifname: text(&event.ifname),
            pod: text(&event.pod),
            caller: event.caller,
            ipam: event.ipam.iter().take(MAX_DELEGATED).map(asked).collect(),
            error: event.error.as_ref().map(failed),
        }
    }

    fn written(&self) -> Vec<u8> {
        let mut line = Vec::with_capacity(USUAL_LINE);
        // Numbers and texts can always be written to memory.
        if serde_json::to_writer(&mut line, self).is_err() {
            line.clear();
        }
        line.push(b'\n');
        line
    }

    /// `None` where the time is none.
    fn event(self) -> Option<Event> {
        let delegated = |one: Asked<'_>| Delegated {
            plugin: one.plugin.into(),
            command: one.command.into(),
            took: Duration::from_micros(one.took),
            code: one.code.map(ErrorCode),
        };
        let error = |error: Failed<'_>| {
            Error::new(ErrorCode(error.code), error.msg).with_details(error.details)
        };
        Some(Event {
            began: UNIX_EPOCH.checked_add(Duration::from_micros(self.time))?,
            took: Duration::from_micros(self.took),
            command: self.command.into(),
            plugin: self.plugin.into(),
            network: self.network.into(),
            container: self.container.into(),
            ifname: self.ifname.into(),
            pod: self.pod.into(),
            caller: self.caller,
            ipam: self.ipam.into_iter().map(delegated).collect(),
            error: self.error.map(error),
        })
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// As much of a text as has no more bytes.
fn beginning(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event {
            began: UNIX_EPOCH + Duration::from_micros(1_764_537_600_123_456),
            took: Duration::from_micros(1905),
            command: "ADD".into(),
            plugin: "bridge".into(),
            network: "mynet".into(),
            container: "c1".into(),
            ifname: "eth0".into(),
            pod: "default/web-1".into(),
            caller: 4711,
            ipam: vec![Delegated {
                plugin: "host-local".into(),
                command: "ADD".into(),
                took: Duration::from_micros(55),
                code: Some(ErrorCode(11)),
            }],
            error: Some(Error::new(ErrorCode(11), "the pool is full").with_details("free some")),
        }
    }

    fn text(event: &Event) -> String {
        String::from_utf8(event.to_line()).unwrap()
    }

    #[test]
    fn a_line_is_json_that_says_what_it_is() {
        assert_eq!(
            text(&event()),
            "{\"v\":1,\"time\":1764537600123456,\"took\":1905,\"command\":\"ADD\",\"plugin\":\"bridge\",\"network\":\"mynet\",\
             \"containerID\":\"c1\",\"ifname\":\"eth0\",\"pod\":\"default/web-1\",\"caller\":4711,\
             \"ipam\":[{\"plugin\":\"host-local\",\"command\":\"ADD\",\"took\":55,\"code\":11}],\
             \"error\":{\"code\":11,\"msg\":\"the pool is full\",\"details\":\"free some\"}}\n"
        );
        assert_eq!(event().failed_ipam(), event().ipam.first());
    }

    /// A container named with quotes, a newline or what a terminal obeys is one line all the same, and the same when it is read.
    #[test]
    fn whatever_the_texts_are_it_is_one_short_line_that_reads_the_same() {
        let bare = Event {
            network: String::new(),
            container: String::new(),
            ifname: String::new(),
            pod: String::new(),
            ipam: Vec::new(),
            error: None,
            ..event()
        };
        let named = |container: &str| Event {
            container: container.into(),
            ..event()
        };
        let whole = [
            event(),
            bare,
            named("a\"b\\c"),
            named("two\nlines\r\n{\"v\":1}"),
            named("\u{1b}[2J\u{0}\u{7f}\u{9b}"),
            named("ä€😀"),
        ];
        for event in whole {
            let line = text(&event);
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert_eq!(Event::from_line(line.trim_end().as_bytes()), Some(event));
        }
        for filler in ["x", "\u{1}", "\"", "😀"] {
            let long = filler.repeat(5000);
            let event = Event {
                plugin: long.clone(),
                command: long.clone(),
                network: long.clone(),
                container: long.clone(),
                ifname: long.clone(),
                pod: long.clone(),
                ipam: vec![
                    Delegated {
                        plugin: long.clone(),
                        command: long.clone(),
                        ..event().ipam.remove(0)
                    };
                    20
                ],
                error: Some(Error::new(ErrorCode(5), long.clone()).with_details(long.clone())),
                ..event()
            };
            let line = text(&event);
            assert!(line.len() < MAX_LINE && line.ends_with("}\n"), "{line}");
            let read = Event::from_line(line.trim_end().as_bytes()).unwrap();
            assert!(event.container.starts_with(&read.container) && !read.container.is_empty());
            assert_eq!((read.took, read.ipam.len()), (event.took, MAX_DELEGATED));
        }
    }

    #[test]
    fn what_is_no_event_is_none() {
        let line = text(&event());
        for hostile in [
            "",
            "{",
            "[]",
            "null",
            "\u{0}",
            &line[..50],
            &format!("{line}{line}"),
            &line.replace("\"v\":1", "\"v\":2"),
            &line.replace("\"v\":1,", ""),
            &line.replace("1905", "-1"),
            &line.replace("1905", "1e99"),
            &line.replace("1764537600123456", "\"now\""),
            &line.replace("4711", "99999999999"),
            &line.replace("\"eth0\"", "7"),
            &"[".repeat(3000),
        ] {
            assert_eq!(Event::from_line(hostile.as_bytes()), None, "{hostile}");
        }
    }
}
