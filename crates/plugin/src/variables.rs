//! The environment of a command, checked.

use std::path::PathBuf;

use linkspan_spec::{Command, ContainerId, Error, ErrorCode, IfName};

/// The environment, checked as a whole: all missing variables are named at once.
pub(crate) struct Variables {
    pub(crate) command: Command,
    pub(crate) container_id: Option<ContainerId>,
    pub(crate) netns: Option<PathBuf>,
    pub(crate) ifname: Option<IfName>,
    pub(crate) args: String,
    /// Without empty elements, which are no directories.
    pub(crate) path: Vec<PathBuf>,
    pub(crate) netns_override: bool,
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
    pub(crate) fn read(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
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
                .filter(|directory| !directory.as_os_str().is_empty())
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
    T::Err: Into<Error>,
{
    let Some(text) = get(variable).filter(|_| wanted) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|error: T::Err| {
        let error: Error = error.into();
        let why = [error.details.as_str(), error.msg.as_str()]
            .into_iter()
            .find(|text| !text.is_empty())
            .unwrap_or_default();
        let details =
            format!("invalid {variable}: {why}; it is set by the container runtime: {meaning}");
        error.with_details(details)
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
