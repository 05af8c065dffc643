//! What a plugin's methods are given.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use linkspan_spec::decode::Map;
use linkspan_spec::{
    Attachment, Command, ContainerId, Error, ErrorCode, IfName, NetworkName, PluginConfig, Success,
    Version,
};

use crate::{CniArgs, Configuration, Delegation, Invocation, Ipam, Plugin, Role};

/// One ADD, CHECK, DEL or STATUS.
///
/// On STATUS there is no attachment: the container ID and the interface name are then those of
/// nobody (see [`container_id`](Self::container_id)).
pub struct Call<'a, C> {
    /// The plugin's configuration.
    pub config: C,
    /// CNI_ARGS, as far as the plugin reads it.
    pub args: CniArgs,
    /// The container's namespace; always there on ADD and CHECK, perhaps gone on DEL.
    pub netns: Option<PathBuf>,
    role: Role,
    invocation: &'a Invocation<'a>,
}

impl<'a, C: Configuration> Call<'a, C> {
    pub(crate) fn new<P: Plugin<Config = C>>(
        invocation: &'a Invocation<'a>,
    ) -> Result<Self, Error> {
        let args = match P::ARGS {
            // Nothing in CNI_ARGS may keep a container from being detached.
            Some(known) if invocation.command == Command::Del => {
                CniArgs::parse(&invocation.args, P::NAME, known).unwrap_or_default()
            }
            Some(known) => CniArgs::parse(&invocation.args, P::NAME, known)?,
            None => CniArgs::default(),
        };
        let config = C::read(&invocation.config)?;
        crate::config::look::<C>(invocation)?;
        Ok(Self {
            config,
            args,
            netns: invocation.netns.clone(),
            role: P::ROLE,
            invocation,
        })
    }
}

impl<'a, C> Call<'a, C> {
    /// The network's name.
    pub fn network(&self) -> &NetworkName {
        &self.invocation.network
    }

    /// The configuration's version, in which the result will be printed.
    pub fn version(&self) -> Version {
        self.invocation.version
    }

    /// The container's ID.
    ///
    /// # Errors
    /// [`ErrorCode::INVALID_ENVIRONMENT`] on STATUS, which is about no container.
    pub fn container_id(&self) -> Result<&ContainerId, Error> {
        self.invocation
            .container_id
            .as_ref()
            .ok_or_else(|| no_attachment("CNI_CONTAINERID"))
    }

    /// The name of the container's interface.
    ///
    /// # Errors
    /// [`ErrorCode::INVALID_ENVIRONMENT`] on STATUS, which is about no interface.
    pub fn ifname(&self) -> Result<&IfName, Error> {
        self.invocation
            .ifname
            .as_ref()
            .ok_or_else(|| no_attachment("CNI_IFNAME"))
    }

    /// The path of the container's namespace.
    ///
    /// # Errors
    /// [`ErrorCode::INVALID_ENVIRONMENT`] when there is none.
    pub fn netns(&self) -> Result<&Path, Error> {
        self.netns
            .as_deref()
            .ok_or_else(|| no_attachment("CNI_NETNS"))
    }

    /// What was at that path when the kit looked whether it is the host's own, as a descriptor of the caller's; or why it
    /// could not be opened. What is at the path by now may be something else.
    ///
    /// # Errors
    /// Those of opening it; "not found" where there is no path.
    pub fn namespace(&self) -> io::Result<OwnedFd> {
        match self.invocation.namespace.as_deref() {
            Some(Ok(opened)) => opened.try_clone(),
            Some(Err(error)) => Err(match error.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => error.kind().into(),
            }),
            None => Err(rustix::io::Errno::NOENT.into()),
        }
    }

    /// The result of the plugin before this one, or on CHECK and DEL that of the whole chain.
    ///
    /// # Errors
    /// [`ErrorCode::DECODING_FAILURE`] when it is there and is no result of its version.
    pub fn prev_result(&self) -> Result<Option<Success>, Error> {
        self.invocation.config.prev_result().map_err(|error| {
            Error::from(error).or_details(
                "prevResult is what the plugins before printed; the runtime must send it as it was",
            )
        })
    }

    /// The IPAM plugin that the configuration names, if any. For an [IPAM plugin](Role::Ipam) there is none: the one that is
    /// named is itself.
    ///
    /// # Errors
    /// When its name is none.
    pub fn ipam(&self) -> Result<Option<Ipam<'a>>, Error> {
        ipam(self.role, self.invocation)
    }

    /// The plugin `name`, to be called with `config` instead of this configuration. Keys that the runtime writes (`name`,
    /// `cniVersion`, `runtimeConfig`, `prevResult`) are handed on where `config` does not have them, `type` is the name, and
    /// all else stays as it is, known or not.
    ///
    /// # Errors
    /// When its name is none, or `config` is no configuration.
    pub fn delegate(&self, name: &str, config: Map) -> Result<Delegation<'a>, Error> {
        self.invocation.delegate(name, config)
    }

    /// The configuration as it was given.
    pub fn raw(&self) -> &PluginConfig {
        &self.invocation.config
    }

    /// Everything that the runtime gave.
    pub fn invocation(&self) -> &'a Invocation<'a> {
        self.invocation
    }
}

fn ipam<'a>(role: Role, invocation: &'a Invocation<'a>) -> Result<Option<Ipam<'a>>, Error> {
    match role {
        Role::Ipam => Ok(None),
        _ => invocation.ipam(),
    }
}

fn no_attachment(variable: &str) -> Error {
    Error::new(
        ErrorCode::INVALID_ENVIRONMENT,
        format!("required env variables [{variable}] missing"),
    )
}

/// One GC.
pub struct Gc<'a, C> {
    /// The plugin's configuration.
    pub config: C,
    /// The attachments of this network that are in use; everything else may go.
    pub valid: Vec<Attachment>,
    role: Role,
    invocation: &'a Invocation<'a>,
}

impl<'a, C: Configuration> Gc<'a, C> {
    pub(crate) fn new<P: Plugin<Config = C>>(
        invocation: &'a Invocation<'a>,
    ) -> Result<Self, Error> {
        Ok(Self {
            config: C::read(&invocation.config)?,
            valid: invocation.config.valid_attachments()?,
            role: P::ROLE,
            invocation,
        })
    }
}

impl<'a, C> Gc<'a, C> {
    /// The network's name.
    pub fn network(&self) -> &NetworkName {
        &self.invocation.network
    }

    /// The IPAM plugin that the configuration names, if any. For an [IPAM plugin](Role::Ipam) there is none: the one that is
    /// named is itself.
    ///
    /// # Errors
    /// When its name is none.
    pub fn ipam(&self) -> Result<Option<Ipam<'a>>, Error> {
        ipam(self.role, self.invocation)
    }

    /// The plugin `name`, to be called with `config` instead of this configuration; the attachments that are in use are handed
    /// on. See [`Call::delegate`].
    ///
    /// # Errors
    /// When its name is none, or `config` is no configuration.
    pub fn delegate(&self, name: &str, config: Map) -> Result<Delegation<'a>, Error> {
        self.invocation.delegate(name, config)
    }

    /// Whether the attachment of this container and interface is in use.
    pub fn is_valid(&self, container_id: &str, ifname: &str) -> bool {
        self.valid
            .iter()
            .any(|valid| valid.container_id == container_id && valid.ifname == ifname)
    }

    /// Everything that the runtime gave.
    pub fn invocation(&self) -> &'a Invocation<'a> {
        self.invocation
    }
}
