//! Files in directories that others write to as well.

use std::cell::LazyCell;
use std::fs;
use std::path::Path;

use linkspan_ipam::store::look;
use linkspan_runtime::Runtime;
use tempfile::TempDir;

thread_local! {
    /// In memory, since every run writes to it.
    static DIRECTORY: LazyCell<TempDir> = LazyCell::new(|| {
        tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap_or_else(|error| {
            panic!("cannot make a directory to read from: {error}")
        })
    });
}

/// Reads `bytes` as the one file of libcni's cache: alone, and with all.
pub(crate) fn cache(bytes: &[u8]) {
    let network = "net".parse::<linkspan_runtime::NetworkName>();
    DIRECTORY.with(|directory| {
        let results = directory.path().join("cache/results");
        write(&results, "net-c1-eth0", bytes);
        let runtime = Runtime::builder()
            .cache_dir(directory.path().join("cache"))
            .build();
        let Ok(network) = network else { return };
        let Ok(files) = runtime.cached_files() else {
            return;
        };
        for cached in files.into_iter().filter_map(|file| file.attachment.ok()) {
            let _ = (cached.success(), cached.network_list());
        }
        let _ = runtime.attachments(&network);
    });
}

/// Reads `bytes` as host-local's directory: the first says into how many files they are cut, whose names are those that are
/// found there.
pub(crate) fn host_local(bytes: &[u8]) {
    const NAMES: [&str; 5] = [
        "10.1.0.2",
        "10.1.0.3",
        "fd00::2",
        "last_reserved_ip.0",
        "lock",
    ];
    let Some((first, bytes)) = bytes.split_first() else {
        return;
    };
    let count = usize::from(*first) % NAMES.len() + 1;
    let length = bytes.len().div_ceil(count).max(1);
    DIRECTORY.with(|directory| {
        let store = directory.path().join("store");
        let _ = fs::remove_dir_all(&store);
        for (name, piece) in NAMES.iter().zip(bytes.chunks(length)) {
            write(&store, name, piece);
        }
        let _ = look(&store);
    });
}

fn write(directory: &Path, name: &str, bytes: &[u8]) {
    let written =
        fs::create_dir_all(directory).and_then(|()| fs::write(directory.join(name), bytes));
    if let Err(error) = written {
        panic!("cannot write {name} to be read: {error}");
    }
}
