//! What happens to a packet.

use std::fmt;

use linkspan_netlink::{Attribute, AttributeWriter};

use crate::uapi::data;

const CONTINUE: i32 = -1;
const JUMP: i32 = -3;
const GOTO: i32 = -4;
const RETURN: i32 = -5;

/// What a rule or an element of a verdict map decides.
///
/// # Kernel
/// An element that jumps or goes to a chain makes the kernel check every chain and every such element of
/// the table again at each commit, which is linear in their number; maps that grow with the number of
/// attachments must therefore hold data, not jumps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Let it pass this hook's chain.
    Accept,
    /// Throw it away.
    Drop,
    /// Evaluate the next rule.
    Continue,
    /// Back to the calling chain; in a base chain, its policy.
    Return,
    /// Into another chain, and back afterwards.
    Jump(String),
    /// Into another chain for good.
    Goto(String),
}

impl Verdict {
    fn code(&self) -> i32 {
        match self {
            Self::Accept => libc::NF_ACCEPT,
            Self::Drop => libc::NF_DROP,
            Self::Continue => CONTINUE,
            Self::Return => RETURN,
            Self::Jump(_) => JUMP,
            Self::Goto(_) => GOTO,
        }
    }

    /// The chain that is jumped or gone to.
    pub fn chain(&self) -> Option<&str> {
        match self {
            Self::Jump(chain) | Self::Goto(chain) => Some(chain),
            _ => None,
        }
    }

    /// Writes it as an attribute of the kind `NFTA_DATA_VERDICT`.
    pub(crate) fn write(&self, to: &mut AttributeWriter) {
        to.nest(data::VERDICT, |verdict| {
            verdict.be32(data::VERDICT_CODE, self.code().cast_unsigned());
            if let Some(chain) = self.chain() {
                verdict.string(data::VERDICT_CHAIN, chain);
            }
        });
    }

    /// Reads the payload of `NFTA_DATA_VERDICT`; `None` for verdicts that Linkspan does not use.
    pub(crate) fn decode(attribute: &Attribute<'_>) -> Option<Self> {
        let verdict = attribute.nested();
        let code = verdict.get(data::VERDICT_CODE)?.as_be32()?.cast_signed();
        let chain = || Some(verdict.get(data::VERDICT_CHAIN)?.as_str()?.to_owned());
        Some(match code {
            libc::NF_ACCEPT => Self::Accept,
            libc::NF_DROP => Self::Drop,
            CONTINUE => Self::Continue,
            RETURN => Self::Return,
            JUMP => Self::Jump(chain()?),
            GOTO => Self::Goto(chain()?),
            _ => return None,
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("accept"),
            Self::Drop => f.write_str("drop"),
            Self::Continue => f.write_str("continue"),
            Self::Return => f.write_str("return"),
            Self::Jump(chain) => write!(f, "jump {chain}"),
            Self::Goto(chain) => write!(f, "goto {chain}"),
        }
    }
}
