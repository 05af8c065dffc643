//! `list`.

use linkspan_runtime::{CachedAttachment, NetworkFile, load_all};
use linkspan_spec::{NetworkList, Value};

use super::network::is_namespace;
use crate::args::List;
use crate::failure::Failure;
use crate::ui::{Ui, object, table};

/// Lists networks and attachments.
pub(crate) fn list(ui: Ui, args: &List) -> Result<(), Failure> {
    let wanted = |name: &str| args.network.as_deref().is_none_or(|wanted| wanted == name);
    let mut networks = load_all(&args.places.config_dir())?;
    networks.retain(|file| match &file.network {
        Ok(network) => wanted(network.name.as_str()),
        Err(_) => args.network.is_none(),
    });
    let attachments = || {
        let mut attachments = args.places.runtime(ui).build().attachments(None)?;
        attachments.retain(|attachment| wanted(attachment.network.as_str()));
        Ok::<_, Failure>(attachments)
    };
    if ui.json {
        return ui.print_json(&json(networks, &attachments()?));
    }
    // Only root may read what is attached, while the networks are for everybody.
    let directory = args.places.config_dir();
    ui.print(&networks_text(ui, networks, &directory.to_string_lossy()))?;
    let text = attachments_text(ui, &attachments()?);
    ui.print(&format!("\n{text}"))
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

fn attachments_text(ui: Ui, attachments: &[CachedAttachment]) -> String {
    if attachments.is_empty() {
        return "No attachments.\n".to_owned();
    }
    let mut rows = vec![row([
        "NETWORK",
        "CONTAINER",
        "INTERFACE",
        "ADDRESSES",
        "NAMESPACE",
    ])];
    for attachment in attachments {
        let endpoint = &attachment.endpoint;
        rows.push(row([
            attachment.network.as_str(),
            endpoint.container_id.as_str(),
            endpoint.ifname.as_str(),
            &addresses(attachment).join(" "),
            &namespace(attachment),
        ]));
    }
    table(ui.style(), &rows)
}

fn namespace(attachment: &CachedAttachment) -> String {
    match &attachment.endpoint.netns {
        None => "unknown".to_owned(),
        Some(path) if is_namespace(path) => path.display().to_string(),
        Some(path) => format!("{} (gone)", path.display()),
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

fn json(files: Vec<NetworkFile>, attachments: &[CachedAttachment]) -> Value {
    let networks: Value = files.into_iter().map(network_json).collect();
    let attachments: Value = attachments.iter().map(attachment_json).collect();
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

fn attachment_json(attachment: &CachedAttachment) -> Value {
    let endpoint = &attachment.endpoint;
    let netns = endpoint.netns.as_deref();
    object([
        ("network", attachment.network.as_str().into()),
        ("containerID", endpoint.container_id.as_str().into()),
        ("ifname", endpoint.ifname.as_str().into()),
        ("addresses", addresses(attachment).into()),
        ("netns", netns.map(|path| path.to_string_lossy()).into()),
        ("alive", netns.map(is_namespace).into()),
    ])
}
