//! Delegation to an IPAM plugin.

use std::borrow::Cow;

use linkspan_spec::{Command, Error, ErrorCode, PluginType, Success};

use super::{Delegation, Program};
use crate::invocation::WRONG_CONFIGURATION;
use crate::{Foreseen, Foresight, Invocation, Role, Standing, Undo};

/// The IPAM plugin of a configuration: a [`Delegation`] that is called with the configuration as it is, and gives addresses.
pub struct Ipam<'a>(Delegation<'a>);

impl<'a> Invocation<'a> {
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

impl<'a> Ipam<'a> {
    fn new(name: PluginType, invocation: &'a Invocation<'a>) -> Self {
        Self(Delegation::new(
            name,
            Cow::Borrowed(invocation),
            "IPAM plugin",
        ))
    }

    /// The plugin's name.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Whether the container's link must be there while it is asked. What plugins of others need is not known, so they get
    /// it, as in the reference; one that is not there needs nothing.
    pub fn needs_link(&self) -> bool {
        match self.0.program() {
            Ok(Program::BuiltIn(handler)) => handler.needs_link(),
            Ok(Program::File(_)) => true,
            Err(_) => false,
        }
    }

    /// Gets addresses, routes and DNS, no interfaces; registers with `undo` how they are given back.
    ///
    /// A failure is not followed by DEL, unlike that of a [`Delegation`]: an IPAM plugin that refuses a second ADD of an
    /// attachment would be told to free what the first one got.
    ///
    /// # Errors
    /// The IPAM plugin's, or why it could not be run.
    pub fn add<'u>(&self, undo: &mut Undo<'u>) -> Result<Success, Error>
    where
        'a: 'u,
    {
        let answer = self.checked()?.run(Command::Add)?;
        let again = self.0.again();
        undo.on_failure(format!("the addresses of {:?}", self.name()), move || {
            again.del()
        });
        // It has succeeded, so addresses that cannot be read are given back as well.
        self.0.result(answer)
    }

    /// Tells what [`add`](Self::add) would do, and gives what it would give. One that is none of this executable's is not
    /// known, and stands in with an address that nobody knows.
    ///
    /// # Errors
    /// Those of ADD.
    pub fn foresee(&self, foresight: &mut Foresight) -> Result<Success, Error> {
        match self.checked()?.program()? {
            Program::BuiltIn(handler) => handler.foresee(&self.0.called(Command::Add)?, foresight),
            Program::File(_) => Ok(self.unknown(foresight)),
        }
    }

    fn unknown(&self, foresight: &mut Foresight) -> Success {
        let name = self.name();
        foresight.of(name, |foresight| {
            let words =
                format!("give an address; how the IPAM plugin {name:?} does so is not known here");
            foresight.tell(Foreseen::made("unknown", words).standing(Standing::Unknown));
            let address = foresight.unknown_address(&format!("address that {name} gives"));
            Success::default().with_ips([address])
        })
    }

    /// Checks that the addresses are still held.
    ///
    /// # Errors
    /// The IPAM plugin's, or why it could not be run.
    pub fn check(&self) -> Result<(), Error> {
        self.checked()?.check()
    }

    /// Gives the addresses back.
    ///
    /// # Errors
    /// The IPAM plugin's, or why it could not be run.
    pub fn del(&self) -> Result<(), Error> {
        self.checked()?.del()
    }

    /// Lets the IPAM plugin free what belongs to no valid attachment.
    ///
    /// # Errors
    /// The IPAM plugin's, or why it could not be run.
    pub fn gc(&self) -> Result<(), Error> {
        self.checked()?.gc()
    }

    /// Asks the IPAM plugin whether it could give an address.
    ///
    /// # Errors
    /// The IPAM plugin's; [`ErrorCode::PLUGIN_NOT_AVAILABLE`] when it could not be run.
    pub fn status(&self) -> Result<(), Error> {
        self.checked()?.status()
    }

    /// The delegate, unless it is known to give no addresses: it would delegate in turn, to itself, for ever.
    fn checked(&self) -> Result<&Delegation<'a>, Error> {
        match self.0.program() {
            Ok(Program::BuiltIn(handler)) if handler.role() != Role::Ipam => {
                Err(no_ipam_plugin(self.name()))
            }
            _ => Ok(&self.0),
        }
    }
}

fn no_ipam_plugin(name: &str) -> Error {
    Error::new(
        ErrorCode::INVALID_NETWORK_CONFIG,
        format!("\"ipam.type\": {name:?} is no IPAM plugin"),
    )
    .with_details("it gives no address to another plugin; host-local, static and dhcp do")
}
