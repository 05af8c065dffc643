//! Plugins that are missing, or cannot be run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Check, listed, quoted};
use crate::finding::Finding;
use crate::repair::Repair;
use crate::system::{Fitness, PLUGINS, Program};
use crate::{Host, System};

/// The plugins that the networks in force need, each with the networks that do.
fn needed(host: &Host) -> BTreeMap<&str, Vec<String>> {
    let mut needed: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for network in host.networks.iter().filter(|network| network.is_in_force()) {
        let name = network.name.clone().unwrap_or_default();
        for plugin in network.plugins.iter().chain(&network.ipam) {
            let networks = needed.entry(plugin).or_default();
            if !networks.contains(&name) {
                networks.push(name.clone());
            }
        }
    }
    needed
}

pub(super) const MISSING: Check = Check {
    id: "plugin-missing",
    title: "the plugins of all networks are there",
    looks_at: "the types in the configurations and the files of the plugin directories",
    find: missing,
};

fn missing(host: &Host, system: &System) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (plugin, networks) in needed(host) {
        if system.program(plugin).is_some() {
            continue;
        }
        let dirs: Vec<String> = system
            .plugin_dirs
            .iter()
            .map(|dir| dir.display().to_string())
            .collect();
        let what = match system.named(plugin).next().map(|program| &program.fitness) {
            Some(Fitness::Dangling(to)) => {
                format!("is a link that leads nowhere: {}", to.display())
            }
            _ => format!("is in none of {}", listed(&dirs)),
        };
        let finding = MISSING
            .error(
                format!("plugin {plugin}"),
                format!("plugin {plugin} {what}"),
            )
            .why(format!(
                "No container can be attached to {}, nor detached.",
                listed(&networks)
            ));
        findings.push(match dirs.first() {
            Some(dir) if PLUGINS.contains(&plugin) => {
                finding.run(format!("linkspan install --bin-dir {}", quoted(dir)))
            }
            _ => finding.advise(format!(
                "Install {plugin} where the runtime looks for plugins; a search elsewhere: --cni-path DIRS."
            )),
        });
    }
    findings
}

pub(super) const BROKEN: Check = Check {
    id: "plugin-broken",
    title: "the plugins of all networks can be run",
    looks_at: "modes, headers, lengths and interpreters of the plugins' files, and whether a file was copied over a link to Linkspan's",
    find: broken,
};

fn broken(host: &Host, system: &System) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (plugin, networks) in needed(host) {
        let Some(program) = system.program(plugin) else {
            continue;
        };
        let Some(what) = trouble(program) else {
            continue;
        };
        let path = program.path.display().to_string();
        let finding = BROKEN.error(&path, format!("{path} {what}")).why(format!(
            "No container can be attached to {}, nor detached.",
            listed(&networks)
        ));
        findings.push(mended(finding, plugin, program));
    }
    findings
}

fn trouble(program: &Program) -> Option<String> {
    Some(match &program.fitness {
        Fitness::Fit | Fitness::Unknown | Fitness::Dangling(_) => return None,
        Fitness::Empty => "is empty".to_owned(),
        Fitness::NotExecutable => "may be executed by nobody".to_owned(),
        Fitness::NoProgram => "is neither a program nor a script".to_owned(),
        Fitness::CutShort => "is cut short: a copy of it was not finished".to_owned(),
        Fitness::OtherProcessor => "is for another processor".to_owned(),
        Fitness::NoInterpreter(path) => {
            format!("needs {}, which is not here", path.display())
        }
        Fitness::Overwritten(file) => format!(
            "is a link to {}, which is not Linkspan's any more: a file was copied over one of the links, and so over all of them",
            file.display()
        ),
    })
}

fn mended(finding: Finding, plugin: &str, program: &Program) -> Finding {
    let path = &program.path;
    let dir = path.parent().unwrap_or(Path::new("/"));
    match program.fitness {
        Fitness::NotExecutable => finding
            .run(format!("chmod a+x {}", quoted(path.display())))
            .repaired_by([Repair::Executable { path: path.clone() }]),
        _ if PLUGINS.contains(&plugin) => finding.run(format!(
            "linkspan install --force --bin-dir {}",
            quoted(dir.display())
        )),
        _ => finding.advise(format!("Install {plugin} anew in {}.", dir.display())),
    }
}

pub(super) const SCATTERED: Check = Check {
    id: "plugins-scattered",
    title: "the plugins of each network are in one directory",
    looks_at: "in which of the plugin directories the plugins of each network are",
    find: scattered,
};

fn scattered(host: &Host, system: &System) -> Vec<Finding> {
    let mut findings = Vec::new();
    for network in host.networks.iter().filter(|network| network.is_in_force()) {
        let plugins: Vec<&String> = network.plugins.iter().chain(&network.ipam).collect();
        let is_in = |plugin: &str, dir: &Path| {
            let mut named = system.named(plugin);
            named.any(|program| program.path.parent() == Some(dir))
        };
        let all_in = |dir: &PathBuf| plugins.iter().all(|plugin| is_in(plugin, dir));
        let are_there = plugins
            .iter()
            .all(|plugin| system.program(plugin).is_some());
        if !are_there || system.plugin_dirs.iter().any(all_in) {
            continue;
        }
        let most = |dir: &&PathBuf| plugins.iter().filter(|plugin| is_in(plugin, dir)).count();
        // The first of those with the most, as the usual one comes first.
        let Some(dir) = system.plugin_dirs.iter().rev().max_by_key(most) else {
            continue;
        };
        let elsewhere: Vec<String> = plugins
            .iter()
            .filter(|plugin| !is_in(plugin, dir))
            .map(|plugin| plugin.to_string())
            .collect();
        let name = network.name.clone().unwrap_or_default();
        let what = format!(
            "{} of network {name} is not in {}, where its other plugins are",
            listed(&elsewhere),
            dir.display()
        );
        let finding = SCATTERED.warning(format!("network {name}"), what).why(
            "A runtime that looks in one directory alone, as most do, does not find it, and attaches no container to the network.",
        );
        findings.push(
            match elsewhere
                .iter()
                .all(|plugin| PLUGINS.contains(&plugin.as_str()))
            {
                true => finding.run(format!(
                    "linkspan install --bin-dir {}",
                    quoted(dir.display())
                )),
                false => finding.advise(format!("Install it in {}.", dir.display())),
            },
        );
    }
    findings
}

pub(super) const DHCP_DAEMON: Check = Check {
    id: "dhcp-daemon-silent",
    title: "the daemon of dhcp answers where networks need it",
    looks_at: "whether somebody listens on the socket of the daemon, /run/cni/dhcp.sock unless a configuration says otherwise",
    find: dhcp_daemon,
};

fn dhcp_daemon(_: &Host, system: &System) -> Vec<Finding> {
    let finding = |socket: &PathBuf| {
        let path = socket.display().to_string();
        let daemon = system
            .program("dhcp")
            .map(|program| program.path.display().to_string());
        DHCP_DAEMON
            .error(&path, format!("nobody listens on {path}"))
            .why("Networks whose addresses come from DHCP attach no container, and leases of running ones are not renewed.")
            .advise(format!(
                "Start the daemon: `systemctl enable --now linkspan-dhcp.socket` where its unit is installed, or `{} daemon`.",
                daemon.unwrap_or("/opt/cni/bin/dhcp".to_owned())
            ))
    };
    system.silent_daemons.iter().map(finding).collect()
}
