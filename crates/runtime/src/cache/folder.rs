//! A directory with a file for each attachment.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use linkspan_spec::decode::{self, DecodeError, Map, Value};
use linkspan_spec::{Attachment, MAX_INPUT, NetworkList, NetworkName};

use super::form;
use super::{CachedAttachment, CachedFile};
use crate::file::{self, Lasting};
use crate::{Endpoint, Error};

/// The largest file that is read, in bytes: a configuration of the largest size is a third larger in
/// Base64, and beside it stand a result and arguments of up to that size.
const MAX_FILE: usize = 4 * MAX_INPUT;

/// A directory of its own for files being written: the reference's runtime takes every file
/// beside the results for a result.
const WORKSHOP: &str = ".tmp";

/// How old a file in the workshop is when whoever wrote it must have died.
const ABANDONED: Duration = Duration::from_secs(60);

/// A directory with a file for each attachment.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Whether those in it are complete.
    is_complete: bool,
    lasting: Lasting,
}

impl Folder {
    /// Of the results of ADD.
    pub(super) fn results(cache: &Path) -> Self {
        Self {
            path: cache.join("results"),
            is_complete: true,
            lasting: Lasting::PowerFailure,
        }
    }

    /// Of what was begun. Nothing that was begun outlives a power failure.
    pub(super) fn pending(cache: &Path) -> Self {
        Self {
            path: cache.join("pending"),
            is_complete: false,
            lasting: Lasting::Process,
        }
    }

    /// Writes the file of an attachment; a failure comes with its path.
    pub(super) fn write(
        &self,
        network: &NetworkList,
        endpoint: &Endpoint,
        result: Option<&Value>,
    ) -> Result<(), (PathBuf, io::Error)> {
        let path = self.path_of(&network.name, &endpoint.attachment());
        let workshop = self.path.join(WORKSHOP);
        let text = form::encode(network, endpoint, result).to_string();
        // Arguments may be as large and as deep as they like. What cannot be read again would be in the way of all others.
        if let Err(error) = decode::value_within(MAX_FILE, text.as_bytes()) {
            return Err((path, io::Error::new(io::ErrorKind::InvalidInput, error)));
        }
        let write = || file::write(&path, &workshop, text.as_bytes(), self.lasting);
        match write() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                file::create_directory(&workshop).and_then(|()| write())
            }
            written => written,
        }
        .map_err(|error| (path, error))
    }

    /// The attachment, when its file is there and not that of another.
    ///
    /// In the oldest form, before there was a `kind`, a file holds the result and nothing else.
    pub(super) fn load(
        &self,
        network: &NetworkName,
        endpoint: &Endpoint,
    ) -> Result<Option<CachedAttachment>, Error> {
        let path = self.path_of(network, &endpoint.attachment());
        let Some(map) = read(&path)? else {
            return Ok(None);
        };
        if form::is_oldest(&map) {
            return Ok(Some(CachedAttachment {
                network: network.clone(),
                endpoint: endpoint.clone(),
                config: Vec::new(),
                result: Some(Value::Object(map)),
                is_complete: self.is_complete,
            }));
        }
        if !form::is_current(&map) {
            return Err(unusable(&path)(form::wrong_kind(&map)));
        }
        let cached = self.decode(&map).map_err(unusable(&path))?;
        // Network "a", container "b-c" has the file name of network "a-b", container "c".
        Ok(cached.is_of(network, endpoint).then_some(cached))
    }

    /// What a file keeps; nothing when it is not there.
    pub(super) fn attachment(&self, path: &Path) -> Result<Option<CachedAttachment>, Error> {
        let decode = |map: Map| match form::is_current(&map) {
            true => self.decode(&map),
            false => Err(form::wrong_kind(&map)),
        };
        let map = read(path)?;
        map.map(decode).transpose().map_err(unusable(path))
    }

    fn decode(&self, map: &Map) -> Result<CachedAttachment, DecodeError> {
        Ok(CachedAttachment {
            is_complete: self.is_complete,
            ..form::decode(map)?
        })
    }

    /// Forgets the attachment, also when what is kept of it can never be read. It is not forgotten when that cannot be read just
    /// now, since it may be another's.
    pub(super) fn remove(&self, network: &NetworkName, endpoint: &Endpoint) -> Result<(), Error> {
        let path = self.path_of(network, &endpoint.attachment());
        match self.load(network, endpoint) {
            Ok(None) => return Ok(()),
            Err(error) if error.is_for_now() => return Err(error),
            _ => {}
        }
        match fs::remove_file(&path) {
            Ok(()) => Ok(()),
            Err(error) => match error.kind() {
                // The second: where the folder should be is a file.
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(()),
                _ => Err(failed("remove", &path)(error)),
            },
        }
    }

    /// Every file, in the order of their names.
    pub(super) fn files(&self) -> Result<Vec<CachedFile>, Error> {
        let names = file::names(&self.path).map_err(failed("list", &self.path))?;
        let load = |name: String| {
            let path = self.path.join(name);
            let attachment = self.attachment(&path).transpose()?;
            Some(CachedFile { path, attachment })
        };
        Ok(names.into_iter().filter_map(load).collect())
    }

    /// Removes what writers that were killed have left. Best effort: it is in nobody's way.
    pub(super) fn sweep(&self) {
        let workshop = self.path.join(WORKSHOP);
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

    /// The file of an attachment.
    pub(super) fn path_of(&self, network: &NetworkName, attachment: &Attachment) -> PathBuf {
        let Attachment {
            container_id,
            ifname,
            ..
        } = attachment;
        self.path.join(format!("{network}-{container_id}-{ifname}"))
    }
}

fn read(path: &Path) -> Result<Option<Map>, Error> {
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

pub(super) fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Cache {
        operation,
        path: path.to_owned(),
        source,
    }
}

pub(super) fn unusable(path: &Path) -> impl FnOnce(DecodeError) -> Error {
    |source| Error::CachedResult {
        path: path.to_owned(),
        source,
    }
}
