//! What an installation does, name by name: worked out before anything is changed, so that it can be told, refused or carried out.

use std::cmp::Ordering;

use super::super::bin_dir::BINARY;
use super::look::{Found, Seen};

/// What is done about a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Nothing was there.
    Create,
    /// What is there makes room, and is kept for the way back or not.
    Replace { keep: bool },
    /// It is there already.
    Leave,
    /// What is there must not be replaced.
    Refuse(String),
}

/// A name and what is done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) before: Found,
    pub(super) deed: Deed,
}

/// An installation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// The file of all plugins, and then the names: a link to a file that is not there would be of no use.
    pub(super) steps: Vec<Step>,
    /// Names that the file does not hold. They are left alone: what is there may be somebody's plugin that works.
    pub(super) missing: Vec<&'static str>,
    /// The version that is installed, where the file tells it.
    pub(super) version: Option<String>,
}

/// What the user wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wishes {
    /// Replace also what is no CNI plugin.
    pub(super) force: bool,
    /// Keep what is not Linkspan's.
    pub(super) backup: bool,
}

impl Plan {
    /// Plans the installation of a file that holds these names where this is seen.
    pub(super) fn new(
        seen: Vec<Seen>,
        held: &[&str],
        version: Option<String>,
        wishes: Wishes,
    ) -> Self {
        let (mut steps, mut missing) = (Vec::new(), Vec::new());
        for one in seen {
            if one.name != BINARY && !held.contains(&one.name) {
                missing.push(one.name);
                continue;
            }
            steps.push(Step {
                name: one.name,
                deed: deed(&one, wishes),
                before: one.found,
            });
        }
        Self {
            steps,
            missing,
            version,
        }
    }

    /// The steps that change something.
    pub(super) fn changes(&self) -> impl Iterator<Item = &Step> {
        let is_change = |step: &&Step| matches!(step.deed, Deed::Create | Deed::Replace { .. });
        self.steps.iter().filter(is_change)
    }

    /// Whether all is there already.
    pub(super) fn is_settled(&self) -> bool {
        self.steps.iter().all(|step| step.deed == Deed::Leave)
    }

    /// Names whose file is kept.
    pub(super) fn kept(&self) -> impl Iterator<Item = &'static str> {
        let is_kept = |step: &&Step| step.deed == Deed::Replace { keep: true };
        self.steps.iter().filter(is_kept).map(|step| step.name)
    }

    /// Why it must not be carried out.
    pub(super) fn refusals(&self) -> impl Iterator<Item = String> {
        self.steps.iter().filter_map(|step| match &step.deed {
            Deed::Refuse(why) => Some(format!("{}: {why}", step.name)),
            _ => None,
        })
    }

    /// How many plugins are there when it is done.
    pub(super) fn plugins(&self) -> usize {
        self.steps.iter().filter(|step| step.name != BINARY).count()
    }

    /// The version that an older one takes the place of.
    pub(super) fn downgraded(&self) -> Option<&str> {
        let new = self.version.as_deref()?;
        let before = self.changes().find_map(|step| match &step.before {
            Found::Linkspan(Some(old)) if compare(old, new) == Ordering::Greater => Some(old),
            _ => None,
        });
        before.map(String::as_str)
    }
}

fn deed(seen: &Seen, wishes: Wishes) -> Deed {
    match &seen.found {
        _ if seen.is_settled => Deed::Leave,
        Found::Nothing => Deed::Create,
        Found::Lost | Found::Overwritten | Found::Linkspan(_) => Deed::Replace { keep: false },
        Found::Plugin(_) => Deed::Replace {
            keep: wishes.backup,
        },
        Found::Directory => Deed::Refuse("a directory".to_owned()),
        // The plugin that is kept works, and this does not.
        Found::Unknown(_) if wishes.force => Deed::Replace {
            keep: wishes.backup && !seen.is_kept,
        },
        Found::Unknown(why) => Deed::Refuse(why.clone()),
    }
}

/// Which of two versions is the newer one, by its numbers; one for trials (`-rc.1`) comes before its release.
pub(super) fn compare(one: &str, other: &str) -> Ordering {
    let parts = |version: &str| {
        let version = version.split('+').next().unwrap_or_default();
        let (numbers, trial) = match version.split_once('-') {
            Some((numbers, trial)) => (numbers, Some(trial.to_owned())),
            None => (version, None),
        };
        let numbers = numbers.split('.').map(|one| one.parse().unwrap_or(0));
        (numbers.collect::<Vec<u64>>(), trial)
    };
    let ((one, one_trial), (other, other_trial)) = (parts(one), parts(other));
    let trials = || match (one_trial, other_trial) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(one), Some(other)) => one.cmp(&other),
    };
    one.cmp(&other).then_with(trials)
}

#[cfg(test)]
mod tests {
    use super::super::look::Other;
    use super::*;

    fn reference() -> Found {
        Found::Plugin(Other {
            is_reference: true,
            version: Some("v1.1.1".to_owned()),
            speaks: vec!["1.0.0".to_owned()],
        })
    }

    fn linkspan(version: &str) -> Found {
        Found::Linkspan(Some(version.to_owned()))
    }

    /// What is done about a name at which this is found.
    fn about(found: Found, is_settled: bool, wishes: Wishes) -> Deed {
        let seen = Seen {
            name: "bridge",
            found,
            is_settled,
            is_kept: false,
        };
        Plan::new(vec![seen], &["bridge"], None, wishes).steps[0]
            .deed
            .clone()
    }

    #[test]
    fn what_is_done_depends_on_what_is_there() {
        let unknown = || Found::Unknown("notes".to_owned());
        let refuse = |why: &str| Deed::Refuse(why.to_owned());
        let (kept, lost) = (Deed::Replace { keep: true }, Deed::Replace { keep: false });
        // What is there, whether it is the same, and what is done: by default, with --force, with --no-backup.
        let cases = [
            (
                Found::Nothing,
                false,
                [Deed::Create, Deed::Create, Deed::Create],
            ),
            (
                Found::Lost,
                false,
                [lost.clone(), lost.clone(), lost.clone()],
            ),
            (
                Found::Overwritten,
                false,
                [lost.clone(), lost.clone(), lost.clone()],
            ),
            (
                linkspan("0.1.0"),
                false,
                [lost.clone(), lost.clone(), lost.clone()],
            ),
            (
                linkspan("0.1.0"),
                true,
                [Deed::Leave, Deed::Leave, Deed::Leave],
            ),
            (
                Found::Linkspan(None),
                false,
                [lost.clone(), lost.clone(), lost.clone()],
            ),
            (
                reference(),
                false,
                [kept.clone(), kept.clone(), lost.clone()],
            ),
            (unknown(), false, [refuse("notes"), kept, refuse("notes")]),
            (
                Found::Directory,
                false,
                [
                    refuse("a directory"),
                    refuse("a directory"),
                    refuse("a directory"),
                ],
            ),
        ];
        for (found, is_settled, expected) in cases {
            let wishes = [(false, true), (true, true), (false, false)];
            let done = wishes
                .map(|(force, backup)| about(found.clone(), is_settled, Wishes { force, backup }));
            assert_eq!(done, expected, "{found:?}");
        }
    }

    #[test]
    fn what_the_file_does_not_hold_is_no_step() {
        let seen = [BINARY, "bridge", "vrf"].map(|name| Seen {
            name,
            found: reference(),
            is_settled: false,
            is_kept: false,
        });
        let wishes = Wishes {
            force: false,
            backup: true,
        };
        let plan = Plan::new(seen.to_vec(), &["bridge"], None, wishes);
        assert_eq!(plan.missing, ["vrf"]);
        assert_eq!(plan.plugins(), 1);
        assert_eq!(plan.kept().collect::<Vec<_>>(), [BINARY, "bridge"]);
    }

    #[test]
    fn a_downgrade_is_seen() {
        let plan = |old: &str, new: &str| {
            let seen = vec![Seen {
                name: BINARY,
                found: linkspan(old),
                is_settled: false,
                is_kept: false,
            }];
            let wishes = Wishes {
                force: false,
                backup: true,
            };
            Plan::new(seen, &[], Some(new.to_owned()), wishes)
        };
        for (old, new, is_down) in [
            ("0.2.0", "0.1.0", true),
            ("0.10.0", "0.9.9", true),
            ("1.0.0", "1.0.0-rc.1", true),
            ("1.0.0-rc.1", "1.0.0", false),
            ("0.1.0", "0.1.0+local", false),
            ("0.9.0", "0.10.0", false),
        ] {
            let plan = plan(old, new);
            let expected = is_down.then_some(old);
            assert_eq!(plan.downgraded(), expected, "{old} to {new}");
        }
    }
}
