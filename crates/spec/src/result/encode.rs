//! Writing results. The keys are in the order of the reference, which is that of the fields: what is written is written from
//! types, never from a [`Map`](crate::Map), which has an order only with the feature `preserve_order`.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Serialize, Serializer};
use serde_json::ser::{PrettyFormatter, Serializer as Writer};

use super::types::{Dns, Interface, IpConfig, Route, Success};
use crate::decode::Value;
use crate::{Version, address};

/// A result from version 0.3.0 on.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Lists<'r> {
    cni_version: Version,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    interfaces: Cow<'r, [Interface]>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ips: Vec<Ip<'r>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    routes: &'r [Route],
    dns: &'r Dns,
}

/// An address, up to 0.4.0 with its family.
#[derive(Serialize)]
struct Ip<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(flatten)]
    config: &'r IpConfig,
}

impl<'r> Lists<'r> {
    pub(super) fn of(success: &'r Success, version: Version) -> Self {
        let is_complete = version >= Version::V1_0_0;
        let interfaces = &success.interfaces;
        Self {
            cni_version: version,
            interfaces: match is_complete {
                true => Cow::Borrowed(interfaces),
                false => interfaces.iter().map(older).collect(),
            },
            ips: success
                .ips
                .iter()
                .map(|ip| Ip {
                    version: (!is_complete).then_some(family(ip.address)),
                    config: ip,
                })
                .collect(),
            routes: &success.routes,
            dns: &success.dns,
        }
    }
}

/// What versions before 1.0.0 say of an interface.
fn older(interface: &Interface) -> Interface {
    Interface::new(interface.name.as_str())
        .with_mac(interface.mac.as_str())
        .with_sandbox(interface.sandbox.as_str())
}

fn family(net: IpNet) -> &'static str {
    match net.addr().to_canonical() {
        IpAddr::V4(_) => "4",
        IpAddr::V6(_) => "6",
    }
}

/// An address with its prefix, one of IPv4 as such.
pub(super) fn net<S: Serializer>(net: &IpNet, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&address::canonical(*net))
}

/// An address that is there, one of IPv4 as such.
pub(super) fn ip<S: Serializer>(ip: &Option<IpAddr>, serializer: S) -> Result<S::Ok, S::Error> {
    ip.map(|ip| ip.to_canonical()).serialize(serializer)
}

/// Of a number of which 0 says nothing, as in the reference.
pub(super) fn says_nothing(number: &Option<u32>) -> bool {
    number.is_none_or(|number| number == 0)
}

/// Bytes that most results fit in.
const USUAL_SIZE: usize = 1024;

/// JSON as the reference prints it: indented by four spaces, no newline at the end.
pub fn pretty<T: Serialize + ?Sized>(value: &T) -> String {
    let mut text = Vec::with_capacity(USUAL_SIZE);
    let indented = PrettyFormatter::with_indent(b"    ");
    // What is written here can always be, into memory too: its keys are texts.
    let _ = value.serialize(&mut Writer::with_formatter(&mut text, indented));
    String::from_utf8(text).unwrap_or_default()
}

/// JSON in one line, as the reference prints its versions.
pub fn compact<T: Serialize + ?Sized>(value: &T) -> String {
    // As above.
    serde_json::to_string(value).unwrap_or_default()
}

/// What was written, as a value.
pub(crate) fn value<T: Serialize>(written: T) -> Value {
    // As above.
    serde_json::to_value(written).unwrap_or_default()
}
