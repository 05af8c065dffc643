//! The daemon's side of a connection, without I/O: bytes in, requests out, answers in, bytes out.

use linkspan_spec::Success;

use super::message::{CmdArgs, NOTHING, RESPONSE, RESULT, value_of};
use super::{CANNOT_FIND, CONNECTED, MAX_GREETING, Method, first_line, greeting_length};
use crate::gob::{Decoder, Encoder, GobError, Value};

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The request's number on this connection, by which its answer is found.
    pub seq: u64,
    /// What is asked for.
    pub method: Method,
    /// For which attachment.
    pub arguments: CmdArgs,
}

/// What a request comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Method::Allocate`].
    Lease(Success),
    /// To the others.
    Nothing,
}

/// What a client said that is not the protocol. Nothing that it says after that can be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// It did not begin as a client of this protocol does.
    #[error("expected \"CONNECT /_goRPC_ HTTP/1.0\", found {0:?}")]
    NoConnect(String),
    /// It sent something that is no request.
    #[error(transparent)]
    Gob(#[from] GobError),
}

/// One connection.
#[derive(Debug, Default)]
pub struct Connection {
    /// What came of the greeting; nothing once it was answered.
    greeting: Vec<u8>,
    is_greeted: bool,
    decoder: Decoder,
    encoder: Encoder,
    /// A request's number and method, whose arguments have not come yet.
    header: Option<(u64, Method)>,
    output: Vec<u8>,
}

impl Connection {
    /// A connection on which nothing was said.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what came, and tells what is asked. It does not matter how a request is divided. Afterwards there may be
    /// [`output`](Self::output).
    ///
    /// # Errors
    /// When it is not the protocol; the connection is then to be closed.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Request>, ProtocolError> {
        if self.is_greeted {
            self.decoder.feed(bytes);
        } else {
            self.greeting.extend_from_slice(bytes);
            self.greet()?;
        }
        let mut requests = Vec::new();
        while let Some(value) = self.decoder.read()? {
            match self.header.take() {
                None => {
                    let seq = value.number("Seq").unwrap_or_default();
                    self.header = Some((seq, Method::of(value.text("ServiceMethod"))));
                }
                Some((seq, method)) => requests.push(Request {
                    seq,
                    method,
                    arguments: CmdArgs::of_value(&value),
                }),
            }
        }
        Ok(requests)
    }

    fn greet(&mut self) -> Result<(), ProtocolError> {
        let Some(length) = greeting_length(&self.greeting) else {
            if self.greeting.len() < MAX_GREETING {
                return Ok(());
            }
            return Err(ProtocolError::NoConnect(first_line(&self.greeting)));
        };
        let greeting = std::mem::take(&mut self.greeting);
        let line = first_line(&greeting);
        if !line.starts_with("CONNECT /_goRPC_ HTTP/1.") {
            return Err(ProtocolError::NoConnect(line));
        }
        self.is_greeted = true;
        self.output.extend_from_slice(CONNECTED.as_bytes());
        self.decoder.feed(&greeting[length..]);
        Ok(())
    }

    /// Answers a request, in any order: with what it comes to, or with why it failed.
    pub fn answer(&mut self, seq: u64, method: &Method, answer: Result<Answer, String>) {
        let name = Value::Text(method.name().to_owned());
        let seq = (seq != 0).then_some(Value::Uint(seq));
        let (error, body) = match answer {
            Ok(answer) => (None, answer),
            // An empty text would be a success.
            Err(error) if error.is_empty() => (Some("unknown error".to_owned()), Answer::Nothing),
            Err(error) => (Some(error), Answer::Nothing),
        };
        let header = Value::of(&RESPONSE, [Some(name), seq, error.map(Value::Text)]);
        self.encoder.write(&RESPONSE, &header, &mut self.output);
        match body {
            Answer::Lease(lease) => {
                self.encoder
                    .write(&RESULT, &value_of(&lease), &mut self.output);
            }
            Answer::Nothing => {
                let nothing = Value::of(&NOTHING, []);
                self.encoder.write(&NOTHING, &nothing, &mut self.output);
            }
        }
    }

    /// Answers a request whose method there is not, in the words that every server of this protocol has.
    pub fn answer_unknown(&mut self, request: &Request) {
        let name = request.method.name();
        let what = match name.rsplit_once('.') {
            Some(("DHCP" | "Linkspan", _)) => "method",
            Some(_) => "service",
            None => {
                let error = format!("rpc: service/method request ill-formed: {name}");
                return self.answer(request.seq, &request.method, Err(error));
            }
        };
        let error = format!("{CANNOT_FIND}{what} {name}");
        self.answer(request.seq, &request.method, Err(error));
    }

    /// What is to be written to the client, which is then forgotten.
    pub fn output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }
}
