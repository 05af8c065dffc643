//! One call, and the line that it is in the ring.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use linkspan_spec::{Error, ErrorCode, Map, Value, decode, key};

/// A line is shorter than this, in bytes, so that it is written at once: what is too long for it is cut.
pub(crate) const MAX_LINE: usize = 4 << 10;

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
    pub(crate) fn to_line(&self) -> String {
        let lines = TEXTS.iter().map(|&limit| self.line(limit));
        let mut fitting = lines.skip_while(|line| line.len() >= MAX_LINE);
        fitting.next().unwrap_or_default()
    }

    fn line(&self, limit: usize) -> String {
        let mut map = Map::new();
        map.insert("v".into(), FORMAT.into());
        let since = self.began.duration_since(UNIX_EPOCH).unwrap_or_default();
        map.insert("time".into(), microseconds(since));
        map.insert("took".into(), microseconds(self.took));
        for (key, text) in [
            ("command", &self.command),
            ("plugin", &self.plugin),
            ("network", &self.network),
            ("containerID", &self.container),
            ("ifname", &self.ifname),
            ("pod", &self.pod),
        ] {
            insert(&mut map, key, text, limit);
        }
        map.insert("caller".into(), self.caller.into());
        if !self.ipam.is_empty() {
            let ipam = self.ipam.iter().take(MAX_DELEGATED);
            map.insert("ipam".into(), ipam.map(|one| one.to_json(limit)).collect());
        }
        if let Some(error) = &self.error {
            let mut told = Map::new();
            told.insert("code".into(), error.code.0.into());
            insert(&mut told, "msg", &error.msg, limit);
            insert(&mut told, "details", &error.details, limit);
            map.insert("error".into(), told.into());
        }
        let mut line = Value::Object(map).to_string();
        line.push('\n');
        line
    }

    /// Reads a line; `None` where it is none of ours.
    pub(crate) fn from_line(line: &[u8]) -> Option<Self> {
        if line.len() >= MAX_LINE {
            return None;
        }
        let json = decode::value(line).ok()?;
        let map = json.as_object()?;
        if number(map, "v")? != FORMAT {
            return None;
        }
        let ipam = key(map, "ipam").and_then(Value::as_array);
        let ipam = ipam.into_iter().flatten().take(MAX_DELEGATED);
        Some(Self {
            began: UNIX_EPOCH.checked_add(duration(map, "time")?)?,
            took: duration(map, "took")?,
            command: text(map, "command"),
            plugin: text(map, "plugin"),
            network: text(map, "network"),
            container: text(map, "containerID"),
            ifname: text(map, "ifname"),
            pod: text(map, "pod"),
            caller: number(map, "caller").and_then(|pid| pid.try_into().ok())?,
            ipam: ipam.filter_map(Delegated::from_json).collect(),
            error: key(map, "error").and_then(error),
        })
    }
}

impl Delegated {
    fn to_json(&self, limit: usize) -> Value {
        let mut map = Map::new();
        insert(&mut map, "plugin", &self.plugin, limit);
        insert(&mut map, "command", &self.command, limit);
        map.insert("took".into(), microseconds(self.took));
        if let Some(code) = self.code {
            map.insert("code".into(), code.0.into());
        }
        map.into()
    }

    fn from_json(json: &Value) -> Option<Self> {
        let map = json.as_object()?;
        Some(Self {
            plugin: text(map, "plugin"),
            command: text(map, "command"),
            took: duration(map, "took")?,
            code: code(map),
        })
    }
}

fn error(json: &Value) -> Option<Error> {
    let map = json.as_object()?;
    Some(Error {
        code: code(map)?,
        msg: text(map, "msg"),
        details: text(map, "details"),
    })
}

fn code(map: &Map) -> Option<ErrorCode> {
    let number = number(map, "code")?;
    number.try_into().ok().map(ErrorCode)
}

fn number(map: &Map, name: &str) -> Option<u64> {
    key(map, name)?.as_u64()
}

fn text(map: &Map, name: &str) -> String {
    let text = key(map, name).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

fn duration(map: &Map, name: &str) -> Option<Duration> {
    number(map, name).map(Duration::from_micros)
}

fn microseconds(duration: Duration) -> Value {
    u64::try_from(duration.as_micros())
        .unwrap_or(u64::MAX)
        .into()
}

/// Puts a text in, unless it is empty; no more than its beginning.
fn insert(map: &mut Map, name: &str, text: &str, limit: usize) {
    if !text.is_empty() {
        map.insert(name.into(), beginning(text, limit).into());
    }
}

/// As much of a text as has no more bytes.
fn beginning(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len())).rev();
    let end = end.into_iter().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or_default()]
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

    #[test]
    fn a_line_is_json_that_says_what_it_is() {
        assert_eq!(
            event().to_line(),
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
            let line = event.to_line();
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
            let line = event.to_line();
            assert!(line.len() < MAX_LINE && line.ends_with("}\n"), "{line}");
            let read = Event::from_line(line.trim_end().as_bytes()).unwrap();
            assert!(event.container.starts_with(&read.container) && !read.container.is_empty());
            assert_eq!((read.took, read.ipam.len()), (event.took, MAX_DELEGATED));
        }
    }

    #[test]
    fn what_is_no_event_is_none() {
        let line = event().to_line();
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
            &"[".repeat(3000),
        ] {
            assert_eq!(Event::from_line(hostile.as_bytes()), None, "{hostile}");
        }
        let odd = line.replace("\"eth0\"", "7").replace("\"ADD\"", "[]");
        let read = Event::from_line(odd.as_bytes()).unwrap();
        assert_eq!((read.ifname.as_str(), read.command.as_str()), ("", ""));
    }
}
