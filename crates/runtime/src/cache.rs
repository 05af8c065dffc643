//! The results of ADD on disk, for CHECK, DEL and GC: where and as the reference's runtime keeps
//! them, so that an upgrade and a downgrade both find what the other has left.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use linkspan_spec::decode::{self, DecodeError, Map, Value};
use linkspan_spec::{Attachment, MAX_INPUT, NetworkList, NetworkName, PluginConfig, Success};

use crate::{Endpoint, Error, base64, file};

/// Where the reference's runtime keeps its cache.
pub const DEFAULT_CACHE_DIR: &str = "/var/lib/cni";

const KIND: &str = "cniCacheV1";

/// The largest file that is read, in bytes: a configuration of the largest size is a third larger in
/// Base64, and beside it stand a result and arguments of up to that size.
const MAX_FILE: usize = 4 * MAX_INPUT;

/// A directory of its own for files being written: the reference's runtime takes every file
/// beside the results for a result.
const WORKSHOP: &str = ".tmp";

/// How old a file in the workshop is when whoever wrote it must have died.
const ABANDONED: Duration = Duration::from_secs(60);

/// The cached results below a directory.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    results: PathBuf,
}

/// An attachment that ADD has made and DEL has not yet removed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CachedAttachment {
    /// The network's name.
    pub network: NetworkName,
    /// The container's end, with the arguments that ADD got.
    pub endpoint: Endpoint,
    /// The network's configuration at the time of ADD, as text.
    pub config: Vec<u8>,
    /// The result of ADD as JSON; none when there is none.
    pub result: Option<Value>,
}

/// A file of the cache, and the attachment that it keeps or why that cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub struct CachedFile {
    /// The file.
    pub path: PathBuf,
    /// The attachment.
    pub attachment: Result<CachedAttachment, Error>,
}

impl CachedFile {
    /// Whether the attachment is one of a network's, or could be: of a file that cannot be read
    /// there is only the name, which begins with that of the network.
    pub fn may_be_of(&self, network: &NetworkName) -> bool {
        match &self.attachment {
            Ok(cached) => cached.network == *network,
            Err(_) => {
                let name = self.path.file_name().unwrap_or_default().to_string_lossy();
                let rest = name.strip_prefix(network.as_str());
                rest.is_some_and(|rest| rest.starts_with('-'))
            }
        }
    }
}

impl CachedAttachment {
    /// The result of ADD.
    ///
    /// # Errors
    /// When it is not one.
    pub fn success(&self) -> Result<Option<Success>, DecodeError> {
        self.result.as_ref().map(Success::from_json).transpose()
    }

    /// The network's configuration at the time of ADD.
    ///
    /// # Errors
    /// When it is not one.
    pub fn network_list(&self) -> Result<NetworkList, DecodeError> {
        let value = decode::value(&self.config)?;
        if decode::key(decode::object(&value)?, "plugins").is_some() {
            NetworkList::parse(&self.config)
        } else {
            PluginConfig::from_value(value).and_then(NetworkList::from_single)
        }
    }
}

impl CachedAttachment {
    /// The configuration to detach with where another was read: that of the time of ADD, since an attachment must not outlive its
    /// configuration. None where it is the same, or was not kept.
    ///
    /// That of now may have more plugins at its end: the reference's runtime does not keep those of the network's folder.
    pub fn detach_with(&self, now: &NetworkList) -> Option<NetworkList> {
        let then = self.network_list().ok()?;
        let is_same = now.cni_version == then.cni_version && now.plugins.starts_with(&then.plugins);
        (!is_same).then_some(then)
    }
}

impl Cache {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            results: directory.join("results"),
        }
    }

    /// Keeps the result of ADD.
    pub(crate) fn store(
        &self,
        network: &NetworkList,
        endpoint: &Endpoint,
        result: &Value,
    ) -> Result<(), Error> {
        let path = self.path(&network.name, endpoint);
        let workshop = self.results.join(WORKSHOP);
        let text = encode(network, endpoint, result).to_string();
        file::create_directory(&workshop)
            .and_then(|()| file::write(&path, &workshop, text.as_bytes()))
            .map_err(failed("keep", &path))
    }

    /// The result of ADD, when it has been kept.
    pub(crate) fn result(
        &self,
        network: &NetworkName,
        endpoint: &Endpoint,
    ) -> Result<Option<Success>, Error> {
        let Some(cached) = self.load(network, endpoint)? else {
            return Ok(None);
        };
        cached
            .success()
            .map_err(unusable(&self.path(network, endpoint)))
    }

    /// The same for DEL, which goes on without what can never be read.
    pub(crate) fn result_if_readable(
        &self,
        network: &NetworkName,
        endpoint: &Endpoint,
    ) -> Result<Option<Success>, Error> {
        self.result(network, endpoint).or_else(unless_for_now)
    }

    /// The attachment, when ADD has kept it.
    ///
    /// In the oldest form, before there was a `kind`, a file holds the result and nothing else.
    pub(crate) fn load(
        &self,
        network: &NetworkName,
        endpoint: &Endpoint,
    ) -> Result<Option<CachedAttachment>, Error> {
        let path = self.path(network, endpoint);
        let Some(map) = self.read(&path)? else {
            return Ok(None);
        };
        if !is_current(&map) {
            return Ok(Some(CachedAttachment {
                network: network.clone(),
                endpoint: endpoint.clone(),
                config: Vec::new(),
                result: Some(Value::Object(map)),
            }));
        }
        let cached = decode(&map).map_err(unusable(&path))?;
        // Network "a", container "b-c" has the file name of network "a-b", container "c".
        let same =
            cached.network == *network && cached.endpoint.attachment() == endpoint.attachment();
        Ok(same.then_some(cached))
    }

    /// Refuses an attachment whose file is that of another.
    pub(crate) fn refuse_other(
        &self,
        network: &NetworkName,
        endpoint: &Endpoint,
    ) -> Result<(), Error> {
        let path = self.path(network, endpoint);
        let Some(cached) = self.attachment(&path).or_else(unless_for_now)? else {
            return Ok(());
        };
        let attachment = cached.endpoint.attachment();
        if cached.network == *network && attachment == endpoint.attachment() {
            return Ok(());
        }
        Err(Error::CacheTaken {
            path,
            network: cached.network,
            attachment,
        })
    }

    /// Forgets the attachment, also when what is kept of it cannot be read.
    pub(crate) fn remove(&self, network: &NetworkName, endpoint: &Endpoint) -> Result<(), Error> {
        let path = self.path(network, endpoint);
        if matches!(self.load(network, endpoint), Ok(None)) {
            return Ok(());
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Every file, in the order of their names.
    pub(crate) fn files(&self) -> Result<Vec<CachedFile>, Error> {
        let names = file::names(&self.results).map_err(failed("list", &self.results))?;
        let load = |name: String| {
            let path = self.results.join(name);
            let attachment = self.attachment(&path).transpose()?;
            Some(CachedFile { path, attachment })
        };
        Ok(names.into_iter().filter_map(load).collect())
    }

    /// What a file keeps; nothing when it has gone in the meantime.
    fn attachment(&self, path: &Path) -> Result<Option<CachedAttachment>, Error> {
        let decode = |map: Map| {
            if !is_current(&map) {
                return Err(DecodeError::missing("kind", format!("{KIND:?}")));
            }
            decode(&map)
        };
        let map = self.read(path)?;
        map.map(decode).transpose().map_err(unusable(path))
    }

    /// Removes what writers that were killed have left. Best effort: it is in nobody's way.
    pub(crate) fn sweep(&self) {
        let workshop = self.results.join(WORKSHOP);
        let abandoned = |path: &Path| {
            let age = fs::metadata(path)
                .and_then(|meta| meta.modified())
                .map(|modified| SystemTime::now().duration_since(modified).ok());
            matches!(age, Ok(Some(age)) if age > ABANDONED)
        };
        for name in file::names(&workshop).unwrap_or_default() {
            let path = workshop.join(name);
            if abandoned(&path) {
                let _ = fs::remove_file(path);
            }
        }
    }

    fn path(&self, network: &NetworkName, endpoint: &Endpoint) -> PathBuf {
        self.path_of(network, &endpoint.attachment())
    }

    /// The file of an attachment.
    pub(crate) fn path_of(&self, network: &NetworkName, attachment: &Attachment) -> PathBuf {
        let Attachment {
            container_id,
            ifname,
            ..
        } = attachment;
        self.results
            .join(format!("{network}-{container_id}-{ifname}"))
    }

    fn read(&self, path: &Path) -> Result<Option<Map>, Error> {
        let bytes = match file::read(path, MAX_FILE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(failed("read", path))?,
        };
        match decode::value_within(MAX_FILE, &bytes) {
            Ok(Value::Object(map)) => Ok(Some(map)),
            Ok(other) => Err(unusable(path)(DecodeError::mismatch("an object", &other))),
            Err(error) => Err(unusable(path)(error)),
        }
    }
}

/// Nothing, where it will not be read the next time either.
fn unless_for_now<T>(error: Error) -> Result<Option<T>, Error> {
    match error {
        Error::Cache { ref source, .. } if file::is_for_now(source) => Err(error),
        _ => Ok(None),
    }
}

fn is_current(map: &Map) -> bool {
    decode::key(map, "kind").is_some_and(|kind| kind == KIND)
}

/// The keys in the order of the reference, and as there those without a value left out.
fn encode(network: &NetworkList, endpoint: &Endpoint, result: &Value) -> Value {
    let mut map = Map::new();
    map.insert("kind".into(), KIND.into());
    map.insert("containerId".into(), endpoint.container_id.as_str().into());
    map.insert("config".into(), base64::encode(&network.source()).into());
    map.insert("ifName".into(), endpoint.ifname.as_str().into());
    map.insert("networkName".into(), network.name.as_str().into());
    if let Some(netns) = &endpoint.netns {
        map.insert("netns".into(), netns.to_string_lossy().into());
    }
    if !endpoint.args.is_empty() {
        let pair = |(key, value): &(String, String)| Value::from(vec![key.as_str(), value]);
        map.insert("cniArgs".into(), endpoint.args.iter().map(pair).collect());
    }
    if !endpoint.capability_args.is_empty() {
        let args = endpoint.capability_args.clone();
        map.insert("capabilityArgs".into(), args.into());
    }
    map.insert("result".into(), result.clone());
    Value::Object(map)
}

fn decode(map: &Map) -> Result<CachedAttachment, DecodeError> {
    let name = |key, expected| decode::required(map, key, expected, decode::string);
    let mut endpoint = Endpoint::new(
        name("containerId", "a container ID")?.parse()?,
        name("ifName", "an interface name")?.parse()?,
    );
    let result = decode::key(map, "result").cloned();
    endpoint.netns = decode::optional(map, "netns", decode::string)?
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .or_else(|| sandbox(result.as_ref()?));
    endpoint.args =
        decode::optional(map, "cniArgs", |args| decode::list(args, pair))?.unwrap_or_default();
    endpoint.capability_args = decode::optional(map, "capabilityArgs", decode::object)?
        .cloned()
        .unwrap_or_default();
    Ok(CachedAttachment {
        network: name("networkName", "a network name")?.parse()?,
        endpoint,
        config: decode::optional(map, "config", bytes)?.unwrap_or_default(),
        result,
    })
}

/// The namespace as the result tells it: before version 1.2 the reference's runtime did not keep it
/// by itself.
fn sandbox(result: &Value) -> Option<PathBuf> {
    let interfaces = Success::from_json(result).ok()?.interfaces.into_iter();
    interfaces
        .map(|interface| PathBuf::from(interface.sandbox))
        .find(|path| path.is_absolute())
}

fn bytes(value: &Value) -> Result<Vec<u8>, DecodeError> {
    base64::decode(decode::string(value)?)
        .ok_or_else(|| DecodeError::mismatch("bytes in Base64", value))
}

fn pair(value: &Value) -> Result<(String, String), DecodeError> {
    match decode::list(value, decode::owned)?.as_slice() {
        [key, value] => Ok((key.clone(), value.clone())),
        _ => Err(DecodeError::mismatch("a pair of strings", value)),
    }
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Cache {
        operation,
        path: path.to_owned(),
        source,
    }
}

fn unusable(path: &Path) -> impl FnOnce(DecodeError) -> Error {
    |source| Error::CachedResult {
        path: path.to_owned(),
        source,
    }
}
