//! Connections that a pod's network promises.

use std::net::{IpAddr, SocketAddr};

use linkspan_testkit::{Netns, Outside, Protocol};

use crate::world::{PORT, Serving, World};

/// Both protocols that pods are reached by.
const PROTOCOLS: [Protocol; 2] = [Protocol::Tcp, Protocol::Udp];

/// The host's address for ports that are published there and at no other.
pub(crate) const SECOND_V4: &str = "198.51.100.7";
pub(crate) const SECOND_V6: &str = "2001:db8:51::7";

/// Where a pod's port is published: the protocol, the host's address or none for all, and the port there.
pub(crate) type Published = (Protocol, &'static str, u16);

impl World<'_> {
    /// Packets reach the pod from the host and from its neighbours, at its ports from everywhere, and what it sends gets an answer.
    #[track_caller]
    pub(crate) fn assert_works(&self, serving: &Serving) {
        let pod = &serving.pod;
        for ip in &pod.ips {
            self.talks(self.host.host(), *ip, PORT);
        }
        self.assert_goes_out(serving);
        for port in &serving.ports {
            self.assert_published(&pod.netns, serving, port);
        }
        self.count("times that one was reached by all it promises", 1);
    }

    /// A pod reaches another by all addresses, and at its published ports.
    #[track_caller]
    pub(crate) fn assert_neighbours(&self, one: &Serving, other: &Serving) {
        for ip in &other.pod.ips {
            let seen = self.talks(&one.pod.netns, *ip, PORT);
            assert!(
                one.pod.ips.contains(&seen),
                "{seen} is not {:?}",
                one.pod.ips
            );
        }
        for port in &other.ports {
            self.assert_published(&one.pod.netns, other, port);
        }
    }

    /// What it sends leaves with the host's address.
    #[track_caller]
    fn assert_goes_out(&self, serving: &Serving) {
        for ip in &serving.pod.ips {
            // Which of the host's addresses it is the kernel chooses.
            let (router, host) = match ip {
                IpAddr::V4(_) => (Outside::ROUTER_V4, [Outside::HOST_V4, SECOND_V4]),
                IpAddr::V6(_) => (Outside::ROUTER_V6, [Outside::HOST_V6, SECOND_V6]),
            };
            let seen = self.talks(&serving.pod.netns, parse(router), PORT);
            assert!(host.map(parse).contains(&seen), "{seen} is not the host's");
        }
    }

    /// A port answers from outside, from the host itself, and from a pod: at the addresses that it is published at, and at no other.
    #[track_caller]
    fn assert_published(&self, pod: &Netns, of: &Serving, published: &Published) {
        let &(protocol, host_ip, port) = published;
        let is_served = |at: &IpAddr| of.pod.ips.iter().any(|ip| ip.is_ipv4() == at.is_ipv4());
        let (at, not_at): (&[&str], &[&str]) = match host_ip {
            "" => (
                &[Outside::HOST_V4, SECOND_V4, Outside::HOST_V6, SECOND_V6],
                &[],
            ),
            "0.0.0.0" => (&[Outside::HOST_V4, SECOND_V4], &[Outside::HOST_V6]),
            "::" => (&[Outside::HOST_V6, SECOND_V6], &[Outside::HOST_V4]),
            SECOND_V4 => (&[SECOND_V4], &[Outside::HOST_V4, SECOND_V6]),
            "127.0.0.1" => (&[], &[Outside::HOST_V4]),
            _ => (&[SECOND_V6], &[Outside::HOST_V6, SECOND_V4]),
        };
        for at in at.iter().map(|at| parse(at)).filter(is_served) {
            for from in [&self.outside.netns, self.host.host(), pod] {
                self.talk(from, protocol, at, port);
            }
        }
        if ["", "0.0.0.0", "127.0.0.1"].contains(&host_ip) {
            self.talk(self.host.host(), protocol, parse("127.0.0.1"), port);
        }
        for at in not_at {
            let address = SocketAddr::new(parse(at), port).to_string();
            let answer = match protocol {
                Protocol::Tcp => self.outside.netns.talk_tcp(&address),
                Protocol::Udp => self.outside.netns.talk_udp(&address),
            };
            assert!(
                answer.is_err(),
                "{address} answers, published at {host_ip} alone"
            );
        }
    }

    /// Both protocols; the address that the server sees.
    #[track_caller]
    fn talks(&self, from: &Netns, to: IpAddr, port: u16) -> IpAddr {
        let seen = PROTOCOLS.map(|protocol| self.talk(from, protocol, to, port));
        assert_eq!(seen[0], seen[1], "TCP's and UDP's source");
        seen[0]
    }

    /// An exchange that must come about; the address that the server sees.
    #[track_caller]
    pub(crate) fn talk(&self, from: &Netns, protocol: Protocol, to: IpAddr, port: u16) -> IpAddr {
        let address = SocketAddr::new(to, port).to_string();
        let answer = match protocol {
            Protocol::Tcp => from.talk_tcp(&address),
            Protocol::Udp => from.talk_udp(&address),
        };
        self.count("connections made", 1);
        match answer {
            Ok(seen) => seen.ip(),
            Err(error) => panic!(
                "{} does not reach {protocol:?} {address}: {error}\n{}",
                from.name(),
                from.describe()
            ),
        }
    }
}

#[track_caller]
pub(crate) fn parse(address: &str) -> IpAddr {
    address.parse().unwrap()
}
