//! The repository's documents, as their readers see them: what they link to, what they show, and whether that is so.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// What stands in the environment of whoever wants what is shown to be written anew.
const WRITE: &str = "LINKSPAN_WRITE";

/// A document in Markdown.
#[derive(Clone, Debug)]
pub struct Document {
    /// Where it is, from the top of the repository.
    pub path: PathBuf,
    /// What it consists of.
    pub text: String,
    /// Its blocks of code, in their order.
    pub blocks: Vec<Block>,
    /// Where its links and pictures lead, as they are written, each with where it stands in the text.
    pub links: Vec<(usize, String)>,
    /// Pieces of code within a line, each with where it stands in the text.
    pub phrases: Vec<(usize, String)>,
    /// The names by which links lead to its headings, as those who show Markdown make them.
    pub anchors: Vec<String>,
}

/// A block of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What stands behind the fence: a language, and words after commas; empty for a block that is indented.
    pub info: String,
    /// Where in the document's text its lines are.
    pub range: Range<usize>,
    /// Its lines.
    pub text: String,
}

impl Block {
    /// Its language.
    #[must_use]
    pub fn language(&self) -> &str {
        self.info.split(',').next().unwrap_or_default()
    }

    /// The value of `key=value` behind its language.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        let mut words = self.info.split(',').skip(1);
        words.find_map(|word| word.trim().strip_prefix(key)?.strip_prefix('='))
    }
}

/// The top of the repository.
#[must_use]
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Document {
    /// All of them: those at the top, and those below `docs`.
    ///
    /// # Panics
    /// When one cannot be read.
    #[track_caller]
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut found = Vec::new();
        let mut folders = vec![(PathBuf::new(), false), (PathBuf::from("docs"), true)];
        while let Some((folder, is_whole)) = folders.pop() {
            let entries = fs::read_dir(top().join(&folder)).map(|all| all.flatten());
            for entry in entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
                let path = folder.join(entry.file_name());
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() && is_whole => folders.push((path, true)),
                    Ok(kind) if kind.is_file() => found.push(path),
                    _ => {}
                }
            }
        }
        found.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
        found.sort();
        found.iter().map(Self::read).collect()
    }

    /// The one at this path from the top of the repository.
    ///
    /// # Panics
    /// When it cannot be read.
    #[track_caller]
    #[must_use]
    pub fn read(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        let text = fs::read_to_string(top().join(&path));
        Self::parse(
            path.clone(),
            text.unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        )
    }

    fn parse(path: PathBuf, text: String) -> Self {
        let mut document = Self {
            path,
            text: String::new(),
            blocks: Vec::new(),
            links: Vec::new(),
            phrases: Vec::new(),
            anchors: Vec::new(),
        };
        let mut anchors = Anchors::default();
        let mut heading: Option<String> = None;
        let mut block: Option<Block> = None;
        for (event, range) in Parser::new_ext(&text, Options::ENABLE_TABLES).into_offset_iter() {
            match event {
                Event::Start(Tag::Heading {
                    level: HeadingLevel::H1 | HeadingLevel::H2 | HeadingLevel::H3 | HeadingLevel::H4,
                    ..
                }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => document
                    .anchors
                    .extend(heading.take().map(|text| anchors.of(&text))),
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    document.links.push((range.start, dest_url.into_string()));
                }
                Event::Start(Tag::CodeBlock(kind)) => {
                    let info = match kind {
                        CodeBlockKind::Fenced(info) => info.into_string(),
                        CodeBlockKind::Indented => String::new(),
                    };
                    // Of a block without lines, what follows the fence.
                    let start = text[range.start..]
                        .find('\n')
                        .map_or(range.end, |end| range.start + end + 1);
                    block = Some(Block {
                        info,
                        range: start..start,
                        text: String::new(),
                    });
                }
                Event::End(TagEnd::CodeBlock) => document.blocks.extend(block.take()),
                Event::Code(code) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&code);
                    }
                    document.phrases.push((range.start, code.into_string()));
                }
                Event::Text(words) => {
                    if let Some(block) = &mut block {
                        if block.text.is_empty() {
                            block.range.start = range.start;
                        }
                        block.range.end = range.end;
                        block.text.push_str(&words);
                    } else if let Some(heading) = &mut heading {
                        heading.push_str(&words);
                    }
                }
                _ => {}
            }
        }
        Self { text, ..document }
    }

    /// Where a place in its text is, for messages: `docs/page.md:7`.
    #[must_use]
    pub fn place(&self, position: usize) -> String {
        let line = self.text[..position].matches('\n').count() + 1;
        format!("{}:{line}", self.path.display())
    }

    /// Its text with other words in some places, none of which overlap.
    #[must_use]
    pub fn with(&self, mut places: Vec<(Range<usize>, String)>) -> String {
        places.sort_by_key(|(range, _)| range.start);
        let mut made = self.text.clone();
        for (range, words) in places.into_iter().rev() {
            made.replace_range(range, &words);
        }
        made
    }

    /// Where the lines between `<!-- NAME -->` and `<!-- end -->` are.
    ///
    /// # Panics
    /// When there are none.
    #[track_caller]
    #[must_use]
    pub fn region(&self, name: &str) -> Range<usize> {
        let begin = format!("<!-- {name} -->\n");
        let region = self.text.find(&begin).and_then(|position| {
            let start = position + begin.len();
            let end = self.text[start..].find("<!-- end -->")?;
            Some(start..start + end)
        });
        region.unwrap_or_else(|| {
            panic!(
                "{} has no lines between {begin:?} and <!-- end -->",
                self.path.display()
            )
        })
    }

    /// Its text is to be this: compares, and shows the first line that differs; with `LINKSPAN_WRITE` in the environment it is
    /// written.
    ///
    /// # Panics
    /// When it differs.
    #[track_caller]
    pub fn is_to_be(&self, made: &str) {
        same(&top().join(&self.path), made);
    }
}

/// What a block shows when its commands, the lines that begin with `# `, print what `run` gives for each.
#[must_use]
pub fn replayed(block: &str, mut run: impl FnMut(&str) -> String) -> String {
    let mut made = String::new();
    let mut lines = block.lines().peekable();
    while let Some(line) = lines.next() {
        made += &format!("{line}\n");
        let Some(mut command) = line.strip_prefix("# ").map(str::to_owned) else {
            continue;
        };
        while command.ends_with('\\') {
            let Some(more) = lines.next() else { break };
            made += &format!("{more}\n");
            command += &format!("\n{more}");
        }
        made += &run(&command);
        while lines.next_if(|next| !next.starts_with("# ")).is_some() {}
    }
    made
}

/// Compares what a file shows with what is printed; with `LINKSPAN_WRITE` in the environment it is written.
///
/// # Panics
/// When it differs, with the first line that does.
#[track_caller]
pub fn same(path: &Path, printed: &str) {
    let shown = fs::read_to_string(path).unwrap_or_default();
    if shown == printed {
        return;
    }
    if env::var_os(WRITE).is_some() {
        if let Err(error) = fs::write(path, printed) {
            panic!("cannot write {}: {error}", path.display());
        }
        return;
    }
    let mut pairs = shown.lines().zip(printed.lines());
    let first = pairs.find(|(shown, printed)| shown != printed);
    panic!(
        "{} shows something else than is printed; {WRITE}=1 makes it anew. The first line: {first:#?}",
        path.display()
    );
}

/// The names of headings: small letters, digits, hyphens and underscores, each name once.
#[derive(Default)]
struct Anchors(BTreeMap<String, usize>);

impl Anchors {
    fn of(&mut self, heading: &str) -> String {
        let letters = heading.trim().to_lowercase();
        let letters = letters.chars().filter_map(|letter| match letter {
            ' ' => Some('-'),
            '-' | '_' => Some(letter),
            letter => letter.is_alphanumeric().then_some(letter),
        });
        let name: String = letters.collect();
        let count = self.0.entry(name.clone()).or_default();
        *count += 1;
        match *count {
            1 => name,
            count => format!("{name}-{}", count - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# One `two`: three!\n\n[a](b.md#c) and `d e`\n\n```json,example=f\n{\n\n}\n```\n\n## It's\n\n```console\n# g \\\n    h\nold\n# i\n```\n\n## Its\n\n    j\n";

    #[test]
    fn what_a_document_consists_of() {
        let page = Document::parse(PathBuf::from("p.md"), PAGE.to_owned());
        assert_eq!(page.anchors, ["one-two-three", "its", "its-1"]);
        assert_eq!(page.links[0].1, "b.md#c");
        assert_eq!(page.place(page.links[0].0), "p.md:3");
        let phrases: Vec<_> = page.phrases.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(phrases, ["two", "d e"]);
        let blocks: Vec<_> = page
            .blocks
            .iter()
            .map(|block| {
                (
                    block.language(),
                    block.value("example"),
                    &PAGE[block.range.clone()],
                )
            })
            .collect();
        assert_eq!(
            blocks,
            [
                ("json", Some("f"), "{\n\n}\n"),
                ("console", None, "# g \\\n    h\nold\n# i\n"),
                ("", None, "j\n"),
            ]
        );
    }

    #[test]
    fn what_commands_print_takes_the_place_of_what_is_shown() {
        let page = Document::parse(PathBuf::from("p.md"), PAGE.to_owned());
        let block = &page.blocks[1];
        let made = replayed(&block.text, |command| format!("<{command}>\n"));
        assert_eq!(made, "# g \\\n    h\n<g \\\n    h>\n# i\n<i>\n");
        assert!(
            page.with(vec![(block.range.clone(), made)])
                .contains("<i>\n```\n\n## Its")
        );
    }
}
