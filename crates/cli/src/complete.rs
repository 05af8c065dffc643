//! What a shell is told when a command line is completed.
//!
//! The shell's script (`linkspan completions`) calls this program with the words so far and [`VARIABLE`] set; the words that may
//! follow are clap's own and, for values, those of the functions here. They look where the flags and variables say, as the
//! command would, and offer nothing where they may not look.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use clap::ArgMatches;
use clap_complete::engine::{
    ArgValueCandidates, ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter,
};
use clap_complete::env::{Bash, Fish, Zsh};
use clap_complete::{CompleteEnv, env::Shells};
use linkspan_inspect::link::Links;
use linkspan_inspect::namespace::NAMED;
use linkspan_kernel::rtnl::Rtnl;
use linkspan_runtime::{CachedAttachment, Runtime, load_all};

use crate::args::{self, Places};
use crate::commands::man;
use crate::target::plugin_dirs;

/// The variable by which a shell asks for words, naming itself.
pub(crate) const VARIABLE: &str = "LINKSPAN_COMPLETE";

/// Answers a shell that asks for words, and ends the program then.
pub(crate) fn answer() {
    CompleteEnv::with_factory(args::command)
        .var(VARIABLE)
        .shells(Shells(&[&Bash, &Fish, &Zsh]))
        .complete();
}

/// Names of networks: those of the configurations, and those that are gone while something is attached.
pub(crate) fn networks() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let places = places();
        let mut networks = BTreeMap::new();
        for kept in attachments(&places) {
            networks.insert(
                kept.network.as_str().to_owned(),
                "without a configuration".to_owned(),
            );
        }
        for file in load_all(&places.config_dir()).unwrap_or_default() {
            let path = file.path.file_name().unwrap_or_default().display();
            if let Ok(network) = file.network {
                networks.insert(network.name.as_str().to_owned(), path.to_string());
            }
        }
        candidates(networks)
    })
}

/// Namespaces: names of `ip netns`, the paths of those that are attached elsewhere, and files.
pub(crate) fn namespaces() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let mut found = BTreeMap::new();
        for kept in attachments(&places()) {
            let Some(path) = kept.endpoint.netns.as_deref() else {
                continue;
            };
            let in_folder = NAMED
                .iter()
                .find_map(|folder| path.strip_prefix(folder).ok());
            let name = in_folder.unwrap_or(path).to_string_lossy().into_owned();
            found.insert(name, format!("{} {}", kept.network, kept.endpoint.ifname));
        }
        let [folder, _] = NAMED;
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            found.entry(name).or_default();
        }
        found.retain(|name, _| name.as_bytes().starts_with(current.as_bytes()));
        let mut words = candidates(found);
        if current.as_bytes().contains(&b'/') {
            words.extend(PathCompleter::any().complete(current));
        }
        words
    })
}

/// Links of the host.
pub(crate) fn links() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let links = Rtnl::open().and_then(|rtnl| Links::read(&rtnl));
        let links = links.unwrap_or_default().links.into_iter();
        let others = links.filter(|link| link.name != "lo");
        candidates(
            others
                .map(|link| (link.name, link.kind.unwrap_or_default()))
                .collect(),
        )
    })
}

/// IDs of containers that are attached.
pub(crate) fn containers() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let attached = attachments(&places()).into_iter().map(|kept| {
            let id = kept.endpoint.container_id.to_string();
            let netns = kept.endpoint.netns.unwrap_or_default();
            (id, format!("{} {}", kept.network, netns.display()))
        });
        candidates(attached.collect())
    })
}

/// Networks and containers of what is attached.
pub(crate) fn attached() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let mut words = BTreeMap::new();
        for kept in attachments(&places()) {
            let (network, container) = (kept.network, kept.endpoint.container_id);
            words.insert(container.to_string(), network.to_string());
            words.insert(network.to_string(), "a network".to_owned());
        }
        candidates(words)
    })
}

/// Commands that have a manual page.
pub(crate) fn pages() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let program = man::program();
        let pages = man::pages(&program).into_iter().skip(1);
        pages
            .map(|command| {
                CompletionCandidate::new(man::name_below(command))
                    .help(command.get_about().cloned())
            })
            .collect()
    })
}

/// Names of plugins in the directories of plugins.
pub(crate) fn plugins() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let mut plugins = BTreeMap::new();
        for directory in plugin_dirs(places().cni_path.as_deref()) {
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let is_file = fs::metadata(entry.path()).is_ok_and(|meta| meta.is_file());
                if is_file && name.parse::<linkspan_spec::PluginType>().is_ok() {
                    plugins
                        .entry(name)
                        .or_insert(directory.display().to_string());
                }
            }
        }
        candidates(plugins)
    })
}

/// Words, each with what is told beside it.
fn candidates(words: BTreeMap<String, String>) -> Vec<CompletionCandidate> {
    let candidate = |(word, help): (String, String)| {
        CompletionCandidate::new(word)
            .help(Some(help).filter(|help| !help.is_empty()).map(Into::into))
    };
    words.into_iter().map(candidate).collect()
}

/// What is attached, as far as this user may know.
fn attachments(places: &Places) -> Vec<CachedAttachment> {
    let runtime = Runtime::builder().cache_dir(places.cache_dir()).build();
    let files = runtime.cached_files().unwrap_or_default().into_iter();
    files.filter_map(|file| file.attachment.ok()).collect()
}

/// Where the command that is being written will look. It is not complete, so what it lacks or has too much is no error.
fn places() -> Places {
    let words = env::args_os().skip_while(|word| word != "--").skip(1);
    let command = args::command().ignore_errors(true);
    let Ok(all) = command.try_get_matches_from(words) else {
        return Places::default();
    };
    let mut matches = &all;
    while let Some((_, inner)) = matches.subcommand() {
        matches = inner;
    }
    Places {
        cni_path: given(matches, "cni_path"),
        conf_dir: given(matches, "conf_dir"),
        cache_dir: given(matches, "cache_dir"),
        ..Places::default()
    }
}

/// What is given for an argument, of commands that have it.
fn given<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, name: &str) -> Option<T> {
    matches.try_get_one(name).ok().flatten().cloned()
}
