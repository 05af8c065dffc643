//! One command as the runtime gave it: environment and standard input, checked.

use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use linkspan_spec::decode::{self, MAX_INPUT};
use linkspan_spec::{
    Command, ContainerId, Error, ErrorCode, IfName, NetworkName, PluginConfig, Version,
};

use crate::{Ipam, Table};

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
    /// CNI_IFNAME; `None` on GC, STATUS and VERSION.
    pub ifname: Option<IfName>,
    /// CNI_ARGS to the letter; empty when absent.
    pub args: String,
    /// CNI_PATH, split.
    pub path: Vec<PathBuf>,
    /// CNI_NETNS_OVERRIDE is `1` or `true`: the host's own namespace is allowed.
    pub netns_override: bool,
    /// The configuration's name.
    pub network: NetworkName,
    /// The configuration's cniVersion.
    pub version: Version,
    /// The configuration from standard input, untouched; a delegate's is the same.
    pub config: Arc<PluginConfig>,
    /// The plugins of this executable, for delegation without a process.
    pub table: &'a Table,
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
        let config = PluginConfig::parse(bytes)?;
        let network = config.name()?;
        let version = config.cni_version()?;
        require_version(variables.command, version)?;
        Ok(Self {
            command: variables.command,
            container_id: variables.container_id,
            netns: variables.netns,
            ifname: variables.ifname,
            args: variables.args,
            path: variables.path,
            netns_override: variables.netns_override,
            network,
            version,
            config: Arc::new(config),
            table,
        })
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

    /// The IPAM plugin that the configuration names, `None` when it names none.
    ///
    /// # Errors
    /// When its name is none.
    pub fn ipam(&'a self) -> Result<Option<Ipam<'a>>, Error> {
        let name = self
            .config
            .ipam_type()
            .map_err(|error| Error::from(error).or_details(WRONG_CONFIGURATION))?;
        Ok(name.map(|name| Ipam::new(name, self)))
    }
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

const WRONG_CONFIGURATION: &str = "the network configuration is read from standard input; correct it where \
     the container runtime takes it from, usually a file in /etc/cni/net.d";

/// The version of a configuration that has something else wrong with it.
fn version_of(bytes: &[u8]) -> Version {
    let json = decode::value(bytes).unwrap_or_default();
    json.get("cniVersion")
        .and_then(|version| version.as_str()?.parse().ok())
        .unwrap_or(Version::LATEST)
}

/// The environment, checked as a whole: all missing variables are named at once.
struct Variables {
    command: Command,
    container_id: Option<ContainerId>,
    netns: Option<PathBuf>,
    ifname: Option<IfName>,
    args: String,
    path: Vec<PathBuf>,
    netns_override: bool,
}

/// What the specification calls the parameters, and CNI_NETNS_OVERRIDE of the reference.
const VARIABLES: [&str; 7] = [
    "CNI_COMMAND",
    "CNI_CONTAINERID",
    "CNI_NETNS",
    "CNI_IFNAME",
    "CNI_ARGS",
    "CNI_PATH",
    "CNI_NETNS_OVERRIDE",
];

impl Variables {
    fn read(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        // Each once: the whole environment is looked through for it.
        let given = VARIABLES.map(|name| (name, env(name).filter(|value| !value.is_empty())));
        let get = |wanted: &str| {
            let (_, value) = given.iter().find(|(name, _)| *name == wanted)?;
            value.clone()
        };
        let command_text = get("CNI_COMMAND");
        let command = command_text
            .as_deref()
            .and_then(|text| text.parse::<Command>().ok());
        let required = required(command);
        let mut missing: Vec<&str> = Vec::new();
        if command_text.is_none() {
            missing.push("CNI_COMMAND");
        }
        missing.extend(required.iter().filter(|name| get(name).is_none()));
        let for_attachment = required.contains(&"CNI_CONTAINERID");
        let container_id = parse(
            &get,
            "CNI_CONTAINERID",
            "what it calls the container",
            for_attachment,
        )?;
        let ifname = parse(
            &get,
            "CNI_IFNAME",
            "the name of the interface in the container, such as eth0",
            for_attachment,
        )?;
        if !missing.is_empty() {
            return Err(missing_variables(&missing, command));
        }
        Ok(Self {
            command: command.ok_or_else(|| unknown_command(&command_text.unwrap_or_default()))?,
            container_id,
            netns: get("CNI_NETNS").map(PathBuf::from),
            ifname,
            args: get("CNI_ARGS").unwrap_or_default(),
            path: get("CNI_PATH")
                .iter()
                .flat_map(std::env::split_paths)
                .collect(),
            netns_override: get("CNI_NETNS_OVERRIDE")
                .is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true")),
        })
    }
}

/// The variables that a command cannot do without, in the order of the reference's messages.
fn required(command: Option<Command>) -> &'static [&'static str] {
    match command {
        Some(Command::Add | Command::Check) => {
            &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"]
        }
        Some(Command::Del) => &["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"],
        Some(Command::Gc | Command::Status) => &["CNI_PATH"],
        Some(_) | None => &[],
    }
}

fn parse<T: std::str::FromStr>(
    get: &dyn Fn(&str) -> Option<String>,
    variable: &str,
    meaning: &str,
    wanted: bool,
) -> Result<Option<T>, Error>
where
    T::Err: std::fmt::Display,
{
    let Some(text) = get(variable).filter(|_| wanted) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|error: T::Err| {
        Error::new(
            ErrorCode::INVALID_ENVIRONMENT,
            format!("invalid {variable}: {error}"),
        )
        .with_details(format!(
            "{variable} is set by the container runtime: {meaning}"
        ))
    })
}

fn missing_variables(missing: &[&str], command: Option<Command>) -> Error {
    let purpose = command.map_or(
        "a plugin is told by them what to do".to_owned(),
        |command| format!("{command} cannot do without; the container runtime sets them"),
    );
    Error::new(
        ErrorCode::INVALID_ENVIRONMENT,
        format!("required env variables [{}] missing", missing.join(",")),
    )
    .with_details(purpose)
}

fn unknown_command(text: &str) -> Error {
    Error::new(
        ErrorCode::INVALID_ENVIRONMENT,
        format!("unknown CNI_COMMAND: {text}"),
    )
    .with_details("the commands are ADD, CHECK, DEL, GC, STATUS and VERSION")
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
