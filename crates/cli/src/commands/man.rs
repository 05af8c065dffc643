//! `man`: manual pages, made of the definitions that the help is made of.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::Command;
use clap_mangen::Man as Page;
use clap_mangen::roff::{Roff, bold, roman};

use crate::args::{self, Man};
use crate::failure::{Failure, Kind};
use crate::ui::{Ui, object};

/// Commands, in the terms of man(1).
const SECTION: &str = "1";
/// What the pages are of.
const MANUAL: &str = "Linkspan";

/// Prints a page, or writes all.
pub(crate) fn man(ui: Ui, args: &Man) -> Result<(), Failure> {
    let program = program();
    if let Some(dir) = &args.dir {
        return write(ui, &program, dir);
    }
    let command = match &args.command {
        None => &program,
        Some(name) => {
            let found = pages(&program)
                .into_iter()
                .find(|command| name_below(command) == name);
            found.ok_or_else(|| unknown(&program, name))?
        }
    };
    let page = page(command).map_err(|error| cannot("make the manual page", error))?;
    match ui.json {
        true => ui.print_json(&object([
            ("name", file_name(command).into()),
            ("page", page.into()),
        ])),
        false => ui.print(&page),
    }
}

fn write(ui: Ui, program: &Command, dir: &Path) -> Result<(), Failure> {
    let write = |command: &Command| {
        let path = dir.join(file_name(command));
        page(command).and_then(|page| fs::write(&path, page))?;
        Ok(path)
    };
    let written =
        fs::create_dir_all(dir).and_then(|()| pages(program).into_iter().map(write).collect());
    let paths: Vec<_> = written.map_err(|error: io::Error| {
        cannot(&format!("write manual pages into {}", dir.display()), error)
    })?;
    let words = format!("{} manual pages are in {}", paths.len(), dir.display());
    let paths: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
    ui.done(&words, object([("written", paths.into())]))
}

fn cannot(what: &str, error: io::Error) -> Failure {
    Failure::new(Kind::Failed, format!("cannot {what}")).because(error)
}

fn unknown(program: &Command, name: &str) -> Failure {
    let names: Vec<_> = pages(program).into_iter().skip(1).map(name_below).collect();
    Failure::usage(format!("there is no command {name:?}"))
        .advise(format!("The commands are: {}.", names.join(", ")))
}

/// The whole command line, where each command knows its whole name.
pub(crate) fn program() -> Command {
    let mut program = args::command().disable_help_subcommand(true);
    program.build();
    program
}

/// What has a page of its own: the program, then its commands, each before those that are below it.
pub(crate) fn pages(command: &Command) -> Vec<&Command> {
    let below = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    std::iter::once(command)
        .chain(below.flat_map(pages))
        .collect()
}

fn file_name(command: &Command) -> String {
    format!("{}.{SECTION}", full_name(command))
}

/// The name as a page has it, such as `linkspan-add`.
fn full_name(command: &Command) -> &str {
    command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
}

/// The same without the program's name: `add`, `ipam-show`.
pub(crate) fn name_below(command: &Command) -> &str {
    let name = full_name(command);
    name.split_once('-').map_or(name, |(_, name)| name)
}

fn page(command: &Command) -> io::Result<String> {
    let program = concat!("linkspan ", env!("CARGO_PKG_VERSION"));
    let page = Page::new(command.clone());
    let mut text = Vec::new();
    // Without a date, so that the same sources give the same pages; clap_mangen leaves an empty one out.
    writeln!(
        text,
        ".TH {} {SECTION} \"\" \"{program}\" \"{MANUAL}\"",
        full_name(command).to_uppercase()
    )?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    let mut rest = Roff::new();
    let more = command.get_after_help().map(ToString::to_string);
    more_sections(&mut rest, &more.unwrap_or_default());
    see_also(&mut rest, command);
    rest.to_writer(&mut text)?;
    String::from_utf8(text).map_err(io::Error::other)
}

/// What stands behind the help: parts with a heading each, whose lines stay as they are.
fn more_sections(roff: &mut Roff, text: &str) {
    let mut is_open = false;
    for line in text.lines() {
        let heading = line.strip_suffix(':').filter(|line| !line.starts_with(' '));
        match heading {
            Some(heading) => {
                if is_open {
                    roff.control("fi", []);
                }
                roff.control("SH", [heading.to_uppercase().as_str()]);
                roff.control("nf", []);
                is_open = true;
            }
            None => {
                roff.text([roman(line)]);
            }
        }
    }
    if is_open {
        roff.control("fi", []);
    }
}

fn see_also(roff: &mut Roff, command: &Command) {
    if full_name(command) == command.get_name() {
        return;
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold("linkspan"), roman(format!("({SECTION})"))]);
}
