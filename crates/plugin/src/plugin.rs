//! What a plugin author writes.

use std::ffi::OsString;

use linkspan_spec::{Command, Error, PluginConfig, Success, Version};

use crate::foresight::NOT_KNOWN;
use crate::{Call, Configuration, Foresight, Gc, Handler, Invocation, Role};

/// A CNI plugin.
///
/// Every method gets a configuration that was parsed and found valid. An [`Error`] that a method
/// returns is printed as the specification's error JSON with exit status 1.
pub trait Plugin: Sync {
    /// The plugin's configuration, usually declared with [`keys!`](crate::keys!).
    type Config: Configuration;

    /// The plugin's `type` in configurations and the name of its file.
    const NAME: &'static str;

    /// What it does in one line, shown when it is run by hand.
    const ABOUT: &'static str;

    /// The version of the plugin itself, shown when it is run by hand; as a rule `Some(env!("CARGO_PKG_VERSION"))`.
    const VERSION: Option<&'static str> = None;

    /// The versions of the specification that it speaks, the oldest first. VERSION answers them, and a configuration of
    /// another is refused with [`INCOMPATIBLE_VERSION`](linkspan_spec::ErrorCode::INCOMPATIBLE_VERSION).
    ///
    /// As it stands here: all, since the kit turns results into the form of each.
    const VERSIONS: &'static [Version] = Version::ALL;

    /// The names in CNI_ARGS that it reads, or `None` when it does not read CNI_ARGS at all and so
    /// tolerates anything in it.
    const ARGS: Option<&'static [&'static str]> = None;

    /// What it is in a chain.
    const ROLE: Role;

    /// As an IPAM plugin it needs the container's link, because it asks through it, so the link is made before its ADD and
    /// removed after its DEL. Others are asked first, which is faster.
    const NEEDS_LINK: bool = false;

    /// Attaches the container, or adjusts an attachment that earlier plugins of the chain made.
    ///
    /// # Errors
    /// What was attempted, on what, and why it failed; the host is then as it was.
    fn add(&self, call: &Call<'_, Self::Config>) -> Result<Success, Error>;

    /// Tells what ADD would do, without doing any of it, step by step, and gives the result that it would have. The call is
    /// for a container that there is none of yet.
    ///
    /// As it stands here: that it is not known.
    ///
    /// # Errors
    /// That with which ADD would fail; what it would do before that is told.
    fn foresee(
        &self,
        call: &Call<'_, Self::Config>,
        foresight: &mut Foresight,
    ) -> Result<Success, Error> {
        foresight.unknown_plugin(call.invocation(), NOT_KNOWN)
    }

    /// Compares the attachment with what ADD made.
    ///
    /// # Errors
    /// The first difference, with what was expected and what was found.
    fn check(&self, call: &Call<'_, Self::Config>) -> Result<(), Error>;

    /// Detaches; succeeds when there is nothing left to detach.
    ///
    /// # Errors
    /// What could not be freed, after everything else was.
    fn del(&self, call: &Call<'_, Self::Config>) -> Result<(), Error>;

    /// Frees everything of this network that belongs to no attachment in [`Gc::valid`].
    ///
    /// As it stands here: lets the IPAM plugin do so, which the specification demands of a plugin that
    /// delegates. For plugins that hold nothing themselves; an IPAM plugin, which does, has no other to ask.
    ///
    /// # Errors
    /// What could not be freed, after everything else was.
    fn gc(&self, gc: &Gc<'_, Self::Config>) -> Result<(), Error> {
        gc.ipam()?.map_or(Ok(()), |ipam| ipam.gc())
    }

    /// Tells whether an ADD could succeed now.
    ///
    /// As it stands here: asks the IPAM plugin, unless it is one itself.
    ///
    /// # Errors
    /// [`PLUGIN_NOT_AVAILABLE`](linkspan_spec::ErrorCode::PLUGIN_NOT_AVAILABLE) or [`LIMITED_CONNECTIVITY`](linkspan_spec::ErrorCode::LIMITED_CONNECTIVITY) with the reason.
    fn status(&self, call: &Call<'_, Self::Config>) -> Result<(), Error> {
        call.ipam()?.map_or(Ok(()), |ipam| ipam.status())
    }

    /// Runs what else the plugin's file is, when it is started with these words behind its name, such as a daemon; with the
    /// exit status. No runtime starts a plugin with words.
    ///
    /// As it stands here: nothing else.
    fn program(&self, _words: &[OsString]) -> Option<u8> {
        None
    }
}

/// Refuses a configuration in a version that the plugin does not speak.
fn require_spoken<P: Plugin>(invocation: &Invocation<'_>) -> Result<(), Error> {
    let version = invocation.version;
    if P::VERSIONS.contains(&version) {
        return Ok(());
    }
    Err(Error::incompatible(version, P::VERSIONS))
}

/// ADD, undone when its result has no form in the version of the configuration.
fn add<P: Plugin>(plugin: &P, call: &Call<'_, P::Config>) -> Result<Success, Error> {
    let success = plugin.add(call)?;
    if call.version() <= Version::V0_2_0
        && let Err(error) = success.in_version(call.version())
    {
        // What DEL could not free, the runtime's own DEL will.
        let _ = plugin.del(call);
        return Err(error.into());
    }
    Ok(success)
}

/// The same, told and not done.
fn foresee<P: Plugin>(
    plugin: &P,
    call: &Call<'_, P::Config>,
    foresight: &mut Foresight,
) -> Result<Success, Error> {
    let success = plugin.foresee(call, foresight)?;
    if call.version() <= Version::V0_2_0 {
        success.in_version(call.version())?;
    }
    Ok(success)
}

impl<P: Plugin> Handler for P {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn about(&self) -> &'static str {
        P::ABOUT
    }

    fn version(&self) -> Option<&'static str> {
        P::VERSION
    }

    fn versions(&self) -> &'static [Version] {
        P::VERSIONS
    }

    fn keys(&self) -> &'static [crate::config::Key] {
        P::Config::KEYS
    }

    fn role(&self) -> Role {
        P::ROLE
    }

    fn judge(&self, config: &PluginConfig) -> Result<(), Error> {
        P::Config::judge(config)
    }

    fn args(&self) -> Option<&'static [&'static str]> {
        P::ARGS
    }

    fn needs_link(&self) -> bool {
        P::NEEDS_LINK
    }

    fn program(&self, words: &[OsString]) -> Option<u8> {
        Plugin::program(self, words)
    }

    fn foresee(
        &self,
        invocation: &Invocation<'_>,
        foresight: &mut Foresight,
    ) -> Result<Success, Error> {
        let foreseen = foresight.of(P::NAME, |foresight| {
            require_spoken::<P>(invocation)?;
            foresee(self, &Call::new::<P>(invocation)?, foresight)
        });
        foreseen.map_err(|error| foresight.error_in_words(error))
    }

    fn handle(&self, invocation: &Invocation<'_>) -> Result<Option<Success>, Error> {
        require_spoken::<P>(invocation)?;
        if invocation.command == Command::Gc {
            return self.gc(&Gc::new::<P>(invocation)?).map(|()| None);
        }
        let call = Call::new::<P>(invocation)?;
        match invocation.command {
            Command::Add => add(self, &call).map(Some),
            Command::Check => self.check(&call).map(|()| None),
            Command::Del => self.del(&call).map(|()| None),
            Command::Status => self.status(&call).map(|()| None),
            _ => Ok(None),
        }
    }
}
