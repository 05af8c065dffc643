//! A fuzzer for a stable compiler: it knows no coverage, but changes what a corpus holds in the ways that break readers.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Target;

/// The longest input in bytes; readers have limits of their own, which their tests look at.
const MAX_INPUT: usize = 16 << 10;

/// How long a reader may take for one input. It takes microseconds; a hundred times as long on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How much is tried.
#[derive(Clone, Copy, Debug)]
pub enum Budget {
    /// So many changed inputs.
    Inputs(u64),
    /// Until so much time has passed.
    Time(Duration),
}

/// A fault: what was read, and what came of it.
#[derive(Debug)]
pub struct Fault {
    /// The input.
    pub input: Vec<u8>,
    /// Whether it is a file of the corpus, or which number it has among the changed ones.
    pub origin: String,
    /// What the panic said, or how long it took.
    pub words: String,
}

/// Where the inputs of a target are kept.
pub fn corpus(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target.name)
}

/// Gives every file of the corpus to a target, and then changed ones, which follow from `seed`; returns how many inputs there were.
///
/// # Errors
/// The first fault. An [`io::Error`] when the corpus cannot be read.
pub fn run(target: &Target, seed: u64, budget: Budget) -> io::Result<Result<u64, Fault>> {
    let corpus = read(&corpus(target))?;
    let mut count = 0;
    for (name, input) in &corpus {
        if let Err(words) = attempt(target, input) {
            let (origin, input) = (format!("the file {name}"), input.clone());
            return Ok(Err(Fault {
                input,
                origin,
                words,
            }));
        }
        count += 1;
    }
    let mut change = Change::new(seed, corpus.into_iter().map(|(_, input)| input).collect());
    let begun = Instant::now();
    let is_left = |made: u64| match budget {
        Budget::Inputs(inputs) => made < inputs,
        Budget::Time(time) => begun.elapsed() < time,
    };
    let mut made = 0;
    while is_left(made) {
        let input = change.next();
        if let Err(words) = attempt(target, &input) {
            let origin = format!("input {made} of seed {seed}");
            return Ok(Err(Fault {
                input,
                origin,
                words,
            }));
        }
        made += 1;
    }
    Ok(Ok(count + made))
}

fn attempt(target: &Target, input: &[u8]) -> Result<(), String> {
    let begun = Instant::now();
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).map_err(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|&words| words.to_owned()));
        words.unwrap_or_else(|| "a panic without words".to_owned())
    })?;
    let took = begun.elapsed();
    match took > PATIENCE {
        true => Err(format!("it took {took:?}")),
        false => Ok(()),
    }
}

/// The files of a directory, by name.
fn read(directory: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        files.push((name, fs::read(entry.path())?));
    }
    files.sort();
    Ok(files)
}

/// Makes inputs of others.
struct Change {
    state: u64,
    corpus: Vec<Vec<u8>>,
}

impl Change {
    fn new(seed: u64, corpus: Vec<Vec<u8>>) -> Self {
        // A state of nothing but zeros would stay one.
        let state = seed ^ 0x9e37_79b9_7f4a_7c15 | 1;
        Self { state, corpus }
    }

    /// xorshift64*: the same numbers for a seed everywhere.
    fn random(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        match end {
            0 => 0,
            end => (self.random() >> 16) as usize % end,
        }
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        start..start + self.below(length - start + 1).min(64)
    }

    fn other(&mut self) -> Vec<u8> {
        let index = self.below(self.corpus.len());
        self.corpus.get(index).cloned().unwrap_or_default()
    }

    fn next(&mut self) -> Vec<u8> {
        let mut input = self.other();
        for _ in 0..=self.below(4) {
            self.change(&mut input);
        }
        input.truncate(MAX_INPUT);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len());
        match self.below(8) {
            0 if !input.is_empty() => input[at] ^= 1 << self.below(8),
            1 if !input.is_empty() => input[at] = self.edge() as u8,
            // A number of 16 or 32 bits at its edges: lengths, counts, types.
            2 => {
                let number = self.edge().to_ne_bytes();
                let width = [2, 4, 8][self.below(3)];
                for (byte, new) in input[at..].iter_mut().zip(&number[..width]) {
                    *byte = *new;
                }
            }
            3 => drop(input.drain(self.range(input.len()))),
            // Again, elsewhere.
            4 => {
                let piece = input[self.range(input.len())].to_vec();
                input.splice(at..at, piece);
            }
            5 => {
                let other = self.other();
                let piece = other[self.range(other.len())].to_vec();
                let gap = self.range(input.len());
                input.splice(gap, piece);
            }
            6 => input.truncate(at),
            _ => {
                let token = TOKENS[self.below(TOKENS.len())];
                let gap = at..(at + self.below(2) * token.len()).min(input.len());
                input.splice(gap, token.bytes());
            }
        }
    }

    fn edge(&mut self) -> u64 {
        const EDGES: [u64; 12] = [
            0,
            1,
            3,
            4,
            7,
            0x7f,
            0x80,
            0xff,
            0x7fff,
            0xffff,
            0x7fff_ffff,
            u64::MAX,
        ];
        match self.below(EDGES.len() + 1) {
            12 => self.random(),
            edge => EDGES[edge],
        }
    }
}

/// What texts break at.
const TOKENS: &[&str] = &[
    "null",
    "true",
    "{}",
    "[]",
    "\"\"",
    "0",
    "-1",
    "1e308",
    "1e999",
    "18446744073709551616",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\u{202e}",
    "é",
    "\0",
    "\n",
    "\r\n",
    "\"",
    "\\",
    ":",
    ",",
    "{",
    "}",
    "[",
    "]",
    "/",
    "//",
    "/*",
    "*/",
    "#",
    ";",
    "=",
    "%",
    "-",
    "1.1.0",
    "0.1.0",
    "10.0.0.0/8",
    "::/0",
    "fe80::1%eth0",
    "256.1.1.1",
    "0.0.0.0/33",
    "cniVersion",
    "plugins",
    "ipam",
    "ips",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_inputs_again_and_another_makes_others() {
        let inputs = |seed| {
            let mut change = Change::new(seed, vec![b"{\"a\": [1, 2]}".to_vec(), Vec::new()]);
            (0..200).map(|_| change.next()).collect::<Vec<_>>()
        };
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
        let kinds: std::collections::BTreeSet<_> = inputs(1).into_iter().collect();
        assert!(kinds.len() > 100, "{}", kinds.len());
    }

    #[test]
    fn a_panic_and_the_input_that_made_it_are_told() {
        let target = Target {
            name: "error",
            about: "",
            run: |bytes| assert!(!bytes.contains(&0), "a zero"),
        };
        let fault = run(&target, 1, Budget::Inputs(10_000))
            .unwrap()
            .unwrap_err();
        assert!(fault.input.contains(&0));
        assert_eq!(fault.words, "a zero");
        assert!(fault.origin.starts_with("input "), "{}", fault.origin);
    }
}
