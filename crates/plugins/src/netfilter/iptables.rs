//! The backend that calls iptables, with the chains and comments of the reference plugins.
//!
//! One `iptables-restore` for each address family and attachment; so an attachment that was made here can
//! be removed by the reference plugins, and the other way round.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use ipnet::IpNet;
use linkspan_kernel::nftables::Nftables;
use linkspan_nft::{Chain, Family, Table};
use linkspan_plugin::spec::{Error, ErrorCode};

use super::fault::explain;
use super::owner::{Owner, hex_sha512};
use super::reference;

/// How many seconds to wait for the lock of iptables.
const LOCK_SECONDS: u32 = 10;

/// Where the commands are when PATH lacks them, as the environment of a runtime often does.
const USUAL_DIRECTORIES: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"];

/// IPv4 or IPv6, as far as iptables tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Ipv4,
    Ipv6,
}

impl Protocol {
    pub(super) const BOTH: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    pub(super) fn of(address: &IpNet) -> Self {
        match address {
            IpNet::V4(_) => Self::Ipv4,
            IpNet::V6(_) => Self::Ipv6,
        }
    }

    pub(super) fn command(self) -> &'static str {
        match self {
            Self::Ipv4 => "iptables",
            Self::Ipv6 => "ip6tables",
        }
    }

    pub(super) fn multicast(self) -> &'static str {
        match self {
            Self::Ipv4 => "224.0.0.0/4",
            Self::Ipv6 => "ff00::/8",
        }
    }

    /// The table that translates addresses, as the newer iptables keeps it in nf_tables.
    fn nat(self) -> Table {
        let family = match self {
            Self::Ipv4 => Family::Ip,
            Self::Ipv6 => Family::Ip6,
        };
        Table::new(family, "nat")
    }

    /// The file in which the kernel lists the tables of the older iptables.
    fn table_names(self) -> &'static str {
        match self {
            Self::Ipv4 => "/proc/net/ip_tables_names",
            Self::Ipv6 => "/proc/net/ip6_tables_names",
        }
    }
}

/// The name of a container's chain; `purpose` comes before the hash in it.
pub(super) fn chain_name(purpose: &str, owner: &Owner) -> String {
    const LENGTH: usize = 28;
    let hash = hex_sha512(&format!("{}{}", owner.network(), owner.container()));
    let mut name = format!("CNI-{purpose}{hash}");
    name.truncate(LENGTH);
    name
}

/// Whether a rule of `base` leads to a chain of the nat table.
pub(super) fn has_chain(protocol: Protocol, base: &str, chain: &str) -> Result<bool, Error> {
    let base_chain = Chain::regular(&protocol.nat(), base);
    let rules = Nftables::open()
        .and_then(|kernel| kernel.rules(&base_chain))
        .map_err(explain)?;
    if rules
        .iter()
        .any(|rule| rule.target.as_deref() == Some(chain))
    {
        return Ok(true);
    }
    let rules = legacy_rules(protocol, base, chain)?;
    Ok(rules.is_some_and(|rules| !rules.is_empty()))
}

/// Removes chains of the nat table, whichever iptables made them, and the rules of `base` that lead to
/// them.
pub(super) fn remove_chains(base: &str, chains: &[String]) -> Result<(), Error> {
    for protocol in Protocol::BOTH {
        reference::remove_chains(&protocol.nat(), base, chains)?;
        for chain in chains {
            remove_legacy_chain(protocol, base, chain)?;
        }
    }
    Ok(())
}

/// Whether the commands are there.
pub(super) fn probe() -> Result<(), Error> {
    let mut program = restore_program(Protocol::Ipv4, Variant::Default);
    program.arguments = vec!["--version".to_owned()];
    run(&program, "").map(|_| ())
}

/// Has `iptables-restore` read this, in the variant that the host uses.
pub(super) fn restore(protocol: Protocol, input: &str) -> Result<(), Error> {
    run(&restore_program(protocol, Variant::Default), input).map(|_| ())
}

/// Which of the two implementations of iptables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    /// What the host uses.
    Default,
    /// The older one, without nf_tables.
    Legacy,
}

struct Program {
    name: String,
    arguments: Vec<String>,
}

fn restore_program(protocol: Protocol, variant: Variant) -> Program {
    let command = protocol.command();
    Program {
        name: match variant {
            Variant::Default => format!("{command}-restore"),
            Variant::Legacy => format!("{command}-legacy-restore"),
        },
        arguments: vec!["--noflush".to_owned(), format!("--wait={LOCK_SECONDS}")],
    }
}

/// Removes a chain, and the rules that lead to it, from the older iptables, where that is in use.
fn remove_legacy_chain(protocol: Protocol, base: &str, chain: &str) -> Result<(), Error> {
    if let Some(rules) = legacy_rules(protocol, base, chain)? {
        run(
            &restore_program(protocol, Variant::Legacy),
            &removal_input(&rules, chain),
        )?;
    }
    Ok(())
}

/// The rules of `base` that lead to a chain of the older iptables; `None` when there is none.
fn legacy_rules(protocol: Protocol, base: &str, chain: &str) -> Result<Option<Vec<String>>, Error> {
    let names = std::fs::read_to_string(protocol.table_names()).unwrap_or_default();
    if !names.lines().any(|name| name == "nat") {
        return Ok(None);
    }
    let save = Program {
        name: format!("{}-legacy-save", protocol.command()),
        arguments: vec!["-t".to_owned(), "nat".to_owned()],
    };
    let rules = run(&save, "")?;
    let declared = format!(":{chain} ");
    if !rules.lines().any(|line| line.starts_with(&declared)) {
        return Ok(None);
    }
    let leads_there = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.starts_with(&["-A", base]) && words.ends_with(&["-j", chain])
    };
    Ok(Some(
        rules
            .lines()
            .filter(leads_there)
            .map(str::to_owned)
            .collect(),
    ))
}

fn removal_input(rules: &[String], chain: &str) -> String {
    let mut input = "*nat\n".to_owned();
    for rule in rules {
        input += &rule.replacen("-A", "-D", 1);
        input.push('\n');
    }
    input + &format!("-F {chain}\n-X {chain}\nCOMMIT\n")
}

/// Runs a program with this standard input; returns its standard output.
fn run(program: &Program, input: &str) -> Result<String, Error> {
    let name = &program.name;
    let output = start(program)
        .and_then(|mut child| {
            // Dropped at once, so that the program sees the end of its input.
            if let Some(mut stdin) = child.stdin.take() {
                stdin.write_all(input.as_bytes())?;
            }
            child.wait_with_output()
        })
        .map_err(|error| {
            Error::new(ErrorCode::INTERNAL, format!("cannot run {name}: {error}"))
                .with_details(missing_program(&error))
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let reason = String::from_utf8_lossy(&output.stderr);
    let (reason, status) = (reason.trim(), output.status);
    Err(Error::new(
        ErrorCode::INTERNAL,
        format!("{name} failed ({status}): {reason}"),
    )
    .with_details(format!("its input was:\n{input}")))
}

fn missing_program(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!(
            "looked in PATH and {}; install iptables or choose the backend \"nftables\"",
            USUAL_DIRECTORIES.join(", ")
        ),
        _ => String::new(),
    }
}

fn start(program: &Program) -> io::Result<std::process::Child> {
    let spawn = |path: &str| {
        Command::new(path)
            .args(&program.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    };
    let mut child = spawn(&program.name);
    for directory in USUAL_DIRECTORIES {
        match child {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                child = spawn(&format!("{directory}/{}", program.name));
            }
            started => return started,
        }
    }
    child
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the reference plugins' own tests expect it for the name "test" and the ID "1234".
    #[test]
    fn chains_are_named_as_the_reference_names_them() {
        let owner = Owner::from_texts("test", "1234", "eth0");
        assert_eq!(chain_name("", &owner), "CNI-2bbe0c48b91a7d1b8a6753a8");
    }

    #[test]
    fn the_input_of_a_removal() {
        let rules = ["-A POSTROUTING -s 10.22.0.2/32 -j CNI-x".to_owned()];
        assert_eq!(
            removal_input(&rules, "CNI-x"),
            "*nat\n-D POSTROUTING -s 10.22.0.2/32 -j CNI-x\n-F CNI-x\n-X CNI-x\nCOMMIT\n"
        );
    }
}
