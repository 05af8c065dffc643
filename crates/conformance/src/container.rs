//! Containers, and what is attached in them.

use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use ipnet::{IpNet, Ipv4Net};
use linkspan_kernel::Error;
use linkspan_kernel::netns::Netns;
use linkspan_kernel::rtnl::{
    Address, Change, Kind as LinkKind, Link, LinkChange, NewLink, Peer, Route, Rtnl,
};
use linkspan_spec::{Value, Version};
use serde_json::json;

use crate::answer::Answer;
use crate::kind::Kind;

/// A container: a namespace, and what a runtime calls it.
#[derive(Debug)]
pub(crate) struct Container {
    /// How many there are on its host, with it.
    pub(crate) number: u32,
    pub(crate) id: String,
    pub(crate) path: PathBuf,
    pub(crate) netns: Netns,
    pub(crate) ifname: String,
    before: Option<Before>,
}

/// The interface that the plugin before a chained one has made.
#[derive(Debug)]
struct Before {
    host: Link,
    inside: Link,
    address: Ipv4Addr,
    gateway: Ipv4Addr,
}

/// What ADD has made.
#[derive(Debug)]
pub(crate) struct Attachment {
    pub(crate) container: Container,
    pub(crate) version: Version,
    pub(crate) answer: Answer,
    pub(crate) result: Value,
}

impl Container {
    pub(crate) fn make(
        number: u32,
        namespaces: &Path,
        ifname: &str,
        kind: Kind,
    ) -> Result<Self, Error> {
        let id = format!("container-{number}");
        let path = namespaces.join(&id);
        let netns = Netns::create(&path)?;
        let rtnl = Rtnl::open_in(&netns)?;
        rtnl.change(Change::SetLink(rtnl.link("lo")?.index, LinkChange::up()))?;
        let before = match kind {
            Kind::Chained => Some(Before::make(number, ifname, &netns)?),
            _ => None,
        };
        Ok(Self {
            number,
            id,
            path,
            netns,
            ifname: ifname.to_owned(),
            before,
        })
    }

    /// The same container, for another interface.
    pub(crate) fn with_ifname(mut self, ifname: impl Into<String>) -> Self {
        self.ifname = ifname.into();
        self
    }

    /// The container's side of the kernel.
    pub(crate) fn rtnl(&self) -> Result<Rtnl, Error> {
        Rtnl::open_in(&self.netns)
    }

    /// Its interface, if it is there.
    pub(crate) fn link(&self) -> Result<Option<Link>, Error> {
        match self.rtnl()?.link(&self.ifname) {
            Err(error) if error.is_not_found() => Ok(None),
            link => link.map(Some),
        }
    }

    /// The addresses of its interface, but for those that the kernel makes by itself.
    pub(crate) fn addresses(&self) -> Result<Vec<IpNet>, Error> {
        let Some(link) = self.link()? else {
            return Ok(Vec::new());
        };
        let addresses = self.rtnl()?.addresses(link.index)?;
        let nets = addresses.into_iter().map(|address| address.net);
        Ok(nets.filter(|net| !is_of_the_kernel(net)).collect())
    }

    /// The result of the plugin before a chained one.
    pub(crate) fn made_before(&self, version: Version) -> Value {
        match &self.before {
            Some(before) => before.result(self, version),
            None => Value::Null,
        }
    }

    /// Takes the namespace away, as a runtime does whose container has ended.
    pub(crate) fn end(&self) -> Result<(), Error> {
        Netns::remove(&self.path)
    }
}

/// Link-local addresses of IPv6, and the loopback's.
fn is_of_the_kernel(net: &IpNet) -> bool {
    match net {
        IpNet::V4(_) => false,
        IpNet::V6(net) => net.addr().is_unicast_link_local(),
    }
}

impl Before {
    /// A pair of interfaces with an address and a route, as `ptp` makes it.
    fn make(number: u32, ifname: &str, netns: &Netns) -> Result<Self, Error> {
        let host = Rtnl::open()?;
        let inside = Rtnl::open_in(netns)?;
        let subnet = u8::try_from(number % 250).unwrap_or(0);
        let [gateway, address] = [1, 2].map(|last| Ipv4Addr::new(10, 90, subnet, last));
        let name = format!("before{number}");
        let peer = Peer::new(ifname).inside(netns.as_fd());
        let mut link = NewLink::new(&name, LinkKind::Veth(peer));
        link.up = true;
        host.create_link(&link)?;
        let net = |address| IpNet::from(Ipv4Net::new_assert(address, 24));
        let far = inside.link(ifname)?.index;
        inside.change(Change::SetLink(far, LinkChange::up()))?;
        inside.change(Change::AddAddress(far, Address::new(net(address))))?;
        let everywhere = IpNet::from(Ipv4Net::default());
        inside.change(Change::AddRoute(Route::new(
            everywhere,
            Some(gateway.into()),
            far,
        )))?;
        let near = host.link(&name)?.index;
        host.change(Change::AddAddress(near, Address::new(net(gateway))))?;
        Ok(Self {
            host: host.link(&name)?,
            inside: inside.link(ifname)?,
            address,
            gateway,
        })
    }

    fn result(&self, container: &Container, version: Version) -> Value {
        if version < Version::V0_3_0 {
            return json!({ "cniVersion": version.as_str(),
                "ip4": { "ip": format!("{}/24", self.address), "gateway": self.gateway.to_string() } });
        }
        let mut ip = json!({ "address": format!("{}/24", self.address), "gateway": self.gateway.to_string(), "interface": 1 });
        if version < Version::V1_0_0 {
            ip["version"] = "4".into();
        }
        json!({
            "cniVersion": version.as_str(),
            "interfaces": [
                { "name": self.host.name, "mac": mac(&self.host) },
                { "name": self.inside.name, "mac": mac(&self.inside), "sandbox": container.path },
            ],
            "ips": [ip],
            "routes": [{ "dst": "0.0.0.0/0", "gw": self.gateway.to_string() }],
            "dns": { "nameservers": ["192.0.2.53"], "domain": "example.com", "search": ["example.com"] },
        })
    }
}

/// A link's hardware address as text; empty where it has none.
pub(crate) fn mac(link: &Link) -> String {
    let bytes = link.mac.unwrap_or_default();
    let parts = bytes.map(|byte| format!("{byte:02x}"));
    match link.mac {
        Some(_) => parts.join(":"),
        None => String::new(),
    }
}
