//! Pings between places, and with which source they arrive.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use linkspan_kernel::echo::{self, Listener, Token};

use super::world::Place;
use crate::failure::{Failure, Kind};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// A ping from one place to another.
pub(super) struct Trip<'a> {
    pub(super) from: &'a Place,
    pub(super) to: &'a Place,
    /// What it is called.
    pub(super) goal: &'static str,
    pub(super) address: Ipv4Addr,
    /// Which source address must be seen there.
    pub(super) source: Ipv4Addr,
}

impl Trip<'_> {
    /// Makes it; returns how long the answer took.
    pub(super) fn make(&self, number: u8) -> Result<Duration, Failure> {
        let token: Token = *b"linkspan";
        let token = token.map(|byte| byte ^ number);
        let listener = self.to.netns.run(Listener::open)??;
        let cannot = |error: linkspan_kernel::Error| {
            let words = format!("{} does not reach {}", self.from.name, self.goal);
            Failure::new(Kind::Failed, words).because(error)
        };
        let answer = self
            .from
            .netns
            .run(|| echo::ping(self.address, token, PATIENCE))?;
        let elapsed = answer.map_err(cannot)?;
        let source = listener.source(token, PATIENCE).map_err(cannot)?;
        if source == IpAddr::V4(self.source) {
            return Ok(elapsed);
        }
        Err(Failure::new(
            Kind::Failed,
            format!(
                "what {} sends to {} should arrive there from {}, and arrives from {source}",
                self.from.name, self.goal, self.source
            ),
        ))
    }
}
