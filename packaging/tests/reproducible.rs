//! The same commit gives the same bytes: here from one set of binaries, packed once more at another place by somebody else. That the
//! binaries are the same as well `make reproducible` proves, by building twice.
#![forbid(unsafe_code)]

use std::fs;
use std::time::Duration;

use linkspan_packaging as packaging;
use linkspan_testkit::Cmd;

/// In a folder with a longer path, as somebody who is not root, whose umask, time zone and language are others.
const PACK: &str = r#"
    umask 077
    mkdir -p "$COPY"
    date=$(git -c safe.directory='*' log -1 --format=%ct 2>/dev/null) || date=$(stat --format=%Y Cargo.toml)
    tar --create --exclude=./target --exclude=./dist --exclude=./.git . | tar --extract --directory "$COPY"
    cd "$COPY"
    export CARGO_TARGET_DIR TZ=Asia/Kolkata LANG=tr_TR.UTF-8 SOURCE_DATE_EPOCH="$date"
    set -- packaging/*/build
    set -- "${@#packaging/}"
    unshare --user --map-user=1000 --map-group=1000 scripts/dist "${@%/build}"
"#;

#[test]
fn what_is_shipped_is_the_same_wherever_it_is_packed() {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("a folder, with spaces/and a longer path");
    let again = dir.path().join("dist");
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .unwrap_or_else(|| packaging::top().join("target").into());
    let pack = Cmd::new("bash")
        .args(["-euc", PACK])
        .current_dir(packaging::top());
    let pack = pack
        .env("COPY", &copy)
        .env("OUT", &again)
        .env("CARGO_TARGET_DIR", target);
    pack.deadline(Duration::from_secs(300)).run();
    for artefact in packaging::artefacts() {
        let name = artefact.file_name().unwrap();
        let (one, other) = (
            fs::read(&artefact).unwrap(),
            fs::read(again.join(name)).unwrap(),
        );
        let same = one.iter().zip(&other).position(|(one, other)| one != other);
        assert!(
            one == other,
            "{name:?} differs: {} and {} bytes, first at {same:?}; is dist of this tree? make dist",
            one.len(),
            other.len()
        );
    }
}
