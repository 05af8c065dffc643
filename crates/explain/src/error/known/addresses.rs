//! Addresses: IPAM plugins and their pools.

use super::{Entry, entry};

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "has been allocated to *, duplicate allocation is not allowed",
        "host-local holds an address for this very container and interface ({1}): an ADD before this one was not followed by a DEL, \
         often since the machine or the runtime was restarted in between",
        "let the runtime detach it (`linkspan del NET NETNS`), or see what is left over with `linkspan ipam check` and give \
         that back with `linkspan ipam free`. Linkspan's host-local takes the address up again where the container is gone",
    ),
    entry(
        "no IP addresses available in range set: *",
        "every address of the range {1} is reserved. Either that many containers run, or reservations were left by containers \
         that are gone (a restart of the machine, a DEL that failed)",
        "`linkspan ipam show NET` tells how full it is and who holds what; `linkspan ipam check --report FILE` finds what is \
         leaked, and `linkspan ipam free --from-report FILE` gives exactly that back. If all is in use: a larger range",
    ),
    entry(
        "requested IP address * is not available in range set *",
        "the address {1} was asked for by name (CNI_ARGS IP=, args.cni.ips or runtimeConfig.ips), and somebody holds it, or it is \
         outside of the ranges ({2})",
        "`linkspan ipam show --ip {1}` tells who holds it; ask for another, or widen the range",
    ),
    entry(
        "requested ip * is subnet's gateway",
        "{1} was asked for, which is the gateway's address and is given to nobody",
        "ask for another address, or give the range another \"gateway\"",
    ),
    entry(
        "failed to allocate all requested IPs: *",
        "an address that was asked for lies in none of the ranges",
        "ask for addresses inside the ranges: `linkspan ipam show NET` lists them",
    ),
    entry(
        "range set * overlaps with *",
        "two range sets of one configuration have addresses in common, and a container would get the same one twice",
        "make them disjoint; ranges that one address is to be chosen from go into the same set",
    ),
    entry(
        "no IP ranges specified",
        "host-local has neither \"ranges\" nor \"subnet\", and the runtime gave none by the capability ipRanges",
        "add \"ranges\": [[{\"subnet\": \"10.22.0.0/24\"}]] to ipam",
    ),
    entry(
        "invalid range set *",
        "a range cannot be: {1}",
        "`linkspan lint` shows the line; rangeStart, rangeEnd and gateway must lie inside subnet",
    ),
    entry(
        "invalid CIDR address: *",
        "{1} is not an address with the length of its prefix",
        "write it as 10.22.0.0/24 or fd00:22::/64",
    ),
    entry(
        "IPAM plugin returned missing IP config",
        "the IPAM plugin succeeded and gave no address",
        "see its configuration: `static` without addresses gives none, `host-local` needs ranges. Where no address is wanted, leave \
         ipam out",
    ),
    entry(
        "no more tries",
        "no DHCP server answered within the time",
        "see that a server is on that network (`tcpdump -ni MASTER port 67`), that its pool is not exhausted, and that the switch lets a second \
         MAC address pass (macvlan)",
    ),
    entry(
        "error dialing DHCP daemon: *",
        "the dhcp plugin asks a daemon for the lease, which does not run ({1})",
        "start it: `systemctl enable --now cni-dhcp.socket`, or `/opt/cni/bin/dhcp daemon`",
    ),
    entry(
        "error calling DHCP.Allocate: *",
        "the DHCP daemon got no lease: {1}",
        "the daemon's log says what the server answered; see that a server is on that network",
    ),
    entry(
        "ip-forward",
        "the host does not forward packets",
        "`sysctl -w net.ipv4.ip_forward=1`, and in /etc/sysctl.d for the next boot; `linkspan doctor` tells more",
    ),
    entry(
        "failed to request IPv4 addresses: Cannot allocate addresses",
        "Calico's IPAM has no block left for this node, or leaked addresses",
        "`calicoctl ipam show` and `calicoctl ipam check`",
    ),
    entry(
        "could not allocate IP in range: *",
        "whereabouts found no free address in {1}, or could not write its pool to the Kubernetes API in time",
        "look at its ippools and overlappingrangeipreservations for addresses of pods that are gone; its reconciler removes them",
    ),
    entry(
        "failed to assign an IP address to container",
        "the AWS VPC CNI has no address left on this node: the instance type limits how many it can have, or its daemon is not ready",
        "`kubectl -n kube-system logs -l k8s-app=aws-node`, and the limits of the instance type; prefix delegation raises them",
    ),
];
