//! Links: the plugins that make interfaces, and the kernel below them.

use super::{Entry, entry};

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "* already has an IP address different from *",
        "the bridge {1} has another address than the gateway {2} that this configuration wants on it: the subnet in the configuration \
         changed, or another network uses the same bridge",
        "if nothing else uses the bridge: \"forceAddress\": true, or `ip link del {1}` (it is made anew by the next ADD; containers on it \
         lose their network). Else give this network a bridge of its own",
    ),
    entry(
        "could not set bridge's mac: *",
        "the bridge is being changed by somebody else at the same time, often udev's MACAddressPolicy=persistent",
        "try again; `linkspan doctor` tells whether udev or NetworkManager manages the bridge, and how to have them leave it alone",
    ),
    entry(
        "* already exists but is not a bridge",
        "a link {1} is there and is of another kind",
        "`ip -d link show {1}` tells which; choose another name in \"bridge\", or remove that link",
    ),
    entry(
        "failed to create bridge *: could not add *: file exists",
        "two containers were attached at once, and both made the bridge; an old plugin does not bear that",
        "try again; plugins since 0.8, and Linkspan's, use the bridge that is there",
    ),
    entry(
        "container veth name * already exists",
        "the container has an interface of that name already: it is attached, or a DEL before this ADD was never made",
        "detach it first, or ask for another name (CNI_IFNAME, `-i net1`)",
    ),
    entry(
        "failed to lookup master *: Link not found",
        "the host has no link {1}, on which this network's interfaces are to be made",
        "`ip -br link` lists those that there are; names differ from host to host, so leave \"master\" out where the link of the default \
         route is meant, or name the right one",
    ),
    entry(
        "* master failure. PrevResult lacks a single named interface",
        "ipvlan stands behind another plugin in the chain and has no \"master\", so that it takes the interface of that plugin's \
         result, which has none or several",
        "name the \"master\"",
    ),
    entry(
        "\"master\" field is required",
        "the plugin makes the interface on a link of the host and was not told on which",
        "add \"master\": \"eth0\", with the name of the link that carries the network; `ip -br link` lists them",
    ),
    entry(
        "failed to create macvlan: device or resource busy",
        "the master has a user that excludes macvlan: an ipvlan on it, a bridge or bond that it is a port of, or a macvlan in mode passthru",
        "`ip -d link show` tells which; macvlan and ipvlan cannot share a master",
    ),
    entry(
        "failed to create ipvlan: device or resource busy",
        "the master has a user that excludes ipvlan: a macvlan on it, or a bridge or bond that it is a port of",
        "`ip -d link show` tells which; macvlan and ipvlan cannot share a master",
    ),
    entry(
        "failed to create *: operation not supported",
        "this kernel has no links of the kind {1}",
        "load the module (`modprobe {1}`), or install the kernel's extra modules (linux-modules-extra); `linkspan doctor` tells what lacks",
    ),
    entry(
        "Unknown device type",
        "this kernel has no links of that kind",
        "load the module (macvlan, ipvlan, 8021q, dummy, vrf), or install the kernel's extra modules",
    ),
    entry(
        "invalid MTU *, must be [0, master MTU(*)]",
        "\"mtu\" {1} is more than the master's, {2}, can carry",
        "take \"mtu\" away (the master's is taken), or raise that of the master",
    ),
    entry(
        "cannot set hairpin mode and promiscuous mode at the same time",
        "\"hairpinMode\" and \"promiscMode\" exclude each other: with both a container would get its own packets twice",
        "keep \"hairpinMode\": true, which is enough for a container to reach itself through its published port",
    ),
    entry(
        "cannot use IPAM when DisableContainerInterface flag is set",
        "an interface that stays down can have no address",
        "remove ipam, or disableContainerInterface",
    ),
    entry(
        "invalid VLAN ID *",
        "{1} is no VLAN",
        "VLANs are numbered from 1 to 4094",
    ),
    entry(
        "failed to find host device: *",
        "the device that host-device is to move is not on the host: {1}",
        "it may be in another container still, or in one that is gone and has not given it back; `linkspan show` and `ip -br link` tell. Devices \
         return by themselves once nothing keeps the old namespace",
    ),
    entry(
        "Statfs *: no such file or directory",
        "the container's network namespace {1} is gone: the container ended while it was being attached or before it was detached",
        "nothing, if the container is gone: the runtime makes a new one. If DEL repeats this for ever the plugin is too old to bear it; \
         Linkspan's detach without the namespace",
    ),
    entry(
        "failed to open netns *: *",
        "the container's network namespace {1} is gone or is none: the container ended while it was being attached or before it was detached",
        "nothing, if the container is gone: the runtime makes a new one. If DEL repeats this for ever the plugin is too old to bear it; \
         Linkspan's detach without the namespace",
    ),
    entry(
        "unknown FS magic on *",
        "at {1} is a plain file and no network namespace: whoever kept the namespace there did not mount it, or it was unmounted",
        "`ip netns` lists real ones; remove the file if nobody uses it",
    ),
    entry(
        "Link not found",
        "an interface that was named is not there, or no more",
        "`ip -br link`, on the host and in the container (`ip -n NAME -br link`), tells what is there",
    ),
    entry(
        "no buffer space available",
        "a table of the kernel is full: neighbours (net.ipv4.neigh.default.gc_thresh3), or memory for sockets",
        "`dmesg | grep -i neigh`; `linkspan doctor` looks at both and tells the sysctl",
    ),
    entry(
        "operation not permitted",
        "whoever ran the plugin may not change networks: it needs CAP_NET_ADMIN and CAP_SYS_ADMIN",
        "run it as root; in a container or a user namespace give it these capabilities",
    ),
    entry(
        "no such device",
        "an interface that was named is not there, or went just now",
        "`ip -br link`, on the host and in the container, tells what is there",
    ),
    entry(
        "device or resource busy",
        "something else uses the link: it is a port of a bridge or bond, or has links of a kind on it that bear no others",
        "`ip -d link show` tells what",
    ),
];
