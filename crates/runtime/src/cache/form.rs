//! The form of a file of the cache: that of the reference's runtime.

use std::path::PathBuf;

use linkspan_spec::decode::{self, DecodeError, Map, Value};
use linkspan_spec::{NetworkList, Success};

use super::CachedAttachment;
use crate::{Endpoint, base64};

const KIND: &str = "cniCacheV1";

/// Whether a file has the form.
pub(super) fn is_current(map: &Map) -> bool {
    decode::key(map, "kind").is_some_and(|kind| kind == KIND)
}

/// That a file does not have it, but another or none.
pub(super) fn wrong_kind(map: &Map) -> DecodeError {
    let expected = format!("{KIND:?}");
    match decode::key(map, "kind") {
        Some(kind) => DecodeError::mismatch(expected, kind).within("kind"),
        None => DecodeError::missing("kind", expected),
    }
}

/// Whether a file has the form of before there were others, which does not say so.
pub(super) fn is_oldest(map: &Map) -> bool {
    decode::key(map, "kind").is_none()
}

/// The keys in the order of the reference, where objects have one (readers go by the keys alone), and as there those without a value
/// left out.
pub(super) fn encode(network: &NetworkList, endpoint: &Endpoint, result: Option<&Value>) -> Value {
    let mut map = Map::new();
    map.insert("kind".into(), KIND.into());
    map.insert("containerId".into(), endpoint.container_id.as_str().into());
    map.insert("config".into(), base64::encode(&network.source()).into());
    map.insert("ifName".into(), endpoint.ifname.as_str().into());
    map.insert("networkName".into(), network.name.as_str().into());
    if let Some(netns) = &endpoint.netns {
        map.insert("netns".into(), netns.to_string_lossy().into());
    }
    if !endpoint.args.is_empty() {
        let pair = |(key, value): &(String, String)| Value::from(vec![key.as_str(), value]);
        map.insert("cniArgs".into(), endpoint.args.iter().map(pair).collect());
    }
    if !endpoint.capability_args.is_empty() {
        let args = endpoint.capability_args.clone();
        map.insert("capabilityArgs".into(), args.into());
    }
    if let Some(result) = result {
        map.insert("result".into(), result.clone());
    }
    Value::Object(map)
}

/// What a file tells of its attachment.
pub(super) fn decode(map: &Map) -> Result<CachedAttachment, DecodeError> {
    let name = |key, expected| decode::required(map, key, expected, decode::string);
    let mut endpoint = Endpoint::new(
        name("containerId", "a container ID")?.parse()?,
        name("ifName", "an interface name")?.parse()?,
    );
    let result = decode::key(map, "result").cloned();
    endpoint.netns = decode::optional(map, "netns", decode::string)?
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .or_else(|| sandbox(result.as_ref()?));
    endpoint.args =
        decode::optional(map, "cniArgs", |args| decode::list(args, pair))?.unwrap_or_default();
    endpoint.capability_args = decode::optional(map, "capabilityArgs", decode::object)?
        .cloned()
        .unwrap_or_default();
    Ok(CachedAttachment {
        network: name("networkName", "a network name")?.parse()?,
        endpoint,
        config: decode::optional(map, "config", bytes)?.unwrap_or_default(),
        result,
        is_complete: true,
    })
}

/// The namespace as the result tells it: before version 1.2 the reference's runtime did not keep it
/// by itself.
fn sandbox(result: &Value) -> Option<PathBuf> {
    let interfaces = Success::from_json(result).ok()?.interfaces.into_iter();
    interfaces
        .map(|interface| PathBuf::from(interface.sandbox))
        .find(|path| path.is_absolute())
}

fn bytes(value: &Value) -> Result<Vec<u8>, DecodeError> {
    base64::decode(decode::string(value)?)
        .ok_or_else(|| DecodeError::mismatch("bytes in Base64", value))
}

fn pair(value: &Value) -> Result<(String, String), DecodeError> {
    match decode::list(value, decode::owned)?.as_slice() {
        [key, value] => Ok((key.clone(), value.clone())),
        _ => Err(DecodeError::mismatch("a pair of strings", value)),
    }
}
