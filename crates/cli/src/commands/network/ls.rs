//! `network ls`.

use std::path::Path;

use linkspan_inspect::Host;
use linkspan_inspect::network::Network;
use linkspan_spec::Value;

use crate::args::NetworksLs;
use crate::failure::Failure;
use crate::text::one_word;
use crate::ui::{Ui, object, table};

/// Lists the networks.
pub(super) fn ls(ui: Ui, args: &NetworksLs) -> Result<(), Failure> {
    let places = args.look.places();
    let host = ui.look(&places);
    if ui.json {
        let networks: Value = host
            .networks
            .iter()
            .map(|network| json(&host, network))
            .collect();
        return ui.print_json(&object([("networks", networks)]));
    }
    if ui.is_quiet() {
        let in_force = host.networks.iter().filter(|network| network.is_in_force());
        let names: String = in_force
            .filter_map(|network| network.name.as_deref())
            .map(|name| format!("{}\n", one_word(name)))
            .collect();
        return ui.print(&names);
    }
    if host.networks.is_empty() {
        let directories: Vec<String> = places
            .config_dirs
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        return ui.print(&format!(
            "No networks in {}. `linkspan new network` makes one.\n",
            directories.join(", ")
        ));
    }
    let heading = ["NAME", "DRIVER", "SUBNETS", "ATTACHED", "FILE"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(host.networks.iter().map(|network| row(&host, network)));
    ui.print(&table(ui.style(), &rows))
}

fn row(host: &Host, network: &Network) -> Vec<String> {
    let file = network.file.display();
    let remark = match (&network.problem, &network.shadowed_by) {
        (Some(_), _) => " (cannot be read: `linkspan lint`)".to_owned(),
        (None, Some(first)) => format!(" (never used: {} has the name)", file_name(first)),
        (None, None) => String::new(),
    };
    let unknown = || "?".to_owned();
    vec![
        network
            .name
            .as_deref()
            .map_or_else(unknown, |name| one_word(name).into_owned()),
        network.plugins.first().cloned().unwrap_or_else(unknown),
        match network.subnets().as_slice() {
            [] => network.ipam.join(" "),
            subnets => subnets
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" "),
        },
        attached(host, network).to_string(),
        format!("{file}{remark}"),
    ]
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// How many attachments a network has whose container is not certainly gone.
fn attached(host: &Host, network: &Network) -> usize {
    if !network.is_in_force() {
        return 0;
    }
    let attachments = host.attachments_of(network.name.as_deref().unwrap_or_default());
    attachments.filter(|one| !one.life.is_gone()).count()
}

fn json(host: &Host, network: &Network) -> Value {
    let problem = network.problem.as_ref().map(ToString::to_string);
    let shadowed = network
        .shadowed_by
        .as_ref()
        .map(|path| path.to_string_lossy().into_owned());
    object([
        ("name", network.name.as_deref().into()),
        ("driver", network.plugins.first().map(String::as_str).into()),
        (
            "subnets",
            network.subnets().iter().map(ToString::to_string).collect(),
        ),
        ("attached", attached(host, network).into()),
        ("file", network.file.to_string_lossy().into()),
        ("cniVersion", network.cni_version.as_deref().into()),
        (
            "plugins",
            network.plugins.iter().map(String::as_str).collect(),
        ),
        ("ipam", network.ipam.iter().map(String::as_str).collect()),
        ("problem", problem.into()),
        ("shadowedBy", shadowed.into()),
    ])
}
