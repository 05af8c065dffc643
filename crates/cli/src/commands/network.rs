//! `gc` and `status`.

use std::fs;
use std::path::Path;

use linkspan_runtime::{Endpoint, Outcome, Runtime};
use linkspan_spec::{Attachment, Command, NetworkList};

use crate::args::{Gc, OneNetwork};
use crate::failure::Failure;
use crate::ui::Ui;

/// Removes what belongs to no attachment in use.
pub(crate) fn gc(ui: Ui, args: &Gc) -> Result<(), Failure> {
    let network = args.network.places.network(&args.network.network)?;
    let runtime = args.network.places.runtime(ui).build();
    let in_use = match args {
        Gc { all: true, .. } => None,
        Gc { keep, .. } if keep.is_empty() => Some(alive(&runtime, &network)?),
        Gc { keep, .. } => Some(
            keep.iter()
                .map(|text| kept(text))
                .collect::<Result<_, _>>()?,
        ),
    };
    let outcome = runtime.gc(&network, in_use.as_deref())?;
    let name = &network.name;
    ui.done(&match outcome {
        Outcome::Disabled => {
            format!("nothing was removed: the configuration of network {name} sets disableGC")
        }
        _ => format!(
            "network {name} has {} attachments in use",
            in_use.unwrap_or_default().len()
        ),
    })
}

/// The network's attachments whose namespace is still there, or not known: better one too many.
fn alive(runtime: &Runtime, network: &NetworkList) -> Result<Vec<Attachment>, Failure> {
    let cached = runtime.attachments(None)?.into_iter();
    Ok(cached
        .filter(|cached| cached.network == network.name)
        .filter(|cached| cached.endpoint.netns.as_deref().is_none_or(is_namespace))
        .map(|cached| cached.endpoint.attachment())
        .collect())
}

/// Whether a network namespace is there. A file of that name may be what was a mount point before
/// the machine was started again.
pub(super) fn is_namespace(path: &Path) -> bool {
    let namespaces = fs::metadata("/proc/self/ns/net");
    match (fs::metadata(path), namespaces) {
        (Ok(found), Ok(ours)) => {
            use std::os::unix::fs::MetadataExt;
            found.dev() == ours.dev()
        }
        _ => false,
    }
}

fn kept(text: &str) -> Result<Attachment, Failure> {
    let (container, ifname) = text.split_once(':').unwrap_or((text, "eth0"));
    let invalid = |error: linkspan_spec::NameError| Failure::usage(error.to_string());
    let endpoint = Endpoint::new(
        container.parse().map_err(invalid)?,
        ifname.parse().map_err(invalid)?,
    );
    Ok(endpoint.attachment())
}

/// Asks whether a network is ready.
pub(crate) fn status(ui: Ui, args: &OneNetwork) -> Result<(), Failure> {
    let network = args.places.network(&args.network)?;
    let outcome = args.places.runtime(ui).build().status(&network)?;
    let name = &network.name;
    ui.done(&match outcome {
        Outcome::NotInVersion => format!(
            "nothing was asked: network {name} has version {}, STATUS came with {}",
            network.cni_version,
            Command::Status.since()
        ),
        _ => format!("network {name} is ready"),
    })
}
