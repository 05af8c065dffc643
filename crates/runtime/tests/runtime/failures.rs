//! What an error tells: which plugin, which step, what the plugin said, what to do.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use linkspan_runtime::{Error, Event, Execute, Fake, Outcome, Output, Request, Runtime};
use linkspan_spec::{Command, ErrorCode, PluginType};

use crate::world::{World, endpoint, network, words};

/// What is told of a plugin whose ADD is this script: words, advice, standard error.
fn told(script: &str) -> (String, String, String) {
    let world = World::new(&[]);
    world.script("one", script);
    let network = network("1.0.0", &["one"]);
    let error = world.runtime().add(&network, &endpoint("c1")).unwrap_err();
    let advice = error.advice().unwrap_or_default();
    let words = words(&error).replace(world.path("").to_str().unwrap(), "");
    let stderr = match error {
        Error::Plugin(error) => error.stderr,
        _ => String::new(),
    };
    (words, advice, stderr)
}

#[test]
fn every_way_to_fail_says_what_happened_and_what_to_do() {
    for (script, words, advice) in [
        (
            "#!/bin/sh\necho '{\"code\":7,\"msg\":\"no subnet\",\"details\":\"add one\"}'; exit 1",
            ": no subnet",
            "add one",
        ),
        (
            "#!/bin/sh\necho '{\"code\":1,\"msg\":\"incompatible\"}'; exit 1",
            ": incompatible",
            "which versions it supports",
        ),
        (
            "#!/bin/sh\nexit 1",
            "netplugin failed with no error message: exit status: 1",
            "",
        ),
        (
            "#!/bin/sh\necho oh no >&2; exit 3",
            "netplugin failed: \"oh no\": exit status: 3",
            "",
        ),
        (
            // cni#732
            "#!/bin/sh\nkill -SEGV $$",
            "no error message: signal: 11 (SIGSEGV)",
            "a defect of the plugin",
        ),
        (
            "#!/bin/sh\nkill -KILL $$",
            "signal: 9 (SIGKILL)",
            "memory ran out",
        ),
        (
            "#!/bin/sh\nno-such-program-here",
            "exit status: 127",
            "lacks a program",
        ),
        (
            "#!/bin/sh\necho oops; exit 1",
            "error parsing its diagnostic message \"oops\\n\": the input is not valid JSON",
            "",
        ),
        (
            "#!/bin/sh\necho '{\"code\":7}'; exit 1",
            "\"msg\" is missing",
            "",
        ),
        (
            "#!/bin/sh\necho starting; echo '{}'",
            "is not the answer to the command: \"starting\\n{}\\n\": the input is not valid JSON",
            "standard error",
        ),
        ("#!/bin/sh\ntrue", "the input is empty", "standard error"),
        (
            "#!/bin/sh\necho '{\"cniVersion\":\"9.0.0\"}'",
            "unknown CNI version \"9.0.0\"",
            "",
        ),
        (
            // kubernetes-sigs/kind#1575
            "#!/no/such/interpreter\n",
            "cannot run bin/one: No such file",
            "Install a static build",
        ),
        (
            "\u{7f}ELF, or half of it",
            "Exec format error",
            "only half of one",
        ),
    ] {
        let (told_words, told_advice, _) = told(script);
        assert!(told_words.contains(words), "{script}: {told_words}");
        assert!(told_advice.contains(advice), "{script}: {told_advice}");
        let place = r#"plugin type="one" failed (add), 1 of 1 in network "net", container "c1", interface "eth0""#;
        assert!(told_words.starts_with(place), "{told_words}");
    }
}

/// multus-cni PR#1213: a node on which a copy was cut short, by a crash or by a full disk.
#[test]
fn a_half_copied_program_is_told_as_such() {
    let whole = fs::read("/bin/true").unwrap();
    for part in [0, 1, 2] {
        let world = World::new(&["one"]);
        fs::write(world.path("bin/one"), &whole[..whole.len() / 4 * part]).unwrap();
        let network = network("1.0.0", &["one"]);
        let error = world.runtime().add(&network, &endpoint("c1")).unwrap_err();
        let advice = error.advice().unwrap_or_default();
        assert!(
            advice.contains("half of one"),
            "{part}: {} {advice:?}",
            words(&error)
        );
    }
}

/// cni#732, cni#670, cni PR#655.
#[test]
fn standard_error_is_kept_beside_the_plugins_own_words() {
    let (words, _, stderr) =
        told("#!/bin/sh\necho debug >&2; echo '{\"code\":7,\"msg\":\"no\"}'; exit 1");
    assert!(words.ends_with(": no"), "{words}");
    assert_eq!(stderr, "debug\n");
}

#[test]
fn a_file_that_cannot_be_executed_is_told() {
    let world = World::new(&[]);
    world.write("bin/one", "#!/bin/sh\n");
    let network = network("1.0.0", &["one"]);
    let error = world.runtime().add(&network, &endpoint("c1")).unwrap_err();
    assert!(words(&error).contains("Permission denied"), "{error}");
    assert!(error.advice().unwrap().contains("must be executable"));
    assert_eq!(error.code(), ErrorCode::IO_FAILURE);
}

/// flannel#1471, flannel#1721, flannel#1730: Kubernetes waits, and only "failed to find plugin" is told.
#[test]
fn a_plugin_that_is_nowhere_is_told_with_where_and_what_is_there() {
    let world = World::new(&["bridge", "loopback"]);
    let network = network("1.0.0", &["one"]);
    let runtime = world.builder().plugin_dir("/no/such/dir").build();
    let error = runtime.add(&network, &endpoint("c1")).unwrap_err();
    assert_eq!(
        words(&error),
        format!(
            "failed to find plugin \"one\" in path [{:?}, \"/no/such/dir\"]",
            world.path("bin")
        )
    );
    assert!(
        error
            .advice()
            .unwrap()
            .starts_with("What is there: bridge, loopback. Install")
    );
}

#[test]
fn the_first_directory_that_has_the_plugin_is_used() {
    let world = World::new(&["one"]);
    fs::create_dir(world.path("more")).unwrap();
    fs::copy(world.path("bin/one"), world.path("more/two")).unwrap();
    let runtime = world.builder().plugin_dir(world.path("more")).build();
    assert_eq!(
        runtime.plugin_dirs(),
        [world.path("bin"), world.path("more")]
    );
    for (plugin, folder) in [("one", "bin"), ("two", "more")] {
        let found = linkspan_runtime::find_plugin(&plugin.parse().unwrap(), runtime.plugin_dirs());
        assert_eq!(found.unwrap(), world.path(folder).join(plugin));
    }
}

#[test]
fn another_executor_can_take_the_place_of_processes_and_the_observer_sees_every_step() {
    let world = World::new(&[]);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let runtime = world
        .builder()
        .executor(Fake::new(|request| {
            let result = r#"{"cniVersion":"1.0.0","ips":[{"address":"10.1.0.2/24"}]}"#;
            Output::success(result).with_stderr(request.command.to_string())
        }))
        .observer(move |event| {
            let Event::Step(finished) = event else { return };
            let step = finished.step;
            let line = format!("{} {} {}", step.number, step.plugin, finished.stderr);
            log.lock().unwrap().push((line, finished.result.is_ok()));
        })
        .build();
    let network = network("1.0.0", &["one", "two"]);
    runtime.add(&network, &endpoint("c1")).unwrap();
    runtime.del(&network, &endpoint("c1")).unwrap();
    let expected = ["1 one ADD", "2 two ADD", "2 two DEL", "1 one DEL"];
    assert_eq!(
        *seen.lock().unwrap(),
        expected.map(|line| (line.to_owned(), true))
    );
}

/// Whatever the runtime does with a plugin goes through its executor, which alone knows where plugins are.
#[test]
fn plugins_that_are_a_function_need_no_file() {
    let world = World::new(&[]);
    let fake = Fake::new(|request| match request.command {
        Command::Version => {
            Output::success(r#"{"cniVersion":"1.1.0","supportedVersions":["1.1.0"]}"#)
        }
        Command::Add => Output::success(r#"{"cniVersion":"1.1.0"}"#),
        Command::Status => Output::failure(&linkspan_spec::Error::new(ErrorCode(50), "no room")),
        _ => Output::success(""),
    });
    let runtime = Runtime::builder()
        .executor(fake)
        .cache_dir(world.path("cache"))
        .build();
    let (now, before) = (network("1.1.0", &["one"]), network("1.0.0", &["one"]));
    runtime.validate(&now).unwrap();
    runtime.validate(&before).unwrap_err();
    runtime.add(&now, &endpoint("c1")).unwrap();
    assert_eq!(runtime.check(&now, &endpoint("c1")).unwrap(), Outcome::Done);
    assert_eq!(runtime.gc(&now, &[]).unwrap(), Outcome::Done);
    assert_eq!(world.cached(), [""; 0]);
    let error = runtime.status(&now).unwrap_err();
    assert_eq!(
        (error.code(), words(&error).ends_with("no room")),
        (ErrorCode(50), true)
    );
    // Which asks whether the plugins are there.
    assert_eq!(runtime.status(&before).unwrap(), Outcome::NotInVersion);
}

/// One that finds no plugin.
struct Nowhere;

impl Execute for Nowhere {
    fn find(&self, plugin: &PluginType, directories: &[PathBuf]) -> Result<PathBuf, Error> {
        linkspan_runtime::find_plugin(plugin, &[directories, &["/nowhere".into()]].concat())
    }

    fn run(&self, request: &Request<'_>) -> std::io::Result<Output> {
        panic!("{} was not found", request.path.display())
    }
}

#[test]
fn a_plugin_that_an_executor_does_not_find_is_not_run() {
    let world = World::new(&[]);
    let runtime = world.builder().executor(Nowhere).build();
    let (now, before) = (network("1.1.0", &["one"]), network("1.0.0", &["one"]));
    let one = "one".parse().unwrap();
    for error in [
        runtime.add(&now, &endpoint("c1")).unwrap_err(),
        runtime.status(&now).unwrap_err(),
        runtime.status(&before).unwrap_err(),
        runtime.version(&one).unwrap_err(),
        runtime.validate(&now).unwrap_err(),
    ] {
        assert!(words(&error).contains("/nowhere"), "{error}");
    }
}

#[test]
fn an_executor_can_be_tried_by_itself() {
    let one: PluginType = "one".parse().unwrap();
    let request = Request::new(&one, "/bin/one".as_ref(), Command::Status);
    assert_eq!(request.variable("CNI_COMMAND").unwrap(), "STATUS");
    assert_eq!(request.variable("CNI_ARGS"), None);
    let fake = Fake::new(|request| Output::success(request.path.display().to_string()));
    assert_eq!(fake.run(&request).unwrap().stdout, b"/bin/one");
}

#[test]
fn a_runtime_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Runtime>();
    fn sent<T: Send + Sync + 'static>() {}
    sent::<Error>();
}

/// Two plugins fail their DEL, one with words on standard error, after the ADD of the third has failed.
fn undone() -> Error {
    let world = World::new(&["one", "two", "three"]);
    world.fail("three", "ADD", "no room");
    world.write("log/three.ADD.err", "line 1\nline 2\n");
    world.fail("two", "DEL", "busy");
    world.fail("one", "DEL", "locked");
    let network = network("1.1.0", &["one", "two", "three"]);
    let runtime = world.builder().detach_failed(true).build();
    runtime.add(&network, &endpoint("c1")).unwrap_err()
}

#[test]
fn an_error_of_many_hides_none() {
    let error = undone();
    let told = error.to_string();
    for words in [
        "\"three\" failed (add)",
        "could not be detached again",
        "2 steps failed",
        "\"two\" failed (delete)",
        "; plugin type=\"one\" failed",
    ] {
        assert!(told.contains(words), "{words} in {told}");
    }
    assert!(words(&error).ends_with(": no room"), "{}", words(&error));
    let all: Vec<_> = error.errors().into_iter().map(words).collect();
    for (number, end) in ["no room", "busy", "locked"].into_iter().enumerate() {
        assert!(all[number].ends_with(end), "{all:?}");
    }
    assert_eq!(error.code().0, 100);
    let Error::Undone(undone) = error else {
        panic!("{error:?}");
    };
    // Of several, the first is behind them.
    let several = undone.del.unwrap_err();
    let source = std::error::Error::source(&several).unwrap().to_string();
    assert!(source.contains("\"two\" failed (delete)"), "{source}");
}

#[test]
fn a_report_is_the_whole_story() {
    let of = |number, plugin, verb| {
        format!(
            "plugin type=\"{plugin}\" failed ({verb}), {number} of 3 in network \"net\", container \"c1\", interface \"eth0\""
        )
    };
    let lines = [
        of(3, "three", "add"),
        "  cause: no room".to_owned(),
        "  log: line 1".to_owned(),
        "  log: line 2".to_owned(),
        "it could not be detached again:".to_owned(),
        format!("  {}", of(2, "two", "delete")),
        "    cause: busy".to_owned(),
        format!("  {}", of(1, "one", "delete")),
        "    cause: locked".to_owned(),
    ];
    assert_eq!(undone().report(), lines.join("\n"));
    // What to do is there where it is known.
    let world = World::new(&["one"]);
    fs::remove_file(world.path("bin/one")).unwrap();
    let error = world
        .runtime()
        .add(&network("1.1.0", &["one"]), &endpoint("c1"));
    let report = error.unwrap_err().report();
    assert!(report.contains("\n  next: "), "{report}");
}
