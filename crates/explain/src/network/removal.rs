//! What DEL would take away, from what ADD would have made.

use linkspan_plugin::{Foreseen, Standing};
use linkspan_runtime::Endpoint;

/// What DEL would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// What goes, in words.
    pub goes: Vec<String>,
    /// What stays, since others may use it.
    pub stays: Vec<String>,
}

impl Removal {
    pub(super) fn of<'s>(steps: impl Iterator<Item = &'s Foreseen>, endpoint: &Endpoint) -> Self {
        let mut removal = Self::default();
        for step in steps.filter(|step| step.standing != Standing::Fails) {
            let (list, words) = match fate(step, endpoint.ifname.as_str()) {
                Some(Fate::Goes(words)) => (&mut removal.goes, words),
                Some(Fate::Stays(words)) => (&mut removal.stays, words),
                None => continue,
            };
            if !list.contains(&words) {
                list.push(words);
            }
        }
        removal
    }
}

enum Fate {
    Goes(String),
    Stays(String),
}

/// What becomes of what a step made; `None` of what goes with something else.
fn fate(step: &Foreseen, ifname: &str) -> Option<Fate> {
    let goes = |words: &str| Some(Fate::Goes(words.to_owned()));
    let stays = |words: &str| Some(Fate::Stays(words.to_owned()));
    match step.kind.as_str() {
        "vethPair" | "containerLink" | "tap" => Some(Fate::Goes(format!(
            "{ifname} with its addresses and routes"
        ))),
        "device" => goes("the device, which goes back to the host under its own name"),
        "reservation" => goes("the reserved address"),
        "lease" => goes("the lease, which the server gets back"),
        "netfilter" => goes("what is in netfilter for the container"),
        "ifb" | "shape" => goes("the limits"),
        "routing" => goes("the rules and their tables"),
        "carry" => Some(Fate::Goes(format!("{ifname} as part of the vrf"))),
        "record" if step.plugin == "tuning" => goes("the changed settings, which are put back"),
        "bridge" => stays("the bridge"),
        "gateway" => stays("its address"),
        "vlanInterface" => stays("its interface in the VLAN"),
        "sysctl" if step.words.contains("ip_forward") || step.words.contains("forwarding") => {
            stays("forwarding")
        }
        "unknown" => Some(Fate::Goes(format!("what {} has made", step.plugin))),
        _ => None,
    }
}
