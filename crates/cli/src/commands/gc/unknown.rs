//! What the plugins of a network hold for attachments that are not known here, and would remove.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use linkspan_inspect::Seen;
use linkspan_inspect::attachment::Attachment;
use linkspan_inspect::life::UNDER_WAY;
use linkspan_spec::{NetworkList, Value};

use super::{Decision, asks_plugins};
use crate::args::Gc;
use crate::failure::{Failure, Kind};
use crate::ui::object;

/// An attachment that only what its plugins hold tells of, or the cache of another runtime.
pub(super) struct Unknown {
    attachment: Attachment,
    /// What would go with it.
    held: Vec<Seen>,
}

impl Unknown {
    /// Those of a network that nothing is decided about.
    pub(super) fn of(attachments: Vec<Attachment>, decisions: &[Decision]) -> Vec<Self> {
        let is_known = |one: &Attachment| decisions.iter().any(|known| known.is(one));
        let unknown = attachments.into_iter().filter(|one| !is_known(one));
        let unknown = unknown.map(|attachment| Self {
            held: held(&attachment),
            attachment,
        });
        unknown.filter(|one| !one.held.is_empty()).collect()
    }

    pub(super) fn row(&self, would: &str) -> [String; 5] {
        let one = &self.attachment;
        let held = self.held.iter().map(ToString::to_string);
        let held = held.collect::<Vec<_>>().join(", ");
        [
            one.container.clone(),
            one.ifname.clone().unwrap_or_else(|| "?".to_owned()),
            netns(one).map_or("unknown".to_owned(), |path| path.display().to_string()),
            would.to_owned(),
            format!("not known here{}: {held}", self.life()),
        ]
    }

    pub(super) fn json(&self) -> Value {
        let one = &self.attachment;
        let held = self.held.iter().map(ToString::to_string);
        object([
            ("containerID", one.container.as_str().into()),
            ("ifname", one.ifname.clone().into()),
            (
                "netns",
                netns(one)
                    .map(|path| path.to_string_lossy().into_owned())
                    .into(),
            ),
            ("alive", self.alive().into()),
            ("held", held.collect::<Vec<_>>().into()),
        ])
    }

    /// Whether its container is there, where that is certain.
    fn alive(&self) -> Option<bool> {
        let life = &self.attachment.life;
        (life.is_alive() || life.is_gone()).then(|| life.is_alive())
    }

    /// Whether its container may be harmed: it is there, or nothing tells and it was attached so lately that ADD may be under way.
    fn is_at_risk(&self) -> bool {
        let age = |since: u64| UNIX_EPOCH + Duration::from_secs(since);
        let is_new = |since| age(since).elapsed().is_ok_and(|age| age < UNDER_WAY);
        self.alive()
            .unwrap_or_else(|| self.attachment.since.is_some_and(is_new))
    }

    fn life(&self) -> &'static str {
        match self.alive() {
            Some(true) => ", its container is running",
            Some(false) => ", its container is gone",
            None => "",
        }
    }
}

/// Refuses to have plugins remove what running containers have: of another runtime, whose attachments are not known here.
pub(super) fn refuse_running(
    args: &Gc,
    network: &NetworkList,
    unknown: &[Unknown],
) -> Result<(), Failure> {
    let running = unknown.iter().filter(|one| one.is_at_risk());
    let running: Vec<_> = running
        .map(|one| one.attachment.container.as_str())
        .collect();
    if args.all || !args.keep.is_empty() || !asks_plugins(network) || running.is_empty() {
        return Ok(());
    }
    let name = &network.name;
    let words = format!(
        "containers are attached to network {name}, or just being so, that {} does not know: {}",
        args.network.places.cache_dir().display(),
        running.join(", ")
    );
    Err(Failure::new(Kind::Failed, words).advise(format!(
        "Nothing was removed; the plugins would disconnect them. Look with `linkspan gc {name} --dry-run`, and name the cache of \
         the runtime that attached them with --cache-dir, or detach them by that runtime."
    )))
}

/// What plugins remove when they are told that an attachment is not in use.
fn held(attachment: &Attachment) -> Vec<Seen> {
    let is_held = |seen: &&Seen| !matches!(seen, Seen::Cache(_) | Seen::Interface { .. });
    attachment.seen.iter().filter(is_held).cloned().collect()
}

fn netns(attachment: &Attachment) -> Option<&PathBuf> {
    attachment.netns.as_ref()
}
