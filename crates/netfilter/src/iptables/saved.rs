//! Rules as `iptables-save` prints them.

/// A rule, as pairs of an option and its value.
pub(crate) struct SavedRule(Vec<(String, String)>);

impl SavedRule {
    /// Those of a chain.
    pub(crate) fn of_chain(saved: &str, chain: &str) -> Vec<Self> {
        let beginning = format!("-A {chain} ");
        let rules = saved
            .lines()
            .filter_map(|line| line.strip_prefix(&beginning));
        rules.map(Self::parse).collect()
    }

    fn parse(options: &str) -> Self {
        let mut words = words(options).into_iter();
        let pair = || Some((words.next()?, words.next().unwrap_or_default()));
        Self(std::iter::from_fn(pair).collect())
    }

    /// The value of an option.
    pub(crate) fn value(&self, option: &str) -> Option<&str> {
        let found = self.0.iter().find(|(name, _)| name == option);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether it has no options but these.
    pub(crate) fn has_only(&self, options: &[&str]) -> bool {
        self.0
            .iter()
            .all(|(option, _)| options.contains(&option.as_str()))
    }

    /// The network and the container that its comment names, behind these words.
    pub(crate) fn label(&self, words: &str) -> Option<(&str, &str)> {
        let label = self.value("--comment")?.strip_prefix(words)?;
        let label = label.strip_prefix("name: \"")?.strip_suffix('"')?;
        label.split_once("\" id: \"")
    }
}

/// The words of a line, without the quotes of `iptables-save`.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut is_quoted, mut letters) = (false, line.chars());
    while let Some(letter) = letters.next() {
        let letter = match letter {
            '"' => {
                is_quoted = !is_quoted;
                continue;
            }
            '\\' => letters.next(),
            ' ' if !is_quoted => {
                words.push(String::new());
                continue;
            }
            letter => Some(letter),
        };
        if let Some(word) = words.last_mut() {
            word.extend(letter);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_taken_apart() {
        let saved = r#"-A X -s 10.0.0.1/32 -m comment --comment "name: \"a b\" id: \"c\\d\"" -j Y
-A XY -j Z
"#;
        let rules = SavedRule::of_chain(saved, "X");
        assert_eq!(rules.len(), 1);
        assert_eq!(rules[0].value("-s"), Some("10.0.0.1/32"));
        assert_eq!(rules[0].label(""), Some(("a b", "c\\d")));
        assert_eq!(rules[0].label("dnat "), None);
        assert!(!rules[0].has_only(&["-m", "--comment", "-j"]));
    }
}
