//! What a person sees of the demo, as it happens. Programs get a report at the end.

use std::time::Duration;

use crate::failure::Failure;
use crate::text::{cut, milliseconds, wrap, wrap_json};
use crate::tree::Node;
use crate::ui::Ui;

/// Columns before what belongs to a step.
const INDENT: usize = 4;
/// Columns of the time of a step.
const TIME: usize = 9;

#[derive(Clone, Copy)]
pub(super) struct Screen {
    ui: Ui,
    width: usize,
}

impl Screen {
    pub(super) fn new(ui: Ui) -> Self {
        Self {
            ui,
            width: ui.style().width(),
        }
    }

    fn print(self, text: &str) -> Result<(), Failure> {
        match self.ui.json {
            true => Ok(()),
            false => self.ui.print(text),
        }
    }

    /// Words over the whole width.
    pub(super) fn words(self, text: &str) -> Result<(), Failure> {
        self.print(&wrap(text, self.width).join("\n"))?;
        self.print("\n")
    }

    /// The beginning of a part.
    pub(super) fn heading(self, text: &str) -> Result<(), Failure> {
        self.print(&format!("\n{}\n", self.ui.style().bold(text)))
    }

    /// Something that was done, or was found to be as it should, and how long it took.
    pub(super) fn step(self, text: &str, elapsed: Option<Duration>) -> Result<(), Failure> {
        let style = self.ui.style();
        let tick = style.good("✓");
        let room = self.width.saturating_sub(INDENT);
        let Some(elapsed) = elapsed else {
            return self.print(&format!("  {tick} {}\n", cut(text, room)));
        };
        let time = format!("{:>TIME$}", milliseconds(elapsed));
        let room = room.saturating_sub(TIME);
        let text = cut(text, room);
        self.print(&format!("  {tick} {text:room$}{}\n", style.dim(&time)))
    }

    /// JSON that belongs to the step before.
    pub(super) fn json(self, text: &str) -> Result<(), Failure> {
        for line in wrap_json(text, self.width.saturating_sub(INDENT)) {
            self.print(&format!("    {line}\n"))?;
        }
        Ok(())
    }

    pub(super) fn tree(self, tree: &Node) -> Result<(), Failure> {
        let width = self.width.saturating_sub(INDENT);
        for line in tree.draw(self.ui.style(), Some(width)) {
            self.print(&format!("    {line}\n"))?;
        }
        Ok(())
    }
}
