//! How fast a container receives and sends.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use linkspan_kernel::netns::Netns;
use rustix::net::sockopt::{Timeout, set_socket_timeout};

/// How long it is measured.
const PERIOD: Duration = Duration::from_millis(1000);

/// How long a connection may take, and a pause in it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes that are written at once.
const CHUNK: usize = 64 * 1024;

/// What a receiver got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(crate) bytes: u64,
    pub(crate) elapsed: Duration,
}

impl Measured {
    /// Bits for each second.
    pub(crate) fn rate(self) -> u64 {
        let seconds = self.elapsed.as_secs_f64().max(f64::EPSILON);
        (self.bytes as f64 * 8.0 / seconds) as u64
    }

    /// Whether a limit held it back: at most a tenth more than the limit lets pass in that time, and what was in
    /// the kernel's queues.
    pub(crate) fn is_within(self, rate: u64, burst: u64) -> bool {
        let allowed = rate as f64 * self.elapsed.as_secs_f64() + burst as f64;
        self.bytes as f64 * 8.0 <= allowed * 1.1 + (CHUNK * 8) as f64
    }

    /// Whether it says anything of the rate: what may pass at once has passed, and more.
    pub(crate) fn outlasts(self, burst: u64) -> bool {
        self.bytes * 8 > burst
    }
}

/// Connects from one place to an address of another, and measures how much that one receives, or sends, in a second.
pub(crate) fn measure(
    from: &Netns,
    to: &Netns,
    address: SocketAddr,
    receives: bool,
) -> io::Result<Measured> {
    let listener = to
        .run(|| TcpListener::bind(address))
        .map_err(io::Error::other)??;
    set_socket_timeout(&listener, Timeout::Recv, Some(PATIENCE))?;
    thread::scope(|scope| {
        let there = scope.spawn(|| {
            let (stream, _) = listener.accept()?;
            part(stream, !receives)
        });
        let here = from
            .run(|| TcpStream::connect_timeout(&address, PATIENCE))
            .map_err(io::Error::other)
            .and_then(|stream| part(stream?, receives));
        let there = there
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the measuring thread ended")));
        let (here, there) = (here?, there?);
        here.or(there)
            .ok_or_else(|| io::Error::other("nothing was measured"))
    })
}

/// Writes for the period, or reads until then and tells how much.
fn part(mut stream: TcpStream, writes: bool) -> io::Result<Option<Measured>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    // A slow limit keeps a writer waiting for long.
    stream.set_write_timeout(Some(PERIOD))?;
    let begun = Instant::now();
    let mut buffer = vec![0; CHUNK];
    let mut bytes = 0;
    while begun.elapsed() < PERIOD {
        let moved = match writes {
            true => stream.write(&buffer),
            false => stream.read(&mut buffer),
        };
        match moved {
            Ok(0) => break,
            Ok(count) => bytes += count as u64,
            // The other end had enough.
            Err(_) if bytes > 0 => break,
            Err(error) => return Err(error),
        }
    }
    let elapsed = begun.elapsed();
    Ok((!writes).then_some(Measured { bytes, elapsed }))
}

/// Bits for each second, as people write them.
pub(crate) fn words(rate: u64) -> String {
    let (unit, name) = match rate {
        1_000_000_000.. => (1e9, "Gbit/s"),
        1_000_000.. => (1e6, "Mbit/s"),
        _ => (1e3, "kbit/s"),
    };
    let value = rate as f64 / unit;
    let decimals = usize::from(value < 100.0 && value.fract() > 0.04);
    format!("{value:.decimals$} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_held_it_back_or_not() {
        let second = |bits: u64| Measured {
            bytes: bits / 8,
            elapsed: Duration::from_secs(1),
        };
        for (bits, rate, burst, within) in [
            (20_000_000, 20_000_000, 0, true),
            (21_500_000, 20_000_000, 0, true),
            (25_000_000, 20_000_000, 0, false),
            (25_000_000, 20_000_000, 5_000_000, true),
            (9_000_000_000, 20_000_000, 1_000_000, false),
        ] {
            assert_eq!(second(bits).is_within(rate, burst), within, "{bits}");
        }
        assert!(second(2_000).outlasts(1_000) && !second(1_000).outlasts(1_000));
    }

    #[test]
    fn rates_are_written_as_people_write_them() {
        for (rate, text) in [
            (64_000, "64 kbit/s"),
            (19_460_000, "19.5 Mbit/s"),
            (20_000_000, "20 Mbit/s"),
            (43_200_000_000, "43.2 Gbit/s"),
        ] {
            assert_eq!(words(rate), text);
        }
    }
}
