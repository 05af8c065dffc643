//! A picture as it is described.

/// A picture.
#[derive(Default)]
pub(super) struct Picture {
    pub(super) title: String,
    pub(super) frames: Vec<Frame>,
    pub(super) boxes: Vec<Box>,
    pub(super) lines: Vec<Line>,
}

/// What has boxes in it.
pub(super) struct Frame {
    pub(super) id: String,
    pub(super) label: String,
}

/// A thing.
pub(super) struct Box {
    pub(super) id: String,
    pub(super) column: usize,
    pub(super) row: f64,
    /// The class of its style.
    pub(super) kind: String,
    pub(super) frame: Option<String>,
    pub(super) text: Vec<String>,
}

/// From one thing to another.
pub(super) struct Line {
    /// The class of its style.
    pub(super) kind: String,
    /// Positions of its boxes.
    pub(super) ends: [usize; 2],
    pub(super) label: String,
}

const KINDS: [&str; 6] = ["outside", "link", "bridge", "routing", "card", "note"];

/// Reads a description.
///
/// # Errors
/// The first line that is none, and why.
pub(super) fn picture(text: &str) -> Result<Picture, String> {
    let mut picture = Picture::default();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        picture
            .add(line)
            .map_err(|why| format!("{line:?}: {why}"))?;
    }
    match picture.title.as_str() {
        "" => Err("it has no title".to_owned()),
        _ => Ok(picture),
    }
}

impl Picture {
    fn add(&mut self, line: &str) -> Result<(), String> {
        let (head, label) = line.split_once(':').unwrap_or((line, ""));
        let words: Vec<&str> = head.split_whitespace().collect();
        match words[..] {
            ["title", ..] => line
                .trim_start_matches("title")
                .trim()
                .clone_into(&mut self.title),
            ["frame", id] => self.frames.push(Frame {
                id: id.to_owned(),
                label: label.trim().to_owned(),
            }),
            ["box", id, column, row, kind, ref frame @ ..] if KINDS.contains(&kind) => {
                let frame = frame
                    .first()
                    .map(|frame| frame.trim_start_matches('@').to_owned());
                if let Some(id) = frame
                    .as_ref()
                    .filter(|id| self.frames.iter().all(|frame| frame.id != **id))
                {
                    return Err(format!("there is no frame {id}"));
                }
                self.boxes.push(Box {
                    id: id.to_owned(),
                    column: column
                        .parse()
                        .map_err(|_unsaid| "its column is no number")?,
                    row: row.parse().map_err(|_unsaid| "its row is no number")?,
                    kind: kind.to_owned(),
                    frame,
                    text: label
                        .split('|')
                        .map(|line| line.trim().to_owned())
                        .collect(),
                });
            }
            [kind @ ("wire" | "route" | "flow" | "barred"), from, to] => {
                let position = |id: &str| {
                    let found = self.boxes.iter().position(|one| one.id == id);
                    found.ok_or_else(|| format!("there is no box {id}"))
                };
                let ends = [position(from)?, position(to)?];
                self.lines.push(Line {
                    kind: kind.to_owned(),
                    ends,
                    label: label.trim().to_owned(),
                });
            }
            _ => return Err("it is no line of a picture".to_owned()),
        }
        Ok(())
    }
}
