//! `status`: how this host's container networks are.

mod all;
mod draw;
mod failures;
mod one;

use std::thread;
use std::time::{Duration, Instant};

use crate::args::Status;
use crate::failure::Failure;
use crate::ui::Ui;

/// How often it is asked again whether networks are ready: what makes them ready can be anything.
const PACE: Duration = Duration::from_millis(500);

/// Tells how all networks are, or one.
pub(crate) fn status(ui: Ui, args: &Status) -> Result<(), Failure> {
    let patience = args.wait.unwrap_or_default();
    let deadline = Instant::now().checked_add(patience);
    let _progress = args
        .wait
        .map(|_| ui.progress("waiting for the networks to be ready"));
    loop {
        let is_over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let told = match &args.network {
            Some(name) if is_over => return one::status(ui, name, &args.places),
            None if is_over => return all::status(ui, args),
            Some(name) => one::is_ready(ui, name, &args.places),
            None => all::is_ready(ui, args),
        };
        if told {
            return match &args.network {
                Some(name) => one::status(ui, name, &args.places),
                None => all::status(ui, args),
            };
        }
        thread::sleep(PACE);
    }
}
