//! What kubelet says to containerd: gRPC by curl, and as much of protobuf as these few messages need.

use std::fs;
use std::path::PathBuf;

use linkspan_testkit::{Cmd, Sandbox};

/// A client of a CRI service at a socket.
pub(crate) struct Cri {
    socket: PathBuf,
    dir: PathBuf,
}

/// A pod that runs.
pub(crate) struct Pod {
    pub(crate) id: String,
    pub(crate) address: String,
}

impl Cri {
    pub(crate) fn at(host: &Sandbox, socket: PathBuf) -> Self {
        let dir = host.dir();
        Self { socket, dir }
    }

    /// Runs a pod that publishes its port 80 at a port of the host.
    #[track_caller]
    pub(crate) fn run(&self, name: &str, host_port: u64) -> Pod {
        let metadata = [text(1, name), text(2, name), text(3, "default")].concat();
        let mapping = [number(2, 80), number(3, host_port)].concat();
        let config = [bytes(1, &metadata), text(2, name), bytes(5, &mapping)].concat();
        let answer = self.call("RunPodSandbox", &bytes(1, &config));
        let id = String::from_utf8(field(&answer, 1).unwrap()).unwrap();
        let answer = self.call("PodSandboxStatus", &text(1, &id));
        let network = field(&field(&answer, 1).unwrap(), 5).unwrap();
        let address = String::from_utf8(field(&network, 1).unwrap()).unwrap();
        Pod { id, address }
    }

    /// Ends a pod as kubelet does: it is stopped, and removed some time later.
    #[track_caller]
    pub(crate) fn end(&self, pod: &Pod) {
        self.call("StopPodSandbox", &text(1, &pod.id));
        self.call("RemovePodSandbox", &text(1, &pod.id));
    }

    /// Whether it has a network for pods.
    #[track_caller]
    pub(crate) fn is_ready(&self) -> bool {
        let status = field(&self.call("Status", &[]), 1).unwrap();
        let conditions: Vec<_> = fields(&status).collect();
        let network = conditions.iter().map(|(_, condition)| condition);
        let mut network = network.filter(|it| field(it, 1).as_deref() == Some(b"NetworkReady"));
        network.next().is_some_and(|it| field(it, 2).is_some())
    }

    #[track_caller]
    fn call(&self, method: &str, message: &[u8]) -> Vec<u8> {
        let (request, answer) = (self.dir.join("request"), self.dir.join("answer"));
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        fs::write(&request, [&[0], &length[..], message].concat()).unwrap();
        let trailers = Cmd::new("curl")
            .args(["--silent", "--show-error", "--http2-prior-knowledge"])
            .args(["--header", "content-type: application/grpc"])
            .args(["--header", "te: trailers", "--dump-header", "-"])
            .arg("--data-binary")
            .arg(format!("@{}", request.display()))
            .arg("--unix-socket")
            .arg(&self.socket)
            .arg("--output")
            .arg(&answer)
            .arg(format!("http://cri/runtime.v1.RuntimeService/{method}"))
            .run();
        assert!(trailers.contains("grpc-status: 0"), "{method}: {trailers}");
        fs::read(answer).unwrap().split_off(5)
    }
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut encoded = Vec::new();
    while number > 0x7f {
        encoded.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    encoded.push(number.to_le_bytes()[0]);
    encoded
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    let length = varint(value.len().try_into().unwrap());
    [&varint(field << 3 | 2), &length, value].concat()
}

fn text(field: u64, value: &str) -> Vec<u8> {
    bytes(field, value.as_bytes())
}

/// The fields of a message with their contents; of a number, no more than that it is there and not 0.
fn fields(mut message: &[u8]) -> impl Iterator<Item = (u64, Vec<u8>)> {
    std::iter::from_fn(move || {
        if message.is_empty() {
            return None;
        }
        let key = read_varint(&mut message);
        let number = read_varint(&mut message);
        if key & 7 != 2 {
            return Some((key >> 3, Vec::new()));
        }
        let (value, rest) = message.split_at(number.try_into().unwrap());
        message = rest;
        Some((key >> 3, value.to_vec()))
    })
}

fn field(message: &[u8], number: u64) -> Option<Vec<u8>> {
    let mut found = fields(message).filter(|(field, _)| *field == number);
    found.next().map(|(_, value)| value)
}

fn read_varint(message: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first().unwrap();
        *message = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}
