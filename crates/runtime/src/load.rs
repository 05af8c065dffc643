//! Network configurations on disk.
//!
//! A directory, by convention `/etc/cni/net.d`, holds lists (`*.conflist`) and, from before there
//! were lists, single configurations (`*.conf`, `*.json`). A list that does not forbid it
//! (`loadOnlyInlinedPlugins`) is continued by the files `*.conf` in the directory's folder that is
//! named as the network.
//!
//! Names that begin with a dot, which editors and installers have for files that are not whole, are passed over.
//!
//! Files are tried in two orders. Who looks for a network by its name reads the lists first, each kind in alphabetical order, as
//! libcni; the first of the name is the network ([`load_network`]). Who wants a network and names none takes the first by its
//! file's name, whatever kind it is, as containerd and CRI-O ([`load_default`]).

use std::io;
use std::path::{Path, PathBuf};

use linkspan_spec::decode::{self, DecodeError, Map};
use linkspan_spec::{MAX_INPUT, NetworkList, NetworkName, PluginConfig};

use crate::{Error, file};

/// Where network configurations are by convention.
pub const DEFAULT_CONFIG_DIR: &str = "/etc/cni/net.d";

const LIST: &[&str] = &["conflist"];
const SINGLE: &[&str] = &["conf", "json"];
pub(crate) const PLUGIN: &[&str] = &["conf"];

/// What the names of all configurations end with.
pub(crate) const CONFIGURATION: &[&str] = &["conflist", "conf", "json"];

/// Finds a network's configuration in a directory, as libcni's `LoadNetworkConf` (`LoadConfList`).
///
/// The files are tried in the order of the reference's runtime, and as there one that is not JSON
/// ends the search, because it might have been the one. A file of another network is not looked
/// into any further: its version may be one that only its own runtime knows.
///
/// # Errors
/// [`Error::NetworkNotFound`] when there is none of the name, with the names that there are;
/// otherwise what is wrong with which file.
pub fn load_network(directory: &Path, name: &str) -> Result<NetworkList, Error> {
    let mut others = Vec::new();
    for (path, kind) in configurations(directory)? {
        let map = object(&path)?;
        match name_in(&map) {
            Some(other) if other != name => others.push(other.to_owned()),
            None if kind == Kind::Single => {}
            _ => return load_file(&path, kind),
        }
    }
    Err(Error::NetworkNotFound {
        name: name.to_owned(),
        directory: directory.to_owned(),
        found: others,
    })
}

/// Reads the network configuration in a file, whatever its name: a list with the plugins of its folder, as libcni's
/// `NetworkConfFromFile` (`ConfListFromFile`), or a single configuration, as its `ConfFromFile` and `ConfListFromConf`.
///
/// # Errors
/// When it cannot be read or used.
pub fn load_network_file(path: &Path) -> Result<NetworkList, Error> {
    load_file(path, kind_of(&object(path)?))
}

/// Reads a network configuration from its text: a list, as libcni's `NetworkConfFromBytes` (`ConfListFromBytes`), or a single
/// configuration, as its `ConfFromBytes` and `ConfListFromConf`.
///
/// A text is in no directory, so it has no folder with more plugins, whatever it says of `loadOnlyInlinedPlugins`: the list must
/// hold at least one. [`load_network_folder`] reads such a folder.
///
/// # Errors
/// What is wrong with it.
pub fn load_network_bytes(bytes: &[u8]) -> Result<NetworkList, DecodeError> {
    let value = decode::value(bytes)?;
    if kind_of(decode::object(&value)?) == Kind::Single {
        return NetworkList::from_single(PluginConfig::from_value(value)?);
    }
    let list = NetworkList::parse(bytes)?;
    match list.plugins.is_empty() {
        true => Err(DecodeError::missing(
            "plugins",
            "a list of at least one plugin configuration",
        )),
        false => Ok(list),
    }
}

/// Reads the plugins in the folder of a network, `DIRECTORY/NETWORK/*.conf` in alphabetical order, as libcni's
/// `NetworkPluginConfsFromFiles`. None when there is no folder.
///
/// [`load_network`] and the others append them to a list unless it says `"loadOnlyInlinedPlugins": true`. The key is of CNI 1.1,
/// and what a runtime of before makes of such a list cannot be told from the list (cni#1164): it knows nothing of the folder. A
/// network that must be the same everywhere has its plugins in the list, and says `true`.
///
/// # Errors
/// The first file that cannot be read or used.
pub fn load_network_folder(
    directory: &Path,
    network: &NetworkName,
) -> Result<Vec<PluginConfig>, Error> {
    folder_plugins(&directory.join(network.as_str()))
}

/// The network of a directory for whoever names none: that of the first file by name, `*.conf`, `*.conflist` and `*.json`
/// together, as containerd (go-cni's `WithDefaultConf`) and CRI-O (ocicni) take it.
///
/// A first file that cannot be used is an error, as for containerd: the next one is another network, and pods that silently start
/// there are found out late. CRI-O goes on to the next; [`load_all`], sorted by path, tells which that is. Unlike both, this
/// wants a name in a single configuration.
///
/// # Errors
/// [`Error::NoNetworks`] when there is none, which a Kubernetes node tells as "cni config uninitialized"; otherwise what is wrong
/// with the first.
pub fn load_default(directory: &Path) -> Result<NetworkList, Error> {
    let mut first = load_first(directory, 1)?;
    first.pop().ok_or_else(|| no_networks(directory))
}

/// The networks of the first `count` files by name, as containerd reads them with `max_conf_num` (go-cni's `WithDefaultConf`,
/// with `WithPluginMaxConfNum`); with [`usize::MAX`] all of them (`WithAllConf`). In this order a container gets `eth0`, `eth1`
/// and so on in them; see [`Pod`](crate::Pod).
///
/// # Errors
/// As those of [`load_default`]: the first of these files that cannot be used, or that there is none.
pub fn load_first(directory: &Path, count: usize) -> Result<Vec<NetworkList>, Error> {
    let files = by_name(directory)?;
    if files.is_empty() {
        return Err(no_networks(directory));
    }
    let first = files.into_iter().take(count);
    first.map(|(path, kind)| load_file(&path, kind)).collect()
}

fn no_networks(directory: &Path) -> Error {
    Error::NoNetworks {
        directory: directory.to_owned(),
    }
}

/// The configurations of a directory in the order of their names.
pub(crate) fn by_name(directory: &Path) -> Result<Vec<(PathBuf, Kind)>, Error> {
    let mut files = configurations(directory)?;
    files.sort();
    Ok(files)
}

/// The folder in which a list may have more of its plugins.
pub(crate) fn folder_of(path: &Path, kind: Kind) -> Option<PathBuf> {
    let map = object(path).ok().filter(|_| kind == Kind::List)?;
    let name: NetworkName = name_in(&map)?.parse().ok()?;
    Some(path.with_file_name(name.as_str()))
}

/// A file of a directory, and the network that it holds or what is wrong with it.
#[derive(Debug)]
#[non_exhaustive]
pub struct NetworkFile {
    /// The file.
    pub path: PathBuf,
    /// The network.
    pub network: Result<NetworkList, Error>,
}

/// Reads every network configuration of a directory, in the order in which [`load_network`] tries
/// them.
///
/// # Errors
/// When the directory cannot be read. That it does not exist is no error.
pub fn load_all(directory: &Path) -> Result<Vec<NetworkFile>, Error> {
    let files = configurations(directory)?.into_iter();
    Ok(files
        .map(|(path, kind)| NetworkFile {
            network: load_file(&path, kind),
            path,
        })
        .collect())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    List,
    Single,
}

impl Kind {
    /// What the name of a file says that it is.
    pub(crate) fn of(path: &Path) -> Self {
        match path
            .extension()
            .is_some_and(|extension| extension == LIST[0])
        {
            true => Self::List,
            false => Self::Single,
        }
    }
}

/// What a configuration is, of which no name tells it. One with neither key is a list whose plugins are in its folder.
fn kind_of(map: &Map) -> Kind {
    let has = |name| decode::key(map, name).is_some();
    match has("plugins") || !has("type") {
        true => Kind::List,
        false => Kind::Single,
    }
}

fn configurations(directory: &Path) -> Result<Vec<(PathBuf, Kind)>, Error> {
    let lists = files(directory, LIST)?.into_iter();
    let singles = files(directory, SINGLE)?.into_iter();
    Ok(lists
        .map(|path| (path, Kind::List))
        .chain(singles.map(|path| (path, Kind::Single)))
        .collect())
}

pub(crate) fn files(directory: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, Error> {
    let names = file::names(directory).map_err(unreadable(directory))?;
    // Editors (".#net.conflist", a link to nowhere) and installers (".ansible_tmp…net.conflist", half-written) have names that
    // begin with a dot. One of these would end the search for every network.
    let wanted = |name: &String| {
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        !name.starts_with('.') && extension.is_some_and(|one| extensions.contains(&one))
    };
    Ok(names
        .into_iter()
        .filter(wanted)
        .map(|name| directory.join(name))
        .collect())
}

pub(crate) fn load_file(path: &Path, kind: Kind) -> Result<NetworkList, Error> {
    let bytes = read(path)?;
    let loaded = match kind {
        Kind::List => {
            let list = NetworkList::parse(&bytes).map_err(unusable(path));
            list.and_then(|list| with_folder(list, path))
        }
        Kind::Single => PluginConfig::parse(&bytes)
            .and_then(NetworkList::from_single)
            .map_err(unusable(path)),
    };
    loaded.map_err(|error| misnamed(path, kind).unwrap_or(error))
}

/// The error of a list in the file of a single plugin, or of a single plugin in that of a list.
fn misnamed(path: &Path, kind: Kind) -> Option<Error> {
    let map = object(path).ok()?;
    let has = |name| decode::key(&map, name).is_some();
    let (holds, extension) = match kind {
        Kind::Single if has("plugins") && !has("type") => ("a list of plugins", "conflist"),
        Kind::List if has("type") && !has("plugins") => ("a single plugin", "conf"),
        _ => return None,
    };
    Some(Error::FileName {
        path: path.to_owned(),
        holds,
        extension,
    })
}

/// Adds the plugins of the folder that is named as the network.
fn with_folder(mut list: NetworkList, path: &Path) -> Result<NetworkList, Error> {
    let folder = path.with_file_name(list.name.as_str());
    if !list.load_only_inlined_plugins {
        let plugins = folder_plugins(&folder)?;
        if !plugins.is_empty() {
            list.plugins.extend(plugins);
            // The text is kept with the result of ADD, and a DEL that has nothing else must find all of the plugins, once.
            list.load_only_inlined_plugins = true;
        }
    }
    if list.plugins.is_empty() {
        return Err(Error::NoPlugins {
            path: path.to_owned(),
            folder,
        });
    }
    Ok(list)
}

fn folder_plugins(folder: &Path) -> Result<Vec<PluginConfig>, Error> {
    let load = |path: PathBuf| {
        let plugin = PluginConfig::parse(&read(&path)?).map_err(unusable(&path))?;
        match plugin.plugin_type() {
            Ok(_) => Ok(plugin),
            Err(error) => Err(misnamed(&path, Kind::Single).unwrap_or(unusable(&path)(error))),
        }
    };
    files(folder, PLUGIN)?.into_iter().map(load).collect()
}

fn object(path: &Path) -> Result<Map, Error> {
    let value = decode::value(&read(path)?).map_err(unusable(path))?;
    decode::object(&value).cloned().map_err(unusable(path))
}

fn name_in(map: &Map) -> Option<&str> {
    decode::key(map, "name")?.as_str()
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    file::read(path, MAX_INPUT).map_err(unreadable(path))
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Error {
    |source| Error::Unreadable {
        path: path.to_owned(),
        source,
    }
}

fn unusable(path: &Path) -> impl FnOnce(DecodeError) -> Error {
    |source| Error::Configuration {
        path: path.to_owned(),
        source,
    }
}
