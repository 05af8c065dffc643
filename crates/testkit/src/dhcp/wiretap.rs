//! What passes a wire: DHCP and ARP, with the addresses that it has below.

use std::fmt;
use std::net::Ipv4Addr;
use std::num::NonZero;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType, recv, socket_with};

use super::message::DhcpMessage;
use crate::netns::Netns;

/// All of ethernet (`ETH_P_ALL`, linux/if_ether.h), in network byte order.
const ALL: u32 = 0x0003_u16.to_be() as u32;

/// How long a packet is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A packet.
#[derive(Clone, Debug)]
pub struct Packet {
    /// When it was seen.
    pub at: Instant,
    /// Whom the frame is for.
    pub to_mac: [u8; 6],
    /// Who has sent it.
    pub from_mac: [u8; 6],
    /// What it says.
    pub content: Content,
}

/// What a packet says.
#[derive(Clone, Debug)]
pub enum Content {
    /// A message of DHCP.
    Dhcp {
        /// The datagram's source.
        from: Ipv4Addr,
        /// Its destination.
        to: Ipv4Addr,
        /// The message.
        message: DhcpMessage,
    },
    /// Somebody asks who has an address.
    Arp {
        /// The sender's own address; 0.0.0.0 in a probe.
        from: Ipv4Addr,
        /// The address that is asked for.
        target: Ipv4Addr,
    },
}

impl Packet {
    /// The message, and the addresses that it went from and to, when it is one of this type.
    #[must_use]
    pub fn message(&self, kind: u8) -> Option<(&DhcpMessage, Ipv4Addr, Ipv4Addr)> {
        match &self.content {
            Content::Dhcp { from, to, message } if message.kind() == kind => {
                Some((message, *from, *to))
            }
            _ => None,
        }
    }

    /// Whether it is a message of this type.
    #[must_use]
    pub fn is(&self, kind: u8) -> bool {
        self.message(kind).is_some()
    }
}

/// A line that tells the most of it, with the time since the machine's start.
impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const KINDS: [&str; 8] = [
            "nothing", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE",
        ];
        match &self.content {
            Content::Arp { from, target } => {
                write!(f, "{:?} ARP {from} asks for {target}", self.at)
            }
            Content::Dhcp { from, to, message } => write!(
                f,
                "{:?} {} {from} > {to} xid {:08x} ciaddr {} yiaddr {} options {:?}",
                self.at,
                KINDS.get(usize::from(message.kind())).unwrap_or(&"another"),
                message.xid,
                message.ciaddr,
                message.yiaddr,
                message.options
            ),
        }
    }
}

/// A tap on all wires of a namespace. It lasts until the test ends.
#[derive(Clone, Debug)]
pub struct Wiretap {
    seen: Arc<(Mutex<Vec<Packet>>, Condvar)>,
}

impl Wiretap {
    /// Looks at what comes to, and goes from, every interface of a namespace from now on.
    ///
    /// # Panics
    /// When it may not.
    #[track_caller]
    #[must_use]
    pub fn on(netns: &Netns) -> Self {
        let socket = netns.enter(|| {
            let protocol = NonZero::new(ALL).map(Protocol::from_raw);
            let flags = SocketFlags::CLOEXEC;
            socket_with(AddressFamily::PACKET, SocketType::RAW, flags, protocol)
        });
        let socket = match socket {
            Ok(socket) => socket,
            Err(error) => panic!("{} cannot be tapped: {error}", netns.name()),
        };
        let tap = Self {
            seen: Arc::default(),
        };
        let own = tap.clone();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((_, length)) = recv(&socket, &mut buffer[..], RecvFlags::empty()) {
                if let Some(packet) = read(&buffer[..length]) {
                    own.lock().push(packet);
                    own.seen.1.notify_all();
                }
            }
        });
        tap
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Packet>> {
        self.seen.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that was seen until now.
    #[must_use]
    pub fn packets(&self) -> Vec<Packet> {
        self.lock().clone()
    }

    /// The first packet after the first `skipped` that is so, which may still come.
    ///
    /// # Panics
    /// When it does not come within 20 seconds; `what` says what was waited for.
    #[track_caller]
    pub fn wait_after(
        &self,
        skipped: usize,
        what: &str,
        is_so: impl Fn(&Packet) -> bool,
    ) -> Packet {
        let find =
            |packets: &[Packet]| packets.iter().skip(skipped).find(|one| is_so(one)).cloned();
        let unseen = |packets: &mut Vec<Packet>| find(packets).is_none();
        let waited = self
            .seen
            .1
            .wait_timeout_while(self.lock(), PATIENCE, unseen);
        let (packets, _) = waited.unwrap_or_else(PoisonError::into_inner);
        find(&packets).unwrap_or_else(|| {
            let seen: Vec<String> = packets.iter().map(ToString::to_string).collect();
            panic!("no {what} was seen, but\n{}", seen.join("\n"))
        })
    }

    /// The same from the beginning.
    ///
    /// # Panics
    /// As [`wait_after`](Self::wait_after).
    #[track_caller]
    pub fn wait_for(&self, what: &str, is_so: impl Fn(&Packet) -> bool) -> Packet {
        self.wait_after(0, what, is_so)
    }

    /// How many packets were seen.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }
}

/// A frame of ethernet; `None` for what is neither DHCP nor a question of ARP.
fn read(frame: &[u8]) -> Option<Packet> {
    let address = |at: usize| -> Option<Ipv4Addr> {
        let octets: [u8; 4] = frame.get(at..at + 4)?.try_into().ok()?;
        Some(octets.into())
    };
    let content = match frame.get(12..14)? {
        [0x08, 0x06] if frame.get(20..22)? == [0, 1] => Content::Arp {
            from: address(28)?,
            target: address(38)?,
        },
        // Without options, as everybody sends it: UDP to one of the two ports.
        [0x08, 0x00] if *frame.get(14)? == 0x45 && *frame.get(23)? == 17 => {
            let port = u16::from_be_bytes(frame.get(36..38)?.try_into().ok()?);
            if ![67, 68].contains(&port) {
                return None;
            }
            Content::Dhcp {
                from: address(26)?,
                to: address(30)?,
                message: DhcpMessage::read(frame.get(42..)?)?,
            }
        }
        _ => return None,
    };
    Some(Packet {
        at: Instant::now(),
        to_mac: frame[..6].try_into().ok()?,
        from_mac: frame[6..12].try_into().ok()?,
        content,
    })
}
