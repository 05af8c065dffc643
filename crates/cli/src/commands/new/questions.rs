//! What a person is asked who has not said it by flags.

use linkspan_draft::{Facts, Kind, Wish};
use linkspan_spec::NetworkName;

use crate::args::NewNetwork;
use crate::commands::confirm;
use crate::failure::Failure;
use crate::ui::Ui;

/// Whether to ask: who says what it is to be is not asked.
pub(super) fn are_wanted(ui: Ui, args: &NewNetwork) -> bool {
    let has_kind = args.bridge.is_some()
        || args.ptp
        || args.macvlan.is_some()
        || args.ipvlan.is_some()
        || args.vlan.is_some()
        || args.driver.is_some();
    let has_more = args.ports
        || args.bandwidth
        || args.ipv6
        || args.internal
        || args.dhcp
        || !args.subnet.is_empty()
        || args.interface_name.is_some();
    !args.yes && !args.stdout && !has_kind && !has_more && confirm::is_possible(ui)
}

/// The kinds that are offered, each with what it is good for.
const KINDS: [(&str, &str); 4] = [
    (
        "bridge",
        "containers of this host with each other, and by the host's address to everywhere",
    ),
    (
        "ptp",
        "each container with the host alone, routed: no container hears another's broadcasts",
    ),
    (
        "macvlan",
        "containers on the wire of a network card, with MAC addresses of their own",
    ),
    (
        "ipvlan",
        "the same with the card's MAC address, where switches or clouds allow no others",
    ),
];

/// Asks for a name, a kind and what goes with it. An empty answer is what stands in brackets.
pub(super) fn ask(
    ui: Ui,
    args: &NewNetwork,
    facts: &Facts,
    wish: &mut Wish,
) -> Result<(), Failure> {
    if args.name.is_none() {
        wish.name = Some(until(ui, "Name of the network?", "containers", |answer| {
            let name: NetworkName = answer
                .parse()
                .map_err(|error: linkspan_spec::NameError| error.to_string())?;
            match facts.names.get(name.as_str()) {
                None => Ok(name),
                Some(why) => Err(format!("it is taken: {why}")),
            }
        })?);
    }
    let mut list = String::new();
    for (number, (kind, about)) in KINDS.iter().enumerate() {
        list.push_str(&format!("  {}  {kind:8} {about}\n", number + 1));
    }
    ui.print(&list)?;
    let kind = until(ui, "Which kind?", "1", |answer| {
        let by_number = answer
            .parse::<usize>()
            .ok()
            .and_then(|number| KINDS.get(number.checked_sub(1)?));
        let by_name = || KINDS.iter().find(|(kind, _)| *kind == answer);
        by_number
            .or_else(by_name)
            .map(|(kind, _)| *kind)
            .ok_or_else(|| "it is a number of these".to_owned())
    })?;
    match kind {
        "ptp" => wish.kind = Kind::Ptp,
        "macvlan" => wish.kind = Kind::Macvlan(master(ui, facts)?),
        "ipvlan" => {
            wish.kind = Kind::Ipvlan(master(ui, facts)?);
            let net = until(ui, "Which subnet is on that wire?", "", |answer| {
                answer.parse().map_err(|error: ipnet::AddrParseError| {
                    format!("{error}: write it as 192.0.2.0/24")
                })
            })?;
            wish.subnets = vec![net];
            let range = until(ui, "Which part of it is for containers?", "", str::parse)?;
            wish.ranges = vec![range];
        }
        _ => {}
    }
    if wish.kind.master().is_none() {
        wish.ports = confirm::is_yes(ui, "Publish ports of containers?")?;
        wish.ipv6 = confirm::is_yes(ui, "IPv6 as well?")?;
    }
    Ok(())
}

fn master(ui: Ui, facts: &Facts) -> Result<String, Failure> {
    let links = facts.host.iter().flat_map(|links| &links.links);
    let names: Vec<&str> = links
        .map(|link| link.name.as_str())
        .filter(|name| *name != "lo")
        .collect();
    let usual = facts.default_link().unwrap_or_default();
    until(
        ui,
        "On which link of the host?",
        &usual,
        |answer| match names.contains(&answer) {
            true => Ok(answer.to_owned()),
            false => Err(format!("there are {}", names.join(", "))),
        },
    )
}

/// Asks until the answer can be.
fn until<T>(
    ui: Ui,
    question: &str,
    usual: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Failure> {
    let words = match usual.is_empty() {
        true => question.to_owned(),
        false => format!("{question} [{usual}]"),
    };
    loop {
        let answer = confirm::ask(ui, &words)?;
        let answer = match answer.is_empty() {
            true => usual,
            false => &answer,
        };
        match read(answer) {
            Ok(value) => return Ok(value),
            Err(why) => ui.print(&format!("  {why}\n"))?,
        }
    }
}
