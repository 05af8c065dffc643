//! Commands on what plugins were called for: `events` and `metrics`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::Look;
use super::values::duration;
use crate::complete;

const EVENTS_EXAMPLES: &str = "\
Examples:
  # What has failed in the last hour, and why
  linkspan events --failed --since 1h

  # What became of a container, by its ID, its pod or its network
  linkspan events 3f2a9c01b2d4
  linkspan events default/web-1

  # Watch; and for a program, a JSON object in a line for each call
  linkspan events --follow
  linkspan events --follow --json";

/// `events`.
#[derive(Args, Debug)]
#[command(after_help = EVENTS_EXAMPLES)]
pub(crate) struct Events {
    /// Only calls for this network, this container (its ID, four or more characters from its beginning, or its pod), or of this
    /// plugin
    #[arg(value_name = "NET|CONTAINER|PLUGIN", value_parser = NonEmptyStringValueParser::new(), add = complete::networks())]
    pub(crate) of: Option<String>,
    /// Only calls that began in the last time, such as 30s, 10m or 2h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) since: Option<Duration>,
    /// Only calls that failed
    #[arg(long)]
    pub(crate) failed: bool,
    /// Go on: show the last ten, or those since, and each call when it is over; with --json each in a line (JSON Lines)
    #[arg(short, long)]
    pub(crate) follow: bool,
}

const METRICS_EXAMPLES: &str = "\
Examples:
  linkspan metrics

  # Where the node exporter is told to look (--collector.textfile.directory), by a timer: contrib/systemd/linkspan-metrics.timer
  linkspan metrics --output /var/lib/prometheus/node-exporter/linkspan.prom";

/// `metrics`.
#[derive(Args, Debug)]
#[command(after_help = METRICS_EXAMPLES)]
pub(crate) struct Metrics {
    /// Write to this file, which is replaced at once and may be read by everybody (0644), instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) look: Look,
}
