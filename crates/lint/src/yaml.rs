//! Configurations inside of Kubernetes manifests: in NetworkAttachmentDefinitions and in ConfigMaps.

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::embedding::{Embedding, Style};
use crate::source::{Source, Span};

/// As deep as manifests are looked into; those of Kubernetes have some ten levels.
const MAX_DEPTH: usize = 64;

/// As many lists (`kind: List`) may be in each other.
const MAX_LISTS: usize = 3;

/// A text in a manifest that holds a configuration.
#[derive(Debug)]
pub(crate) struct Found {
    /// Where it is: `NetworkAttachmentDefinition default/macvlan`.
    pub within: String,
    /// The text, and where its bytes are in the file.
    pub embedding: Embedding,
    /// Whether the name of the object is the network's where the configuration has none.
    pub is_named_outside: bool,
    /// Whether the file's name in it says that it holds a list.
    pub is_list: Option<bool>,
}

/// What a manifest holds.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    /// The configurations.
    pub found: Vec<Found>,
    /// What is no YAML, if it is not: where, and why.
    pub refused: Option<(Span, String)>,
    /// Configurations that are written as YAML, where a string with JSON is asked for.
    pub not_strings: Vec<(Span, String)>,
}

/// Looks through a file of manifests.
pub(crate) fn read(source: &Source) -> Manifest {
    let mut text = source.text().to_owned();
    for _ in 0..MAX_UNINDENTED {
        let manifest = read_as(source, &text);
        let refused = manifest
            .refused
            .as_ref()
            .filter(|(_, why)| why == UNINDENTED);
        match refused.and_then(|(at, _)| in_one_line(&text, at.start)) {
            Some(joined) => text = joined,
            None => return manifest,
        }
    }
    read_as(source, &text)
}

/// What the parser says of a quoted text whose lines are not indented more than its key. The parser of Kubernetes takes them,
/// and people write configurations so.
const UNINDENTED: &str = "invalid indentation in quoted scalar";

/// In how many texts of a file.
const MAX_UNINDENTED: usize = 100;

/// The same with the quoted text that begins here in one line, which means the same; every byte stays where it is.
fn in_one_line(text: &str, start: usize) -> Option<String> {
    let quote = text.get(start..)?.chars().next()?;
    let mut inside = text[start..].char_indices().skip(1).peekable();
    let end = loop {
        match (quote, inside.next()?) {
            // A doubled quote, and what is escaped, is in the text.
            ('\'', (_, '\'')) if inside.next_if(|(_, c)| *c == '\'').is_some() => {}
            ('"', (_, '\\')) => drop(inside.next()),
            ('\'', (end, '\'')) | ('"', (end, '"')) => break start + end,
            ('\'' | '"', _) => {}
            _ => return None,
        }
    };
    let line = text.get(start..end)?.replace(['\n', '\r'], " ");
    (line != text[start..end]).then(|| format!("{}{line}{}", &text[..start], &text[end..]))
}

/// Looks through a text that says the same as the file, byte by byte.
fn read_as(source: &Source, text: &str) -> Manifest {
    let mut manifest = Manifest::default();
    let mut builder = Builder::new(text);
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                let at = Span::at(builder.bytes.of(error.marker().index()));
                manifest.refused = Some((at, error.info().to_owned()));
                break;
            }
        };
        match builder.take(event, span) {
            Step::On => {}
            Step::Document(tree) => tree.look(source, 0, &mut manifest),
            Step::TooDeep(at) => {
                manifest.refused = Some((at, format!("deeper than {MAX_DEPTH} levels")));
                break;
            }
        }
    }
    manifest
}

/// A part of a manifest.
#[derive(Debug)]
enum Yaml {
    Text {
        text: String,
        style: ScalarStyle,
        span: Span,
    },
    List(Vec<Yaml>),
    Map {
        entries: Vec<(Yaml, Yaml)>,
        span: Span,
    },
    /// A repetition of what stands elsewhere.
    Alias,
}

impl Yaml {
    fn get(&self, key: &str) -> Option<&Self> {
        let entries = self.entries().iter();
        let mut found = entries.filter(|(name, _)| name.text() == Some(key));
        found.next_back().map(|(_, value)| value)
    }

    fn entries(&self) -> &[(Self, Self)] {
        match self {
            Self::Map { entries, .. } => entries,
            _ => &[],
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    fn look(&self, source: &Source, lists: usize, manifest: &mut Manifest) {
        let text = |key: &str| self.get(key).and_then(Self::text);
        let Some(kind) = text("kind") else { return };
        if let (true, Some(Self::List(items))) = (lists < MAX_LISTS, self.get("items")) {
            for item in items {
                item.look(source, lists + 1, manifest);
            }
        }
        match kind {
            "NetworkAttachmentDefinition" => self.look_for_config(source, kind, manifest),
            "ConfigMap" => self.look_for_files(source, kind, manifest),
            _ => {}
        }
    }

    /// `default/macvlan`
    fn own_name(&self) -> String {
        let metadata = self.get("metadata");
        let text = |key: &str| metadata.and_then(|map| map.get(key)).and_then(Self::text);
        let name = text("name").unwrap_or("?");
        match text("namespace") {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name.to_owned(),
        }
    }

    fn look_for_config(&self, source: &Source, kind: &str, manifest: &mut Manifest) {
        let within = format!("{kind} {}", self.own_name());
        match self.get("spec").and_then(|spec| spec.get("config")) {
            Some(config @ Self::Text { text, .. }) if !text.trim().is_empty() => {
                manifest
                    .found
                    .extend(config.embedded(source).map(|embedding| Found {
                        within,
                        embedding,
                        is_named_outside: true,
                        is_list: None,
                    }));
            }
            Some(Self::Map { span, .. }) => manifest.not_strings.push((*span, within)),
            _ => {}
        }
    }

    fn look_for_files(&self, source: &Source, kind: &str, manifest: &mut Manifest) {
        let name = self.own_name();
        for (key, value) in self.get("data").map(Self::entries).unwrap_or_default() {
            let (Some(key), Some(text)) = (key.text(), value.text()) else {
                continue;
            };
            if !is_configuration(key, text) {
                continue;
            }
            manifest
                .found
                .extend(value.embedded(source).map(|embedding| Found {
                    within: format!("{kind} {name}, {key}"),
                    embedding,
                    is_named_outside: false,
                    is_list: is_list(key),
                }));
        }
    }

    fn embedded(&self, source: &Source) -> Option<Embedding> {
        let Self::Text { text, style, span } = self else {
            return None;
        };
        let style = match style {
            ScalarStyle::DoubleQuoted => Style::Double,
            ScalarStyle::SingleQuoted => Style::Single,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
            ScalarStyle::Plain => Style::Plain,
        };
        Embedding::of(source.text(), *span, style, text)
    }
}

fn is_list(key: &str) -> Option<bool> {
    let (_, extension) = key.rsplit_once('.')?;
    match extension {
        "conflist" => Some(true),
        "conf" => Some(false),
        _ => None,
    }
}

/// Whether a text of a ConfigMap is a configuration of CNI, by its key and by words that every one has.
fn is_configuration(key: &str, text: &str) -> bool {
    let has = |word: &str| text.contains(&format!("\"{word}\""));
    key.ends_with(".conflist")
        || text.trim_start().starts_with('{')
            && has("type")
            && (has("cniVersion") || has("plugins"))
}

/// Where characters are in a text that the parser counts by characters.
struct Bytes {
    length: usize,
    /// The byte of each character, unless each is a byte.
    of: Option<Vec<usize>>,
}

impl Bytes {
    fn new(text: &str) -> Self {
        let indices = || text.char_indices().map(|(byte, _)| byte).collect();
        Self {
            length: text.len(),
            of: (!text.is_ascii()).then(indices),
        }
    }

    fn of(&self, character: usize) -> usize {
        let byte = match &self.of {
            Some(of) => of.get(character).copied().unwrap_or(self.length),
            None => character,
        };
        byte.min(self.length)
    }
}

/// Makes trees of the parser's events.
struct Builder {
    bytes: Bytes,
    /// What is open: maps with the key that waits for its value, and lists.
    open: Vec<(Yaml, Option<Yaml>)>,
}

enum Step {
    On,
    Document(Yaml),
    TooDeep(Span),
}

impl Builder {
    fn new(text: &str) -> Self {
        Self {
            bytes: Bytes::new(text),
            open: Vec::new(),
        }
    }

    fn take(&mut self, event: Event<'_>, span: saphyr_parser::Span) -> Step {
        let span = Span::new(
            self.bytes.of(span.start.index()),
            self.bytes.of(span.end.index()),
        );
        let whole = match event {
            Event::Scalar(text, style, ..) => Yaml::Text {
                text: text.into_owned(),
                style,
                span,
            },
            Event::Alias(_) => Yaml::Alias,
            Event::SequenceStart(..) => return self.begin(Yaml::List(Vec::new()), span),
            Event::MappingStart(..) => {
                let entries = Vec::new();
                return self.begin(Yaml::Map { entries, span }, span);
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some((mut whole, _)) => {
                    if let Yaml::Map { span: of_map, .. } = &mut whole {
                        of_map.end = span.end.max(of_map.end);
                    }
                    whole
                }
                None => return Step::On,
            },
            _ => return Step::On,
        };
        self.put(whole)
    }

    fn begin(&mut self, part: Yaml, span: Span) -> Step {
        if self.open.len() >= MAX_DEPTH {
            return Step::TooDeep(span);
        }
        self.open.push((part, None));
        Step::On
    }

    /// Puts what is complete where it belongs.
    fn put(&mut self, whole: Yaml) -> Step {
        match self.open.last_mut() {
            None => return Step::Document(whole),
            Some((Yaml::List(items), _)) => items.push(whole),
            Some((Yaml::Map { entries, .. }, key)) => match key.take() {
                None => *key = Some(whole),
                Some(name) => entries.push((name, whole)),
            },
            Some(_) => {}
        }
        Step::On
    }
}

#[cfg(test)]
mod tests;
