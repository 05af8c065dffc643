//! The test process that runs itself again in new namespaces, for one test.

use std::any::type_name;
use std::env;
use std::process;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::{INSIDE, mounts, namespaces};
use crate::command::{Cmd, Output};
use crate::vm;

/// What the inner process prints when the body has returned, and then what that gave, as JSON. A test harness that ran no test, or one that panicked and
/// should, ends with status 0 as well; only this says that the body passed.
const PASSED: &str = "<linkspan sandbox: the body passed>";

/// Ends the inner process with what the body has told: what follows in the test's function belongs to the outer one.
#[expect(
    clippy::print_stdout,
    clippy::exit,
    reason = "the outer process waits for both"
)]
pub(super) fn end_passed(told: &str) -> ! {
    println!("{PASSED}{}", Value::from(told));
    process::exit(0)
}

/// The path of the running test, as the test harness knows it.
///
/// The harness names the thread of a test after it, unless it runs all tests on its main thread; then the body, a
/// closure in the test's function, has the path in its type: `crate::module::test::{{closure}}`.
pub(super) fn test_name<F>() -> String {
    match thread::current().name() {
        Some(name) if name != "main" => name.to_owned(),
        _ => {
            let path = type_name::<F>().trim_end_matches("::{{closure}}");
            path.split_once("::")
                .map_or(path, |(_crate, test)| test)
                .to_owned()
        }
    }
}

/// Where a test runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Under this machine's kernel.
    Here,
    /// In a virtual machine, with these parameters of its kernel.
    VirtualMachine(String),
}

/// Runs the test called `name` of this executable in a sandbox, and fails as it failed. Gives what its body has told.
#[track_caller]
pub(super) fn rerun(name: &str, place: Place, deadline: Duration) -> String {
    let exe =
        env::current_exe().unwrap_or_else(|error| panic!("this test has no executable: {error}"));
    let test = Cmd::new(exe)
        .args([
            name,
            "--exact",
            "--nocapture",
            "--include-ignored",
            "--test-threads=1",
        ])
        .env(INSIDE, name)
        .env(mounts::TMPDIR.0, mounts::TMPDIR.1)
        // Cargo's, for tests that link a shared library. Each program that a test starts would look in a dozen folders
        // for its own first: half of its time in a virtual machine.
        .env_remove("LD_LIBRARY_PATH");
    let output = match place {
        // setpriv: a test process that is killed takes its sandbox along.
        Place::Here => namespaces::unshared(test, &namespaces::ALL)
            .under(&["setpriv", "--pdeathsig", "KILL", "--"])
            .deadline(deadline)
            .output(),
        Place::VirtualMachine(parameters) => vm::run(
            &test.under(&[&["unshare"], &namespaces::ALL[..], &["--"]].concat()),
            &parameters,
            deadline,
        ),
    };
    let told = output
        .stdout
        .lines()
        .find_map(|line| line.split_once(PASSED));
    let told = told.and_then(|(_, told)| serde_json::from_str(told).ok());
    let Some(told) = told.filter(|_| output.ok()) else {
        panic!("{}", explain(name, &output, deadline))
    };
    #[expect(
        clippy::print_stdout,
        reason = "the harness keeps it for --show-output"
    )]
    {
        let lines = output.stdout.lines();
        lines
            .filter(|line| !line.contains(PASSED))
            .for_each(|line| println!("{line}"));
        print!("{}", output.stderr);
    }
    told
}

fn explain(name: &str, output: &Output, deadline: Duration) -> String {
    if output.timed_out {
        return format!("the test {name} was still running after {deadline:?}\n{output}");
    }
    if output.stderr.starts_with("unshare:") {
        return format!(
            "no sandbox for {name}: this machine lets its user make no namespaces (as root it does; for others see \
             /proc/sys/user/max_user_namespaces and kernel.apparmor_restrict_unprivileged_userns)\n{output}"
        );
    }
    if output.ok() && output.stdout.contains("running 0 tests") {
        return format!(
            "the harness knows no test called {name}; say its path with Setup::named\n{output}"
        );
    }
    let Output {
        status,
        elapsed,
        stdout,
        stderr,
        ..
    } = output;
    format!("{name} failed in its sandbox, {status} after {elapsed:.1?}\n{stdout}{stderr}")
}
