//! The configuration that a delegate is called with.

use std::sync::Arc;

use linkspan_spec::decode::Map;
use linkspan_spec::{Error, PluginConfig, PluginType, Success, key};

use crate::Invocation;

/// What the runtime wrote into the configuration of the plugin that delegates, and would write into the delegate's.
const OF_THE_RUNTIME: [&str; 6] = [
    "cniVersion",
    "name",
    "runtimeConfig",
    "prevResult",
    "cni.dev/valid-attachments",
    "cni.dev/attachments",
];

/// This invocation with another configuration, of the plugin `name`. What the runtime writes is handed on, unless it is
/// there; all else is as it was given.
pub(super) fn inherited<'a>(
    invocation: &Invocation<'a>,
    name: &PluginType,
    config: Map,
) -> Result<Invocation<'a>, Error> {
    let own = invocation.config.as_map();
    let mut config = PluginConfig::from_map(config)?;
    for inherited in OF_THE_RUNTIME {
        if let (None, Some(value)) = (key(config.as_map(), inherited), key(own, inherited)) {
            config.insert(inherited, value.clone());
        }
    }
    config.insert("type", name.as_str().into());
    let mut inherited = invocation.clone();
    if let Ok(network) = config.name() {
        // On DEL there may be none that can be read.
        inherited.network = network;
    }
    inherited.version = config.cni_version()?;
    inherited.config = Arc::new(config);
    Ok(inherited)
}

/// Has the configuration say what the plugin before had for a result.
pub(super) fn set_prev_result(
    invocation: &mut Invocation<'_>,
    result: &Success,
) -> Result<(), Error> {
    let json = result.to_json(invocation.version)?;
    let config = PluginConfig::clone(&invocation.config).with_prev_result(json);
    invocation.config = Arc::new(config);
    Ok(())
}
