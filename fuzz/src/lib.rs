//! What reads bytes that somebody else wrote, each as a function of any bytes: a [`Target`]. It panics where what is promised
//! of the reader does not hold, and it ends.
//!
//! They are run by libFuzzer (`fuzz/libfuzzer`, `cargo +nightly fuzz run NAME`), for as long as one likes, and by
//! [`run`](engine::run) with a stable compiler: each file of `fuzz/corpus/NAME`, then changed ones from a seed.
#![deny(missing_docs)]

pub mod engine;
mod files;
mod formats;
mod netlink;

/// A reader, and what it is called.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// As its folder in the corpus and its executable are called.
    pub name: &'static str,
    /// What is given to it, and who may have written that.
    pub about: &'static str,
    /// Reads any bytes. A panic is a fault.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "config",
        about: "a network's configuration, by the runtime, the plugins and lint",
        run: formats::config,
    },
    Target {
        name: "plugin_config",
        about: "the keys of every plugin's configuration, with prevResult and runtimeConfig",
        run: formats::plugin_config,
    },
    Target {
        name: "result",
        about: "a plugin's result, in every version",
        run: formats::result,
    },
    Target {
        name: "error",
        about: "a plugin's error, and whatever a log says",
        run: formats::error,
    },
    Target {
        name: "cni_args",
        about: "CNI_ARGS",
        run: formats::cni_args,
    },
    Target {
        name: "cache",
        about: "an attachment in libcni's cache",
        run: files::cache,
    },
    Target {
        name: "host_local",
        about: "host-local's reservations and the index beside them",
        run: files::host_local,
    },
    Target {
        name: "record",
        about: "what is recorded of an attachment's netfilter",
        run: linkspan_netfilter::fuzzing::record,
    },
    Target {
        name: "trace",
        about: "spans as OTLP JSON, which plugins of others leave too",
        run: formats::trace,
    },
    Target {
        name: "netlink",
        about: "the kernel's answers about links, addresses, routes, traffic control and connections",
        run: linkspan_kernel::fuzzing::netlink,
    },
    Target {
        name: "nf_tables",
        about: "a dump of nf_tables, with whatever other programs have put there",
        run: netlink::nf_tables,
    },
    Target {
        name: "xtables",
        about: "a table of the older iptables",
        run: linkspan_kernel::fuzzing::xtables,
    },
    Target {
        name: "iptables_save",
        about: "what iptables-save prints",
        run: formats::iptables_save,
    },
    Target {
        name: "gob",
        about: "a stream of gob, as the clients of the DHCP daemon send it",
        run: formats::gob,
    },
    Target {
        name: "rpc",
        about: "calls of net/rpc to the DHCP daemon, in pieces",
        run: formats::rpc,
    },
    Target {
        name: "dhcp",
        about: "a message of a DHCP server",
        run: formats::dhcp,
    },
];

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
