//! The binary `linkspan`: container networking for the people who run it.
//!
//! The commands take the place of cnitool, with its variables (`CNI_PATH`, `NETCONFPATH`,
//! `CNI_ARGS`, `CAP_ARGS`, `CNI_IFNAME`) and its container IDs; a flag goes before a variable. The
//! work is done by the libraries; here are the command line ([`args`]), what the commands tell
//! ([`ui`], [`failure`]) and one module for each command ([`commands`]).
//!
//! Results go to standard output as JSON, everything else that is told to standard error: for
//! people, or with `--json` for programs, which get one object on each of the two at most. The exit statuses are those of [`failure::Kind`].
//!
//! Where it does otherwise than cnitool:
//! - `gc` spares the attachments whose namespace is still there, unless `--all` says otherwise.
//! - `del` uses the configuration and the arguments of `add` where none are given.
//! - Without CNI_PATH, plugins are searched in `/opt/cni/bin`.
//! - Every operation has a deadline.
#![forbid(unsafe_code)]

mod args;
mod commands;
mod complete;
mod draw;
mod failure;
mod file;
#[cfg(doc)]
mod libcni;
mod netns;
mod privilege;
mod progress;
mod signals;
mod style;
mod target;
mod text;
mod tree;
mod ui;
mod units;

use std::process::ExitCode;

use crate::args::{Cli, Command};
use crate::failure::{Failure, Kind};
use crate::ui::{Loudness, Ui};

#[global_allocator]
static ALLOCATOR: linkspan_start::Allocator = linkspan_start::Allocator;

fn main() -> ExitCode {
    linkspan_start::prepare();
    complete::answer();
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error),
    };
    let ui = Ui::new(cli.json, cli.loudness());
    match run(ui, &cli.command) {
        Ok(()) => {
            ui.end();
            ExitCode::SUCCESS
        }
        Err(failure) => {
            ui.fail(&failure);
            signals::exit_status()
                .map_or_else(|| ExitCode::from(failure.kind as u8), ExitCode::from)
        }
    }
}

/// Tells what is wrong with the command line, or what it asks for: help, or the version.
fn misunderstood(error: &clap::Error) -> ExitCode {
    let mut words = std::env::args_os().skip(1).take_while(|word| word != "--");
    if error.use_stderr() && words.any(|word| word == "--json") {
        Ui::new(true, Loudness::Usual).fail(&Failure::of_command_line(error));
        return ExitCode::from(Kind::Usage as u8);
    }
    error.exit()
}

fn run(ui: Ui, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Add(args) => commands::attach::add(ui, args),
        Command::Del(args) => commands::attach::del(ui, args),
        Command::Check(args) => commands::attach::check(ui, args),
        Command::Gc(args) => commands::gc::gc(ui, args),
        Command::Status(args) => commands::status::status(ui, args),
        Command::List(args) => commands::list::list(ui, args),
        Command::Show(args) => commands::show::show(ui, args),
        Command::Ipam(args) => commands::ipam::ipam(ui, args),
        Command::Doctor(args) => commands::doctor::doctor(ui, args),
        Command::Lint(args) => commands::lint::lint(ui, args),
        Command::Events(args) => commands::events::events(ui, args),
        Command::Explain(args) => commands::explain::explain(ui, args),
        Command::New(args) => commands::new::new(ui, args),
        Command::Network(args) => commands::network::network(ui, args),
        Command::Metrics(args) => commands::metrics::metrics(ui, args),
        Command::Reconcile(args) => commands::reconcile::reconcile(ui, args),
        Command::Test(args) => commands::test::test(ui, args),
        Command::Conformance(args) => commands::conformance::conformance(ui, args),
        Command::Trace(args) => commands::trace::trace(ui, args),
        Command::Version(args) => commands::version::version(ui, args),
        Command::Install(args) => commands::install::install(ui, args),
        Command::Uninstall(args) => commands::uninstall::uninstall(ui, args),
        Command::Pause => commands::pause::pause(),
        Command::Demo(args) => commands::demo::demo(ui, args),
        Command::Completions(args) => commands::shell::completions(ui, args),
        Command::Man(args) => commands::man::man(ui, args),
    }
}
