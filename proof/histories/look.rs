//! What is there when all is quiet: whether what lives works, and whether what is dead has gone.

use std::fs;
use std::net::IpAddr;

use linkspan_testkit::{Netns, Outside, Snapshot};

use crate::host::{Host, id};
use crate::model::Answer;
use crate::networks::{PREFIXES, SERVED};
use crate::perform::{perform, result_addresses};
use crate::schedule::{Attachment, Net, Op, Step, Who};

/// What is wrong with an attachment that a runtime has in use; what begins with `rules:` can be lost with a ruleset.
pub(crate) fn look_at(host: &Host<'_>, at: Attachment) -> Vec<String> {
    let Some(netns) = host.netns(at.container) else {
        return vec!["its namespace".to_owned()];
    };
    let given = result_addresses(host, at);
    let there = netns.try_run(&format!("ip -json address show dev {}", at.net.ifname()));
    let mut wrong = Vec::new();
    for address in &given {
        if !there.stdout.contains(&format!("\"{address}\"")) {
            wrong.push(format!("address {address} of its interface"));
        }
        if !is_reserved(at, *address) {
            wrong.push(format!("the reservation of {address}"));
        }
    }
    if let (Answer::Failed(_, why), _) = perform(
        host,
        &Step {
            worker: 0,
            op: Op::Check(at),
            who: Who::Ours,
            kill: None,
        },
    ) {
        wrong.push(format!("rules: CHECK says: {why}"));
    }
    if at.net != Net::Also && !netns.try_ping(Outside::ROUTER_V4).ok() {
        wrong.push("rules: the way out, masqueraded".to_owned());
    }
    let port = host.kept().get(&at).and_then(|kept| kept.port);
    if let Some(port) = port
        && let Err(why) = connect(host, &netns, port)
    {
        wrong.push(format!("rules: its port {port}: {why}"));
    }
    wrong
}

/// Whether host-local's file has the container in its first line.
fn is_reserved(at: Attachment, address: IpAddr) -> bool {
    let path = format!("/var/lib/cni/networks/{}/{address}", at.net.name());
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(str::trim)
        .eq([id(at.container).as_str(), at.net.ifname()])
}

/// From outside to a published port, to a server in the container that tells whom it has served.
fn connect(host: &Host<'_>, netns: &Netns, port: u16) -> Result<(), String> {
    let named = format!("[::]:{SERVED}");
    let is_listening = netns.run("ss -Hltn").contains(&format!(":{SERVED} "));
    if !is_listening {
        netns.serve_tcp(&named);
    }
    let before = accepted(netns);
    let target = format!("{}:{port}", Outside::HOST_V4);
    host.outside
        .netns
        .talk_tcp(&target)
        .map_err(|error| error.to_string())?;
    // Another container that has the port would have answered as well.
    if accepted(netns) > before {
        Ok(())
    } else {
        Err("somebody else answers".to_owned())
    }
}

/// How many connections have been accepted in a namespace since it was made.
fn accepted(netns: &Netns) -> u64 {
    let text = netns.run("nstat -asz TcpPassiveOpens | tail -n 1");
    text.split_whitespace()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

/// The state of the host that plugins may change.
pub(crate) fn snapshot(host: &Host<'_>) -> Snapshot {
    Snapshot::of(&[host.sandbox.host()], &["/var/lib/cni", "/run/cni"])
}

/// What is there and was not at the start, of all that is some attachment's: what names an address, a container, or a link to one.
/// What stays by intent is nobody's: bridges, empty chains, the place in a pool from which the next address is looked for.
pub(crate) fn leftovers(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let diff = before.diff(after);
    let new = diff.lines().filter_map(|line| line.strip_prefix("+ "));
    new.filter(|line| !line.contains("last_reserved_ip") && is_somebodys(line))
        .map(str::to_owned)
        .collect()
}

fn is_somebodys(line: &str) -> bool {
    let is_id = |word: &str| {
        word.strip_prefix('c')
            .is_some_and(|digits| digits.parse::<u16>().is_ok())
    };
    // A MAC address may have c4 in it.
    let is_mac = |words: &&str| words.len() == 17 && words.matches(':').count() == 5;
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != ':')
        .filter(|words| !is_mac(words))
        .any(|words| words.split(':').any(is_id))
        || line.contains("veth")
        || PREFIXES.iter().any(|prefix| line.contains(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_container_is_somebodys() {
        for (line, is) in [
            (
                "file /run/cni/linkspan/netns-4/netfilter/lan:c1:eth0:portmap.json = 600",
                true,
            ),
            ("host link x alias = lan/c12/eth0", true),
            ("host nft elements 10.40.0.2", true),
            ("host link vethf00 mtu = 1500", true),
            ("host link br-lan address = 6e:86:64:42:c4:69", false),
            ("file /var/lib/cni/networks/lan = directory 755", false),
        ] {
            assert_eq!(is_somebodys(line), is, "{line}");
        }
    }
}
