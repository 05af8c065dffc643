//! A DHCP server that answers as a test wishes.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::message::DhcpMessage;
use crate::netns::Netns;

/// How it answers a message: datagrams, in their order.
type Script = Box<dyn FnMut(&DhcpMessage) -> Vec<Vec<u8>> + Send>;

/// A server whose answers are a function's. All of them are broadcast, as a client must bear. It lasts until the test ends.
#[derive(Clone)]
pub struct ScriptedServer {
    script: Arc<Mutex<Script>>,
}

impl ScriptedServer {
    /// Listens in a namespace, whose interface it gives an address (`10.9.0.1/16`).
    ///
    /// # Panics
    /// When it cannot.
    #[track_caller]
    #[must_use]
    pub fn start(
        netns: &Netns,
        interface: &str,
        address: &str,
        script: impl FnMut(&DhcpMessage) -> Vec<Vec<u8>> + Send + 'static,
    ) -> Self {
        netns.address(interface, address);
        netns.run(&format!("ip route add 255.255.255.255 dev {interface}"));
        let socket = netns.enter(|| {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 67))?;
            socket.set_broadcast(true).map(|()| socket)
        });
        let socket = match socket {
            Ok(socket) => socket,
            Err(error) => panic!("{} cannot serve DHCP: {error}", netns.name()),
        };
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(script)));
        let server = Self { script };
        let own = server.clone();
        thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok((length, _)) = socket.recv_from(&mut buffer) {
                let message = DhcpMessage::read(&buffer[..length]);
                for answer in message.iter().flat_map(|message| own.answers(message)) {
                    // Nobody may be there any more.
                    let _ = socket.send_to(&answer, (Ipv4Addr::BROADCAST, 68));
                }
            }
        });
        server
    }

    /// Answers by another function from now on.
    pub fn answer_by(&self, script: impl FnMut(&DhcpMessage) -> Vec<Vec<u8>> + Send + 'static) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(script);
    }

    fn answers(&self, message: &DhcpMessage) -> Vec<Vec<u8>> {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        (*script)(message)
    }
}
