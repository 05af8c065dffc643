//! What the daemon does on a host, a part at a time.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use linkspan_kernel::netns::Identity;
use linkspan_kernel::packet::{BROADCAST, PacketSocket, Packets};
use linkspan_kernel::rtnl::Rtnl;
use linkspan_testkit::{Netns, Sandbox, sandbox};

use super::closer::Closer;
use super::container::{Container, There, Way};
use super::flags::Flags;
use super::frame;
use super::holder::{Came, Holder};
use super::interface::Interface;
use super::listener::{ListenError, Listener};
use super::store::{Store, StoreError};
use super::wish::Wish;
use crate::machine::{Client, Lease, Parameters, Start, Term, Time};
use crate::message::Route;

const SOCKET: &str = "/run/cni/dhcp.sock";

fn lease(address: &str, router: &str) -> Lease {
    let router: Ipv4Addr = router.parse().unwrap();
    Lease {
        address: address.parse().unwrap(),
        server: Some(router),
        server_mac: Some([2; 6]),
        term: Term::Until {
            acquired: Time::from(0),
            renew_at: Time::from(30_000),
            rebind_at: Time::from(50_000),
            expires_at: Time::from(60_000),
        },
        parameters: Parameters {
            routers: vec![router],
            routes: vec![
                Route {
                    destination: "0.0.0.0/0".parse().unwrap(),
                    via: Some(router),
                },
                Route {
                    destination: "192.0.2.0/24".parse().unwrap(),
                    via: None,
                },
            ],
            mtu: Some(1400),
            ..Parameters::default()
        },
    }
}

fn wish(container: &str) -> Wish {
    Wish {
        container_id: container.to_owned(),
        network: "net1".to_owned(),
        ifname: "eth0".to_owned(),
        client_id: b"\0c1/net1/eth0".to_vec(),
        requested: vec![1, 3],
        provided: vec![(12, b"web".to_vec())],
        priority: Some(7),
    }
}

/// A container whose `eth0` is a pair's end, the other a port of the host's bridge.
fn bridged(host: &Sandbox) -> (Netns, Container) {
    host.run("ip link add br0 type bridge; ip link set br0 up");
    let netns = host.netns("a");
    host.run("ip link add v0 type veth peer name eth0 netns a; ip link set v0 master br0 up");
    let container = Container::find(netns.path(), "eth0", false).unwrap();
    container.switch_on().unwrap();
    (netns, container)
}

fn holder(wish: Wish, container: &Container) -> Holder {
    let settings = wish.settings(container, &Flags::default());
    let client = Client::new(settings, Start::Discover, Time::default());
    Holder::new(wish, container.clone(), client)
}

#[test]
fn leases_are_kept_for_one_daemon_at_a_time() {
    sandbox(|host| {
        let (_netns, container) = bridged(host);
        let (wish, lease) = (wish("c1"), lease("10.0.0.9/24", "10.0.0.1"));
        let store = Store::open("", Path::new(SOCKET)).unwrap();
        let second = Store::open("", Path::new(SOCKET));
        assert!(matches!(second, Err(StoreError::Taken(_))), "{second:?}");
        Store::open("", Path::new("/run/other.sock")).unwrap();
        store
            .keep(&holder(wish.clone(), &container), &lease)
            .unwrap();
        store
            .keep(&holder(wish.clone(), &container), &lease)
            .unwrap();
        drop(store);

        let store = Store::open("", Path::new(SOCKET)).unwrap();
        let kept = store.all().unwrap();
        let [Ok(record)] = kept.as_slice() else {
            panic!("{kept:?}");
        };
        assert_eq!(
            (&record.wish, &record.container, &record.lease),
            (&wish, &container, &lease)
        );
        store.forget(&wish).unwrap();
        store.forget(&wish).unwrap();
        assert!(store.all().unwrap().is_empty());
    });
}

/// Of a later version, cut short, of an earlier boot.
#[test]
fn what_cannot_be_gone_on_with_is_left_alone_or_forgotten() {
    sandbox(|host| {
        let (_netns, container) = bridged(host);
        let store = Store::open("", Path::new(SOCKET)).unwrap();
        store
            .keep(
                &holder(wish("c1"), &container),
                &lease("10.0.0.9/24", "10.0.0.1"),
            )
            .unwrap();
        let files = host.run("find /run/cni/linkspan -path '*/dhcp/*' -type f ! -name lock");
        let file = files.trim();
        let text = fs::read_to_string(file).unwrap();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let boot = boot.trim().replace('-', "");
        for (damaged, left, words) in [
            (
                text.replace(r#""version":1"#, r#""version":2"#),
                true,
                "it has the form 2",
            ),
            (text[..text.len() / 2].to_owned(), true, "EOF"),
            (String::new(), true, "EOF"),
            (text.replace(&boot, &"0".repeat(32)), false, ""),
        ] {
            fs::write(file, &damaged).unwrap();
            let all = store.all().unwrap();
            let why: Vec<String> = all.into_iter().map(Result::unwrap_err).collect();
            assert_eq!(why.len(), usize::from(left), "{damaged}");
            assert!(
                why.iter()
                    .all(|why| why.contains(words) && why.contains(file)),
                "{why:?}"
            );
            assert_eq!(Path::new(file).exists(), left, "{damaged}");
        }
    });
}

#[test]
fn the_socket_is_roots_and_takes_the_place_of_one_that_nobody_listens_at() {
    sandbox(|_| {
        let path = Path::new(SOCKET);
        fs::create_dir_all("/run/cni").unwrap();
        drop(UnixListener::bind(path).unwrap());
        let listener = Listener::open(path).unwrap();
        let status = fs::metadata(path).unwrap();
        assert!(status.file_type().is_socket());
        assert_eq!(status.permissions().mode() & 0o777, 0o600);
        UnixStream::connect(path).unwrap();
        assert!(listener.accept().unwrap().is_some());
        assert!(listener.accept().unwrap().is_none());
        let second = Listener::open(path);
        assert!(matches!(second, Err(ListenError::Alive(_))), "{second:?}");
        drop(listener);
        assert!(!path.exists());

        fs::write(path, "mine").unwrap();
        let refused = Listener::open(path);
        assert!(
            matches!(refused, Err(ListenError::NoSocket(_))),
            "{refused:?}"
        );
        assert_eq!(fs::read_to_string(path).unwrap(), "mine");
        let long = format!("/run/{}", "x".repeat(120));
        let refused = Listener::open(Path::new(&long));
        assert!(
            matches!(refused, Err(ListenError::Io { .. })),
            "{refused:?}"
        );
    });
}

#[test]
fn a_changed_lease_takes_the_place_of_the_one_before() {
    sandbox(|host| {
        let (netns, container) = bridged(host);
        let There::Yes(opened) = container.look() else {
            panic!("{:?}", container.look());
        };
        let interface = Interface {
            netns: &opened,
            link: container.link,
            mac: container.mac,
            priority: Some(7),
        };
        let seen = || {
            let addresses = netns.run("ip -4 -o addr show dev eth0 | awk '{print $4}'");
            let routes = netns.run("ip -4 route show proto boot | sed 's/ *$//'");
            (addresses.trim().to_owned(), routes.trim().to_owned())
        };
        let routes = |router: &str| {
            format!(
                "default via {router} dev eth0 metric 7 mtu 1400\n192.0.2.0/24 dev eth0 scope link metric 7 mtu 1400"
            )
        };
        netns.run("ip addr add 198.51.100.1/24 dev eth0");
        let theirs = "198.51.100.1/24";
        let first = lease("10.0.0.9/24", "10.0.0.1");
        interface.change(None, &first).unwrap();
        assert_eq!(
            seen(),
            (format!("{theirs}\n10.0.0.9/24"), routes("10.0.0.1"))
        );
        // In the same subnet, where the kernel takes the second address with the first; in another one; with another router.
        let mut held = first;
        for (address, router) in [
            ("10.0.0.10/24", "10.0.0.1"),
            ("10.1.0.10/16", "10.1.0.1"),
            ("10.1.0.10/16", "10.1.0.2"),
        ] {
            let next = lease(address, router);
            interface.change(Some(&held), &next).unwrap();
            assert_eq!(seen(), (format!("{theirs}\n{address}"), routes(router)));
            held = next;
        }
        interface.withdraw(&held).unwrap();
        interface.withdraw(&held).unwrap();
        assert_eq!(seen(), (theirs.to_owned(), String::new()));
    });
}

#[test]
fn a_container_is_told_from_one_in_its_place_and_from_none() {
    sandbox(|host| {
        let (netns, container) = bridged(host);
        assert!(matches!(container.look(), There::Yes(_)));
        let moved = Container {
            netns: "/run/netns/elsewhere".into(),
            ..container.clone()
        };
        let There::Yes(found) = moved.look() else {
            panic!("it is there, by whatever path: {:?}", moved.look());
        };
        assert_eq!(Identity::of(&found).unwrap(), container.identity);
        drop(found);
        netns.delete();
        let begun = Instant::now();
        // The kernel lets go of what was unmounted a few milliseconds later.
        while !matches!(container.look(), There::Gone) {
            assert!(begun.elapsed() < Duration::from_secs(5), "it is not gone");
        }
        host.run("ip netns add a");
        assert!(matches!(container.look(), There::Gone));
        for (path, ifname, words) in [
            ("/run/netns/none", "eth0", "it does not exist"),
            ("/etc/passwd", "eth0", "it is not a namespace"),
            ("/run/netns/a", "eth0", "error looking up \"eth0\""),
        ] {
            let error = Container::find(Path::new(path), ifname, false).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    });
}

#[test]
fn the_hosts_own_namespace_is_no_containers() {
    sandbox(|host| {
        host.run("ip link add eth0 type veth peer name eth1");
        let own = Path::new("/proc/self/ns/net");
        let error = Container::find(own, "eth0", false).unwrap_err();
        assert!(
            error.contains("the host's own network namespace"),
            "{error}"
        );
        assert!(!host.run("ip link show eth0").contains(",UP"));
        Container::find(own, "eth0", true).unwrap();
    });
}

/// A link that goes off meanwhile ends a probe like any other, and no socket stays.
#[test]
fn a_probe_that_cannot_be_sent_ends() {
    sandbox(|host| {
        let (netns, container) = bridged(host);
        let mut holder = holder(wish("c1"), &container);
        let closer = Closer::new();
        let mut now = Time::from(0);
        holder.probe(Ipv4Addr::new(10, 0, 0, 9), now).unwrap();
        netns.run("ip link set eth0 down");
        let mut turns = 0;
        let came = loop {
            if let Ok(came) = holder.take(now, &closer)
                && let Some(came) = came.into_iter().next()
            {
                break came;
            }
            now = now + Duration::from_millis(10);
            turns += 1;
            assert!(turns < 20, "it never ends");
        };
        assert!(
            matches!(came, Came::Probed { in_use: None, .. }),
            "{came:?}"
        );
        assert_eq!(holder.sockets().count(), 0);
    });
}

#[test]
fn the_way_from_the_host_is_the_bridge_or_the_master() {
    sandbox(|host| {
        let (netns, container) = bridged(host);
        netns.run("ip link set eth0 down");
        container.switch_on().unwrap();
        assert!(netns.run("ip link show eth0").contains(",UP"));
        let index = |name: &str| Rtnl::open().unwrap().link(name).unwrap().index;
        let way = |link: &str| {
            Some(Way {
                link: index(link),
                vlan: None,
            })
        };
        assert_eq!(container.way, way("br0"));
        host.run("ip link add up0 type veth peer name up1; ip link set up0 up; ip link set up1 up");
        host.run("ip link add link up0 name eth1 netns a type macvlan mode bridge");
        let container = Container::find(netns.path(), "eth1", false).unwrap();
        assert_eq!(container.way, way("up0"));
        host.run("ip link add v2 type veth peer name eth2 netns a");
        let container = Container::find(netns.path(), "eth2", false).unwrap();
        assert_eq!(container.way, None);
    });
}

#[test]
fn what_a_container_had_is_given_back_from_the_hosts_side() {
    sandbox(|host| {
        let (netns, container) = bridged(host);
        host.run("ip link add s0 type veth peer name s1; ip link set s0 master br0 up; ip link set s1 up");
        let s1 = Rtnl::open().unwrap().link("s1").unwrap().index;
        let server = PacketSocket::open(s1, Packets::Udp(67)).unwrap();
        netns.delete();
        let packet = frame::datagram(
            Ipv4Addr::new(10, 0, 0, 9),
            Ipv4Addr::new(10, 0, 0, 1),
            b"bye",
        );
        let begun = Instant::now();
        loop {
            // A bridge forwards nothing to a port whose link has not come up yet.
            container
                .send_from_host(BROADCAST, &packet, &Closer::new())
                .unwrap();
            if let Some(received) = server.receive().unwrap() {
                assert_eq!(received.bytes[..packet.len()], packet);
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(5), "nothing came");
        }
        let orphan = Container {
            way: None,
            ..container
        };
        let error = orphan
            .send_from_host(BROADCAST, &packet, &Closer::new())
            .unwrap_err();
        assert!(
            error.contains("no link of the host leads to its network"),
            "{error}"
        );
        // Whoever is root in a container can give a link of its own the address of one of the host's.
        let pretender = Container {
            mac: Rtnl::open().unwrap().link("s0").unwrap().mac.unwrap(),
            ..orphan
        };
        for is_hardware in [false, true] {
            let one = Container {
                is_hardware,
                ..pretender.clone()
            };
            one.send_from_host(BROADCAST, &packet, &Closer::new())
                .unwrap_err();
        }
    });
}

/// Where nothing can be written a daemon goes on without; what only failed is tried again by whoever starts it.
#[test]
fn leases_that_cannot_be_read_are_not_begun_without() {
    sandbox(|host| {
        let (_netns, container) = bridged(host);
        let open = || Store::open("", Path::new(SOCKET));
        let lease = lease("10.0.0.9/24", "10.0.0.1");
        open()
            .unwrap()
            .keep(&holder(wish("c1"), &container), &lease)
            .unwrap();
        host.run("mount -o remount,ro /run");
        let read_only = open();
        assert!(
            matches!(read_only, Err(StoreError::NoPlace(_))),
            "{read_only:?}"
        );
        host.run("mount -o remount,rw /run");
        // What cannot be opened.
        let files = host.run("find /run/cni/linkspan -path '*/dhcp/*' -type f ! -name lock");
        let file = files.trim();
        drop(UnixListener::bind("/run/socket").unwrap());
        fs::rename("/run/socket", file).unwrap();
        let error = open().unwrap_err();
        assert!(matches!(error, StoreError::Io(_)), "{error:?}");
        assert!(error.to_string().contains(file), "{error}");
    });
}
