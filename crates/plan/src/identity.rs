//! Names that are made from what an attachment is, so that DEL and GC find what ADD made.

use linkspan_netfilter::Owner;
use linkspan_spec::{IfName, MacAddr};
use sha2::{Digest, Sha256, Sha512};

/// Where a machine's lasting identity is kept (machine-id(5)).
const MACHINE_ID: &str = "/etc/machine-id";

/// The name of the host's end of an attachment's link: `veth` and eleven hexadecimal digits.
///
/// NetworkManager leaves alone what begins with `veth`. 44 bits do not collide with the few thousand
/// attachments that a host can have.
pub fn link_name(owner: &Owner) -> String {
    let text = [owner.network(), owner.container(), owner.ifname()].join("/");
    name_from(&Sha256::digest(text))
}

/// The name of a file about an attachment: 64 hexadecimal digits and `.json`, whatever the lengths of names.
pub fn file_name(owner: &Owner) -> String {
    let text = [owner.network(), owner.container(), owner.ifname()].join("/");
    let digits = Sha256::digest(text);
    let digits: String = digits.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{digits}.json")
}

/// The name of the port behind a bridge's interface in a VLAN.
pub fn port_name(interface: &IfName) -> String {
    name_from(&Sha256::digest(interface.as_str()))
}

/// The names that the link can have through which what a container sends is shaped, the first one first: the
/// reference's, which tells network and container, and one for a further interface of the same container.
pub fn ifb_names(owner: &Owner) -> [String; 2] {
    let (network, container) = (owner.network(), owner.container());
    [
        ifb_name(&[network, container].concat()),
        ifb_name(&[network, container, "/", owner.ifname()].concat()),
    ]
}

fn ifb_name(text: &str) -> String {
    let digits: String = Sha512::digest(text)
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{IFB_PREFIX}{digits}")
}

/// How the names of such links begin.
pub const IFB_PREFIX: &str = "bwp";

/// Whether a name has the form of that of some attachment's link.
pub fn is_link_name(name: &str) -> bool {
    let digits = name.strip_prefix("veth").unwrap_or_default();
    digits.len() == 11 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Another name of the same form.
pub fn random_link_name() -> String {
    name_from(&random())
}

fn name_from(bytes: &[u8]) -> String {
    let digits: String = bytes
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("veth{}", &digits[..11])
}

/// A MAC address for one end of a link: random, as the kernel would choose it, but chosen, so that
/// nobody believes that it may be changed.
pub fn random_mac() -> MacAddr {
    local(&random())
}

/// The MAC address of a new bridge: always the same for this name on this machine. A machine without an identity
/// gets a random one, since all that have none would have the same.
pub fn bridge_mac(name: &IfName) -> MacAddr {
    let machine = std::fs::read_to_string(MACHINE_ID).unwrap_or_default();
    mac_on(machine.trim(), name).unwrap_or_else(random_mac)
}

/// `None` when that is no identity: there is none, or the machine was never booted.
fn mac_on(machine: &str, name: &IfName) -> Option<MacAddr> {
    let is_identity = machine.len() == 32 && machine.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_identity.then(|| local(&Sha256::digest([machine, name.as_str()].join("/"))))
}

/// A locally administered unicast address (IEEE 802, 8.2).
fn local(bytes: &[u8]) -> MacAddr {
    let mut octets = [0; 6];
    octets.copy_from_slice(&bytes[..6]);
    octets[0] = octets[0] & 0b1111_1100 | 0b0000_0010;
    MacAddr::new(octets)
}

/// From the kernel's generator. It cannot fail for so few bytes once the system has booted; before, a
/// hash of the time tells attachments apart as well.
fn random() -> [u8; 8] {
    let mut bytes = [0; 8];
    if rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).is_err() {
        let now = format!("{:?} {}", std::time::SystemTime::now(), std::process::id());
        bytes.copy_from_slice(&Sha256::digest(now)[..8]);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_name_depends_on_the_whole_identity_and_on_nothing_else() {
        let name = |owner: [&str; 3]| link_name(&Owner::from_texts(owner[0], owner[1], owner[2]));
        let one = name(["mynet", "c1", "eth0"]);
        assert_eq!(one, name(["mynet", "c1", "eth0"]));
        assert_eq!(one.len(), 15);
        for other in [
            ["mynet2", "c1", "eth0"],
            ["mynet", "c2", "eth0"],
            ["mynet", "c1", "eth1"],
        ] {
            assert_ne!(one, name(other));
        }
    }

    #[test]
    fn an_ifb_has_the_name_that_the_reference_gives_it() {
        // As its version 1.1.1 named it.
        let [first, second] = ifb_names(&Owner::from_texts("net", "c1", "eth0"));
        assert_eq!(first, "bwp623e1c388032");
        let [same, other] = ifb_names(&Owner::from_texts("net", "c1", "eth1"));
        assert_eq!(same, first);
        assert!(second != other && second != first && second.len() == 15);
    }

    #[test]
    fn addresses_are_local_and_unicast() {
        let bridge: IfName = "cni0".parse().unwrap();
        for mac in [random_mac(), bridge_mac(&bridge)] {
            assert_eq!(mac.octets()[0] & 3, 2);
        }
    }

    #[test]
    fn a_bridges_address_is_its_machines_and_random_where_that_has_no_identity() {
        let bridge: IfName = "cni0".parse().unwrap();
        let mac = |machine| mac_on(machine, &bridge);
        let (one, other) = ("5e1f".repeat(8), "5e1e".repeat(8));
        assert!(mac(&one).is_some() && mac(&one) == mac(&one) && mac(&one) != mac(&other));
        for none in ["", "uninitialized", "5e1f"] {
            assert_eq!(mac(none), None, "{none:?}");
        }
    }
}
