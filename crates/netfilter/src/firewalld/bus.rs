//! The bus that firewalld listens at.

use std::fmt;
use std::time::Duration;

use rustix::io::Errno;
use zbus::{Connection, Message, OwnedVariant, Variant, block_on, connection};

/// How long firewalld may take to answer: while it reloads it answers nobody.
const DEADLINE: Duration = Duration::from_secs(30);

const NAME: &str = "org.fedoraproject.FirewallD1";
const PATH: &str = "/org/fedoraproject/FirewallD1";
const ZONES: &str = "org.fedoraproject.FirewallD1.zone";

/// A connection to the system's bus.
pub(super) struct Bus {
    connection: Connection,
}

impl Bus {
    /// Connects, to the address in DBUS_SYSTEM_BUS_ADDRESS if there is one.
    pub(super) fn connect() -> Result<Self, Failure> {
        let builder = connection::Builder::system().method_timeout(DEADLINE);
        Ok(Self {
            connection: block_on(builder.build()).map_err(|error| Failure {
                is_absent: !is_of_caller(&error),
                is_answer: false,
                text: format!("there is no system bus: {error}"),
            })?,
        })
    }

    /// Whether firewalld is at the bus.
    pub(super) fn has_firewalld(&self) -> Result<bool, Failure> {
        const BUS: &str = "org.freedesktop.DBus";
        let arguments = (NAME,);
        let call = self.connection.call_method(
            Some(BUS),
            "/org/freedesktop/DBus",
            Some(BUS),
            "NameHasOwner",
            &arguments,
        );
        answer(&block_on(call)?)
    }

    /// Whether firewalld wants to lead all ports itself; versions before 2.3 do not know the setting.
    pub(super) fn forwards_strictly(&self) -> Result<bool, Failure> {
        let arguments = ("org.fedoraproject.FirewallD1.config", "StrictForwardPorts");
        let call = self.connection.call_method(
            Some(NAME),
            "/org/fedoraproject/FirewallD1/config",
            Some("org.freedesktop.DBus.Properties"),
            "Get",
            &arguments,
        );
        let answer = block_on(call)?;
        let setting: Variant<'_> = answer.body().deserialize::<OwnedVariant>()?.into();
        Ok(matches!(&setting, Variant::Str(text) if text.eq_ignore_ascii_case("yes")))
    }

    pub(super) fn add_source(&self, zone: &str, source: &str) -> Result<(), Failure> {
        self.zones("addSource", zone, source).map(|_| ())
    }

    pub(super) fn remove_source(&self, zone: &str, source: &str) -> Result<(), Failure> {
        self.zones("removeSource", zone, source).map(|_| ())
    }

    pub(super) fn query_source(&self, zone: &str, source: &str) -> Result<bool, Failure> {
        answer(&self.zones("querySource", zone, source)?)
    }

    fn zones(&self, method: &str, zone: &str, source: &str) -> Result<Message, Failure> {
        let arguments = (zone, source);
        let call = self
            .connection
            .call_method(Some(NAME), PATH, Some(ZONES), method, &arguments);
        Ok(block_on(call)?)
    }
}

/// Whether an error is about the caller and not about the bus: it has no descriptor or no memory left.
fn is_of_caller(error: &zbus::Error) -> bool {
    const ERRNOS: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS];
    let zbus::Error::InputOutput(error) = error else {
        return false;
    };
    let is_such = |errno: &Errno| error.raw_os_error() == Some(errno.raw_os_error());
    ERRNOS.iter().any(is_such)
}

fn answer(message: &Message) -> Result<bool, Failure> {
    Ok(message.body().deserialize()?)
}

/// Why something was not done.
#[derive(Debug)]
pub(super) struct Failure {
    is_absent: bool,
    is_answer: bool,
    text: String,
}

impl Failure {
    /// firewalld does not run.
    pub(super) fn absent() -> Self {
        Self {
            is_absent: true,
            is_answer: false,
            text: "it is not running".to_owned(),
        }
    }

    /// Whether it is that firewalld does not run.
    pub(super) fn is_absent(&self) -> bool {
        self.is_absent
    }

    /// Whether somebody has answered, with a refusal.
    pub(super) fn is_answer(&self) -> bool {
        self.is_answer
    }

    /// Whether firewalld names this reason.
    pub(super) fn says(&self, reason: &str) -> bool {
        self.text.contains(reason)
    }

    /// Whether it is that an address is not in the zone.
    pub(super) fn means_unbound(&self) -> bool {
        ["UNKNOWN_SOURCE", "ZONE_CONFLICT", "INVALID_ZONE"]
            .iter()
            .any(|reason| self.says(reason))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<zbus::Error> for Failure {
    fn from(error: zbus::Error) -> Self {
        /// What the bus says of a name that nobody has.
        const NOBODY: [&str; 2] = [
            "org.freedesktop.DBus.Error.ServiceUnknown",
            "org.freedesktop.DBus.Error.NameHasNoOwner",
        ];
        let text = match &error {
            zbus::Error::MethodError(_, Some(text), _) => text.clone(),
            _ => error.to_string(),
        };
        Self {
            is_answer: matches!(error, zbus::Error::MethodError(..)),
            is_absent: NOBODY.iter().any(|name| error.to_string().contains(name)),
            text,
        }
    }
}
