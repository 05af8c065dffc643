//! Detaching with what is kept of ADD.

use std::cmp::Reverse;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use linkspan_spec::{Command, ContainerId};

use crate::network::failures;
use crate::trace::operation;
use crate::turn::InTurn;
use crate::{CachedAttachment, Deadline, Error, Runtime};

impl Runtime {
    /// Detaches an attachment as ADD has made it: [`del`](Self::del) with the configuration and the arguments that ADD was called
    /// with, whatever has become of them since (multus#1449). The attachment comes from [`cached`](Self::cached),
    /// [`attachments`](Self::attachments) or [`cached_files`](Self::cached_files).
    ///
    /// What libcni has attached with plugins of the network's folder is kept there without these: [`del`](Self::del) with the list as
    /// it is loaded runs them.
    ///
    /// # Errors
    /// As [`del`](Self::del); or that the configuration was not kept, or cannot be read. [`Error::AttachedSince`] where the
    /// attachment is given as one that is not [complete](CachedAttachment::is_complete), and is by now: an ADD was under way, or
    /// was tried again.
    pub fn detach(&self, attachment: &CachedAttachment) -> Result<(), Error> {
        let CachedAttachment {
            network, endpoint, ..
        } = attachment;
        operation(&self.runner, Command::Del, network, endpoint, || {
            let deadline = self.deadline();
            let turn = self.turn(Command::Del, &endpoint.container_id, deadline)?;
            if !attachment.is_complete && self.is_complete(attachment) {
                return Err(Error::AttachedSince {
                    network: network.clone(),
                    attachment: endpoint.attachment(),
                });
            }
            self.detach_in(&turn, attachment, deadline)
        })
    }

    /// Detaches a container from every network: each of its attachments, complete or only begun, the latest first, with what ADD
    /// was called with. No other operation is at the container meanwhile. A container of which nothing is known is no failure.
    ///
    /// Each DEL has a time of its own. One that fails does not keep the others from being done.
    ///
    /// # Errors
    /// All failures ([`Error::errors`]); a file of the cache that cannot be read and could be of the container is one. What
    /// failed stays known.
    pub fn detach_all(&self, container: &ContainerId) -> Result<(), Error> {
        let turn = self.turn(Command::Del, container, self.deadline())?;
        let mut files = self.cache.files()?;
        files.retain(|file| file.may_be_of_container(container));
        files.sort_by_cached_key(|file| Reverse((written(&file.path), file.name())));
        let detached = files.into_iter().map(|file| {
            let cached = file.attachment?;
            operation(
                &self.runner,
                Command::Del,
                &cached.network,
                &cached.endpoint,
                || self.detach_in(&turn, &cached, self.deadline()),
            )
        });
        Error::collect(failures(detached))
    }

    /// Whether an attachment is complete by now.
    fn is_complete(&self, attachment: &CachedAttachment) -> bool {
        let now = self.cached(&attachment.network, &attachment.endpoint);
        now.is_ok_and(|now| now.is_some_and(|now| now.is_complete))
    }

    fn detach_in(
        &self,
        turn: &InTurn<'_>,
        attachment: &CachedAttachment,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let CachedAttachment {
            network, endpoint, ..
        } = attachment;
        let then = attachment.network_list();
        let then = then.map_err(|source| Error::CachedResult {
            path: self.cached_path(network, endpoint),
            source,
        })?;
        turn.del(&then, endpoint, deadline)
    }
}

/// When an attachment was made.
fn written(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|meta| meta.modified()).ok()
}
