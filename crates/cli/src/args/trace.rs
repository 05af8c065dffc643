//! `trace`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Add, Del, Target};

const EXAMPLES: &str = "\
Examples:
  # Attach c1, and see what took how long
  linkspan trace add mynet c1

  # The same for a collector of OpenTelemetry, or Jaeger
  linkspan trace add mynet c1 --otlp trace.json
  curl -H 'Content-Type: application/json' --data @trace.json http://localhost:4318/v1/traces";

/// `trace`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Trace {
    /// Write the trace to this file as well, as OTLP JSON (an ExportTraceServiceRequest)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) otlp: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: TraceCommand,
}

/// What is traced.
#[derive(Debug, Subcommand)]
pub(crate) enum TraceCommand {
    /// Attach a network namespace to a network, as `linkspan add` does
    Add(Add),
    /// Detach a network namespace from a network, as `linkspan del` does
    Del(Del),
    /// Check that an attachment is as `add` has left it, as `linkspan check` does
    Check(Target),
}
