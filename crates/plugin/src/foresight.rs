//! What ADD would do, for who asks before it is done.
//!
//! A container that there is none of yet has no address, no link and no MAC address. What stands for these in a result is
//! something that nothing can have, and in words what it is, in angle brackets: never a false address.

use std::any::Any;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use linkspan_spec::{Error, Interface, IpConfig, MacAddr, Success};

use crate::Invocation;

/// What ADD would do, step by step, of all plugins of a chain.
#[derive(Default)]
pub struct Foresight {
    steps: Vec<Foreseen>,
    /// The plugin that speaks.
    plugin: String,
    stand_ins: Vec<StandIn>,
    addresses: u8,
    world: Option<Box<dyn Any>>,
}

/// One step of an ADD that has not taken place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreseen {
    /// The plugin that would take it.
    pub plugin: String,
    /// What it is about, for programs: `bridge`, `vethPair`, `sysctl`, …
    pub kind: String,
    /// What it does: "add the address 10.22.0.2/16 to …".
    pub words: String,
    /// Why, where something asks for it.
    pub why: Option<String>,
    /// What there is of it.
    pub standing: Standing,
    /// What is there already, or else is to be known of it.
    pub note: Option<String>,
}

/// What there is already of what a step makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// All of it: the step changes nothing.
    There,
    /// It is made, or changed.
    Made,
    /// It cannot be made: ADD fails here.
    Fails,
    /// Whoever asks cannot see it.
    Unknown,
}

/// What stands for something that is not known yet, and the words for it.
#[derive(Clone, Debug)]
struct StandIn {
    text: String,
    words: String,
}

impl Foreseen {
    /// A step that makes something.
    pub fn made(kind: &str, words: impl Into<String>) -> Self {
        Self {
            plugin: String::new(),
            kind: kind.to_owned(),
            words: words.into(),
            why: None,
            standing: Standing::Made,
            note: None,
        }
    }

    /// The same step, with what is there.
    #[must_use]
    pub fn standing(self, standing: Standing) -> Self {
        Self { standing, ..self }
    }

    /// The same step, with what is to be known of it.
    #[must_use]
    pub fn note(self, note: impl Into<String>) -> Self {
        Self {
            note: Some(note.into()),
            ..self
        }
    }

    /// The same step, with the reason.
    #[must_use]
    pub fn because(self, why: impl Into<String>) -> Self {
        Self {
            why: Some(why.into()),
            ..self
        }
    }
}

impl Foresight {
    /// The steps so far.
    pub fn steps(&self) -> &[Foreseen] {
        &self.steps
    }

    /// Has the plugin of this name speak.
    pub fn of<T>(&mut self, plugin: &str, speak: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.plugin, plugin.to_owned());
        let said = speak(self);
        self.plugin = before;
        said
    }

    /// Tells a step, of the plugin that speaks.
    pub fn tell(&mut self, step: Foreseen) {
        let step = Foreseen {
            plugin: self.plugin.clone(),
            words: self.in_words(&step.words),
            why: step.why.map(|why| self.in_words(&why)),
            note: step.note.map(|note| self.in_words(&note)),
            ..step
        };
        self.steps.push(step);
    }

    /// Has `text` stand for something that is not known yet, which `words` say in what is told from now on.
    pub fn stand_in(&mut self, text: impl Into<String>, words: impl Into<String>) {
        let (text, words) = (text.into(), words.into());
        if self.stand_ins.iter().any(|one| one.text == text) {
            return;
        }
        self.stand_ins.push(StandIn { text, words });
        // A longer one may contain a shorter one.
        self.stand_ins
            .sort_by_key(|one| std::cmp::Reverse(one.text.len()));
    }

    /// An address that nobody knows yet, with its gateway. `words` say which: "address from the DHCP server".
    ///
    /// It is one of 240.0.0.0/4, which no link can have (RFC 1112, 4).
    pub fn unknown_address(&mut self, words: &str) -> IpConfig {
        let number = self.addresses;
        self.addresses = number.wrapping_add(1);
        let of_subnet = |host| Ipv4Addr::new(240, 0, number, host);
        let (address, gateway, subnet) = (of_subnet(2), of_subnet(1), of_subnet(0));
        for (text, words) in [
            (address.to_string(), words),
            (gateway.to_string(), "its gateway"),
            (format!("{subnet}/{PREFIX}"), "its subnet"),
        ] {
            let words = format!("<{words}>");
            for prefix in ["/32", &format!("/{PREFIX}"), ""] {
                self.stand_in(format!("{text}{prefix}"), words.as_str());
            }
        }
        IpConfig::new(IpNet::from(Ipv4Net::new_assert(address, PREFIX)))
            .with_gateway(IpAddr::V4(gateway))
    }

    /// A MAC address that will be chosen; `words` say whose.
    pub fn unknown_mac(&mut self, words: &str) -> MacAddr {
        // One of the addresses for documentation (RFC 7042, 2.1.2).
        let number = u8::try_from(self.stand_ins.len()).unwrap_or(u8::MAX);
        let mac = MacAddr::new([0x00, 0x00, 0x5e, 0x00, 0x53, number]);
        self.stand_in(mac.to_string(), format!("<{words}>"));
        mac
    }

    /// The text with words for what is not known yet.
    pub fn in_words(&self, text: &str) -> String {
        let replaced = |text: String, one: &StandIn| text.replace(&one.text, &one.words);
        self.stand_ins.iter().fold(text.to_owned(), replaced)
    }

    /// What the plugins of an executable imagine that their steps have made, handed from one to the next. The kit knows no
    /// kernel, so it is theirs.
    pub fn world(&mut self) -> &mut Option<Box<dyn Any>> {
        &mut self.world
    }

    /// Tells that a plugin is not known, and gives what the next one may get: the result before it, else an interface with
    /// an address.
    pub fn unknown_plugin(
        &mut self,
        invocation: &Invocation<'_>,
        words: impl Into<String>,
    ) -> Result<Success, Error> {
        let step = Foreseen::made("unknown", words).standing(Standing::Unknown);
        self.tell(step);
        if let Some(before) = invocation.config.prev_result()? {
            return Ok(before);
        }
        let name = self.plugin.clone();
        let address = self.unknown_address(&format!("address that {name} gives"));
        let ifname = invocation.ifname.as_ref().map(ToString::to_string);
        let interface = Interface::new(ifname.unwrap_or_default()).with_sandbox(IMAGINED_NETNS);
        Ok(Success::default()
            .with_interfaces([interface])
            .with_ips([address.with_interface(0)]))
    }

    /// The error with words for what is not known yet.
    pub(crate) fn error_in_words(&self, error: Error) -> Error {
        let (msg, details) = (self.in_words(&error.msg), self.in_words(&error.details));
        error.with_msg(msg).with_details(details)
    }
}

/// The length of the prefix of addresses that nobody knows yet.
const PREFIX: u8 = 24;

/// Of a plugin that does not tell.
pub(crate) const NOT_KNOWN: &str = "what it does is not known here";

/// Where the namespace of a container that there is none of would be.
pub(crate) const IMAGINED_NETNS: &str = "/run/netns/<container>";
