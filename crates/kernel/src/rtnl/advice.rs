//! What to do about a change that the kernel refuses, where an error number means something of its own.

use super::Change;

impl Change {
    /// Instead of what [`crate::Error::advice`] says of the number.
    pub(super) fn advice(&self, errno: i32) -> Option<&'static str> {
        match self {
            Self::AddRoute(_) | Self::AppendRoute(_) | Self::ReplaceRoute(_) => {
                of_route(errno).or_else(|| of_addressing(errno))
            }
            Self::AddAddress(..) | Self::AddRule(_) => of_addressing(errno),
            Self::AddQdisc(..) | Self::AddHtbClass(..) | Self::AddFilter(..) => of_traffic(errno),
            _ => None,
        }
    }
}

fn of_route(errno: i32) -> Option<&'static str> {
    match errno {
        // The first is of IPv4, the second of IPv6.
        libc::ENETUNREACH | libc::EHOSTUNREACH => Some(
            "the kernel does not reach the gateway by this link: a gateway lies in a subnet of the link, \
             or a route to it comes before, without a gateway and, for IPv4, with \"scope\": 253",
        ),
        _ => None,
    }
}

fn of_addressing(errno: i32) -> Option<&'static str> {
    match errno {
        // Who may not change a network is told EPERM.
        libc::EACCES => Some(
            "IPv6 is switched off in this namespace (net.ipv6.conf.all.disable_ipv6, or ipv6.disable=1 \
             on the kernel's command line); remove what is of IPv6, or switch it on",
        ),
        libc::EEXIST => Some(
            "it is there already; `ip address`, `ip rule` and `ip route show table all` show it",
        ),
        _ => None,
    }
}

fn of_traffic(errno: i32) -> Option<&'static str> {
    match errno {
        // What the kernel does not find is a kind that it does not know.
        libc::ENOENT => Some(
            "this kernel lacks a kind of queue or filter (modules sch_tbf, sch_htb, sch_ingress, cls_u32, \
             act_mirred), or the queue went just now; `tc qdisc` shows what is there",
        ),
        libc::EEXIST => Some("somebody else limits this link already; `tc qdisc` shows how"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::Error;
    use crate::exchange::Failure;
    use crate::rtnl::{Address, Route, tc};

    #[test]
    fn is_about_what_was_attempted() {
        let address = || Address::new("10.1.0.2/24".parse().unwrap());
        let route = || Route::new("10.2.0.0/24".parse().unwrap(), None, 2);
        let qdisc = || {
            let kind = tc::QdiscKind::Ingress;
            let (handle, parent) = (tc::Handle::INGRESS, tc::Handle::INGRESS);
            Change::AddQdisc(
                2,
                tc::Qdisc {
                    handle,
                    parent,
                    kind,
                },
            )
        };
        let cases = [
            (Change::AddRoute(route()), libc::ENETUNREACH, "gateway"),
            (Change::AppendRoute(route()), libc::EHOSTUNREACH, "gateway"),
            (Change::ReplaceRoute(route()), libc::EACCES, "disable_ipv6"),
            (Change::AddRoute(route()), libc::EEXIST, "ip route"),
            (Change::AddAddress(2, address()), libc::EEXIST, "ip address"),
            (
                Change::AddAddress(2, address()),
                libc::EACCES,
                "disable_ipv6",
            ),
            (qdisc(), libc::EEXIST, "tc qdisc"),
            (qdisc(), libc::EPERM, "as root"),
            (Change::DeleteLink(2), libc::ENODEV, "ip link"),
            // Of a change that has no gateway nothing is known.
            (Change::AddAddress(2, address()), libc::ENETUNREACH, ""),
            (Change::DeleteRoute(route()), libc::EHOSTUNREACH, ""),
        ];
        for (change, errno, words) in cases {
            let told = change.refused(Failure::of(errno));
            let advice = told.advice();
            assert!(advice.contains(words), "{told}: {advice}");
            assert_eq!(advice.is_empty(), words.is_empty(), "{told}: {advice}");
        }
        // Nor of a ping without a route.
        let source = io::Error::from_raw_os_error(libc::ENETUNREACH);
        assert_eq!(Error::new("ping", "192.0.2.1", source).advice(), "");
    }
}
