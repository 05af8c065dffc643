//! The command line's words, and its help: here the program's, in each module those of a group of commands, with their
//! examples.

mod attach;
mod conformance;
mod demo;
mod doctor;
#[cfg(test)]
mod documented;
mod events;
mod explain;
mod groups;
mod host;
mod ipam;
mod lint;
mod look;
mod network;
mod networks;
mod new;
mod places;
mod shell;
mod show;
mod test;
mod trace;
mod values;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub(crate) use attach::{Add, Del, Target};
pub(crate) use conformance::{Conformance, PluginsKind};
pub(crate) use demo::Demo;
pub(crate) use doctor::Doctor;
pub(crate) use events::{Events, Metrics};
pub(crate) use explain::{Explain, ExplainCommand, ExplainError, ExplainKey, ExplainNetwork};
pub(crate) use host::{Install, Reconcile, Uninstall, Version};
pub(crate) use ipam::{Ipam, IpamCheck, IpamCommand, IpamFree, IpamShow};
pub(crate) use lint::{Lint, LintFormat};
pub(crate) use look::Look;
pub(crate) use network::{Gc, List, Status};
pub(crate) use networks::{Networks, NetworksCommand, NetworksInspect, NetworksLs, NetworksRm};
pub(crate) use new::{Driver, New, NewCommand, NewNetwork, NewPlugin, PluginKind};
pub(crate) use places::Places;
pub(crate) use shell::{Completions, Man, Shell};
pub(crate) use show::{Format, Show};
pub(crate) use test::Test;
pub(crate) use trace::{Trace, TraceCommand};

use crate::ui::Loudness;

/// Container networking for the people who run it: attaches containers to CNI networks, checks and
/// detaches them, and says what is wrong and what to do.
///
/// Takes the place of cnitool: the same commands, variables and container IDs.
#[derive(Debug, Parser)]
#[command(name = "linkspan", version, after_help = FIRST_STEPS, max_term_width = 100)]
pub(crate) struct Cli {
    /// Print errors, and what the command has to tell, as JSON: one object on standard error, one on standard output.
    #[arg(long, global = true, display_order = 900)]
    pub(crate) json: bool,
    /// Tell errors and what was asked for, and no more
    #[arg(
        short,
        long,
        global = true,
        display_order = 901,
        conflicts_with = "verbose"
    )]
    quiet: bool,
    /// Tell also which files were read, and which plugins were run, with how long each took
    #[arg(short, long, global = true, display_order = 902)]
    verbose: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The command line as it is defined, with the help that lists the commands by what they are for.
pub(crate) fn command() -> clap::Command {
    groups::listed(Cli::command())
}

impl Cli {
    /// Reads the command line.
    ///
    /// # Errors
    /// What is wrong with it; or the help or the version that it asks for.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        let matches = command().try_get_matches()?;
        Self::from_arg_matches(&matches)
    }

    /// How much the command tells beside its result.
    pub(crate) fn loudness(&self) -> Loudness {
        match (self.quiet, self.verbose) {
            (true, _) => Loudness::Quiet,
            (false, true) => Loudness::Verbose,
            (false, false) => Loudness::Usual,
        }
    }
}

const FIRST_STEPS: &str = "\
First steps:
  # See what it does: two containers on a network, in a sandbox
  linkspan demo

  # Install the plugins where container runtimes look for them
  linkspan install --bin-dir /opt/cni/bin

  # The networks of this machine, and what is attached to them
  linkspan list

Exit status:
  0  done
  1  failed
  2  the command line or a variable cannot be understood
  3  the network is not there, or its configuration cannot be used
  4  failed, but may work later: a deadline has passed, or a plugin asks for it
  5  not begun, since it changes networks, which only root may do
  130, 143  ended by Ctrl-C or SIGTERM; what `add` had begun is detached again.
            So with other signals: 128 and their number";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Attach a network namespace to a network; print the result.
    Add(Add),
    /// Detach a network namespace from a network.
    ///
    /// It is no failure when it is not attached, or no more. Arguments that are not given are those
    /// of `add`; so is the configuration, when it is no more on disk.
    Del(Del),
    /// Check that an attachment is as `add` has left it.
    Check(Target),
    /// Remove what belongs to no attachment in use.
    ///
    /// In use are the attachments whose network namespace is not certainly gone, or those
    /// that --keep names. Where none is known, --all must say that none is meant. Attachments of another runtime, with a cache of its own, are not known here: run
    /// this on networks that are used by one runtime alone.
    Gc(Gc),
    /// Tell how this host's container networks are, or whether one of them is ready.
    ///
    /// Without a name: which networks are ready and which not, with the reason; how full the pools of addresses are; what is
    /// attached and what is left of containers that are gone; what failed lately. The exit status is 0 when all networks
    /// are ready, and 1 when one is not or there is none.
    Status(Status),
    /// List the networks on disk and the attachments made.
    List(List),
    /// Show what is attached, by which interface, address, link and bridge, and whether it is still there.
    ///
    /// Reads what runtimes keep, host-local's reservations and the kernel; runs no plugin and changes nothing. What other runtimes
    /// and other plugins have attached is shown as well. Only root sees all of it.
    Show(Show),
    /// Tell who holds which address, find addresses that nobody holds any more, and give those back.
    Ipam(Ipam),
    /// Find what is wrong on this host, and tell what mends it.
    ///
    /// Looks at configurations, plugins, pools, attachments, links, kernel parameters, netfilter, permissions, and who else
    /// manages links, and changes nothing. Each finding says what is wrong, on what, what that means for containers, and the
    /// command that mends it. --fix puts right what needs nobody's decision.
    Doctor(Doctor),
    /// Find mistakes in network configurations, and tell where, why and what to write instead.
    ///
    /// Reads them as the plugins do and beyond: unknown keys, wrong types, addresses that cannot be, orders of a chain that
    /// cannot work, names that hide each other, plugins that are not there. In files, directories, and in
    /// NetworkAttachmentDefinitions and ConfigMaps of Kubernetes. Keys of plugins that are not Linkspan's are left alone.
    /// --fix puts right what is certain to be meant otherwise.
    Lint(Lint),
    /// Explain what ADD will do on this host, what a key of a configuration means, or what is behind an error.
    ///
    /// Of a network, or of a configuration's file, each step is told that ADD will take for a container: what is there already,
    /// what will be made and why, and what would fail. Nothing is changed and no plugin is run; only root sees all of it.
    Explain(Explain),
    /// Make the configuration of a new network, or a crate with a plugin.
    New(New),
    /// List, look into, remove and make networks, as Podman's command of that name does.
    ///
    /// `list` lists networks together with what is attached.
    Network(Networks),
    /// Tell which plugins were called lately: when, for whom, how long it took, and why it failed.
    ///
    /// Plugins keep the last thousands of calls in memory, in /run/cni/linkspan; what was before the machine was started is gone.
    /// A plugin that was killed is not among them. Only root may see it, since it tells of containers.
    Events(Events),
    /// Write counters for Prometheus: calls of plugins, failures and durations, attachments, pools of addresses.
    ///
    /// In the text format that the node exporter's textfile collector reads. Counters begin anew when the machine is started.
    Metrics(Metrics),
    /// Put back what others removed from netfilter.
    ///
    /// A firewall that is reloaded, or a ruleset that is flushed, takes the masquerading, published ports and
    /// admissions of running containers along. What each attachment had stands in /run/cni/linkspan; this
    /// compares it with the kernel and puts back what is missing. It is no failure when nothing is.
    Reconcile(Reconcile),
    /// Prove a network: attach two throw-away containers, and send packets in every direction that it promises.
    ///
    /// From container to container, to the gateway, to and from the host, to the world outside, to published ports, by IPv4
    /// and IPv6, with the largest packet, within the limits; whatever plugins the network has. A line tells of each what
    /// came out, and where something did not, why and what to do. Everything is removed again.
    ///
    /// No container that is there is touched, and no packet leaves this machine unless --outside names an address: what
    /// plays the world outside is a namespace with an address of the documentation ranges (192.0.2.0/24, 2001:db8::/32).
    Test(Test),
    /// Judge a plugin, anybody's and in any language, by the specification: what was asked, what came, what it says.
    ///
    /// Runs it as runtimes do, and as none should: in every version that it claims, in chains, again, late, at a time, with an IPAM
    /// plugin that fails in every way, ended in its midst. What is told is compared with what is there. Each check names its
    /// section of the specification.
    ///
    /// Each check is made in network and mount namespaces of its own, as an ordinary user in a user namespace as well: nothing of
    /// this machine is changed, but for what the plugin writes elsewhere than below /run, /var/lib/cni, /etc/cni and /tmp.
    Conformance(Conformance),
    /// Attach, detach or check, and draw what took how long: chain, plugin, step, in milliseconds, with the kernel's share.
    ///
    /// What is done, and what is left of it, is the same as without. Plugins of Linkspan tell of their steps and of the requests
    /// that they send to the kernel; one of others is one bar. The exit status is that of the command.
    Trace(Trace),
    /// Tell the versions of Linkspan, or those that plugins support.
    Version(Version),
    /// Install the plugins: one file, and a link to it for the name of each.
    ///
    /// Files are replaced by renaming, so that running plugins go on and nobody meets half of one.
    Install(Install),
    /// Leave this machine to the plugins that were there before, with its containers running.
    ///
    /// Turns what running attachments have in netfilter into the chains of the reference plugins, puts back the files that
    /// `install` has replaced, and removes what else is Linkspan's. No container is disconnected. Says first what it will do,
    /// and can be repeated, also after it was interrupted.
    Uninstall(Uninstall),
    /// Wait for SIGTERM: the container that stays in a pod whose init container has installed the plugins.
    #[command(hide = true)]
    Pause,
    /// Show what Linkspan does: two containers on a network, in a sandbox.
    ///
    /// Writes a configuration, installs the plugins and attaches two containers, as a container runtime
    /// does; shows the results, what the kernel has then, and each step's time; pings between the
    /// containers, to the gateway and, masqueraded, to a namespace that plays the world outside;
    /// detaches, and looks whether anything is left.
    ///
    /// All of it happens in network and mount namespaces of its own, as an ordinary user in a user
    /// namespace as well: nothing of this machine is touched, and no program but the plugins is run.
    /// What has another outcome than it should is an error.
    Demo(Demo),
    /// Print what lets a shell complete commands, networks, containers and namespaces.
    Completions(Completions),
    /// Print a manual page, or write all of them.
    Man(Man),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }
}
