//! `status`.

use linkspan_runtime::Outcome;

use crate::args::OneNetwork;
use crate::failure::Failure;
use crate::ui::{Ui, object};

/// Asks whether a network is ready.
pub(crate) fn status(ui: Ui, args: &OneNetwork) -> Result<(), Failure> {
    let network = args.places.network(ui, &args.network)?;
    let runtime = args.places.runtime(ui).build();
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
