//! `fuzz [SECONDS [SEED [NAME…]]]`: each target for so long, and what came of it. A fault is kept in `fuzz/artifacts`.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use linkspan_fuzz::engine::{Budget, run};
use linkspan_fuzz::{TARGETS, target};

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(1, |now| now.as_secs())
    };
    let (seconds, seed) = (
        words.next().map_or(Ok(60), |word| word.parse()),
        words.next(),
    );
    let (Ok(seconds), Ok(seed)) = (seconds, seed.map_or_else(|| Ok(now()), |word| word.parse()))
    else {
        println!("usage: fuzz [SECONDS [SEED [NAME…]]]");
        return ExitCode::from(2);
    };
    let names: Vec<String> = words.collect();
    let targets: Option<Vec<_>> = match names.is_empty() {
        true => Some(TARGETS.iter().collect()),
        false => names.iter().map(|name| target(name)).collect(),
    };
    let Some(targets) = targets else {
        let known: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        println!("the targets are {}", known.join(", "));
        return ExitCode::from(2);
    };
    // A panic is told once, with its input.
    std::panic::set_hook(Box::new(|_| {}));
    println!("seed {seed}, {seconds} s each");
    let mut code = ExitCode::SUCCESS;
    for target in targets {
        match run(target, seed, Budget::Time(Duration::from_secs(seconds))) {
            Ok(Ok(inputs)) => println!("{:<14} {inputs:>10} inputs  {}", target.name, target.about),
            Ok(Err(fault)) => {
                code = ExitCode::FAILURE;
                let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("artifacts")
                    .join(target.name);
                let file = folder.join(format!("seed-{seed}"));
                let kept =
                    fs::create_dir_all(&folder).and_then(|()| fs::write(&file, &fault.input));
                println!(
                    "{:<14} FAULT: {}; {}",
                    target.name, fault.origin, fault.words
                );
                match kept {
                    Ok(()) => println!("{:<14} kept as {}", "", file.display()),
                    Err(error) => println!("{:<14} {:?} (not kept: {error})", "", fault.input),
                }
            }
            Err(error) => {
                code = ExitCode::FAILURE;
                println!("{:<14} its corpus cannot be read: {error}", target.name);
            }
        }
    }
    code
}
