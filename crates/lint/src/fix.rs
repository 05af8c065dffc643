//! Changing files where what was meant is certain.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Gid, Uid};
use tempfile::NamedTempFile;

use crate::finding::{Edit, Finding};

/// The text with the fixes of findings, as many as do not touch each other, and how many those are. A fix is made whole or
/// not at all.
pub fn fixed(text: &str, findings: &[Finding]) -> (String, usize) {
    let mut taken: Vec<&Edit> = Vec::new();
    let mut made = 0;
    for fix in findings.iter().filter_map(|finding| finding.fix.as_ref()) {
        let is_free = |edit: &Edit| taken.iter().all(|other| !touch(edit, other));
        let is_inside = |edit: &Edit| {
            let span = edit.span;
            span.start <= span.end && text.get(span.range()).is_some()
        };
        if fix
            .edits
            .iter()
            .all(|edit| is_inside(edit) && is_free(edit))
        {
            taken.extend(&fix.edits);
            made += 1;
        }
    }
    taken.sort();
    let mut fixed = String::with_capacity(text.len());
    let mut offset = 0;
    for edit in taken {
        fixed.push_str(&text[offset..edit.span.start]);
        fixed.push_str(&edit.text);
        offset = edit.span.end;
    }
    fixed.push_str(&text[offset..]);
    (fixed, made)
}

/// Whether two changes have a byte or an edge in common: what they come to would depend on their order.
fn touch(one: &Edit, other: &Edit) -> bool {
    one.span.start <= other.span.end && other.span.start <= one.span.end
}

/// Writes a file that was read as `before`: whoever reads it meets the old text or the new one, never half of one. Its mode and
/// its owner stay. A link stays a link, and the file that it leads to is replaced.
///
/// # Errors
/// When it is no regular file, has changed meanwhile, or cannot be written.
pub fn write(path: &Path, before: &[u8], after: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let meta = fs::metadata(&path)?;
    if !meta.is_file() {
        return Err(invalid("it is no regular file"));
    }
    let directory = path
        .parent()
        .ok_or_else(|| invalid("it is in no directory"))?;
    let mut new = NamedTempFile::new_in(directory)?;
    new.write_all(after)?;
    let file = new.as_file();
    let ours = file.metadata()?;
    if (ours.uid(), ours.gid()) != (meta.uid(), meta.gid()) {
        let owner = Some(Uid::from_raw(meta.uid()));
        rustix::fs::fchown(file, owner, Some(Gid::from_raw(meta.gid())))?;
    }
    // Behind the owner, whose change takes some bits away.
    file.set_permissions(meta.permissions())?;
    file.sync_data()?;
    if fs::read(&path)? != before {
        return Err(invalid("somebody else has changed it meanwhile"));
    }
    new.persist(&path)?;
    Ok(())
}

fn invalid(words: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Fix;
    use crate::rules::RULES;
    use crate::source::Span;

    fn finding(fix: Fix) -> Finding {
        RULES[0].at(Span::at(0), "").fix(fix)
    }

    #[test]
    fn fixes_are_made_whole_and_never_overlap() {
        let quotes = Fix::new("", Span::at(1), "\"").and(Span::at(2), "\"");
        let within = Fix::new("", Span::new(1, 2), "b");
        let behind = Fix::new("", Span::new(3, 4), "");
        let outside = Fix::new("", Span::new(3, 9), "");
        let findings = [quotes, within, behind, outside].map(finding);
        assert_eq!(fixed("{a:,}", &findings), ("{\"a\":}".to_owned(), 2));
    }

    #[test]
    fn mode_and_link_stay() {
        let directory = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| directory.path().join(name));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, b"old", b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let changed = write(&link, b"old", b"newer").unwrap_err();
        assert!(changed.to_string().contains("somebody else"), "{changed}");
        let device = directory.path().join("device");
        std::os::unix::fs::symlink("/dev/null", &device).unwrap();
        assert!(write(&device, b"", b"x").is_err());
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            3,
            "nothing is left"
        );
    }
}
