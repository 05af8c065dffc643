//! How fast it is.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use linkspan_testkit::Netns;

/// What a full frame takes of a link, Ethernet's header included.
const FRAME: f64 = 1514.0;
/// What TCP carries in it, by the version of IP.
const PAYLOAD_V4: f64 = 1448.0;
const PAYLOAD_V6: f64 = 1428.0;

/// A transfer, as the receiver saw it.
#[derive(Debug)]
pub(crate) struct Transfer {
    /// When something came, since the first byte, and how many bytes there were then.
    marks: Vec<(Duration, u64)>,
    /// How much more there was on the wire.
    overhead: f64,
}

impl Transfer {
    /// Bits for each second on the wire between two moments since the first byte.
    pub(crate) fn rate_between(&self, from: Duration, to: Duration) -> f64 {
        let at = |moment: Duration| {
            let before = self.marks.iter().take_while(|(when, _)| *when <= moment);
            before.last().copied().unwrap_or_default()
        };
        let ((start, before), (end, after)) = (at(from), at(to));
        let seconds = (end - start).as_secs_f64();
        assert!(
            seconds > 0.3,
            "the transfer ended early: {:?}",
            self.marks.last()
        );
        (after - before) as f64 * 8.0 * self.overhead / seconds
    }
}

/// Sends over TCP for a while, as fast as it goes.
pub(crate) fn tcp(from: &Netns, to: &Netns, address: &str, duration: Duration) -> Transfer {
    let listener = to.enter(|| TcpListener::bind((address, 0))).unwrap();
    let target = listener.local_addr().unwrap();
    let receiver = thread::spawn(move || receive(&listener));
    let mut stream = from.enter(|| TcpStream::connect(target)).unwrap();
    let end = Instant::now() + duration;
    let block = vec![0; 16 << 10];
    while Instant::now() < end {
        stream.write_all(&block).unwrap();
    }
    // What is still on its way is of no interest.
    drop(stream);
    receiver.join().unwrap()
}

fn receive(listener: &TcpListener) -> Transfer {
    let (mut stream, _) = listener.accept().unwrap();
    let mut block = vec![0; 64 << 10];
    let (mut marks, mut total, mut first) = (Vec::new(), 0, None);
    while let Ok(size @ 1..) = stream.read(&mut block) {
        let first = *first.get_or_insert_with(Instant::now);
        total += size as u64;
        marks.push((first.elapsed(), total));
    }
    let local = stream.local_addr().unwrap();
    let payload = if local.is_ipv4() {
        PAYLOAD_V4
    } else {
        PAYLOAD_V6
    };
    let overhead = FRAME / payload;
    Transfer { marks, overhead }
}

/// Sends UDP datagrams of 1200 bytes for a second, 5000 of them; tells how many came, and how long sending
/// took, which is more than a second on a busy machine.
pub(crate) fn udp(from: &Netns, to: &Netns, address: &str) -> (usize, Duration) {
    const COUNT: usize = 5000;
    let receiver = to.enter(|| UdpSocket::bind((address, 0))).unwrap();
    let target: SocketAddr = receiver.local_addr().unwrap();
    receiver
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let counter = thread::spawn(move || {
        let mut datagram = [0; 2048];
        let mut count = 0;
        while receiver.recv(&mut datagram).is_ok() {
            count += 1;
        }
        count
    });
    let any = if target.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let sender = from.enter(|| UdpSocket::bind(any)).unwrap();
    let start = Instant::now();
    for number in 0..COUNT {
        // What does not fit a queue is dropped, of which the sender may hear.
        let _ = sender.send_to(&[0; 1200], target);
        let due = Duration::from_secs(1) * number as u32 / COUNT as u32;
        if let Some(early) = due.checked_sub(start.elapsed()) {
            thread::sleep(early);
        }
    }
    let elapsed = start.elapsed();
    (counter.join().unwrap(), elapsed)
}
