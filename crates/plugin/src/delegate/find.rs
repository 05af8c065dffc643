//! Plugins in the directories of CNI_PATH.

use std::fs::{self, Metadata};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use linkspan_spec::{Error, ErrorCode, PluginType};

/// Searches a plugin in the directories of CNI_PATH. The name is never a path (CVE-2021-20206); what is
/// found always is one, with a slash: a bare name would be executed from wherever PATH leads to.
///
/// # Errors
/// [`ErrorCode::IO_FAILURE`] when no directory holds such a program.
pub fn find_in_path(name: &PluginType, path: &[PathBuf]) -> Result<PathBuf, Error> {
    find_program(name, path).map(|(file, _)| file)
}

pub(super) fn find_program(
    name: &PluginType,
    path: &[PathBuf],
) -> Result<(PathBuf, Metadata), Error> {
    let program = |file: PathBuf| {
        let metadata = fs::metadata(&file).ok()?;
        let is_program = metadata.is_file() && metadata.permissions().mode() & 0o111 != 0;
        is_program.then_some((file, metadata))
    };
    let here = Path::new(".");
    let directories = path
        .iter()
        .filter(|directory| !directory.as_os_str().is_empty());
    let candidates = directories.map(|directory| here.join(directory).join(name.as_str()));
    candidates.clone().find_map(program).ok_or_else(|| {
        let searched: Vec<_> = path
            .iter()
            .map(|directory| directory.display().to_string())
            .collect();
        let not_a_program = candidates.clone().find(|file| file.exists());
        let details = match not_a_program {
            Some(file) => format!(
                "{} is there, but is not executable; make it so, or install the plugin anew",
                file.display()
            ),
            None => {
                "install the plugin into one of these directories, or correct CNI_PATH".to_owned()
            }
        };
        Error::new(
            ErrorCode::IO_FAILURE,
            format!(
                "failed to find plugin {:?} in path [{}]",
                name.as_str(),
                searched.join(" ")
            ),
        )
        .with_details(details)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_at_is_what_is_executed() {
        // In the working directory, where an empty element would lead to.
        let file = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o755))
            .tempfile_in(".")
            .unwrap();
        let name = file.path().file_name().unwrap().to_str().unwrap();
        let find = |path: &[&str]| {
            let path: Vec<_> = path.iter().map(PathBuf::from).collect();
            find_in_path(&name.parse().unwrap(), &path)
        };
        assert_eq!(find(&[""]).unwrap_err().code, ErrorCode::IO_FAILURE);
        for relative in [&["."][..], &["", "../plugin"], &["src/.."]] {
            let found = find(relative).unwrap();
            assert!(found.starts_with("./"), "{}", found.display());
            assert!(found.is_file());
        }
        let here = std::env::current_dir().unwrap();
        assert_eq!(
            find(&["", here.to_str().unwrap()]).unwrap(),
            here.join(name)
        );
    }
}
