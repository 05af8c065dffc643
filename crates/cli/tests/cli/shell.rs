//! Completions, by the shells themselves, and manual pages, by the programs that show them.

use std::fs;
use std::path::Path;

use linkspan_testkit::{Cmd, Sandbox, sandbox};

use crate::world::World;

/// Command lines up to the cursor, what is offered and what is not.
const LINES: [(&str, &[&str], &[&str]); 11] = [
    ("linkspan ins", &["install"], &["add"]),
    ("linkspan add m", &["mynet"], &["add"]),
    ("linkspan add --conf-dir other.d t", &["third"], &["mynet"]),
    ("linkspan add mynet c", &["c1", "c2"], &["d3"]),
    (
        "linkspan add mynet /run/netns/d",
        &["/run/netns/d3"],
        &["/run/netns/c1"],
    ),
    (
        "linkspan gc mynet --cache-dir cache --keep b",
        &["box"],
        &["c1"],
    ),
    ("linkspan del --cache-dir cache go", &["gone"], &["mynet"]),
    ("linkspan version r", &["rec"], &["reconcile"]),
    ("linkspan list --co", &["--conf-dir"], &["--cache-dir"]),
    ("linkspan man ipam-f", &["ipam-free"], &["ipam"]),
    ("linkspan completions f", &["fish"], &["bash"]),
];

/// Networks `mynet`, elsewhere `third`, and `gone` without a configuration; namespaces c1, c2 and d3, the container `box`.
fn world(host: &Sandbox) -> World {
    let world = World::new();
    for name in ["c1", "c2", "d3"] {
        host.run(&format!("ip netns add {name}"));
    }
    let mynet = world.path("net.d/10-mynet.conflist");
    let text = fs::read_to_string(&mynet).unwrap();
    fs::create_dir(world.path("other.d")).unwrap();
    fs::write(
        world.path("other.d/third.conflist"),
        text.replace("mynet", "third"),
    )
    .unwrap();
    fs::write(
        world.path("net.d/gone.conflist"),
        text.replace("mynet", "gone"),
    )
    .unwrap();
    world.ok(&["add", "gone", "c1", "--container-id", "old"]);
    world.ok(&["add", "mynet", "c1", "--container-id", "box"]);
    fs::remove_file(world.path("net.d/gone.conflist")).unwrap();
    world
}

/// A shell's command, where the program is found by its name.
fn shell(world: &World, command: &[&str]) -> Cmd {
    let program = Path::new(env!("CARGO_BIN_EXE_linkspan"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", program.parent().unwrap().display());
    world.started_by(command).env("PATH", path)
}

/// Asks a shell for each line; `offered` tells the words that it offers.
fn check(offered: impl Fn(&World, &str) -> Vec<String>) {
    sandbox(|host| {
        let world = world(host);
        for (line, expected, others) in LINES {
            let words = offered(&world, line);
            let has = |word: &str| words.iter().any(|offered| offered == word);
            assert!(expected.iter().all(|word| has(word)), "{line}: {words:?}");
            assert!(!others.iter().any(|word| has(word)), "{line}: {words:?}");
        }
    });
}

#[test]
fn bash_completes() {
    let script = r#"
        source <(linkspan completions bash)
        read -ra COMP_WORDS <<<"$1"
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _clap_complete_linkspan linkspan "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    check(|world, line| {
        let output = shell(world, &["bash", "-c", script, "bash", line]).output();
        output.success().lines().map(str::to_owned).collect()
    });
}

#[test]
fn fish_completes() {
    let script = "linkspan completions fish | source; complete -C $argv[1]";
    check(|world, line| {
        let output = shell(world, &["fish", "--no-config", "-c", script, line])
            .env("HOME", world.path("home"))
            .output();
        let words = output.success().lines().map(|line| line.split('\t').next());
        words.map(|word| word.unwrap().to_owned()).collect()
    });
}

/// zsh completes on a terminal alone, which `zpty` is; the functions are loaded as those of `make install` are.
#[test]
fn zsh_completes() {
    let script = r#"
        mkdir -p functions && linkspan completions zsh >functions/_linkspan
        zmodload zsh/zpty
        zpty shell zsh -f -i
        # Reads until a line with these words, or tells what there is.
        await() { local seen; zpty -r shell seen "*$1*" && REPLY=$seen }
        zpty -w shell "PS1='' PS2=''; fpath=(\$PWD/functions \$fpath); autoload -U compinit && compinit -u -D"
        # Every word on a line of its own, and nothing of the line that is written.
        zpty -w shell 'tell() { compadd() { local -a a; builtin compadd -O a "$@"; print -rl -- "" "<"$^a">"; builtin compadd "$@" }; _main_complete; unfunction compadd; print "<done>" }'
        zpty -w shell 'zle -C tell complete-word tell; bindkey "^I" tell; print "<re""ady>"'
        await '<ready>'
        zpty -w -n shell "$1"$'\t'
        await '<done>'
        print -r -- "$REPLY"
        zpty -d shell
    "#;
    check(|world, line| {
        let output = shell(world, &["zsh", "-f", "-c", script, "zsh", line])
            .env("TERM", "dumb")
            .output();
        let words = output.success().split('<').skip(1);
        words
            .filter_map(|word| word.split_once('>'))
            .map(|(word, _)| word.to_owned())
            .collect()
    });
}

#[test]
fn manual_pages_are_of_every_command_and_without_faults() {
    let world = World::new();
    let told = |args: &[&str]| world.linkspan(args).output().success().to_owned();
    told(&["man", "--dir", "man"]);
    let help = told(&["--help"]);
    let commands = help.lines().take_while(|line| *line != "Options:");
    let commands = commands.filter_map(|line| line.strip_prefix("  ")?.split_once(' '));
    let mut pages: Vec<_> = commands
        .filter(|(name, _)| *name != "help")
        .map(|(name, _)| format!("linkspan-{name}.1"))
        .collect();
    assert!(pages.len() > 10, "{help}");
    pages.push("linkspan.1".to_owned());
    for page in pages {
        let path = world.text(&format!("man/{page}"));
        let shown = Cmd::new("man")
            .args(["--warnings", "-l", &path])
            .env("LC_ALL", "C.UTF-8")
            .env("MANPAGER", "cat")
            .output();
        let name = page.trim_end_matches(".1");
        let words: Vec<_> = shown.success().split_whitespace().collect();
        let has_name = words.windows(3).any(|words| words == ["NAME", name, "-"]);
        assert!(has_name, "{shown}");
        assert_eq!(shown.stderr, "", "{page}");
        let faults = Cmd::new("mandoc")
            .args(["-T", "lint", "-W", "warning", &path])
            .output();
        // There is no date, on purpose.
        let faults = faults
            .stdout
            .lines()
            .filter(|line| !line.contains("missing date"));
        assert_eq!(faults.collect::<Vec<_>>(), [""; 0]);
    }
    let page = told(&["man", "add"]);
    assert_eq!(
        page,
        fs::read_to_string(world.path("man/linkspan-add.1")).unwrap()
    );
}
