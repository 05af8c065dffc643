//! `list`.

use std::path::Path;

use linkspan_inspect::namespace::AtPath;
use linkspan_inspect::provenance;
use linkspan_runtime::{CachedAttachment, CachedFile, NetworkFile, Runtime, load_all};
use linkspan_spec::{NetworkList, Value};

use crate::args::List;
use crate::failure::Failure;
use crate::ui::{Ui, object, table};

/// Lists networks and attachments.
pub(crate) fn list(ui: Ui, args: &List) -> Result<(), Failure> {
    let networks = networks(args)?;
    let attachments = attachments(args);
    ui.detail(|| {
        let [networks, kept] = [args.places.config_dir(), args.places.cache_dir()];
        format!(
            "networks are read from {}, kept results from {}",
            networks.display(),
            kept.display()
        )
    });
    if let (Some(name), true) = (&args.network, networks.is_empty()) {
        // An attachment may outlive its network's configuration.
        if attachments.as_ref().map_or(true, Vec::is_empty) {
            args.places.network(ui, name)?;
        }
    }
    if ui.json {
        return ui.print_json(&json(networks, attachments?));
    }
    // Only root may read what is attached, while the networks are for everybody.
    let directory = args.places.config_dir();
    ui.print(&networks_text(ui, networks, &directory.to_string_lossy()))?;
    let text = attachments_text(ui, attachments?);
    ui.print(&format!("\n{text}"))
}

fn networks(args: &List) -> Result<Vec<NetworkFile>, Failure> {
    let mut networks = load_all(&args.places.config_dir())?;
    if let Some(wanted) = &args.network {
        networks.retain(|file| {
            let network = file.network.as_ref();
            network.is_ok_and(|network| network.name.as_str() == wanted)
        });
    }
    Ok(networks)
}

fn attachments(args: &List) -> Result<Vec<CachedFile>, Failure> {
    let runtime = Runtime::builder().cache_dir(args.places.cache_dir());
    let mut files = runtime.build().cached_files()?;
    if let Some(wanted) = &args.network {
        let wanted = wanted.parse().ok();
        files.retain(|file| wanted.as_ref().is_some_and(|name| file.may_be_of(name)));
    }
    Ok(files)
}

fn networks_text(ui: Ui, files: Vec<NetworkFile>, directory: &str) -> String {
    if files.is_empty() {
        return format!("No networks in {directory}.\n");
    }
    let mut rows = vec![row(["NETWORK", "VERSION", "PLUGINS", "FILE"])];
    let mut broken = String::new();
    for NetworkFile { path, network, .. } in files {
        let path = path.display().to_string();
        match network {
            Ok(network) => rows.push(row([
                network.name.as_str(),
                network.cni_version.as_str(),
                &plugins(&network).join(" "),
                &path,
            ])),
            Err(error) => {
                rows.push(row(["?", "?", "?", &path]));
                broken.push_str(&Failure::from(error).text(ui.style()));
            }
        }
    }
    table(ui.style(), &rows) + &broken
}

fn attachments_text(ui: Ui, files: Vec<CachedFile>) -> String {
    if files.is_empty() {
        return "No attachments.\n".to_owned();
    }
    let mut rows = vec![row([
        "NETWORK",
        "CONTAINER",
        "INTERFACE",
        "ADDRESSES",
        "NAMESPACE",
    ])];
    let mut broken = String::new();
    for file in files {
        match file.attachment {
            Ok(attachment) => {
                let endpoint = &attachment.endpoint;
                rows.push(row([
                    attachment.network.as_str(),
                    endpoint.container_id.as_str(),
                    endpoint.ifname.as_str(),
                    &addresses(&attachment).join(" "),
                    &namespace(&attachment, &file.path),
                ]));
            }
            Err(error) => {
                rows.push(row(["?", "?", "?", "?", "?"]));
                broken.push_str(&Failure::from(error).text(ui.style()));
            }
        }
    }
    table(ui.style(), &rows) + &broken
}

fn namespace(attachment: &CachedAttachment, file: &Path) -> String {
    let begun = match attachment.is_complete {
        true => "",
        false => " (only begun)",
    };
    let Some(path) = &attachment.endpoint.netns else {
        return format!("unknown{begun}");
    };
    let remark = match AtPath::look(path) {
        AtPath::There => "",
        AtPath::Gone if provenance::reason_to_live(file).is_none() => " (gone)",
        // It may be that of another mount namespace, or have been unmounted with processes inside.
        AtPath::Gone => " (not seen)",
        AtPath::Unknown(_) => " (unknown)",
    };
    format!("{}{remark}{begun}", path.display())
}

/// Whether it is there, where that is certain.
fn is_alive(netns: &Path, file: &Path) -> Option<bool> {
    match AtPath::look(netns) {
        AtPath::There => Some(true),
        AtPath::Gone if provenance::reason_to_live(file).is_none() => Some(false),
        AtPath::Gone | AtPath::Unknown(_) => None,
    }
}

fn addresses(attachment: &CachedAttachment) -> Vec<String> {
    let result = attachment.success().ok().flatten().unwrap_or_default();
    result.ips.iter().map(|ip| ip.address.to_string()).collect()
}

fn plugins(network: &NetworkList) -> Vec<String> {
    let types = network.plugins.iter().map(|plugin| plugin.plugin_type());
    types.flatten().map(|name| name.to_string()).collect()
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn json(networks: Vec<NetworkFile>, attachments: Vec<CachedFile>) -> Value {
    let networks: Value = networks.into_iter().map(network_json).collect();
    let attachments: Value = attachments.into_iter().map(file_json).collect();
    object([("networks", networks), ("attachments", attachments)])
}

fn network_json(file: NetworkFile) -> Value {
    let path = ("file", file.path.to_string_lossy().into());
    match file.network {
        Ok(network) => object([
            ("name", network.name.as_str().into()),
            ("cniVersion", network.cni_version.as_str().into()),
            ("plugins", plugins(&network).into()),
            path,
        ]),
        Err(error) => object([("error", Failure::from(error).json()), path]),
    }
}

fn file_json(file: CachedFile) -> Value {
    match file.attachment {
        Ok(attachment) => attachment_json(&attachment, &file.path),
        Err(error) => object([
            ("error", Failure::from(error).json()),
            ("file", file.path.to_string_lossy().into()),
        ]),
    }
}

fn attachment_json(attachment: &CachedAttachment, file: &Path) -> Value {
    let endpoint = &attachment.endpoint;
    let netns = endpoint.netns.as_deref();
    object([
        ("network", attachment.network.as_str().into()),
        ("containerID", endpoint.container_id.as_str().into()),
        ("ifname", endpoint.ifname.as_str().into()),
        ("complete", attachment.is_complete.into()),
        ("addresses", addresses(attachment).into()),
        ("netns", netns.map(|path| path.to_string_lossy()).into()),
        (
            "alive",
            netns.and_then(|netns| is_alive(netns, file)).into(),
        ),
    ])
}
