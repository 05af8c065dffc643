//! What a runtime asked of the plugins beside the configuration: published ports, limits.

use linkspan_spec::{Map, Value, decode};
use serde::Serialize;

/// A published port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// The address of the host; `None` is every address.
    #[serde(rename = "hostIP", skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<String>,
    /// The host's port.
    pub host_port: u16,
    /// The container's port.
    pub container_port: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

/// Limits of what a container receives (ingress) and sends (egress), in bits per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Of what it receives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress_rate: Option<u64>,
    /// Of what it sends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub egress_rate: Option<u64>,
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(host_ip) = &self.host_ip {
            match host_ip.contains(':') {
                true => write!(f, "[{host_ip}]:")?,
                false => write!(f, "{host_ip}:")?,
            }
        }
        write!(
            f,
            "{}→{}/{}",
            self.host_port, self.container_port, self.protocol
        )
    }
}

/// The published ports among arguments by capability. Keys in any case, as containerd 1.6 writes them; without a port of the host
/// nothing is published.
pub(super) fn ports(arguments: &Map) -> Vec<Port> {
    let list = decode::key(arguments, "portMappings").and_then(Value::as_array);
    let port = |mapping: &Value| {
        let mapping = mapping.as_object()?;
        let number = |key| u16::try_from(decode::key(mapping, key)?.as_u64()?).ok();
        let text = |key| Some(decode::key(mapping, key)?.as_str()?.to_owned());
        let everywhere = |address: &String| ["", "0.0.0.0", "::"].contains(&address.as_str());
        Some(Port {
            host_ip: text("hostIP").filter(|address| !everywhere(address)),
            host_port: number("hostPort").filter(|port| *port != 0)?,
            container_port: number("containerPort")?,
            protocol: text("protocol").map_or_else(|| "tcp".to_owned(), |name| name.to_lowercase()),
        })
    };
    list.into_iter().flatten().filter_map(port).collect()
}

/// The limits in an object: the arguments of the capability `bandwidth`, or a configuration of the plugin.
pub(super) fn limits(object: &Map) -> Option<Limits> {
    let rate = |key| decode::key(object, key)?.as_u64().filter(|rate| *rate != 0);
    let limits = Limits {
        ingress_rate: rate("ingressRate"),
        egress_rate: rate("egressRate"),
    };
    (limits != Limits::default()).then_some(limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_runtimes_write_them() {
        for (json, expected) in [
            (
                r#"[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]"#,
                "8080→80/tcp",
            ),
            (
                r#"[{"HostPort":53,"ContainerPort":53,"Protocol":"UDP","HostIP":"127.0.0.1"}]"#,
                "127.0.0.1:53→53/udp",
            ),
            (
                r#"[{"hostPort":53,"containerPort":53,"hostIP":"::1"}]"#,
                "[::1]:53→53/tcp",
            ),
            (r#"[{"hostPort":0,"containerPort":80}]"#, ""),
            (r#"[{"hostPort":70000,"containerPort":80}]"#, ""),
            (r#"{}"#, ""),
        ] {
            let map = decode::value(format!(r#"{{"portMappings":{json}}}"#).as_bytes()).unwrap();
            let ports = ports(map.as_object().unwrap());
            let told: Vec<_> = ports.iter().map(ToString::to_string).collect();
            assert_eq!(told.join(" "), expected, "{json}");
        }
    }

    #[test]
    fn a_rate_of_nothing_is_no_limit() {
        let read =
            |json: &str| limits(decode::value(json.as_bytes()).unwrap().as_object().unwrap());
        assert_eq!(read(r#"{"ingressRate":0}"#), None);
        let egress = read(r#"{"ingressRate":0,"egressRate":5}"#).unwrap();
        assert_eq!((egress.ingress_rate, egress.egress_rate), (None, Some(5)));
    }
}
