//! `conformance`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};

use super::values::duration;

const EXAMPLES: &str = "\
Examples:
  linkspan conformance --plugin /opt/cni/bin/bridge

  # A plugin of your own: its keys, or a list of plugins with it among them
  linkspan conformance --plugin ./my-plugin --config my.conf --cni-path /opt/cni/bin

  # In CI: for its page of tests, with what is known to be otherwise
  linkspan conformance --plugin ./my-plugin --config my.conf --except known.txt --junit junit.xml

  # One that needs a daemon
  linkspan conformance --plugin ./my-plugin --config my.conf --private /var/lib/my --before './my-daemon --socket /run/my.sock &'

  # What is asked, and where the specification says it
  linkspan conformance --list

Exit status:
  0  the plugin conforms: it does all that the specification requires
  1  it does not, or could not be judged
  2  the command line, the configuration or the file of exceptions cannot be understood";

/// `conformance`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Conformance {
    /// The plugin's file; can be given several times
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "list")]
    pub(crate) plugin: Vec<PathBuf>,
    /// The plugin's configuration, or a list of plugins with it among them [default: one that its name is known for]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// What it does: interface (makes one), chained (changes one), or ipam (gives addresses) [default: told by name and
    /// configuration]
    #[arg(long, value_name = "KIND", hide_possible_values = true)]
    pub(crate) kind: Option<PluginsKind>,
    /// Directories of plugins that it asks, separated by colons, behind its own
    #[arg(long, value_name = "DIRS")]
    pub(crate) cni_path: Option<String>,
    /// Name of the interface in the containers [default: eth0]
    #[arg(short, long, value_name = "NAME")]
    pub(crate) ifname: Option<String>,
    /// A directory that it keeps state in, beside those below /run, /var/lib/cni, /etc/cni and /tmp: each check finds it
    /// empty; can be given several times
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) private: Vec<PathBuf>,
    /// A line of shell that is run on the host of each check before the plugin, with CNI_PATH, such as one that starts its daemon
    /// in the background; what it leaves running is ended with the check
    #[arg(long, value_name = "COMMAND", value_hint = ValueHint::CommandString)]
    pub(crate) before: Option<String>,
    /// It attaches one container at a time, such as one that gives a device away
    #[arg(long)]
    pub(crate) single: bool,
    /// Make this check alone; can be given several times
    #[arg(long, value_name = "CHECK", conflicts_with = "list")]
    pub(crate) check: Vec<String>,
    /// Checks that it need not pass: in each line the check's name, and the reason
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) except: Option<PathBuf>,
    /// Write a report in JUnit's XML as well
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) junit: Option<PathBuf>,
    /// Print what was found as Markdown
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
    /// How long each run of the plugin may take, such as 500ms, 30s or 2m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// List the checks, and run no plugin
    #[arg(long, conflicts_with_all = ["plugin", "config"])]
    pub(crate) list: bool,
}

/// What a plugin does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PluginsKind {
    /// It makes the container's interface.
    #[value(help = None)]
    Interface,
    /// It changes an interface that another plugin has made.
    #[value(help = None)]
    Chained,
    /// It gives addresses to other plugins.
    #[value(help = None)]
    Ipam,
}
