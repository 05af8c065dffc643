//! What is kept of attachments on disk, for CHECK, DEL and GC.
//!
//! The results of ADD are where and as the reference's runtime keeps them, so that an upgrade and a downgrade both find what the
//! other has left. Beside them, in `pending`, is the journal: what plugins were run for and of which nobody knows yet that it is
//! attached, or detached. It has the same form, without a result.

mod folder;
mod form;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use linkspan_spec::decode::{self, DecodeError, Value};
use linkspan_spec::{Attachment, ContainerId, NetworkList, NetworkName, PluginConfig, Success};

use self::folder::{Folder, failed, unusable};
use serde::{Deserialize, Serialize};

use crate::{Endpoint, Error};

/// Where the reference's runtime keeps its cache.
pub const DEFAULT_CACHE_DIR: &str = "/var/lib/cni";

/// The cached results below a directory, and the journal.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    results: Folder,
    pending: Folder,
}

/// An attachment that ADD has made, or begun, and DEL has not yet removed.
///
/// # JSON
/// The keys are those of the reference's cache, which does not know the last one; what is in there is complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CachedAttachment {
    /// The network's name.
    #[serde(rename = "networkName")]
    pub network: NetworkName,
    /// The container's end, with the arguments that ADD got.
    #[serde(flatten)]
    pub endpoint: Endpoint,
    /// The network's configuration at the time of ADD, as text; in JSON in Base64.
    #[serde(with = "crate::base64")]
    pub config: Vec<u8>,
    /// The result of ADD as JSON; none when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Whether ADD has ended with success. Otherwise something may be left of it, and nobody uses it: ADD failed or its process
    /// was killed, or it is still under way, or a DEL failed of which there was no result.
    #[serde(default = "complete")]
    pub is_complete: bool,
}

fn complete() -> bool {
    true
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
                let name = self.name().to_string_lossy().into_owned();
                let rest = name.strip_prefix(network.as_str());
                rest.is_some_and(|rest| rest.starts_with('-'))
            }
        }
    }

    /// Whether the attachment is one of a container's, or could be: of a file that cannot be read there is only the name.
    pub fn may_be_of_container(&self, container: &ContainerId) -> bool {
        match &self.attachment {
            Ok(cached) => cached.endpoint.container_id == *container,
            Err(_) => self
                .name()
                .to_string_lossy()
                .contains(&format!("-{container}-")),
        }
    }

    /// What the file is told by from one that is written to the same place later.
    pub(crate) fn written(&self) -> (PathBuf, Option<(u64, i64, i64)>) {
        let meta = fs::metadata(&self.path).ok();
        let identity = meta.map(|meta| (meta.ino(), meta.mtime(), meta.mtime_nsec()));
        (self.path.clone(), identity)
    }

    /// Whether another file, though of the same name, is known to be of another attachment: names and their parts are joined by
    /// hyphens.
    fn is_of_another(&self, other: &Self) -> bool {
        match (&self.attachment, &other.attachment) {
            (Ok(one), Ok(other)) => !one.is_of(&other.network, &other.endpoint),
            _ => false,
        }
    }

    /// The file's name, which is the same for an attachment that is begun and one that is complete.
    pub(crate) fn name(&self) -> OsString {
        self.path.file_name().unwrap_or_default().to_owned()
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

    /// The network's configuration at the time of ADD, with the name under which it is kept.
    ///
    /// # Errors
    /// When it is not one.
    pub fn network_list(&self) -> Result<NetworkList, DecodeError> {
        let value = decode::value(&self.config)?;
        let mut list = match decode::key(decode::object(&value)?, "plugins") {
            Some(_) => NetworkList::parse(&self.config),
            None => PluginConfig::from_value(value).and_then(NetworkList::from_single),
        }?;
        if list.name != self.network {
            list.name = self.network.clone();
        }
        Ok(list)
    }

    /// The configuration to detach with where another was read: that of the time of ADD, since an attachment must not outlive its
    /// configuration. None where it is the same, or was not kept.
    ///
    /// That of now may have more plugins at its end: the reference's runtime does not keep those of the network's folder.
    pub fn detach_with(&self, now: &NetworkList) -> Option<NetworkList> {
        let then = self.network_list().ok()?;
        let is_same = now.cni_version == then.cni_version && now.plugins.starts_with(&then.plugins);
        (!is_same).then_some(then)
    }

    fn is_of(&self, network: &NetworkName, endpoint: &Endpoint) -> bool {
        self.network == *network && self.endpoint.attachment() == endpoint.attachment()
    }
}

/// What was known of an attachment before an ADD.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// There is a result, though it may not be readable: it may be attached.
    pub(crate) has_result: bool,
    /// It is found again without being noted: its result can be read.
    pub(crate) is_complete: bool,
    /// It was begun once.
    pub(crate) is_pending: bool,
}

impl Cache {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            results: Folder::results(directory),
            pending: Folder::pending(directory),
        }
    }

    /// Notes that plugins are about to run for an attachment.
    pub(crate) fn begin(&self, network: &NetworkList, endpoint: &Endpoint) -> Result<(), Error> {
        let noted = self.pending.write(network, endpoint, None);
        noted.map_err(|(path, source)| Error::NotNoted { path, source })
    }

    /// Forgets what was noted of an attachment for which nothing was done. Best effort: a DEL for nothing is no harm.
    pub(crate) fn never_begun(&self, network: &NetworkName, endpoint: &Endpoint) {
        let _ = self.pending.remove(network, endpoint);
    }

    /// Keeps the result of ADD.
    pub(crate) fn store(
        &self,
        network: &NetworkList,
        endpoint: &Endpoint,
        result: &Value,
    ) -> Result<(), Error> {
        let kept = self.results.write(network, endpoint, Some(result));
        kept.map_err(|(path, error)| failed("keep", &path)(error))?;
        // A result is more than a note: one that stays is looked at by nobody.
        let noted = self.pending.path_of(&network.name, &endpoint.attachment());
        let _ = fs::remove_file(noted);
        Ok(())
    }

    /// Notes that an attachment could not be detached, of which nothing is kept that tells so. Best effort: the failure of the
    /// DEL is told in any case.
    pub(crate) fn still_there(&self, network: &NetworkList, endpoint: &Endpoint) {
        if matches!(self.load(&network.name, endpoint), Ok(None)) {
            let _ = self.pending.write(network, endpoint, None);
        }
    }

    /// The result of ADD, when it has been kept.
    pub(crate) fn result(
        &self,
        network: &NetworkName,
        endpoint: &Endpoint,
    ) -> Result<Option<Success>, Error> {
        let Some(cached) = self.results.load(network, endpoint)? else {
            return Ok(None);
        };
        let path = self.results.path_of(network, &endpoint.attachment());
        cached.success().map_err(unusable(&path))
    }

    /// The same for DEL, which goes on without what can never be read.
    pub(crate) fn result_if_readable(
        &self,
        network: &NetworkName,
        endpoint: &Endpoint,
    ) -> Result<Option<Success>, Error> {
        self.result(network, endpoint).or_else(unless_for_now)
    }

    /// The attachment, when ADD has kept or begun it.
    pub(crate) fn load(
        &self,
        network: &NetworkName,
        endpoint: &Endpoint,
    ) -> Result<Option<CachedAttachment>, Error> {
        match self.results.load(network, endpoint)? {
            None => self.pending.load(network, endpoint),
            kept => Ok(kept),
        }
    }

    /// What is known of an attachment that is about to be made. One whose file is that of another is refused.
    pub(crate) fn known(&self, network: &NetworkName, endpoint: &Endpoint) -> Result<Known, Error> {
        let look = |folder: &Folder| {
            let path = folder.path_of(network, &endpoint.attachment());
            match folder.attachment(&path) {
                Ok(Some(other)) if !other.is_of(network, endpoint) => Err(Error::CacheTaken {
                    path,
                    network: other.network,
                    attachment: other.endpoint.attachment(),
                }),
                Ok(cached) => Ok((cached.is_some(), cached.is_some())),
                // One that cannot be read is one.
                Err(error) => unless_for_now::<()>(error).map(|_| (true, false)),
            }
        };
        let (has_result, is_complete) = look(&self.results)?;
        Ok(Known {
            has_result,
            is_complete,
            is_pending: look(&self.pending)?.0,
        })
    }

    /// Forgets the attachment, also when what is kept of it cannot be read.
    pub(crate) fn remove(&self, network: &NetworkName, endpoint: &Endpoint) -> Result<(), Error> {
        self.results.remove(network, endpoint)?;
        self.pending.remove(network, endpoint)
    }

    /// Every file, in the order of their names. Of what is kept as well, what was noted is left out.
    pub(crate) fn files(&self) -> Result<Vec<CachedFile>, Error> {
        // In this order: what is completed in the meantime is seen twice, not never.
        let mut files = self.pending.files()?;
        let results = self.results.files()?;
        let complete = results.iter().filter(|file| file.attachment.is_ok());
        let complete: BTreeMap<_, _> = complete.map(|file| (file.name(), file)).collect();
        let is_kept = |noted: &CachedFile| {
            let kept = complete.get(&noted.name());
            kept.is_some_and(|kept| !kept.is_of_another(noted))
        };
        files.retain(|file| !is_kept(file));
        files.extend(results);
        files.sort_by_key(CachedFile::name);
        Ok(files)
    }

    /// Removes what writers that were killed have left.
    pub(crate) fn sweep(&self) {
        self.results.sweep();
        self.pending.sweep();
    }

    /// The file of an attachment: that of its result, unless it was only begun.
    pub(crate) fn path_of(&self, network: &NetworkName, attachment: &Attachment) -> PathBuf {
        let pending = self.pending.path_of(network, attachment);
        let result = self.results.path_of(network, attachment);
        match pending.exists() && !result.exists() {
            true => pending,
            false => result,
        }
    }

    /// The name of an attachment's file.
    pub(crate) fn name_of(&self, network: &NetworkName, attachment: &Attachment) -> OsString {
        let path = self.results.path_of(network, attachment);
        path.file_name().unwrap_or_default().to_owned()
    }
}

/// Nothing, where it will not be read the next time either.
fn unless_for_now<T>(error: Error) -> Result<Option<T>, Error> {
    match error.is_for_now() {
        true => Err(error),
        false => Ok(None),
    }
}
