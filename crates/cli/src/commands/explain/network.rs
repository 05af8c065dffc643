//! `explain NET`: what ADD would do.

use std::path::{Path, PathBuf};

use linkspan_explain::network::{self, Explanation, Program, Whose};
use linkspan_plugin::{Foreseen, Standing};
use linkspan_runtime::{Endpoint, load_all, load_network_file};
use linkspan_spec::{ErrorCode, NetworkList, Value};
use serde_json::json;

use super::draw;
use crate::args::ExplainNetwork;
use crate::failure::{Failure, Kind};
use crate::style::Style;
use crate::target::{Given, plugin_dirs};
use crate::ui::{Ui, object};

pub(super) fn explain(ui: Ui, args: &ExplainNetwork) -> Result<(), Failure> {
    let (list, file) = find(ui, args)?;
    let endpoint = supposed(args)?;
    let dirs = plugin_dirs(args.places.cni_path.as_deref());
    let explanation = network::explain(&list, &endpoint, &dirs)?;
    if ui.json {
        ui.print_json(&told(&list, file.as_deref(), &endpoint, &explanation))?;
    } else {
        let head = draw::Head {
            network: list.name.as_str(),
            version: list.cni_version,
            file: file.as_deref(),
            ifname: endpoint.ifname.as_str(),
            plugin_dirs: &dirs,
        };
        ui.print(&draw::text(ui.style(), &head, &explanation))?;
    }
    match explanation.failure() {
        Some((plugin, error)) => Err(would_fail(&plugin.program.name, error)),
        None => Ok(()),
    }
}

/// What ADD would do on a network that need not be on disk, in words; and why it would fail, if it would.
pub(super) fn of(
    style: Style,
    list: &NetworkList,
    file: Option<&Path>,
    dirs: &[PathBuf],
) -> Result<(String, Option<String>), Failure> {
    let nothing = Given {
        ifname: None,
        args: None,
        cap_args: None,
    };
    let endpoint = nothing.endpoint(CONTAINER)?;
    let explanation = network::explain(list, &endpoint, dirs)?;
    let head = draw::Head {
        network: list.name.as_str(),
        version: list.cni_version,
        file,
        ifname: endpoint.ifname.as_str(),
        plugin_dirs: dirs,
    };
    let why = explanation.failure();
    let why =
        why.map(|(plugin, error)| format!("{} would fail: {}", plugin.program.name, error.msg));
    Ok((draw::text(style, &head, &explanation), why))
}

/// The network, and the file that it is in.
fn find(ui: Ui, args: &ExplainNetwork) -> Result<(NetworkList, Option<PathBuf>), Failure> {
    let path = Path::new(&args.network);
    let is_path = args.network.contains('/') || path.extension().is_some() && path.is_file();
    if is_path {
        return Ok((load_network_file(path)?, Some(path.to_owned())));
    }
    let list = args.places.network(ui, &args.network)?;
    let files = load_all(&args.places.config_dir()).unwrap_or_default();
    let is_it = |network: &NetworkList| network.name == list.name;
    let file = files
        .into_iter()
        .find(|file| file.network.as_ref().is_ok_and(is_it));
    Ok((list, file.map(|file| file.path)))
}

/// The end of a container that there is none of.
fn supposed(args: &ExplainNetwork) -> Result<Endpoint, Failure> {
    let given = Given {
        ifname: args.ifname.as_deref(),
        args: args.args.as_deref(),
        cap_args: args.cap_args.as_deref(),
    };
    let mut endpoint = given.endpoint(CONTAINER)?;
    if !args.ports.is_empty() {
        let mappings = args.ports.iter().map(|text| mapping(text));
        let mappings: Value = mappings.collect::<Result<Vec<_>, _>>()?.into();
        endpoint
            .capability_args
            .insert("portMappings".to_owned(), mappings);
    }
    Ok(endpoint)
}

/// The container ID of no container.
const CONTAINER: &str = "linkspan-explain";

/// A port mapping as Docker and Podman have people write it: `[ADDRESS:]HOST:CONTAINER[/PROTOCOL]`.
fn mapping(text: &str) -> Result<Value, Failure> {
    let wrong = || {
        Failure::usage(format!("invalid port mapping {text:?}")).advise(
            "Write HOST:CONTAINER, such as 8080:80; with an address of the host 127.0.0.1:8080:80, with a protocol 53:53/udp.",
        )
    };
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (host, container) = ports.rsplit_once(':').ok_or_else(wrong)?;
    let (address, host) = match host.rsplit_once(':') {
        Some((address, host)) => (address.trim_matches(['[', ']']), host),
        None => ("", host),
    };
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port != 0);
    let (Some(host), Some(container)) = (port(host), port(container)) else {
        return Err(wrong());
    };
    if !address.is_empty() && address.parse::<std::net::IpAddr>().is_err() {
        return Err(wrong());
    }
    Ok(
        json!({ "hostPort": host, "containerPort": container, "protocol": protocol, "hostIP": address }),
    )
}

fn would_fail(plugin: &str, error: &linkspan_spec::Error) -> Failure {
    let kind = match error.code {
        ErrorCode::TRY_AGAIN_LATER => Kind::Temporary,
        _ => Kind::Failed,
    };
    let failure = Failure::new(kind, format!("ADD of {plugin} would fail")).because(&error.msg);
    match error.details.is_empty() {
        true => failure,
        false => failure.advise(&error.details),
    }
}

/// What a program is told.
fn told(
    list: &NetworkList,
    file: Option<&Path>,
    endpoint: &Endpoint,
    explanation: &Explanation,
) -> Value {
    let plugins = explanation.plugins.iter().map(|plugin| {
        let error = plugin
            .failure
            .as_ref()
            .map(|error| error.to_json(list.cni_version));
        let capabilities = plugin.capabilities.iter().map(
            |one| json!({ "name": one.name, "meaning": one.meaning, "declared": one.is_declared }),
        );
        object([
            ("plugin", plugin.program.name.as_str().into()),
            ("about", plugin.program.about.into()),
            ("program", program(&plugin.program)),
            (
                "ipam",
                plugin
                    .ipam
                    .as_ref()
                    .map(|ipam| json!({ "plugin": ipam.name, "program": program(ipam) }))
                    .into(),
            ),
            ("reached", plugin.is_reached.into()),
            ("steps", plugin.steps.iter().map(step).collect()),
            ("error", error.into()),
            ("capabilities", capabilities.collect()),
        ])
    });
    let result = explanation.result.as_ref().map(|result| {
        json!({
            "interface": result.interface,
            "addresses": result.addresses,
            "routes": result.routes,
            "nameservers": result.nameservers,
        })
    });
    object([
        ("network", list.name.as_str().into()),
        ("file", file.map(|file| file.display().to_string()).into()),
        ("cniVersion", list.cni_version.as_str().into()),
        ("ifname", endpoint.ifname.as_str().into()),
        ("plugins", plugins.collect()),
        ("result", result.into()),
        ("delRemoves", explanation.removal.goes.clone().into()),
        ("delLeaves", explanation.removal.stays.clone().into()),
    ])
}

/// Whose a plugin is, and what of CNI_ARGS it reads.
fn program(program: &Program) -> Value {
    let (owner, file) = match &program.whose {
        Whose::Linkspan(file) => ("linkspan", Some(file)),
        Whose::NotInstalled => ("notInstalled", None),
        Whose::Replaced(file) => ("another", Some(file)),
        Whose::Others(file) => ("unknown", file.as_ref()),
    };
    let file = file.map(|file| file.display().to_string());
    json!({ "owner": owner, "file": file, "args": program.args })
}

fn step(step: &Foreseen) -> Value {
    object([
        ("plugin", step.plugin.as_str().into()),
        ("kind", step.kind.as_str().into()),
        ("words", step.words.as_str().into()),
        ("why", step.why.as_deref().into()),
        ("standing", standing(step.standing).into()),
        ("note", step.note.as_deref().into()),
    ])
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::There => "there",
        Standing::Made => "made",
        Standing::Fails => "fails",
        Standing::Unknown => "unknown",
    }
}
