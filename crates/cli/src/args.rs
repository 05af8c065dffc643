//! The command line's words, and its help.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use linkspan_netfilter::Backend;

/// Container networking for the people who run it: attaches containers to CNI networks, checks and
/// detaches them, and says what is wrong and what to do.
///
/// Takes the place of cnitool: the same commands, variables and container IDs.
#[derive(Debug, Parser)]
#[command(name = "linkspan", version, after_help = FIRST_STEPS, max_term_width = 100)]
pub(crate) struct Cli {
    /// Print errors, and what the command has to tell, as JSON: one object on standard error, one on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
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
  130, 143  ended by Ctrl-C or SIGTERM; what `add` had begun is detached again. So with other signals: 128 and their number";

const UNINSTALL_EXAMPLES: &str = "\
Examples:
  # See what it would do
  linkspan uninstall --bin-dir /opt/cni/bin --dry-run

  linkspan uninstall --bin-dir /opt/cni/bin";

const ADD_EXAMPLES: &str = "\
Examples:
  # Attach the namespace c1 to the network mynet, as eth0
  ip netns add c1
  linkspan add mynet /run/netns/c1

  # With a configuration and plugins of your own, and a fixed address
  linkspan add mynet /run/netns/c1 --conf-dir ./net.d --cni-path ./bin \\
      --args 'IgnoreUnknown=1;IP=10.22.0.9'

  # With a MAC address, where the network declares the capability
  linkspan add mynet /run/netns/c1 --cap-args '{\"mac\":\"02:00:00:00:00:01\"}'";

const DEL_EXAMPLES: &str = "\
Examples:
  linkspan del mynet /run/netns/c1

  # The namespace is gone, and other plugins are to be run though one fails
  linkspan del mynet /run/netns/c1 --keep-going";

const GC_EXAMPLES: &str = "\
Examples:
  # Remove what belongs to namespaces that are gone
  linkspan gc mynet

  # See what would go, and why
  linkspan gc mynet --dry-run

  # Remove all but the attachments of two containers: of the one all, of the other one interface
  linkspan gc mynet --keep c1 --keep /run/netns/c2:net1";

const RECONCILE_EXAMPLES: &str = "\
Examples:
  nft flush ruleset; linkspan reconcile
  linkspan reconcile --watch     as the unit contrib/systemd/linkspan-reconcile.service runs it";

const VERSION_EXAMPLES: &str = "\
Examples:
  linkspan version
  linkspan version bridge portmap --cni-path /usr/lib/cni";

const INSTALL_EXAMPLES: &str = "\
Examples:
  linkspan install --bin-dir /opt/cni/bin
  linkspan install --bin-dir ./bin --from target/release/linkspan-plugins";

const DEMO_EXAMPLES: &str = "\
Examples:
  linkspan demo

  # Look around with two containers attached; `exit` goes on
  linkspan demo --shell

  # The same with other plugins
  linkspan demo --plugins /usr/lib/cni";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Attach a network namespace to a network; print the result.
    #[command(after_help = ADD_EXAMPLES)]
    Add(Add),
    /// Detach a network namespace from a network.
    ///
    /// It is no failure when it is not attached, or no more. Arguments that are not given are those
    /// of `add`; so is the configuration, when it is no more on disk.
    #[command(after_help = DEL_EXAMPLES)]
    Del(Del),
    /// Check that an attachment is as `add` has left it.
    Check(Target),
    /// Remove what belongs to no attachment in use.
    ///
    /// In use are the attachments whose network namespace is not certainly gone, or those
    /// that --keep names. Where none is known, --all must say that none is meant. Attachments of another runtime, with a cache of its own, are not known here: run
    /// this on networks that are used by one runtime alone.
    #[command(after_help = GC_EXAMPLES)]
    Gc(Gc),
    /// Ask whether a network is ready to attach containers.
    Status(OneNetwork),
    /// List the networks on disk and the attachments made.
    List(List),
    /// Put back what others removed from netfilter.
    ///
    /// A firewall that is reloaded, or a ruleset that is flushed, takes the masquerading, published ports and
    /// admissions of running containers along. What each attachment had stands in /run/cni/linkspan; this
    /// compares it with the kernel and puts back what is missing. It is no failure when nothing is.
    #[command(after_help = RECONCILE_EXAMPLES)]
    Reconcile(Reconcile),
    /// Tell the versions of Linkspan, or those that plugins support.
    #[command(after_help = VERSION_EXAMPLES)]
    Version(Version),
    /// Install the plugins: one file, and a link to it for the name of each.
    ///
    /// Files are replaced by renaming, so that running plugins go on and nobody meets half of one.
    #[command(after_help = INSTALL_EXAMPLES)]
    Install(Install),
    /// Leave this machine to the plugins that were there before, with its containers running.
    ///
    /// Turns what running attachments have in netfilter into the chains of the reference plugins, puts back the files that
    /// `install` has replaced, and removes what else is Linkspan's. No container is disconnected. Says first what it will do,
    /// and can be repeated, also after it was interrupted.
    #[command(after_help = UNINSTALL_EXAMPLES)]
    Uninstall(Uninstall),
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
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(Demo),
}

/// `reconcile`.
#[derive(Args, Debug)]
pub(crate) struct Reconcile {
    /// Go on: put back whenever the ruleset was changed; with --json each time a line of its own (JSON Lines)
    #[arg(long, conflicts_with = "backend")]
    pub(crate) watch: bool,
    /// Have this backend do for running attachments what another does: nftables, or iptables, with the chains of the
    /// reference plugins
    #[arg(long, value_name = "BACKEND")]
    pub(crate) backend: Option<Backend>,
    /// Tell what would be done, and change nothing
    #[arg(long, requires = "backend")]
    pub(crate) dry_run: bool,
}

/// Where things are.
#[derive(Args, Debug)]
pub(crate) struct Places {
    /// Directories of plugins, separated by colons [env: CNI_PATH] [default: /opt/cni/bin]
    #[arg(long, value_name = "DIRS")]
    pub(crate) cni_path: Option<String>,
    /// Directory of network configurations [env: NETCONFPATH] [default: /etc/cni/net.d]
    #[arg(long, value_name = "DIR")]
    pub(crate) conf_dir: Option<PathBuf>,
    /// Directory in which results are kept [default: /var/lib/cni]
    #[arg(long, value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// How long the operation may take, such as 500ms, 30s or 2m; none: as long as it likes
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = duration)]
    pub(crate) timeout: Duration,
}

/// An attachment: which container's end, on which network.
#[derive(Args, Debug)]
pub(crate) struct Target {
    /// Name of the network
    #[arg(value_name = "NET")]
    pub(crate) network: String,
    /// Path of the network namespace, such as /run/netns/c1
    #[arg(value_name = "NETNS")]
    pub(crate) netns: PathBuf,
    /// Name of the interface in the container [env: CNI_IFNAME] [default: eth0]
    #[arg(short, long, value_name = "NAME")]
    pub(crate) ifname: Option<String>,
    /// ID of the container [default: derived from NETNS, as cnitool does]
    #[arg(long, value_name = "ID")]
    pub(crate) container_id: Option<String>,
    /// Arguments for the plugins, such as 'IgnoreUnknown=1;IP=10.22.0.9' [env: CNI_ARGS]
    #[arg(long, value_name = "KEY=VALUE;...")]
    pub(crate) args: Option<String>,
    /// Arguments by capability, a JSON object [env: CAP_ARGS]
    #[arg(long, value_name = "JSON")]
    pub(crate) cap_args: Option<String>,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// `add`.
#[derive(Args, Debug)]
pub(crate) struct Add {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Detach at once when it fails, instead of leaving that to `del`; not what was attached before, nor what the first plugin
    /// refuses
    #[arg(long)]
    pub(crate) cleanup: bool,
}

/// `del`.
#[derive(Args, Debug)]
pub(crate) struct Del {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Go on to the other plugins when one fails
    #[arg(long)]
    pub(crate) keep_going: bool,
}

/// A network as a whole.
#[derive(Args, Debug)]
pub(crate) struct OneNetwork {
    /// Name of the network
    #[arg(value_name = "NET")]
    pub(crate) network: String,
    /// Not used; cnitool asks for it
    #[arg(value_name = "NETNS", hide = true)]
    pub(crate) netns: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// `gc`.
#[derive(Args, Debug)]
pub(crate) struct Gc {
    #[command(flatten)]
    pub(crate) network: OneNetwork,
    /// A container that is in use, and no other but those named so: by its ID, or its namespace's name
    /// or path; all its interfaces, or the one behind a colon
    #[arg(long, value_name = "CONTAINER[:IFNAME]")]
    pub(crate) keep: Vec<String>,
    /// No attachment is in use: remove all, as cnitool does
    #[arg(long, conflicts_with = "keep")]
    pub(crate) all: bool,
    /// Change nothing; show what would go and why
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `list`.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only this network
    #[arg(value_name = "NET")]
    pub(crate) network: Option<String>,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// `version`.
#[derive(Args, Debug)]
pub(crate) struct Version {
    /// Plugins to ask
    #[arg(value_name = "PLUGIN")]
    pub(crate) plugins: Vec<String>,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// `install`.
#[derive(Args, Debug)]
pub(crate) struct Install {
    /// Where to; container runtimes look in /opt/cni/bin
    #[arg(long, value_name = "DIR")]
    pub(crate) bin_dir: PathBuf,
    /// The plugins' file [default: linkspan-plugins beside this program or in CNI_PATH]
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// Overwrite also what does not answer as a CNI plugin
    #[arg(long)]
    pub(crate) force: bool,
    /// Do not keep what is replaced; else files that are not Linkspan's are kept, and `uninstall` puts them back
    #[arg(long)]
    pub(crate) no_backup: bool,
}

/// `uninstall`.
#[derive(Args, Debug)]
pub(crate) struct Uninstall {
    /// Where the plugins were installed
    #[arg(long, value_name = "DIR")]
    pub(crate) bin_dir: PathBuf,
    /// Tell what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Go on where running containers are left without the plugins that detach them
    #[arg(long)]
    pub(crate) force: bool,
}

/// `demo`.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Directory of the plugins to show [default: Linkspan's own, from the file linkspan-plugins beside
    /// this program or in CNI_PATH]
    #[arg(long, value_name = "DIR")]
    pub(crate) plugins: Option<PathBuf>,
    /// Start a shell in the sandbox before the containers are detached
    #[arg(long)]
    pub(crate) shell: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    if text == "none" {
        return Ok(Duration::MAX);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let milliseconds = match &text[digits.len()..] {
        "ms" => 1,
        "s" | "" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        unit => return Err(format!("unknown unit {unit:?}: use ms, s, m or h")),
    };
    let number: u64 = digits
        .parse()
        .map_err(|error| format!("{digits:?} is not a whole number: {error}"))?;
    match number.checked_mul(milliseconds) {
        Some(0) => Err("no time at all is not enough".to_owned()),
        Some(time) => Ok(Duration::from_millis(time)),
        None => Err("it is too long; use none".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("30", 30_000),
            ("2m", 120_000),
        ] {
            assert_eq!(
                duration(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        assert_eq!(duration("none"), Ok(Duration::MAX));
        for text in [
            "",
            "0",
            "0ms",
            "-1s",
            "1.5s",
            "1d",
            "s",
            "99999999999999999999h",
            "9999999999999999999m",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
