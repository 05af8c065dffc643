//! A configuration that was found: in which file, in which form, and what is in it.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use linkspan_plugin::{Handler, find};
use linkspan_plugins::PLUGINS;
use linkspan_spec::{DecodeError, PluginConfig, Version};

use serde_json::{Map, Value as Json};

use crate::embedding::Embedding;
use crate::finding::{Edit, Finding, Fix};
use crate::json::{self, Fault, Member, Node, Reading, Value};
use crate::source::{Source, Span};

/// What a file is to those who read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `.conflist`: runtimes read a list of plugins.
    List,
    /// `.conf` or `.json`: runtimes read one plugin.
    Single,
    /// `.conf` in the folder of a network: one plugin of that network's list.
    Part,
    /// In a manifest, or in a file of another name: what it is says what is in it.
    Free,
    /// In a directory of configurations, with a name that no runtime reads.
    Ignored,
}

/// A configuration, or what should be one.
#[derive(Debug)]
pub struct Document {
    /// The file's text.
    pub source: Arc<Source>,
    /// The file; `None` for what was read from standard input.
    pub path: Option<PathBuf>,
    /// What the file is to those who read it.
    pub form: Form,
    /// Where in the file it is: `NetworkAttachmentDefinition default/macvlan`; `None` where it is the file.
    pub within: Option<String>,
    /// Whether a folder may have more plugins of a list: known where a directory was read.
    pub is_continued: bool,
    /// Whether a name that it lacks is given to it from outside.
    pub is_named_outside: bool,
    /// What is in it, with places in the file; `None` where it is no JSON.
    pub root: Option<Node>,
    /// Where it is not JSON.
    pub faults: Vec<Fault>,
    /// What else keeps it from being read, and where.
    pub obstacle: Option<Obstacle>,
    pub(crate) embedding: Option<Embedding>,
    /// What runtimes refuse in it, which several rules tell.
    pub(crate) refusals: OnceCell<Vec<(Span, DecodeError)>>,
    /// What its plugins' declared keys say of it, which several rules tell.
    pub(crate) judged: OnceCell<Vec<Finding>>,
}

/// What keeps a file from being read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The file cannot be opened or read, for this reason.
    Unreadable(String),
    /// It is no YAML here, for this reason.
    Yaml(Span, String),
    /// It is written as YAML here, where a string with JSON is asked for.
    NotString(Span),
}

impl Document {
    /// What is in a file of JSON.
    pub(crate) fn of_file(source: Arc<Source>, path: Option<PathBuf>, form: Form) -> Self {
        let reading = match path.as_deref().is_some_and(is_template) {
            true => Reading::Template,
            false => Reading::Exact,
        };
        let parsed = json::parse(source.text(), reading);
        Self {
            root: parsed.root,
            faults: parsed.faults,
            ..Self::empty(source, path, form)
        }
    }

    /// A file of which nothing can be said but what keeps it from being read.
    pub(crate) fn unread(source: Arc<Source>, path: Option<PathBuf>, obstacle: Obstacle) -> Self {
        Self {
            obstacle: Some(obstacle),
            ..Self::empty(source, path, Form::Free)
        }
    }

    /// What is in a text inside of a file.
    pub(crate) fn embedded(
        source: Arc<Source>,
        path: Option<PathBuf>,
        within: String,
        embedding: Embedding,
    ) -> Self {
        let mut parsed = json::parse(&embedding.text, Reading::Template);
        if let Some(root) = &mut parsed.root {
            root.relocate(&|span| embedding.place(span));
        }
        for fault in &mut parsed.faults {
            fault.relocate(&embedding);
        }
        Self {
            root: parsed.root,
            faults: parsed.faults,
            within: Some(within),
            embedding: Some(embedding),
            ..Self::empty(source, path, Form::Free)
        }
    }

    fn empty(source: Arc<Source>, path: Option<PathBuf>, form: Form) -> Self {
        Self {
            source,
            path,
            form,
            within: None,
            is_continued: true,
            is_named_outside: false,
            root: None,
            faults: Vec::new(),
            obstacle: None,
            embedding: None,
            refusals: OnceCell::new(),
            judged: OnceCell::new(),
        }
    }

    /// Whether it is a list of plugins, by what is in it, or else by the file's name.
    pub fn is_list(&self) -> bool {
        let has = |key: &str| self.member(key).is_some();
        has("plugins") || (self.form == Form::List && !has("type"))
    }

    /// The member of a key at the top.
    pub fn member(&self, key: &str) -> Option<&Member> {
        self.root.as_ref()?.member(key)
    }

    /// The network's name, with its place.
    pub fn name(&self) -> Option<(&str, Span)> {
        let member = self.member("name")?;
        Some((member.node.as_str()?, member.node.span))
    }

    /// The version that is spoken: the highest known one of `cniVersion` and `cniVersions`, 0.1.0 where there is none; `None`
    /// where all are unknown.
    pub fn version(&self) -> Option<Version> {
        let single = self.member("cniVersion").map(|member| &member.node);
        let many = self.member("cniVersions");
        let many = many.map(|member| member.node.items()).unwrap_or_default();
        let texts: Vec<&str> = many.iter().chain(single).filter_map(Node::as_str).collect();
        let known = texts.iter().filter_map(|text| text.parse().ok()).max();
        match texts.iter().all(|text| text.is_empty()) {
            true => Some(Version::V0_1_0),
            false => known,
        }
    }

    /// The plugins in the order of ADD.
    pub fn plugins(&self) -> Vec<Plugin<'_>> {
        let Some(root) = self.root.as_ref().filter(|root| root.is_object()) else {
            return Vec::new();
        };
        match root.get("plugins") {
            Some(plugins) => {
                let items = plugins.items().iter().enumerate();
                let objects = items.filter(|(_, item)| item.is_object());
                objects
                    .map(|(index, node)| Plugin::of(self, Some(index), node))
                    .collect()
            }
            None if self.is_list() => Vec::new(),
            None => vec![Plugin::of(self, None, root)],
        }
    }

    /// The place where a whole document is spoken of: its first character.
    pub fn beginning(&self) -> Span {
        match &self.root {
            Some(root) => Span::new(root.span.start, (root.span.start + 1).min(root.span.end)),
            None => Span::at(0),
        }
    }

    /// A fix as it is written in the file; `None` where it would have to be written otherwise there.
    pub(crate) fn written(&self, fix: Fix) -> Option<Fix> {
        let Some(embedding) = &self.embedding else {
            return Some(fix);
        };
        let edits: Option<Vec<Edit>> = fix.edits.iter().map(|edit| embedding.edit(edit)).collect();
        Some(Fix {
            edits: edits?,
            ..fix
        })
    }

    /// The directory in which a runtime finds the file.
    pub fn directory(&self) -> Option<&Path> {
        self.path.as_deref()?.parent()
    }
}

/// Whether a file is filled in by somebody before it is read.
fn is_template(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("template" | "tmpl" | "tpl" | "in" | "j2"))
}

impl Fault {
    fn relocate(&mut self, embedding: &Embedding) {
        self.span = embedding.place(self.span);
        if let Some((span, _)) = &mut self.other {
            *span = embedding.place(*span);
        }
        for edit in self.fix.iter_mut().flat_map(|fix| &mut fix.edits) {
            edit.span = embedding.place(edit.span);
        }
    }
}

/// A plugin of a chain.
#[derive(Clone, Copy)]
pub struct Plugin<'a> {
    /// Its place in `plugins`; `None` where it is the whole configuration.
    pub index: Option<usize>,
    /// Its object.
    pub node: &'a Node,
    /// Its type with the place; `None` where it has none, or none that can be read.
    pub kind: Option<(&'a str, Span)>,
    /// The plugin, where it is one of ours.
    pub handler: Option<&'static dyn Handler>,
    /// Its IPAM plugin.
    pub ipam: Option<Ipam<'a>>,
    document: &'a Document,
}

/// The IPAM plugin of a plugin.
#[derive(Clone, Copy)]
pub struct Ipam<'a> {
    /// Its object.
    pub node: &'a Node,
    /// Its type with the place; `None` where it has none.
    pub kind: Option<(&'a str, Span)>,
    /// The plugin, where it is one of ours.
    pub handler: Option<&'static dyn Handler>,
}

impl<'a> Plugin<'a> {
    fn of(document: &'a Document, index: Option<usize>, node: &'a Node) -> Self {
        let kind = kind(node);
        let ipam = node.get("ipam").filter(|ipam| ipam.is_object());
        Self {
            index,
            node,
            kind,
            handler: handler(kind),
            ipam: ipam.map(|node| {
                let kind = self::kind(node);
                Ipam {
                    node,
                    kind,
                    handler: handler(kind),
                }
            }),
            document,
        }
    }

    /// Its type; empty where it has none.
    pub fn name(&self) -> &'a str {
        self.kind.map_or("", |(name, _)| name)
    }

    /// Whether it is of this type.
    pub fn is(&self, name: &str) -> bool {
        self.name() == name
    }

    /// The type of its IPAM plugin; empty where it has none.
    pub fn ipam_name(&self) -> &'a str {
        let kind = self.ipam.and_then(|ipam| ipam.kind);
        kind.map_or("", |(name, _)| name)
    }

    /// Where it is spoken of: its type, else its first character.
    pub fn span(&self) -> Span {
        let start = self.node.span.start;
        self.kind
            .map_or(Span::new(start, start + 1), |(_, span)| span)
    }

    /// The value of a key of its object, which must be there and no `null`, by a path such as `ipam.subnet`.
    pub fn get(&self, path: &str) -> Option<&'a Node> {
        self.node.at(path)
    }

    /// Whether a switch is on.
    pub fn is_on(&self, key: &str) -> bool {
        self.get(key)
            .is_some_and(|node| node.value == Value::Bool(true))
    }

    /// Whether it stands in a manifest of Kubernetes.
    pub(crate) fn is_in_manifest(&self) -> bool {
        self.document.within.is_some()
    }

    /// The text of a key.
    pub fn text(&self, path: &str) -> Option<&'a str> {
        self.get(path).and_then(Node::as_str)
    }

    /// The configuration that a runtime hands to it, as far as that stands here; without what a template leaves open.
    ///
    /// `None` where that cannot be, which other rules tell.
    pub fn config(&self) -> Option<PluginConfig> {
        self.config_of(self.node.to_map())
    }

    /// The same of other keys than those that stand here.
    pub(crate) fn config_of(&self, keys: Map<String, Json>) -> Option<PluginConfig> {
        let mut config = PluginConfig::from_map(keys).ok()?;
        let name = self.document.name().and_then(|(name, _)| name.parse().ok());
        let name = match name {
            Some(name) => name,
            None => "network".parse().ok()?,
        };
        config = config.with_network(&name, self.document.version()?);
        Some(config)
    }
}

fn kind(node: &Node) -> Option<(&str, Span)> {
    let node = node.get("type")?;
    let name = node.as_str().filter(|name| !name.is_empty())?;
    Some((name, node.span))
}

fn handler(kind: Option<(&str, Span)>) -> Option<&'static dyn Handler> {
    kind.and_then(|(name, _)| find(PLUGINS, name))
}

impl std::fmt::Debug for Plugin<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Plugin").field(&self.name()).finish()
    }
}
