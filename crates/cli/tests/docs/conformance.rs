//! The page about the conformance of plugins: what is asked, and what was found of Linkspan's plugins and the reference's.

use std::fs;
use std::path::Path;
use std::time::Duration;

use linkspan_conformance::markdown;
use linkspan_testkit::document::Document;
use linkspan_testkit::{Cmd, Feature, Setup, Tally, whole};

use crate::programs;

const PAGE: &str = "docs/conformance.md";
const LINKSPAN: &str = env!("CARGO_BIN_EXE_linkspan");
/// What Linkspan's plugins do otherwise.
const KNOWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/known.txt");
const REFERENCE: &str = "/usr/lib/cni";

/// Plugins that any kernel has all for, those that are asked each time first.
const OURS: [&str; 13] = [
    "host-local",
    "portmap",
    "bridge",
    "ptp",
    "macvlan",
    "tap",
    "host-device",
    "loopback",
    "static",
    "firewall",
    "bandwidth",
    "tuning",
    "sbr",
];
const REFERENCES: [&str; 12] = [
    "loopback",
    "static",
    "host-local",
    "bridge",
    "ptp",
    "macvlan",
    "host-device",
    "portmap",
    "firewall",
    "bandwidth",
    "tuning",
    "sbr",
];
/// So many of them are asked where the page is not written anew: all of them take minutes.
const EACH_TIME: usize = 3;

/// What is found by chance: how far a plugin was when it was ended, and who came first.
const UNSTEADY: [&str; 5] = [
    "sigterm",
    "sigkill",
    "ipam-hangs",
    "at-a-time",
    "stdin-endless",
];

const DEADLINE: Duration = Duration::from_secs(1500);

#[test]
fn checks_are_those_that_are_made() {
    let _alone = crate::alone();
    let document = Document::read(PAGE);
    let region = document.region("checks");
    let made = document.with(vec![(region, format!("\n{}\n", markdown::table()))]);
    document.is_to_be(&made);
}

#[test]
fn exceptions_are_those_of_our_plugins() {
    let _alone = crate::alone();
    let document = Document::read(PAGE);
    let region = document.region("known");
    let known = fs::read_to_string(KNOWN).unwrap();
    let lines = known.lines().filter(|line| !line.starts_with('#'));
    let items = lines.filter_map(|line| {
        let (id, why) = line.split_once(' ')?;
        Some(format!("- `{id}`: {}.\n", why.trim()))
    });
    let items: String = items.collect();
    document.is_to_be(&document.with(vec![(region, format!("\n{items}\n"))]));
}

#[test]
fn ours_conform() {
    programs::build_plugins();
    let found = Setup::default().deadline(DEADLINE).tell(|_| {
        install();
        judged("/opt/cni/bin", wanted(&OURS), &["--except", KNOWN], true)
    });
    count(found.as_deref().unwrap_or_default());
    is_on_page("ours", found);
}

/// Counts what passed, for the table of proofs: it stands in the fourth column, a plugin on each line.
fn count(markdown: &str) {
    let mut tally = Tally::of("conformance");
    for line in markdown.lines().filter(|line| line.starts_with("| `")) {
        let passed = line.split('|').nth(4).unwrap().trim();
        tally.add("checks passed", passed.parse::<u64>().unwrap());
        tally.add("plugins", 1);
    }
    tally.write();
}

/// One check of each theme, for what takes long.
const THEMES: [&str; 12] = [
    "add",
    "result-1.1.0",
    "result-interface",
    "result-addresses",
    "result-routes",
    "chain-interfaces",
    "check-after-add",
    "check-interface-gone",
    "del-twice",
    "del-namespace-gone",
    "del-leaves-nothing",
    "gc-frees",
];

/// All checks for a proof, one of each theme otherwise.
fn themes() -> Vec<&'static str> {
    match whole() {
        true => vec!["--except", KNOWN],
        false => THEMES.iter().flat_map(|check| ["--check", check]).collect(),
    }
}

/// What this kernel may lack is asked in the virtual machine, which is slow.
#[test]
fn ours_conform_that_need_more_of_a_kernel() {
    programs::build_plugins();
    let needs = [Feature::Dummy, Feature::Ipvlan, Feature::Vlan, Feature::Vrf];
    let setup = Setup::default().needs(&needs).deadline(DEADLINE);
    let found = setup.tell(|_| {
        install();
        let names = ["dummy", "ipvlan", "vlan", "vrf"];
        judged("/opt/cni/bin", &names, &themes(), true)
    });
    count(found.as_deref().unwrap_or_default());
}

/// A server in the namespace outside, and the daemon beside the plugin, as `--before` has them on the page.
const SERVED: &str = "ip -n outside address add 198.51.100.2/24 dev eth0; ip -n outside link set eth0 up
    ip netns exec outside dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --no-resolv --no-hosts --port=0 --interface=eth0 \
        --bind-interfaces --dhcp-range=198.51.100.10,198.51.100.200,255.255.255.0,1h --dhcp-leasefile=/tmp/leases --dhcp-authoritative \
        --no-ping --user=root &
    mkdir -p /run/cni; $CNI_PATH/dhcp daemon & until [ -S /run/cni/dhcp.sock ]; do sleep 0.02; done";

/// `dhcp` needs an interface, a server and a daemon: `macvlan` has the first, `--before` starts the others.
#[test]
fn dhcp_conforms_behind_macvlan() {
    programs::build_plugins();
    let found = Setup::default().deadline(DEADLINE).tell(|host| {
        install();
        let config = host.dir().join("config");
        fs::write(
            &config,
            r#"{ "master": "uplink0", "ipam": { "type": "dhcp" } }"#,
        )
        .unwrap();
        let mut options = vec!["--config", config.to_str().unwrap(), "--before", SERVED];
        options.extend(themes());
        judged("/opt/cni/bin", &["macvlan"], &options, true)
    });
    count(found.as_deref().unwrap_or_default());
}

/// What a plugin needs beside it is ended with each check, and where it fails that is told with what it printed.
#[test]
fn a_command_before_the_plugin_that_fails_is_told() {
    programs::build_plugins();
    Setup::default().sandbox(|_| {
        install();
        let judge = |before: &str| {
            let command = Cmd::new(LINKSPAN).args(["conformance", "--plugin", "/opt/cni/bin/loopback", "--check", "add", "--timeout", "1s"]);
            command.args(["--before", before]).output()
        };
        for (before, told) in [
            ("echo no daemon here >&2; exit 3", "it failed: no daemon here"),
            ("sleep 60", "timed out"),
        ] {
            let output = judge(before);
            assert_eq!(output.status.code(), Some(1), "{output}");
            assert!(output.stderr.contains(told), "{output}");
        }
        let output = judge("sleep 997 &");
        assert!(output.ok(), "{output}");
        let left = Cmd::shell("grep -alx sleep /proc/[0-9]*/comm | while read -r it; do tr '\\0' ' ' <${it%comm}cmdline; done").run();
        assert!(!left.contains("997"), "{left}");
    });
}

#[test]
fn what_was_found_of_the_reference_is_so() {
    let found = Setup::default()
        .deadline(DEADLINE)
        .tell(|_| judged(REFERENCE, wanted(&REFERENCES), &[], false));
    is_on_page("reference", found);
}

/// Installs Linkspan's plugins, of those that are tested.
fn install() {
    let plugins = std::env::var("LINKSPAN_PLUGINS").ok();
    let built = || Path::new(LINKSPAN).with_file_name("linkspan-plugins");
    let plugins = plugins.map_or_else(built, Into::into);
    let install = Cmd::new(LINKSPAN).args(["install", "--bin-dir", "/opt/cni/bin", "--from"]);
    install.arg(&plugins).run();
}

fn is_written() -> bool {
    std::env::var_os("LINKSPAN_WRITE").is_some()
}

fn wanted<'a>(names: &'a [&'a str]) -> &'a [&'a str] {
    match is_written() || whole() {
        true => names,
        false => &names[..EACH_TIME],
    }
}

/// What the command finds, as Markdown.
fn judged(dir: &str, names: &[&str], more: &[&str], conforms: bool) -> String {
    let mut command = Cmd::new(LINKSPAN)
        .args(["conformance", "--markdown"])
        .args(more);
    for name in names {
        command = command.args(["--plugin", &format!("{dir}/{name}")]);
    }
    let output = command.deadline(DEADLINE).output();
    assert_eq!(output.ok(), conforms, "{output}");
    assert!(!output.stderr.contains("not needed"), "{output}");
    output.stdout
}

/// Writes what was found of all plugins, or looks for what was found of some.
fn is_on_page(region: &str, found: Option<String>) {
    let Some(found) = found else { return };
    let _alone = crate::alone();
    let document = Document::read(PAGE);
    let range = document.region(region);
    if is_written() {
        return document.is_to_be(&document.with(vec![(range, format!("\n{found}\n"))]));
    }
    let shown = &document.text[range];
    for line in found.lines().filter(|line| line.starts_with("- ")) {
        if UNSTEADY.iter().any(|id| line.contains(&format!("`{id}`"))) {
            continue;
        }
        let (what, plugins) = line.rsplit_once(" (").unwrap();
        let on_page = shown.lines().find_map(|line| line.strip_prefix(what));
        let on_page =
            on_page.unwrap_or_else(|| panic!("{PAGE} does not tell, in {region}: {line}"));
        for plugin in plugins.trim_end_matches(')').split(", ") {
            assert!(
                on_page.contains(plugin),
                "{PAGE} does not tell of {plugin}: {line}"
            );
        }
    }
}
