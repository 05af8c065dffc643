//! `completions`.

use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};

use crate::args::{Completions, Shell};
use crate::complete::VARIABLE;
use crate::failure::{Failure, Kind};
use crate::ui::{Ui, object};

/// The program's name, by which shells call it.
const NAME: &str = "linkspan";

/// zsh reads the file when the first command line is completed, and expects that to be done then.
const ZSH_FIRST: &str = "
if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then
    _clap_dynamic_completer_linkspan \"$@\"
fi
";

/// Prints a shell's script, which calls this program for the words; see [`crate::complete`].
pub(crate) fn completions(ui: Ui, args: &Completions) -> Result<(), Failure> {
    let (shell, more): (&dyn EnvCompleter, _) = match args.shell {
        Shell::Bash => (&Bash, ""),
        Shell::Zsh => (&Zsh, ZSH_FIRST),
        Shell::Fish => (&Fish, ""),
    };
    let mut script = Vec::new();
    shell
        .write_registration(VARIABLE, NAME, NAME, NAME, &mut script)
        .map_err(|error| {
            Failure::new(Kind::Failed, "cannot write the completions").because(error)
        })?;
    let script = String::from_utf8_lossy(&script) + more;
    match ui.json {
        true => ui.print_json(&object([
            ("shell", shell.name().into()),
            ("script", script.into_owned().into()),
        ])),
        false => ui.print(&script),
    }
}
