//! The version of a configuration: the newest that all of its plugins speak.

use linkspan_spec::Version;

use crate::Choice;
use crate::facts::Facts;
use crate::refusal::Refusal;
use crate::wish::Wish;

/// What came of asking a plugin for its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Speech {
    /// It speaks these.
    Speaks(Vec<Version>),
    /// It is not there.
    Missing,
    /// It does not answer, for this reason.
    Silent(String),
}

/// Chooses the version, or looks whether the plugins speak the one that is wished.
pub(crate) fn choose(
    wish: &Wish,
    plugins: &[String],
    facts: &Facts,
    choices: &mut Vec<Choice>,
) -> Result<Version, Refusal> {
    let spoken = |plugin: &String| match facts.speech(plugin) {
        Some(Speech::Speaks(versions)) => Some((plugin.clone(), versions.clone())),
        _ => None,
    };
    let spoken: Vec<(String, Vec<Version>)> = plugins.iter().filter_map(spoken).collect();
    let by_all = |version: &Version| {
        spoken
            .iter()
            .all(|(_, versions)| versions.contains(version))
    };
    if let Some(version) = wish.version {
        let mut deaf = spoken
            .iter()
            .filter(|(_, versions)| !versions.contains(&version));
        return match deaf.next() {
            None => Ok(version),
            Some((plugin, versions)) => Err(Refusal::host(
                format!("the plugin {plugin} of this host does not speak CNI {version}"),
                format!("It speaks {}.", words(versions)),
            )),
        };
    }
    let Some(version) = Version::ALL.iter().copied().filter(by_all).max() else {
        let each = spoken
            .iter()
            .map(|(plugin, versions)| format!("{plugin} speaks {}", words(versions)));
        return Err(Refusal::host(
            "the plugins of this host have no version of CNI in common".to_owned(),
            format!(
                "{}. Install plugins that go together: `linkspan install`.",
                each.collect::<Vec<_>>().join(", ")
            ),
        ));
    };
    let names: Vec<&str> = spoken.iter().map(|(plugin, _)| plugin.as_str()).collect();
    let why = match names.is_empty() {
        true => "the newest that there is, since no plugin of it is here to be asked".to_owned(),
        false => format!("the newest that {} here speak", names.join(", ")),
    };
    choices.push(Choice::new("version", version, why));
    Ok(version)
}

fn words(versions: &[Version]) -> String {
    let texts: Vec<&str> = versions.iter().map(|version| version.as_str()).collect();
    texts.join(", ")
}
