//! An IPAM plugin of others, a script: it writes down how it found the container's interface, and keeps a file for each
//! address that it gave.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::attachment::World;

/// `$state` has the addresses that were given, `$log` what was seen. With the file `refuse` ADD fails.
const LOOK: &str = r#"#!/bin/sh
cat >/dev/null
state=STATE
look() { nsenter --net="$CNI_NETNS" ip -details -json address show dev "$CNI_IFNAME" 2>/dev/null; }
seen=$(look) || seen='[]'
echo "{ \"verb\": \"$CNI_COMMAND\", \"links\": $seen, \"host\": $(ip -json link) }" >>$state/log
case $CNI_COMMAND in
ADD)
	if [ -e $state/refuse ]; then
		echo '{ "code": 11, "msg": "nothing to give" }'
		exit 1
	fi
	: >"$state/given/$CNI_CONTAINERID"
	cat $state/answer
	;;
DEL) rm -f "$state/given/$CNI_CONTAINERID" ;;
esac
"#;

/// The same without looking: what a kill can meet is the plugin's doing, and soon done.
const QUICK: &str = r#"#!/bin/sh
case $CNI_COMMAND in
ADD)
	: >"STATE/given/$CNI_CONTAINERID"
	read -r answer <STATE/answer
	echo "$answer"
	;;
DEL) rm -f "STATE/given/$CNI_CONTAINERID" ;;
esac
"#;

/// The script, installed.
pub(crate) struct Probe {
    state: PathBuf,
}

/// How one command found the container's interface.
#[derive(Debug)]
pub(crate) struct Sight {
    pub(crate) verb: String,
    /// The interface with its addresses; null when there was none.
    pub(crate) link: Value,
    /// All links of the host.
    pub(crate) host: Value,
}

impl Sight {
    pub(crate) fn is_up(&self) -> bool {
        is_up(&self.link)
    }

    pub(crate) fn addresses(&self) -> Vec<&str> {
        let all = self.link["addr_info"].as_array().unwrap().iter();
        let global = all.filter(|one| one["scope"] == "global");
        global.map(|one| one["local"].as_str().unwrap()).collect()
    }
}

pub(crate) fn is_up(link: &Value) -> bool {
    link["flags"].as_array().unwrap().contains(&"UP".into())
}

impl Probe {
    pub(crate) fn looking(world: &World<'_>) -> Self {
        Self::installed(world, LOOK)
    }

    pub(crate) fn quick(world: &World<'_>) -> Self {
        Self::installed(world, QUICK)
    }

    fn installed(world: &World<'_>, script: &str) -> Self {
        let state = world.sandbox.dir();
        fs::create_dir(state.join("given")).unwrap();
        let file = world.plugins.dir().join("probe");
        fs::write(&file, script.replace("STATE", state.to_str().unwrap())).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let probe = Self { state };
        probe.answers(json!([]));
        probe
    }

    /// Gives these routes with the address.
    pub(crate) fn answers(&self, routes: Value) {
        let address = json!({ "address": "10.22.0.9/16", "gateway": "10.22.0.1" });
        let answer = json!({ "cniVersion": "1.0.0", "ips": [address], "routes": routes });
        fs::write(self.state.join("answer"), format!("{answer}\n")).unwrap();
    }

    /// Refuses to give addresses from now on.
    pub(crate) fn refuses(&self) {
        fs::write(self.state.join("refuse"), "").unwrap();
    }

    /// How many addresses it has given and not got back.
    pub(crate) fn given(&self) -> usize {
        fs::read_dir(self.state.join("given")).unwrap().count()
    }

    /// What it has seen since the last time.
    pub(crate) fn seen(&self) -> Vec<Sight> {
        let log = self.state.join("log");
        let text = fs::read_to_string(&log).unwrap_or_default();
        let _ = fs::remove_file(log);
        let sights = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
        let sight = |mut sight: Value| Sight {
            verb: sight["verb"].as_str().unwrap().to_owned(),
            link: sight["links"][0].take(),
            host: sight["host"].take(),
        };
        sights.map(Result::unwrap).map(sight).collect()
    }
}
