//! What travels, as values: the fields have the names and the types that they have in the reference.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use linkspan_spec::{Dns, IpConfig, Route, Success};

use crate::gob::{Field, Shape, Struct, Value};

/// What a plugin was called with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CmdArgs {
    /// `CNI_CONTAINERID`.
    pub container_id: String,
    /// `CNI_NETNS`, absolute.
    pub netns: String,
    /// `CNI_IFNAME`.
    pub ifname: String,
    /// `CNI_ARGS`.
    pub args: String,
    /// `CNI_PATH`.
    pub path: String,
    /// `CNI_NETNS_OVERRIDE`; older plugins do not send it.
    pub netns_override: String,
    /// The configuration as the plugin got it.
    pub stdin_data: Vec<u8>,
}

/// The header of a request.
pub(super) static REQUEST: Struct = Struct {
    name: "Request",
    fields: &[
        Field("ServiceMethod", Shape::Text),
        Field("Seq", Shape::Uint),
    ],
};

/// The header of an answer.
pub(super) static RESPONSE: Struct = Struct {
    name: "Response",
    fields: &[
        Field("ServiceMethod", Shape::Text),
        Field("Seq", Shape::Uint),
        Field("Error", Shape::Text),
    ],
};

/// The body of a request.
pub(super) static CMD_ARGS: Struct = Struct {
    name: "CmdArgs",
    fields: &[
        Field("ContainerID", Shape::Text),
        Field("Netns", Shape::Text),
        Field("IfName", Shape::Text),
        Field("Args", Shape::Text),
        Field("Path", Shape::Text),
        Field("NetnsOverride", Shape::Text),
        Field("StdinData", Shape::Bytes),
    ],
};

/// The body of an answer that says no more.
pub(super) static NOTHING: Struct = Struct {
    name: "",
    fields: &[],
};

/// A lease. The interfaces are left out, since no IPAM plugin states any.
pub(super) static RESULT: Struct = Struct {
    name: "Result",
    fields: &[
        Field("CNIVersion", Shape::Text),
        Field(
            "IPs",
            Shape::List("[]*types100.IPConfig", &Shape::Struct(&IP_CONFIG)),
        ),
        Field(
            "Routes",
            Shape::List("[]*types.Route", &Shape::Struct(&ROUTE)),
        ),
        Field("DNS", Shape::Struct(&DNS)),
    ],
};

static IP_CONFIG: Struct = Struct {
    name: "IPConfig",
    fields: &[
        Field("Address", Shape::Struct(&IP_NET)),
        Field("Gateway", Shape::Bytes),
    ],
};

static IP_NET: Struct = Struct {
    name: "IPNet",
    fields: &[Field("IP", Shape::Bytes), Field("Mask", Shape::Bytes)],
};

static ROUTE: Struct = Struct {
    name: "Route",
    fields: &[
        Field("Dst", Shape::Struct(&IP_NET)),
        Field("GW", Shape::Bytes),
        Field("MTU", Shape::Int),
        Field("AdvMSS", Shape::Int),
        Field("Priority", Shape::Int),
        Field("Table", Shape::Int),
        Field("Scope", Shape::Int),
    ],
};

static DNS: Struct = Struct {
    name: "DNS",
    fields: &[
        Field("Nameservers", TEXTS),
        Field("Domain", Shape::Text),
        Field("Search", TEXTS),
        Field("Options", TEXTS),
    ],
};

const TEXTS: Shape = Shape::List("[]string", &Shape::Text);

impl CmdArgs {
    pub(super) fn to_value(&self) -> Value {
        let texts = [
            &self.container_id,
            &self.netns,
            &self.ifname,
            &self.args,
            &self.path,
            &self.netns_override,
        ];
        let [container, netns, ifname, args, path, netns_override] = texts.map(|it| text(it));
        let stdin_data = bytes(self.stdin_data.clone());
        Value::of(
            &CMD_ARGS,
            [
                container,
                netns,
                ifname,
                args,
                path,
                netns_override,
                stdin_data,
            ],
        )
    }

    pub(super) fn of_value(value: &Value) -> Self {
        let text = |name| value.text(name).to_owned();
        Self {
            container_id: text("ContainerID"),
            netns: text("Netns"),
            ifname: text("IfName"),
            args: text("Args"),
            path: text("Path"),
            netns_override: text("NetnsOverride"),
            stdin_data: value.bytes("StdinData").to_vec(),
        }
    }
}

/// A lease as it travels. The version is left out: the plugin has put in its own, from which older releases know no way
/// back from a later one.
pub(super) fn value_of(lease: &Success) -> Value {
    let ips = lease.ips.iter().map(|ip| {
        let gateway = ip.gateway.and_then(|gateway| bytes(octets(gateway)));
        Value::of(&IP_CONFIG, [Some(value_of_net(ip.address)), gateway])
    });
    let routes = lease.routes.iter().map(|route| {
        let number = |number: Option<u32>| number.map(|number| Value::Int(number.into()));
        Value::of(
            &ROUTE,
            [
                Some(value_of_net(route.dst)),
                route.gw.and_then(|gateway| bytes(octets(gateway))),
                number(route.mtu),
                number(route.advmss),
                number(route.priority),
                number(route.table),
                number(route.scope.map(u32::from)),
            ],
        )
    });
    let dns = &lease.dns;
    let dns = [
        texts(&dns.nameservers),
        text(&dns.domain),
        texts(&dns.search),
        texts(&dns.options),
    ];
    let dns = Some(Value::of(&DNS, dns));
    Value::of(&RESULT, [None, list(ips), list(routes), dns])
}

/// Reads a lease; what is wrong with it where it is none.
pub(super) fn lease_of(value: &Value) -> Result<Success, String> {
    let texts = |value: &Value, name| -> Vec<String> {
        let texts = value.list(name).iter().filter_map(|element| match element {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        });
        texts.collect()
    };
    let ips = value.list("IPs").iter().map(|ip| {
        let address = net_of(ip.field("Address")).ok_or("an address that is none")?;
        Ok(IpConfig::new(address).with_gateway(address_of(ip.bytes("Gateway"))?))
    });
    let routes = value.list("Routes").iter().map(|route| {
        let dst = net_of(route.field("Dst")).ok_or("a route to what is no network")?;
        Ok(Route::new(dst, address_of(route.bytes("GW"))?)
            .with_mtu(route.number("MTU").filter(|mtu| *mtu != 0))
            .with_advmss(route.number("AdvMSS").filter(|size| *size != 0))
            .with_priority(route.number("Priority").filter(|priority| *priority != 0))
            .with_table(route.number("Table"))
            .with_scope(route.number("Scope")))
    });
    let dns = value.field("DNS").map(|dns| {
        Dns::default()
            .with_nameservers(texts(dns, "Nameservers"))
            .with_domain(dns.text("Domain"))
            .with_search(texts(dns, "Search"))
            .with_options(texts(dns, "Options"))
    });
    Ok(Success::default()
        .with_ips(ips.collect::<Result<Vec<_>, String>>()?)
        .with_routes(routes.collect::<Result<Vec<_>, String>>()?)
        .with_dns(dns.unwrap_or_default()))
}

/// The reference writes IPv4 addresses with 4 or with 16 bytes, as it happens to have them.
fn address_of(bytes: &[u8]) -> Result<Option<IpAddr>, String> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let address = ip_of(bytes);
    address
        .map(Some)
        .ok_or_else(|| format!("a gateway of {} bytes", bytes.len()))
}

fn ip_of(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(bytes).into());
    }
    let bytes = <[u8; 16]>::try_from(bytes).ok()?;
    Some(IpAddr::from(Ipv6Addr::from(bytes)).to_canonical())
}

/// An IPv4 address of 16 bytes may have a mask of 4, and the other way round.
fn net_of(value: Option<&Value>) -> Option<IpNet> {
    let address = ip_of(value?.bytes("IP"))?;
    let mask = match (address, value?.bytes("Mask")) {
        (IpAddr::V4(_), [ones @ .., a, b, c, d]) if ones.iter().all(|byte| *byte == u8::MAX) => {
            IpAddr::from([*a, *b, *c, *d])
        }
        (IpAddr::V6(_), mask) => IpAddr::from(<[u8; 16]>::try_from(mask).ok()?),
        _ => return None,
    };
    IpNet::with_netmask(address, mask).ok()
}

fn value_of_net(net: IpNet) -> Value {
    Value::of(
        &IP_NET,
        [net.addr(), net.netmask()].map(|it| bytes(octets(it))),
    )
}

/// A result with an address and a mask of these bytes.
#[cfg(test)]
pub(super) fn address(ip: Vec<u8>, mask: Vec<u8>) -> Value {
    let net = Value::of(&IP_NET, [ip, mask].map(bytes));
    let ips = std::iter::once(Value::of(&IP_CONFIG, [Some(net), None]));
    Value::of(&RESULT, [None, list(ips), None, None])
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn text(text: &str) -> Option<Value> {
    Some(text)
        .filter(|text| !text.is_empty())
        .map(|text| Value::Text(text.to_owned()))
}

fn bytes(bytes: Vec<u8>) -> Option<Value> {
    Some(bytes)
        .filter(|bytes| !bytes.is_empty())
        .map(Value::Bytes)
}

fn texts(texts: &[String]) -> Option<Value> {
    list(texts.iter().map(|text| Value::Text(text.clone())))
}

fn list(elements: impl Iterator<Item = Value>) -> Option<Value> {
    let elements: Vec<Value> = elements.collect();
    Some(elements)
        .filter(|elements| !elements.is_empty())
        .map(Value::List)
}
