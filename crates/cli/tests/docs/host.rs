//! The host of the examples, as docs/plugins/README.md describes it: an uplink to a LAN with a router, and two containers.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use linkspan_testkit::{Cmd, Output, PLUGIN_NAMES, Sandbox};
use serde_json::Value;

const CONF_DIR: &str = "/etc/cni/net.d";
const BIN_DIR: &str = "/opt/cni/bin";
const PROGRAMS: &str = "/run/programs";

/// The host's address on the LAN, and the router's.
pub(crate) const HOST: &str = "192.0.2.10";
pub(crate) const ROUTER: &str = "192.0.2.1";

/// What makes it, by few processes, since each costs a fifth of a second in a virtual machine.
const MAKE: &str = "
    ip -batch - <<BATCH
netns add lan
netns add c1
netns add c2
link add eth0 type veth peer name eth0 netns lan
link set eth0 up
address add 192.0.2.10/24 dev eth0
address add 2001:db8::10/64 dev eth0 nodad
route add default via 192.0.2.1
route add default via 2001:db8::1
BATCH
    ip -n lan -batch - <<BATCH
link set lo up
link set eth0 up
address add 192.0.2.1/24 dev eth0
address add 2001:db8::1/64 dev eth0 nodad
BATCH
";

/// What takes it away.
const AWAY: &str = "
    ip -all netns delete
    for path in /sys/class/net/*; do echo link delete ${path##*/}; done | ip -force -batch - 2>/dev/null || true
    if [ -e /run/cni/linkspan ]; then nft flush ruleset; fi
    echo 0 > /proc/sys/net/ipv4/ip_forward
    echo 0 > /proc/sys/net/ipv6/conf/all/forwarding
";

/// Directories that hold something of a network.
const KEPT: [&str; 5] = [
    CONF_DIR,
    "/run/cni",
    "/var/lib/cni/networks",
    "/var/lib/cni/pending",
    "/var/lib/cni/results",
];

/// A host with one network.
pub(crate) struct Host<'s> {
    pub(crate) sandbox: &'s Sandbox,
}

impl<'s> Host<'s> {
    /// A new one, whose network has this configuration in a file of this name.
    pub(crate) fn with_network(sandbox: &'s Sandbox, file: &str, config: &str) -> Self {
        sandbox.run(MAKE);
        fs::create_dir_all(CONF_DIR).unwrap();
        let json: Value = serde_json::from_str(config).unwrap();
        let extension = match json["plugins"].is_array() {
            true => "conflist",
            false => "conf",
        };
        fs::write(format!("{CONF_DIR}/{file}.{extension}"), config).unwrap();
        Self { sandbox }
    }

    /// Runs a line of shell.
    pub(crate) fn run(&self, line: &str) -> Output {
        let path = format!("{PROGRAMS}:{}", env::var("PATH").unwrap());
        Cmd::new("sh").args(["-c", line]).env("PATH", path).output()
    }
}

impl Drop for Host<'_> {
    fn drop(&mut self) {
        self.sandbox.run(AWAY);
        for directory in KEPT {
            let _ = fs::remove_dir_all(directory);
        }
    }
}

/// The plugins where runtimes look for them, and the program along PATH; those that ship, where the environment names them.
pub(crate) fn lay_programs() {
    let built = Path::new(env!("CARGO_BIN_EXE_linkspan"));
    let linkspan = env::var_os("LINKSPAN").map_or(built.to_owned(), Into::into);
    let plugins = env::var_os("LINKSPAN_PLUGINS");
    let plugins = plugins.map_or(built.with_file_name("linkspan-plugins"), Into::into);
    fs::create_dir_all(BIN_DIR).unwrap();
    fs::create_dir_all(CONF_DIR).unwrap();
    for directory in ["/etc/cni", "/var/lib/cni", "/opt/cni"] {
        fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
    }
    for name in PLUGIN_NAMES {
        let file = match plugins.is_dir() {
            true => plugins.join(name),
            false => plugins.clone(),
        };
        symlink(file, Path::new(BIN_DIR).join(name)).unwrap();
    }
    fs::create_dir(PROGRAMS).unwrap();
    let examples = built.with_file_name("examples");
    for plugin in ["first-plugin", "first-ipam"] {
        symlink(
            built.with_file_name(plugin),
            Path::new(BIN_DIR).join(plugin),
        )
        .unwrap();
    }
    let embedding = Path::new(PROGRAMS).join("embedding");
    symlink(examples.join("embedding"), embedding).unwrap();
    symlink(linkspan, Path::new(PROGRAMS).join("linkspan")).unwrap();
}
