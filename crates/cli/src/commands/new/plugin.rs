//! `new plugin`: a crate to begin with. It is one of the examples of the book, which the tests run, by another name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::args::{NewPlugin, PluginKind};
use crate::failure::{Failure, Kind};
use crate::ui::{Ui, object};

/// A crate, as its files.
struct Template {
    /// The crate's name, and the plugin's.
    name: &'static str,
    /// The same as that of a type.
    type_name: &'static str,
    files: [(&'static str, &'static str); 3],
}

const CHAINED: Template = Template {
    name: "first-plugin",
    type_name: "FirstPlugin",
    files: [
        (
            "Cargo.toml",
            include_str!("../../../../../examples/first-plugin/Cargo.toml"),
        ),
        (
            "README.md",
            include_str!("../../../../../examples/first-plugin/README.md"),
        ),
        (
            "src/main.rs",
            include_str!("../../../../../examples/first-plugin/src/main.rs"),
        ),
    ],
};

const IPAM: Template = Template {
    name: "first-ipam",
    type_name: "FirstIpam",
    files: [
        (
            "Cargo.toml",
            include_str!("../../../../../examples/first-ipam/Cargo.toml"),
        ),
        (
            "README.md",
            include_str!("../../../../../examples/first-ipam/README.md"),
        ),
        (
            "src/main.rs",
            include_str!("../../../../../examples/first-ipam/src/main.rs"),
        ),
    ],
};

/// What a repository leaves out.
const GITIGNORE: (&str, &str) = (".gitignore", "/target\n");

/// Where the examples find Linkspan's crates.
const CHECKOUT: &str = "../..";

/// What the manifests of the examples have for themselves.
const OF_EXAMPLES: [&str; 2] = ["license = ", "publish = "];

/// Writes the crate.
pub(super) fn plugin(ui: Ui, args: &NewPlugin) -> Result<(), Failure> {
    let template = match args.kind {
        PluginKind::Chained => CHAINED,
        PluginKind::Ipam => IPAM,
    };
    let checkout = args.path.as_deref().map(checkout).transpose()?;
    let directory = args.dir.clone().unwrap_or_else(|| args.name.clone().into());
    let mut files = template.files.map(|(path, text)| {
        let text = named(&template, &args.name, text);
        match path {
            "Cargo.toml" => (path, manifest(&text, checkout.as_deref())),
            _ => (path, text),
        }
    });
    files.sort();
    write(&directory, &files)?;
    tell(ui, args, &directory, &files)
}

/// The directory above it that is a workspace's, where Cargo looks for one: it refuses a crate that is no member.
fn workspace_around(directory: &Path) -> Option<PathBuf> {
    let directory = std::path::absolute(directory).ok()?;
    let is_workspace = |one: &&Path| {
        let text = fs::read_to_string(one.join("Cargo.toml")).unwrap_or_default();
        text.lines()
            .any(|line| line.trim_start().starts_with("[workspace"))
    };
    let found = directory.ancestors().skip(1).find(is_workspace);
    found.map(Path::to_owned)
}

/// The root of a checkout.
fn checkout(path: &Path) -> Result<String, Failure> {
    let found = fs::canonicalize(path).and_then(|path| {
        fs::metadata(path.join("crates/plugin/Cargo.toml"))?;
        Ok(path)
    });
    let found = found.map_err(|error| {
        let what = format!("{} is no checkout of Linkspan", path.display());
        Failure::new(Kind::Failed, what)
            .because(error)
            .advise("Nothing was written. Name the directory that has crates/plugin in it.")
    })?;
    let text = found.to_string_lossy();
    Ok(text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A file of the template, of a plugin of another name and without the marks of the book.
fn named(template: &Template, name: &str, text: &str) -> String {
    let lines = text.lines();
    let lines = lines.filter(|line| !line.trim_start().starts_with("// ANCHOR"));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    let mut type_name = type_name(name);
    while is_word_of(&text, &type_name) && type_name != template.type_name {
        type_name.push_str("Plugin");
    }
    // The name may have that of the type in it.
    let parts: Vec<_> = text.split(template.type_name).collect();
    let parts = parts.iter().map(|part| part.replace(template.name, name));
    parts.collect::<Vec<_>>().join(&type_name)
}

/// `my-plugin` as the name of a type.
fn type_name(name: &str) -> String {
    let words = name.split(['-', '_']);
    let capitalised = words.map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    capitalised.collect()
}

fn is_word_of(text: &str, word: &str) -> bool {
    text.split(|letter: char| !letter.is_alphanumeric())
        .any(|one| one == word)
}

/// The manifest of a crate that stands alone, with Linkspan's crates from a checkout or by their versions.
fn manifest(text: &str, checkout: Option<&str>) -> String {
    let is_of_examples = |line: &&str| OF_EXAMPLES.iter().any(|key| line.starts_with(key));
    let lines = text.lines().filter(|line| !is_of_examples(line));
    let lines = lines.map(|line| match (checkout, line.split_once(", path = \"")) {
        (Some(checkout), Some(_)) => line.replace(CHECKOUT, checkout),
        (None, Some((version, path))) => {
            let (_, more) = path.split_once('"').unwrap_or_default();
            format!("{version}{more}")
        }
        (_, None) => line.to_owned(),
    });
    lines.map(|line| line + "\n").collect()
}

fn write(directory: &Path, files: &[(&str, String)]) -> Result<(), Failure> {
    let failed = |path: &Path, error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::new(
            Kind::Failed,
            format!("{} is there already", directory.display()),
        )
        .advise("Nothing was written. Name another directory with --dir."),
        _ => Failure::new(Kind::Failed, format!("cannot write {}", path.display())).because(error),
    };
    let parent = directory
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    parent
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::create_dir(directory))
        .map_err(|error| failed(directory, error))?;
    let all = files.iter().map(|(path, text)| (*path, text.as_str()));
    let written = all.chain([GITIGNORE]).try_for_each(|(path, text)| {
        let path = directory.join(path);
        let folder = path.parent().unwrap_or(directory);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| failed(&path, error))
    });
    written.inspect_err(|_| {
        // A half of a crate would only be in the way of the next attempt; what cannot be removed is told by that.
        let _ = fs::remove_dir_all(directory);
    })
}

fn tell(
    ui: Ui,
    args: &NewPlugin,
    directory: &Path,
    files: &[(&str, String)],
) -> Result<(), Failure> {
    let shown = directory.to_string_lossy();
    let around = workspace_around(directory).map(|workspace| {
        let workspace = workspace.display();
        format!(
            "# {workspace}/Cargo.toml must have it among its members, or its own Cargo.toml a line [workspace]"
        )
    });
    let steps = [
        format!("cd {}", word(&shown)),
        "cargo test".to_owned(),
        "cargo build --release".to_owned(),
        format!(
            "install -m 755 target/release/{0} /opt/cni/bin/{0}",
            args.name
        ),
    ];
    let next: Vec<String> = around.into_iter().chain(steps).collect();
    if ui.json {
        let kind = match args.kind {
            PluginKind::Chained => "chained",
            PluginKind::Ipam => "ipam",
        };
        let names = files.iter().map(|(path, _)| *path);
        return ui.print_json(&object([
            ("plugin", args.name.as_str().into()),
            ("kind", kind.into()),
            ("directory", shown.into()),
            ("files", names.chain([GITIGNORE.0]).collect()),
            ("next", next.iter().map(String::as_str).collect()),
        ]));
    }
    if ui.is_quiet() {
        return ui.print(&format!("{shown}\n"));
    }
    let steps: String = next.iter().map(|step| format!("  {step}\n")).collect();
    ui.print(&format!(
        "{} plugin {} is written to {shown}\n\nNext:\n{steps}",
        ui.style().good("✓"),
        args.name
    ))
}

/// A path as one word of a shell.
fn word(path: &str) -> String {
    let is_plain =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '/' | '.' | '-' | '_');
    match path.chars().all(is_plain) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_named_as_types_are_and_as_no_other() {
        for (name, expected) in [
            ("my-plugin", "struct MyPlugin;"),
            ("x", "struct X;"),
            ("a--b_c1", "struct ABC1;"),
            ("config", "struct ConfigPlugin;"),
            ("plugin", "struct PluginPlugin;"),
            ("first-plugin", "struct FirstPlugin;"),
            ("MyFirstPlugin", "struct MyFirstPlugin;"),
        ] {
            let text = named(&CHAINED, name, CHAINED.files[2].1);
            assert!(text.contains(expected), "{name}: {text}");
            assert!(!text.contains("ANCHOR"));
        }
    }

    #[test]
    fn a_path_is_one_word() {
        for path in [
            "my-plugin",
            "/a/b.c_d",
            "with space",
            "it's",
            "$(x)",
            "\"~\"",
        ] {
            assert_eq!(shlex::split(&word(path)).unwrap(), [path]);
        }
    }

    #[test]
    fn a_manifest_stands_alone() {
        let text = named(&CHAINED, "mine", CHAINED.files[0].1);
        let published = manifest(&text, None);
        assert!(published.contains("name = \"mine\"\n"), "{published}");
        let line = text
            .lines()
            .find(|line| line.starts_with("linkspan-kernel"));
        let asked = line.unwrap().split('"').nth(1).unwrap();
        let kernel =
            format!("linkspan-kernel = {{ version = \"{asked}\", features = [\"cni\"] }}\n");
        assert!(published.contains(&kernel), "{published}");
        for gone in ["path", "publish", "license"] {
            assert!(!published.contains(gone), "{published}");
        }
        let local = manifest(&text, Some("/src/linkspan"));
        let kit = format!(
            "linkspan-plugin = {{ version = \"{asked}\", path = \"/src/linkspan/crates/plugin\" }}\n"
        );
        assert!(local.contains(&kit), "{local}");
    }
}
