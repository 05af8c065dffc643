//! `dummy`: an interface in the container that swallows what is sent, to hold addresses.
//!
//! See [the reference's documentation](https://www.cni.dev/plugins/current/main/dummy/).

use linkspan_plan::{ContainerLink, LinkKind};
use linkspan_plugin::config::{Configuration, Deferred, Key};
use linkspan_plugin::keys;
use linkspan_plugin::spec::{Error, MacAddr, PluginConfig, Success};
use linkspan_plugin::{Call, Foresight, Plugin, Role};

use crate::attach::{
    ContainerInterface, Manner, Work, container_link, require_ipam, told, told_mac,
};

keys! {
    /// The keys of `dummy` as they stand in a configuration.
    pub struct Keys {
        /// The type of the IPAM plugin, which gives the addresses.
        "ipam.type" => ipam_type: Option<String>, read by [Add, Check, Del, Gc, Status];
    }
}

/// A configuration of `dummy`: there is an IPAM plugin.
#[derive(Clone, Copy, Debug)]
pub struct Config;

impl Configuration for Config {
    const KEYS: &'static [Key] = Keys::KEYS;

    fn read(config: &PluginConfig) -> Result<Self, Error> {
        require_ipam(Keys::read(config)?.ipam_type, "dummy")?;
        Ok(Self)
    }
}

/// The plugin.
pub struct Dummy;

impl Plugin for Dummy {
    type Config = Deferred<Config>;
    const NAME: &'static str = "dummy";
    const ABOUT: &'static str = "makes an interface in the container that swallows what is sent";
    const ROLE: Role = Role::Interface {
        has_host_end: false,
        hides_from_host: false,
    };

    fn add(&self, call: &Call<'_, Deferred<Config>>) -> Result<Success, Error> {
        call.config.get()?;
        let namespaces = crate::attach::namespaces(call)?;
        Work::done(&namespaces, |work| {
            interface(call, None)?.attach(call, work, None)
        })
    }

    fn foresee(
        &self,
        call: &Call<'_, Deferred<Config>>,
        foresight: &mut Foresight,
    ) -> Result<Success, Error> {
        call.config.get()?;
        told(call, foresight, |work| {
            interface(call, None)?.attach(call, work, None)
        })
    }

    fn check(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        call.config.get()?;
        ContainerInterface::check(call, |attached| interface(call, told_mac(attached)?))
    }

    fn del(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        ContainerInterface::del(call, Self::NAME)
    }
}

fn interface(
    call: &Call<'_, Deferred<Config>>,
    mac: Option<MacAddr>,
) -> Result<ContainerInterface, Error> {
    Ok(ContainerInterface {
        link: ContainerLink {
            mac,
            ..container_link(call, LinkKind::Dummy)?
        },
        manner: Manner::default(),
        dns: None,
    })
}
