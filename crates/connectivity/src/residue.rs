//! What is left of a container after DEL: only what bears its identity, since others come and go meanwhile.

use std::fs;
use std::path::Path;

use linkspan_kernel::Error;
use linkspan_kernel::nftables::Nftables;
use linkspan_kernel::rtnl::Rtnl;
use linkspan_nft::Family;

/// Where plugins keep records of attachments.
const RECORDS: [&str; 2] = ["/run/cni", "/var/lib/cni"];

/// What was once is no residue: the ring in which plugins tell of their calls.
const EVENTS: &str = "events";

/// Files of more bytes are no reservations and no records.
const MAX_FILE: u64 = 1 << 20;

/// How deep folders of records are.
const MAX_DEPTH: usize = 6;

/// What names a container.
pub(crate) struct Identity<'a> {
    pub(crate) container_id: &'a str,
    /// The host's interfaces that ADD made for it.
    pub(crate) host_links: &'a [String],
    /// Where addresses are reserved, if not where they usually are.
    pub(crate) reservations: Option<&'a str>,
}

/// What is left of it, each thing in words.
pub(crate) fn residue(identity: &Identity<'_>) -> Result<Vec<String>, Error> {
    let mut left = links(identity)?;
    left.extend(rules(identity.container_id)?);
    let mut folders: Vec<_> = RECORDS.into_iter().map(Path::new).collect();
    let other = identity.reservations.map(Path::new);
    folders.extend(other.filter(|path| !RECORDS.iter().any(|folder| path.starts_with(folder))));
    for folder in folders {
        files(folder, identity.container_id, 0, &mut left);
    }
    Ok(left)
}

fn links(identity: &Identity<'_>) -> Result<Vec<String>, Error> {
    let links = Rtnl::open()?.links_seen()?.into_iter();
    let bears = |alias: &str| alias.contains(identity.container_id);
    let ours = links.filter(|link| {
        identity.host_links.contains(&link.name) || link.alias.as_deref().is_some_and(bears)
    });
    Ok(ours
        .map(|link| format!("the interface {}", link.name))
        .collect())
}

/// Rules and elements whose comment names it: Linkspan's, and the reference's.
fn rules(id: &str) -> Result<Vec<String>, Error> {
    let kernel = match Nftables::open() {
        Ok(kernel) => kernel,
        Err(_) => return Ok(Vec::new()),
    };
    let bears =
        |comment: &Option<String>| comment.as_deref().is_some_and(|words| words.contains(id));
    let mut left = Vec::new();
    for family in [Family::Inet, Family::Ip, Family::Ip6, Family::Bridge] {
        // A kernel without nf_tables, or without this family, has none.
        for table in kernel.tables(family).unwrap_or_default() {
            for set in kernel.sets(&table).unwrap_or_default() {
                let elements = kernel.elements(&set).unwrap_or_default();
                if elements.iter().any(|element| bears(&element.comment)) {
                    left.push(format!(
                        "an element of the set {family} {} {}",
                        table.name, set.name
                    ));
                }
            }
        }
        for chain in kernel.chains(family).unwrap_or_default() {
            let rules = kernel.rules(&chain).unwrap_or_default();
            if rules
                .iter()
                .any(|rule| bears(&rule.comment) || bears(&rule.owner))
            {
                left.push(format!(
                    "a rule of the chain {family} {} {}",
                    chain.table, chain.name
                ));
            }
        }
    }
    Ok(left)
}

/// Files whose name or content names it. What cannot be read says nothing.
fn files(folder: &Path, id: &str, depth: usize, left: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(status) = entry.metadata() else {
            continue;
        };
        if entry.file_name() == EVENTS {
            continue;
        }
        if status.is_dir() && depth < MAX_DEPTH {
            files(&path, id, depth + 1, left);
        } else if status.is_file() && status.len() <= MAX_FILE {
            let is_named = entry.file_name().to_string_lossy().contains(id);
            // Locks stay, as those of any container do until somebody sweeps.
            let is_lock = status.len() == 0;
            let bears = || fs::read(&path).is_ok_and(|text| contains(&text, id.as_bytes()));
            if !is_lock && (is_named || bears()) {
                left.push(format!("the file {}", path.display()));
            }
        }
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_that_name_a_container() {
        let dir = std::env::temp_dir().join(format!("residue-{}", std::process::id()));
        for folder in ["net/deep", "events"] {
            fs::create_dir_all(dir.join(folder)).unwrap();
        }
        for (name, text) in [
            ("net/10.22.0.2", "linkspan-test-1-a\r\neth0"),
            ("net/10.22.0.3", "linkspan-test-2-a\r\neth0"),
            ("net/deep/linkspan-test-1-a.record", "{}"),
            ("net/lock-linkspan-test-1-a", ""),
            ("events/events", "linkspan-test-1-a"),
        ] {
            fs::write(dir.join(name), text).unwrap();
        }
        let mut left = Vec::new();
        files(&dir, "linkspan-test-1-a", 0, &mut left);
        left.sort();
        let found: Vec<_> = left
            .iter()
            .filter_map(|path| path.rsplit('/').next())
            .collect();
        assert_eq!(found, ["10.22.0.2", "linkspan-test-1-a.record"]);
        fs::remove_dir_all(dir).unwrap();
    }
}
