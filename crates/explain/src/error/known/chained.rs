//! Chained plugins: ports, firewalls, limits, settings.

use super::{Entry, entry};

const PREV_RESULT: &str = "section 2, \"ADD\"";

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "must be called as *chained plugin",
        "the plugin works on what another has attached, and got no prevResult: it stands first in \"plugins\", or alone in a .conf file",
        "write a .conflist whose \"plugins\" begin with one that makes an interface (bridge, ptp, macvlan, …), and this one behind it",
    )
    .in_section(PREV_RESULT),
    entry(
        "Required prevResult missing",
        "the plugin works on what another has attached, and got no prevResult: it stands first, or the runtime kept no result for CHECK",
        "let it stand behind a plugin that makes an interface; for CHECK, attach the container again",
    )
    .in_section(PREV_RESULT),
    entry(
        "host port * is already published by container * (network *, interface *)",
        "port {1} of the host leads to container {2} on network {3}",
        "detach that container, or choose another hostPort, or another hostIP for one of the two. If it is gone: `linkspan gc {3} --dry-run`",
    ),
    entry(
        "host port * is already published by *",
        "port {1} of the host leads to {2}",
        "detach that, or choose another hostPort; `linkspan show {1}` tells whose it is",
    ),
    entry(
        "Another app is currently holding the xtables lock",
        "many programs change iptables at once (kube-proxy, portmap, Calico), and each waits for a lock of the whole host",
        "it passes. Where it comes again and again: the nftables backend needs no lock (`\"backend\": \"nftables\"` of portmap, \
         \"ipMasqBackend\" of bridge)",
    ),
    entry(
        "iptables: No chain/target/match by that name",
        "a chain that the plugin made was flushed by somebody else, or the kernel lacks a match",
        "`linkspan reconcile` puts back what was flushed; `linkspan doctor` tells whether iptables of two kinds (legacy, nft) are in use",
    ),
    entry(
        "Couldn't load target `*'",
        "a rule was to be removed that leads to the chain {1}, which is gone: another program flushed or restored iptables since ADD \
         (firewalld, a firewall's script), and the plugin takes that for a failure",
        "nothing is left to remove; a plugin that takes what is gone for detached, as Linkspan's do, gets past it",
    ),
    entry(
        "failed to locate iptables",
        "the reference's plugin runs the program iptables, which is not installed, or not in the runtime's PATH",
        "install iptables, or use Linkspan's plugins, which need no program",
    ),
    entry(
        "executable file not found in $PATH",
        "a plugin runs a program that is not installed, or not in the runtime's PATH",
        "install it; Linkspan's own plugins need no program",
    ),
    entry(
        "table `nat' is incompatible, use 'nft' tool",
        "rules of nftables that iptables cannot show stand in its table nat",
        "`nft list table ip nat` shows them; have one tool manage a table. \"backend\": \"nftables\" uses a table of its own",
    ),
    entry(
        "could not initialize iptables protocol *",
        "iptables cannot be used here: {1}",
        "see `iptables -t nat -S`; a kernel without ip_tables needs iptables-nft or the nftables backend",
    ),
    entry(
        "interface needs to be set for ingress policy *",
        "firewall with \"ingressPolicy\" {1} needs a bridge in the result of the plugins before it",
        "let firewall stand behind bridge, or take ingressPolicy away",
    ),
    entry(
        "Sysctl * is not allowed. Only the following sysctls are allowed: *",
        "tuning may set what /etc/cni/tuning/allowlist.conf allows, and {1} is not in it",
        "add a regular expression that matches it to that file, if containers may change it",
    ),
    entry(
        "invalid net sysctl key: *",
        "tuning sets parameters below net. alone, since all others are the whole host's; {1} is none",
        "set others on the host (/etc/sysctl.d), or by the runtime's own means for a container's",
    ),
    entry(
        "open /proc/sys/*: no such file or directory",
        "there is no parameter {1} in the container's namespace: a misspelt name, an interface that is called otherwise, a module that is not loaded, or \
         one that only the host has",
        "`sysctl -a` in the container lists what there is; IFNAME in a key stands for the container's interface",
    ),
    entry(
        "interface * was not a veth interface",
        "bandwidth limits the host's end of a pair, and the container's interface {1} is none (macvlan, ipvlan, vlan and devices of the host have no such end)",
        "use it behind bridge or ptp; for others limit on the switch, or by tc inside the container",
    ),
    entry(
        "has no veth peer",
        "bandwidth limits the host's end of a pair, and this interface has none here",
        "use it behind bridge or ptp",
    ),
    entry(
        "if burst is set, rate must also be set",
        "a limit has a burst and no rate",
        "give ingressRate with ingressBurst, egressRate with egressBurst: both in bits, not bytes",
    ),
    entry(
        "if rate is set, burst must also be set",
        "a limit has a rate and no burst",
        "give a burst in bits: a tenth of the rate is a good beginning, and at least some packets (100,000)",
    ),
    entry(
        "Netlink * is not a VRF",
        "a link {1} is there and is no vrf",
        "choose another \"vrfname\", or remove that link",
    ),
    entry(
        "VRF * already exist with different routing table *",
        "the container has the vrf {1} already, with the routing table {2}",
        "name the same \"table\" in all networks that share a vrf, or choose another name",
    ),
    entry(
        "No IP addresses supplied on interface: *",
        "sbr routes by the addresses of the interface, and {1} has none in the result of the plugins before",
        "give the plugin that makes the interface an ipam, and let sbr stand behind it",
    ),
];
