//! Wires between namespaces, and a world outside the host.

use crate::netns::Netns;
use crate::sandbox::Sandbox;

impl Netns {
    /// Lays a cable (a veth pair) from here to another namespace; both ends are up.
    ///
    /// # Panics
    /// When an interface of that name is there already.
    #[track_caller]
    pub fn connect(&self, ifname: &str, other: &Self, other_ifname: &str) {
        let (here, there) = (self.ip_target(), other.ip_target());
        // Made on this thread's side of things: `ip` knows the host as the namespace of process 1.
        Self::host().run(&format!(
            "ip link add {ifname} netns {here} type veth peer name {other_ifname} netns {there}"
        ));
        self.run(&format!("ip link set {ifname} up"));
        other.run(&format!("ip link set {other_ifname} up"));
    }

    /// Gives an interface an address that may be used at once.
    ///
    /// # Panics
    /// When there is no such interface.
    #[track_caller]
    pub fn address(&self, ifname: &str, address: &str) {
        let nodad = if address.contains(':') { " nodad" } else { "" };
        self.run(&format!("ip addr add {address} dev {ifname}{nodad}"));
    }

    fn ip_target(&self) -> &str {
        if self.is_host() { "1" } else { self.name() }
    }
}

/// A router outside the host, and the addresses on both sides of the cable to it.
///
/// The host's interface [`Outside::UPLINK`] carries its default routes. The outside knows no way back to any network behind
/// the host, so what a container sends arrives there with the host's address or gets no answer.
#[derive(Debug)]
pub struct Outside {
    /// The namespace of the router.
    pub netns: Netns,
}

impl Outside {
    /// The host's interface towards the outside.
    pub const UPLINK: &str = "uplink";
    /// The host's IPv4 address on the uplink (documentation range of RFC 5737).
    pub const HOST_V4: &str = "198.51.100.1";
    /// The router's IPv4 address.
    pub const ROUTER_V4: &str = "198.51.100.2";
    /// The host's IPv6 address on the uplink (documentation range of RFC 3849).
    pub const HOST_V6: &str = "2001:db8:51::1";
    /// The router's IPv6 address.
    pub const ROUTER_V6: &str = "2001:db8:51::2";
}

impl Sandbox {
    /// Makes a world outside the host, in a namespace called `outside`.
    ///
    /// # Panics
    /// When there is one already.
    #[track_caller]
    #[must_use]
    pub fn outside(&self) -> Outside {
        let netns = self.netns("outside");
        self.host().connect(Outside::UPLINK, &netns, "eth0");
        for (host, router, bits) in [
            (Outside::HOST_V4, Outside::ROUTER_V4, 24),
            (Outside::HOST_V6, Outside::ROUTER_V6, 64),
        ] {
            self.host()
                .address(Outside::UPLINK, &format!("{host}/{bits}"));
            netns.address("eth0", &format!("{router}/{bits}"));
            self.run(&format!("ip route add default via {router}"));
        }
        Outside { netns }
    }
}
