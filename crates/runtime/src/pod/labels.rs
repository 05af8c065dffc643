//! Labels of a container, for the plugins of a network.

use linkspan_spec::decode::{self, DecodeError, Map};
use linkspan_spec::{NetworkList, PluginConfig, Value};

/// A network whose plugins are told labels of the container, as `args.cni.labels`: what CNI's conventions have for what a plugin may
/// ignore. Labels that are there stay.
///
/// # Errors
/// When `args` or `args.cni` of a plugin is something else than an object, or `labels` something else than a list.
pub fn with_labels<K: AsRef<str>, V: AsRef<str>>(
    mut network: NetworkList,
    labels: impl IntoIterator<Item = (K, V)>,
) -> Result<NetworkList, DecodeError> {
    let label = |(key, value): (K, V)| {
        let mut map = Map::new();
        map.insert("key".into(), key.as_ref().into());
        map.insert("value".into(), value.as_ref().into());
        Value::Object(map)
    };
    let labels: Vec<Value> = labels.into_iter().map(label).collect();
    for plugin in &mut network.plugins {
        let mut map = plugin.as_map().clone();
        let args = inner(&mut map, "args")?;
        let cni = inner(args, "cni").map_err(|error| error.within("args"))?;
        let there = cni
            .entry("labels")
            .or_insert_with(|| Value::Array(Vec::new()));
        match there {
            Value::Array(list) => list.extend(labels.iter().cloned()),
            other => {
                let error = DecodeError::mismatch("a list", other).within("labels");
                return Err(error.within("cni").within("args"));
            }
        }
        *plugin = PluginConfig::from_map(map)?;
    }
    Ok(network)
}

/// The object of a key, made if need be. Its name is taken as it is there: their case does not matter.
fn inner<'a>(map: &'a mut Map, name: &str) -> Result<&'a mut Map, DecodeError> {
    let there = map
        .keys()
        .find(|key| key.eq_ignore_ascii_case(name))
        .cloned();
    let value = map
        .entry(there.unwrap_or_else(|| name.to_owned()))
        .or_insert_with(|| Value::Object(Map::new()));
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    let wrong = decode::object(value).map(drop);
    wrong.map_err(|error| error.within(name))?;
    match value {
        Value::Object(map) => Ok(map),
        other => Err(DecodeError::mismatch("an object", other).within(name)),
    }
}
