//! Tests of a plugin: calls as a runtime makes them, in the test's own process and without its environment.
//!
//! ```
//! use linkspan_plugin::spec::{Error, ErrorCode, Success};
//! use linkspan_plugin::{Call, Plugin, Role, config::NoKeys, testing};
//! use serde_json::json;
//!
//! struct Refuses;
//!
//! impl Plugin for Refuses {
//!     type Config = NoKeys;
//!     const NAME: &'static str = "refuses";
//!     const ABOUT: &'static str = "refuses every container";
//!     const ROLE: Role = Role::Independent;
//!
//!     fn add(&self, _: &Call<'_, NoKeys>) -> Result<Success, Error> {
//!         Err(Error::new(ErrorCode::TRY_AGAIN_LATER, "not today"))
//!     }
//!
//!     fn check(&self, _: &Call<'_, NoKeys>) -> Result<(), Error> {
//!         Ok(())
//!     }
//!
//!     fn del(&self, _: &Call<'_, NoKeys>) -> Result<(), Error> {
//!         Ok(())
//!     }
//! }
//!
//! let config = json!({ "name": "mynet" });
//! let refused = testing::Call::add(&Refuses).config(config.clone()).run();
//! assert_eq!(refused.error().msg, "not today");
//! testing::Call::del(&Refuses).config(config).netns(None).run().succeeded();
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use linkspan_spec::decode::{self, Map, Value};
use linkspan_spec::{Attachment, Command, Error, Success, Version, VersionInfo, pretty};

use crate::{Answer, Handler, IsOwn, Log, serve};

/// A call that is about to be made: of the container `c1`, for its interface `eth0`, in the network `test` of version 1.1.0,
/// unless something else is said.
///
/// There is no namespace at its path, so that no test changes the host's network by mistake; see
/// [`netns`](Self::netns).
#[must_use = "it is made by `run`"]
pub struct Call {
    plugin: &'static dyn Handler,
    table: Vec<&'static dyn Handler>,
    variables: BTreeMap<String, String>,
    stdin: Stdin,
    is_own: IsOwn,
}

/// What is on standard input.
enum Stdin {
    /// A configuration.
    Config(Map),
    /// Anything else.
    Text(Vec<u8>),
}

impl Call {
    /// ADD.
    pub fn add(plugin: &'static dyn Handler) -> Self {
        Self::of(plugin, Command::Add)
    }

    /// CHECK.
    pub fn check(plugin: &'static dyn Handler) -> Self {
        Self::of(plugin, Command::Check)
    }

    /// DEL.
    pub fn del(plugin: &'static dyn Handler) -> Self {
        Self::of(plugin, Command::Del)
    }

    /// GC, with no attachment in use unless [`valid`](Self::valid) names some.
    pub fn gc(plugin: &'static dyn Handler) -> Self {
        Self::of(plugin, Command::Gc)
    }

    /// STATUS.
    pub fn status(plugin: &'static dyn Handler) -> Self {
        Self::of(plugin, Command::Status)
    }

    /// VERSION.
    pub fn version(plugin: &'static dyn Handler) -> Self {
        Self::of(plugin, Command::Version)
    }

    /// Any command.
    pub fn of(plugin: &'static dyn Handler, command: Command) -> Self {
        let call = Self {
            plugin,
            table: vec![plugin],
            variables: BTreeMap::new(),
            stdin: Stdin::Config(Map::new()),
            is_own: |_| Ok(false),
        };
        let call = call
            .variable("CNI_COMMAND", command.as_str())
            .variable("CNI_PATH", "/nowhere/bin");
        match command {
            Command::Gc | Command::Status | Command::Version => call,
            _ => call
                .variable("CNI_CONTAINERID", "c1")
                .variable("CNI_IFNAME", "eth0")
                .variable("CNI_NETNS", "/nowhere/c1"),
        }
    }

    /// The configuration; `cniVersion`, `name` and `type` are put in where they are not there.
    ///
    /// # Panics
    /// When it is no object.
    #[track_caller]
    pub fn config(mut self, config: Value) -> Self {
        let Value::Object(config) = config else {
            panic!("a configuration is an object, and not {config}");
        };
        self.stdin = Stdin::Config(config);
        self
    }

    /// What is on standard input instead of a configuration.
    pub fn stdin(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.stdin = Stdin::Text(text.into());
        self
    }

    /// The result of the plugins before; in the configuration that was given, so after it.
    ///
    /// # Panics
    /// When there is no configuration, or the result has no form in its version.
    #[track_caller]
    pub fn prev_result(mut self, result: &Success) -> Self {
        let config = self.configuration("prevResult");
        let version = config.get("cniVersion").and_then(Value::as_str);
        let version = version.map_or(Version::LATEST, |text| {
            text.parse()
                .unwrap_or_else(|error| panic!("cniVersion: {error}"))
        });
        let json = result
            .to_json(version)
            .unwrap_or_else(|error| panic!("prevResult: {error}"));
        config.insert("prevResult".to_owned(), json);
        self
    }

    /// The attachments that GC spares, as container and interface; in the configuration that was given, so after it.
    ///
    /// # Panics
    /// When there is no configuration.
    #[track_caller]
    pub fn valid(mut self, attachments: &[(&str, &str)]) -> Self {
        let valid = attachments.iter().map(|(container, ifname)| {
            let attachment = Map::from_iter([
                ("containerID".to_owned(), Value::from(*container)),
                ("ifname".to_owned(), Value::from(*ifname)),
            ]);
            Value::Object(attachment)
        });
        let valid = valid.collect();
        debug_assert!(decode::list(&valid, Attachment::from_json).is_ok());
        self.configuration("the attachments in use")
            .insert("cni.dev/valid-attachments".to_owned(), valid);
        self
    }

    /// CNI_CONTAINERID.
    pub fn container(self, id: &str) -> Self {
        self.variable("CNI_CONTAINERID", id)
    }

    /// CNI_IFNAME.
    pub fn ifname(self, name: &str) -> Self {
        self.variable("CNI_IFNAME", name)
    }

    /// CNI_NETNS; `None` where there is none, as on a DEL after a restart of the host. A namespace that a test gives must be
    /// one of its own.
    pub fn netns<'p>(self, path: impl Into<Option<&'p Path>>) -> Self {
        let path = path.into().unwrap_or(Path::new(""));
        self.variable("CNI_NETNS", &path.to_string_lossy())
    }

    /// CNI_ARGS.
    pub fn args(self, args: &str) -> Self {
        self.variable("CNI_ARGS", args)
    }

    /// CNI_PATH: where delegates are searched.
    pub fn path(self, path: impl AsRef<Path>) -> Self {
        self.variable("CNI_PATH", &path.as_ref().to_string_lossy())
    }

    /// Any variable; one that is empty is as good as none.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Another plugin of the same executable, to which one may delegate without a process. In CNI_PATH there has to be a file
    /// of its name that is this executable (a link to `/proc/self/exe`).
    pub fn beside(mut self, other: &'static dyn Handler) -> Self {
        self.table.push(other);
        self
    }

    /// How it is told that a namespace is the host's own. Without this none is.
    pub fn is_own(mut self, is_own: IsOwn) -> Self {
        self.is_own = is_own;
        self
    }

    /// Makes the call.
    ///
    /// # Panics
    /// When the plugin declares a default that a configuration could not have, which is then told to whoever has none.
    #[track_caller]
    pub fn run(self) -> Answered {
        for key in self
            .plugin
            .keys()
            .iter()
            .filter(|key| key.default.is_some())
        {
            if let Err(error) = (key.judge)(key, &Map::new()) {
                panic!("the default of a key: {error}");
            }
        }
        let stdin = match self.stdin {
            Stdin::Config(config) => whole(config, self.plugin.name()).into_bytes(),
            Stdin::Text(text) => text,
        };
        let env = |name: &str| self.variables.get(name).cloned();
        let log = Log::default();
        let answer = Log::hear(Some(log.clone()), || {
            let mut stdin = stdin.as_slice();
            serve(self.plugin, &self.table, &env, &mut stdin, self.is_own)
        });
        let said = String::from_utf8_lossy(&log.take()).into_owned();
        Answered {
            answer,
            warnings: said.lines().map(str::to_owned).collect(),
        }
    }

    #[track_caller]
    fn configuration(&mut self, what: &str) -> &mut Map {
        match &mut self.stdin {
            Stdin::Config(config) => config,
            Stdin::Text(_) => panic!("{what} are parts of a configuration, and none was given"),
        }
    }
}

/// The configuration with what every one has.
fn whole(config: Map, plugin: &str) -> String {
    let mut whole = Map::new();
    for (name, usual) in [
        ("cniVersion", Version::LATEST.as_str()),
        ("name", "test"),
        ("type", plugin),
    ] {
        whole.insert(name.to_owned(), usual.into());
    }
    whole.extend(config);
    pretty(&Value::Object(whole))
}

/// What a plugin answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    answer: Answer,
    warnings: Vec<String>,
}

impl Answered {
    /// The answer as it is printed.
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// The result of an ADD, read from what was printed as a runtime reads it.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn result(&self) -> Success {
        match &self.answer {
            Answer::Success(Some(text)) => decode::value(text.as_bytes())
                .and_then(|json| Success::from_json(&json))
                .unwrap_or_else(|error| panic!("no result ({error}): {text}")),
            other => panic!("no result: {other:?}"),
        }
    }

    /// The versions of a VERSION.
    ///
    /// # Panics
    /// When there are none.
    #[track_caller]
    pub fn versions(&self) -> VersionInfo {
        match &self.answer {
            Answer::Success(Some(text)) => VersionInfo::parse(text.as_bytes())
                .unwrap_or_else(|error| panic!("no versions ({error}): {text}")),
            other => panic!("no versions: {other:?}"),
        }
    }

    /// The error.
    ///
    /// # Panics
    /// When it succeeded.
    #[track_caller]
    pub fn error(&self) -> Error {
        match &self.answer {
            Answer::Failure(text) => Error::parse(text.as_bytes())
                .unwrap_or_else(|error| panic!("no error ({error}): {text}")),
            other => panic!("no error: {other:?}"),
        }
    }

    /// That it succeeded.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn succeeded(&self) {
        if let Answer::Failure(error) = &self.answer {
            panic!("it failed: {error}");
        }
    }

    /// What is printed on standard output, to the letter; nothing after most commands.
    pub fn printed(&self) -> &str {
        match &self.answer {
            Answer::Success(text) => text.as_deref().unwrap_or_default(),
            Answer::Failure(text) => text,
            Answer::About(_) => "",
        }
    }

    /// What [`warn`](crate::warn()) said meanwhile, line by line.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
