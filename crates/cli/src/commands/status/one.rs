//! `status NET`.

use linkspan_runtime::Outcome;

use crate::args::Places;
use crate::failure::Failure;
use crate::ui::{Ui, object};

/// Whether a network is ready.
pub(super) fn is_ready(ui: Ui, name: &str, places: &Places) -> bool {
    let asked = || -> Result<(), Failure> {
        let network = places.network(ui, name)?;
        places.runtime(ui).build().status(&network)?;
        Ok(())
    };
    asked().is_ok()
}

/// Asks whether a network is ready.
pub(super) fn status(ui: Ui, name: &str, places: &Places) -> Result<(), Failure> {
    let network = places.network(ui, name)?;
    let runtime = places.runtime(ui).build();
    let name = &network.name;
    let _progress = ui.progress(format!("asking the plugins of network {name}"));
    let is_asked = match runtime.status(&network)? {
        Outcome::NotInVersion => {
            runtime.validate(&network)?;
            false
        }
        _ => true,
    };
    let words = match is_asked {
        true => format!("network {name} is ready"),
        false => format!(
            "the plugins of network {name} are there and support its version {}, which has no STATUS",
            network.cni_version
        ),
    };
    let told = object([
        ("network", name.as_str().into()),
        ("ready", true.into()),
        ("asked", is_asked.into()),
    ]);
    ui.done(&words, told)
}
