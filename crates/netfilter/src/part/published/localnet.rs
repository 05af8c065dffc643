//! `route_localnet`: the host reaches published ports by 127.0.0.1.
//!
//! Without it, the kernel drops packets of 127.0.0.0/8 that are to leave by, or came in by, another
//! interface than `lo`, as a connection to 127.0.0.1 does once it is led to a container. With it, neighbours
//! on that interface could send to the host's own 127.0.0.1 as well, so the rules that drop such packets
//! come first. The interface may be one that stays, such as a bridge; it is set back when the last container
//! whose port is published by it is detached: `route_localnet/cni0` has a link to the record of each.

use linkspan_kernel::sysctl;
use linkspan_spec::Error;

use crate::fault::explain;
use crate::foresee::Foreseen;
use crate::part::{Holder, Kind};
use crate::records::Records;
use crate::register::Register;

/// The interfaces that were set, and for whom.
const REGISTER: &str = "route_localnet";

/// Lets packets of 127.0.0.0/8 pass an interface, and keeps in mind that it was not so before.
pub(super) fn enable(interface: &str, holder: &Holder<'_>) -> Result<(), Error> {
    let parameter = parameter(interface);
    let register = Register::open(holder.records, REGISTER)?;
    let is_set = sysctl::read(&parameter).map_err(explain)? == "1";
    // Somebody else's setting is left to that one.
    if is_set && register.holders_if_any(interface)?.is_none() {
        return Ok(());
    }
    let users = register.holders(interface)?;
    users.add(&holder.record, &holder.record)?;
    if is_set {
        return Ok(());
    }
    sysctl::write(&parameter, "1").map_err(|error| {
        explain(error).with_details(
            "published ports answer to 127.0.0.1 with it alone; /proc/sys must be writable, or \
             \"snat\" be false",
        )
    })
}

/// What [`enable`] would do.
pub(super) fn foresee(interface: &str) -> Foreseen {
    let note = match sysctl::read(&parameter(interface)) {
        Ok(value) if value == "1" => "is 1 already".to_owned(),
        Ok(value) => {
            format!("is {value} now; set back when the last container with such ports goes")
        }
        Err(_) => "set back when the last container with such ports goes".to_owned(),
    };
    let words = format!(
        "set net.ipv4.conf.{interface}.route_localnet to 1 on the host, so that it reaches the ports at 127.0.0.1"
    );
    Foreseen {
        kind: Kind::PublishedPorts,
        words,
        note,
    }
}

/// What is not as [`enable`] leaves it.
pub(super) fn difference(interface: &str) -> Option<String> {
    let parameter = parameter(interface);
    let found = match sysctl::read(&parameter) {
        Ok(value) if value == "1" => return None,
        Ok(value) => value,
        Err(error) => error.to_string(),
    };
    Some(format!("expected {parameter} to be 1, found {found}"))
}

/// Leaves an interface as it is: the reference plugins, which set it too, never set it back.
pub(super) fn hand_over(interface: &str, holder: &Holder<'_>) -> Result<(), Error> {
    let Some(register) = Register::open_if_there(holder.records, REGISTER)? else {
        return Ok(());
    };
    if let Some(users) = register.holders_if_any(interface)? {
        users.remove(&holder.record)?;
        register.forget(interface);
    }
    Ok(())
}

/// Sets an interface back, unless there are others who need it.
pub(super) fn disable(interface: &str, holder: &Holder<'_>) -> Result<(), Error> {
    let Some(register) = Register::open_if_there(holder.records, REGISTER)? else {
        return Ok(());
    };
    let Some(users) = register.holders_if_any(interface)? else {
        return Ok(());
    };
    users.remove(&holder.record)?;
    match users.is_empty()? {
        true => set_back(&register, interface),
        false => Ok(()),
    }
}

/// Sets back every interface that nobody needs who has a record.
pub(super) fn restore(records: &Records) -> Result<(), Error> {
    let Some(register) = Register::open_if_there(records, REGISTER)? else {
        return Ok(());
    };
    for interface in register.things()? {
        let Some(users) = register.holders_if_any(&interface)? else {
            continue;
        };
        if users.sweep()? {
            set_back(&register, &interface)?;
        }
    }
    Ok(())
}

/// The note goes last: as long as it is there, a call that was killed is made good by the next.
fn set_back(register: &Register<'_>, interface: &str) -> Result<(), Error> {
    let parameter = parameter(interface);
    // Looked at first: where /proc/sys cannot be written it has never been set.
    if !sysctl::read(&parameter).is_ok_and(|value| value == "0") {
        match sysctl::write(&parameter, "0") {
            Err(error) if !error.is_not_found() => return Err(explain(error)),
            _ => {}
        }
    }
    register.forget(interface);
    Ok(())
}

fn parameter(interface: &str) -> String {
    format!("net/ipv4/conf/{interface}/route_localnet")
}
