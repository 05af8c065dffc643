//! One command as the runtime gave it, and who carries it out.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use linkspan_spec::decode::{self, MAX_INPUT};
use linkspan_spec::{
    Command, ContainerId, Error, ErrorCode, IfName, NetworkName, PluginConfig, Success, Version,
};

use crate::foresight::{Foresight, IMAGINED_NETNS, NOT_KNOWN};
use crate::report::Delegated;
use crate::variables::Variables;
use crate::{Delegates, IsOwn, warn};

/// The parameters of one command.
///
/// See [the specification, parameters](https://www.cni.dev/docs/spec/#parameters).
#[derive(Clone)]
pub struct Invocation<'a> {
    /// CNI_COMMAND.
    pub command: Command,
    /// CNI_CONTAINERID; `None` on GC, STATUS and VERSION.
    pub container_id: Option<ContainerId>,
    /// CNI_NETNS; `None` when empty, as it may be on DEL.
    pub netns: Option<PathBuf>,
    /// What was opened there, once and for all: what is at the path may change, and become the host's
    /// own namespace where a process that ended had it.
    pub(crate) namespace: Option<Arc<io::Result<OwnedFd>>>,
    /// CNI_IFNAME; `None` on GC, STATUS and VERSION.
    pub ifname: Option<IfName>,
    /// CNI_ARGS to the letter; empty when absent.
    pub args: String,
    /// CNI_PATH, split.
    pub path: Vec<PathBuf>,
    /// CNI_NETNS_OVERRIDE is `1` or `true`: the host's own namespace is allowed.
    pub netns_override: bool,
    /// The configuration's name; on DEL [`NetworkName::unknown`] when there is none that can be read.
    pub network: NetworkName,
    /// The configuration's cniVersion.
    pub version: Version,
    /// The configuration from standard input, untouched; an IPAM plugin's is the same.
    pub config: Arc<PluginConfig>,
    /// The plugins of this executable, for delegation without a process.
    pub table: &'a Table,
    /// How others than this one are found and run; `None` in a process of its own.
    pub(crate) delegates: Option<&'a dyn Delegates>,
    /// Tells whether a namespace is the host's own.
    pub(crate) is_own: Option<IsOwn>,
    /// How many plugins of this process stand before this one.
    pub(crate) delegations: u8,
    /// There is no container: nothing is done, only told.
    pub(crate) is_imagined: bool,
    /// What other plugins were asked for so far, also by threads that do so beside other work.
    delegated: Arc<Mutex<Vec<Delegated>>>,
}

impl<'a> Invocation<'a> {
    /// Reads and checks what the runtime gave. The caller has answered VERSION before, which takes
    /// no configuration.
    ///
    /// `env` looks an environment variable up; `table` are the plugins of this executable.
    ///
    /// # Errors
    /// - [`ErrorCode::INVALID_ENVIRONMENT`]: a variable is missing or malformed, or the command is unknown;
    /// - [`ErrorCode::IO_FAILURE`]: standard input cannot be read or is larger than [`MAX_INPUT`];
    /// - [`ErrorCode::DECODING_FAILURE`], [`ErrorCode::INVALID_NETWORK_CONFIG`]: it is no
    ///   configuration, or has no valid name;
    /// - [`ErrorCode::INCOMPATIBLE_VERSION`]: its version is not known, or has no such command.
    pub fn read(
        env: &dyn Fn(&str) -> Option<String>,
        stdin: &mut dyn Read,
        table: &'a Table,
    ) -> Result<Self, Refusal> {
        let variables = Variables::read(env)?;
        let bytes = read_all(stdin)?;
        Self::from_parts(variables, &bytes, table).map_err(|error| Refusal {
            error: error.or_details(WRONG_CONFIGURATION),
            version: version_of(&bytes),
        })
    }

    fn from_parts(variables: Variables, bytes: &[u8], table: &'a Table) -> Result<Self, Error> {
        let config = match variables.command {
            Command::Del => parse_leniently(bytes)?,
            _ => PluginConfig::parse(bytes)?,
        };
        let network = match (variables.command, config.name()) {
            (Command::Del, Err(_)) => NetworkName::unknown(),
            (_, name) => name?,
        };
        let version = config.cni_version()?;
        require_version(variables.command, version)?;
        Ok(Self {
            command: variables.command,
            container_id: variables.container_id,
            netns: variables.netns,
            namespace: None,
            ifname: variables.ifname,
            args: variables.args,
            path: variables.path,
            netns_override: variables.netns_override,
            network,
            version,
            config: Arc::new(config),
            table,
            delegates: None,
            is_own: None,
            delegations: 0,
            is_imagined: false,
            delegated: Arc::default(),
        })
    }

    /// An ADD that is only talked about, for [`Handler::foresee`]: for a container that there is none of yet. A delegate is
    /// then the plugin of its name in the table, whatever is in CNI_PATH; one that is none of these must be there.
    ///
    /// # Errors
    /// Those that the configuration's name and version would have as [`read`](Self::read) reads them.
    pub fn imagined(
        config: PluginConfig,
        (container_id, ifname): (ContainerId, IfName),
        args: String,
        path: Vec<PathBuf>,
        table: &'a Table,
    ) -> Result<Self, Error> {
        let told = |error: Error| error.or_details(WRONG_CONFIGURATION);
        Ok(Self {
            command: Command::Add,
            container_id: Some(container_id),
            netns: Some(IMAGINED_NETNS.into()),
            namespace: None,
            ifname: Some(ifname),
            args,
            path,
            netns_override: false,
            network: config.name().map_err(|error| told(error.into()))?,
            version: config.cni_version().map_err(|error| told(error.into()))?,
            config: Arc::new(config),
            table,
            delegates: None,
            is_own: None,
            delegations: 0,
            is_imagined: true,
            delegated: Arc::default(),
        })
    }

    /// Keeps in mind what another plugin was asked for.
    pub(crate) fn note(&self, delegated: Delegated) {
        let mut all = self
            .delegated
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.push(delegated);
    }

    /// What other plugins were asked for, to be told once.
    pub(crate) fn delegated(&self) -> Vec<Delegated> {
        let mut all = self
            .delegated
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *all)
    }

    /// The same parameters with another command, for a delegate.
    pub(crate) fn with_command(&self, command: Command) -> Self {
        Self {
            command,
            ..self.clone()
        }
    }

    /// The variables that tell another plugin the same; CNI_COMMAND is left to the caller.
    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        let text = |value: Option<&str>| OsString::from(value.unwrap_or_default());
        let netns = self
            .netns
            .as_ref()
            .map(|path| path.clone().into_os_string());
        // Paths that were split at the separator join again.
        let path = std::env::join_paths(&self.path).unwrap_or_default();
        vec![
            (
                "CNI_CONTAINERID",
                text(self.container_id.as_ref().map(ContainerId::as_str)),
            ),
            ("CNI_IFNAME", text(self.ifname.as_ref().map(IfName::as_str))),
            ("CNI_NETNS", netns.unwrap_or_default()),
            ("CNI_ARGS", text(Some(&self.args))),
            ("CNI_PATH", path),
        ]
    }
}

/// The configuration of a DEL, as far as it can be read: nothing in it may keep a container from being
/// detached. What cannot be read is told on standard error.
fn parse_leniently(bytes: &[u8]) -> Result<PluginConfig, Error> {
    let value = decode::value(bytes)?;
    let map = decode::object(&value)?;
    let (config, errors) = PluginConfig::from_map_leniently(map.clone());
    for error in errors {
        warn(&format!(
            "DEL goes on without what cannot be read of the configuration: {error}"
        ));
    }
    Ok(config)
}

/// Why a command is not even begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub error: Error,
    /// The version to say so in: the configuration's, as far as it can be read.
    pub version: Version,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self {
            error,
            version: Version::LATEST,
        }
    }
}

pub(crate) const WRONG_CONFIGURATION: &str = "the network configuration is read from standard input; correct it where \
     the container runtime takes it from, usually a file in /etc/cni/net.d";

/// The version of a configuration that has something else wrong with it.
fn version_of(bytes: &[u8]) -> Version {
    let json = decode::value(bytes).unwrap_or_default();
    json.get("cniVersion")
        .and_then(|version| version.as_str()?.parse().ok())
        .unwrap_or(Version::LATEST)
}

/// The version of the configuration on standard input, where nothing else of it matters.
pub(crate) fn version_on(stdin: &mut dyn Read) -> Version {
    read_all(stdin).map_or(Version::LATEST, |bytes| version_of(&bytes))
}

/// Bytes for which one read is enough.
const USUAL_INPUT: usize = 1024;

/// All of standard input, up to the limit.
fn read_all(stdin: &mut dyn Read) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(USUAL_INPUT);
    let limit = MAX_INPUT as u64;
    stdin
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| {
            Error::new(
                ErrorCode::IO_FAILURE,
                format!("error reading from stdin: {error}"),
            )
            .with_details(WRONG_CONFIGURATION)
        })?;
    if bytes.len() > MAX_INPUT {
        return Err(Error::new(
            ErrorCode::IO_FAILURE,
            format!("the network configuration on stdin is larger than {MAX_INPUT} bytes"),
        )
        .with_details(WRONG_CONFIGURATION));
    }
    Ok(bytes)
}

/// CHECK, GC and STATUS came with later versions of the specification.
fn require_version(command: Command, version: Version) -> Result<(), Error> {
    let since = command.since();
    if version >= since {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::INCOMPATIBLE_VERSION,
        format!("config version does not allow {command}"),
    )
    .with_details(format!(
        "the configuration's cniVersion is {version}; {command} exists since {since}"
    )))
}

/// A [`Plugin`](crate::Plugin) of any configuration type, as a row of a [`Table`].
pub trait Handler: Sync {
    /// [`Plugin::NAME`](crate::Plugin::NAME).
    fn name(&self) -> &'static str;

    /// [`Plugin::ABOUT`](crate::Plugin::ABOUT).
    fn about(&self) -> &'static str;

    /// [`Plugin::VERSION`](crate::Plugin::VERSION).
    fn version(&self) -> Option<&'static str> {
        None
    }

    /// [`Plugin::VERSIONS`](crate::Plugin::VERSIONS).
    fn versions(&self) -> &'static [Version] {
        Version::ALL
    }

    /// The declared keys, for documentation and lint.
    fn keys(&self) -> &'static [crate::config::Key];

    /// [`Plugin::ROLE`](crate::Plugin::ROLE).
    fn role(&self) -> crate::Role;

    /// Says what ADD would refuse in a configuration, as far as it is told by the configuration alone.
    ///
    /// # Errors
    /// Those of [`Configuration::judge`](crate::Configuration::judge).
    fn judge(&self, _config: &PluginConfig) -> Result<(), Error> {
        Ok(())
    }

    /// [`Plugin::ARGS`](crate::Plugin::ARGS).
    fn args(&self) -> Option<&'static [&'static str]> {
        None
    }

    /// [`Plugin::NEEDS_LINK`](crate::Plugin::NEEDS_LINK).
    fn needs_link(&self) -> bool {
        false
    }

    /// [`Plugin::program`](crate::Plugin::program).
    fn program(&self, _words: &[OsString]) -> Option<u8> {
        None
    }

    /// [`Plugin::foresee`](crate::Plugin::foresee), of an invocation that is [imagined](Invocation::imagined).
    ///
    /// # Errors
    /// As those of ADD.
    fn foresee(
        &self,
        invocation: &Invocation<'_>,
        foresight: &mut Foresight,
    ) -> Result<Success, Error> {
        foresight.unknown_plugin(invocation, NOT_KNOWN)
    }

    /// Runs one command; only ADD has a result.
    ///
    /// # Errors
    /// Those of the plugin, and those of its configuration.
    fn handle(&self, invocation: &Invocation<'_>) -> Result<Option<Success>, Error>;
}

/// The plugins of one executable, sorted by name.
pub type Table = [&'static dyn Handler];

/// The plugin of this name.
pub fn find(table: &Table, name: &str) -> Option<&'static dyn Handler> {
    table.iter().copied().find(|plugin| plugin.name() == name)
}
