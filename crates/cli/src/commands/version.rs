//! `version`.

use linkspan_runtime::Runtime;
use linkspan_spec::{Map, Value, Version, VersionInfo};

use crate::args;
use crate::failure::Failure;
use crate::ui::{Ui, table};

/// Tells the versions of this program, or of plugins.
pub(crate) fn version(ui: Ui, args: &args::Version) -> Result<(), Failure> {
    if args.plugins.is_empty() {
        return own(ui);
    }
    let runtime = args.places.runtime(ui).build();
    let asked = args.plugins.iter();
    let answers: Vec<_> = asked
        .map(|name| Ok((name.as_str(), ask(&runtime, name)?)))
        .collect::<Result<_, Failure>>()?;
    if ui.json {
        let plugins = answers.iter();
        let map: Map = plugins
            .map(|(name, info)| ((*name).to_owned(), info.to_json()))
            .collect();
        return ui.print_json(&Value::Object(map));
    }
    let mut rows = vec![vec!["PLUGIN".to_owned(), "CNI VERSIONS".to_owned()]];
    for (name, info) in answers {
        rows.push(vec![name.to_owned(), info.supported_versions.join(" ")]);
    }
    ui.print(&table(ui.style(), &rows))
}

fn ask(runtime: &Runtime, name: &str) -> Result<VersionInfo, Failure> {
    let plugin = name
        .parse()
        .map_err(|error: linkspan_spec::NameError| Failure::usage(error.to_string()))?;
    Ok(runtime.version(&plugin)?)
}

fn own(ui: Ui) -> Result<(), Failure> {
    let program = env!("CARGO_PKG_VERSION");
    let mut value = VersionInfo::all().to_json();
    if ui.json {
        if let Some(map) = value.as_object_mut() {
            map.insert("linkspan".into(), program.into());
        }
        return ui.print_json(&value);
    }
    let versions: Vec<_> = Version::ALL
        .iter()
        .map(|version| version.as_str())
        .collect();
    ui.print(&format!("linkspan {program}\nCNI {}\n", versions.join(" ")))
}
