//! Runtimes, the library in them, and how they run plugins.

use super::{Entry, entry};

const CONFIGURATION: &str = "section 1, \"Network configuration format\"";
const PROTOCOL: &str = "section 2, \"Execution Protocol\"";
const VERSIONS: &str = "section 1, \"cniVersion\"";

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "failed to find plugin * in path [*]",
        "the configuration names the plugin {1}, and there is no program of that name in {2}",
        "install it there (`linkspan install --bin-dir DIR` for the reference's plugins; others come with their own installer, whose pod may not \
         have run on this node yet), or let the runtime look elsewhere (CNI_PATH, bin_dir of containerd, plugin_dirs of CRI-O). `linkspan doctor` lists what is missing",
    )
    .in_section(PROTOCOL),
    entry(
        "incompatible CNI versions; config is *, plugin supports [*]",
        "the configuration is of version {1}, which this plugin does not speak (it speaks {2}): the plugin is older than the configuration",
        "install a newer plugin, or write a \"cniVersion\" of {2}",
    )
    .in_section(VERSIONS),
    entry(
        "incompatible CNI versions*",
        "runtime, configuration and plugin have no version in common: one of them is too old",
        "`linkspan version PLUGIN` tells what a plugin speaks; write a \"cniVersion\" that all know",
    )
    .in_section(VERSIONS),
    entry(
        "plugin * does not support config version *",
        "the plugin {1} does not speak {2}",
        "`linkspan version PLUGIN` tells what it speaks; write a \"cniVersion\" that all plugins of the network know",
    )
    .in_section(VERSIONS),
    entry(
        "no networks found in *",
        "there is no usable configuration in {1}: the folder is empty, or its files are broken or end in something else than .conf, .conflist or .json. On a \
         Kubernetes node the network add-on writes it when its pod starts",
        "`linkspan lint {1}` tells what is wrong with the files; `kubectl -n kube-system get pods -o wide` whether the add-on runs on this node",
    )
    .in_section(CONFIGURATION),
    entry(
        "cni plugin not initialized",
        "the runtime has found no usable configuration, so that the node is not ready: none is there, or its files are broken",
        "`linkspan status` and `linkspan lint` tell which; `linkspan new network` writes one. A Kubernetes add-on writes its own when its pod runs",
    )
    .in_section(CONFIGURATION),
    entry(
        "cni config uninitialized",
        "the runtime has found no usable configuration, so that the node is not ready: none is there, or its files are broken",
        "`linkspan status` and `linkspan lint` tell which; a Kubernetes add-on writes its own when its pod runs",
    )
    .in_section(CONFIGURATION),
    entry(
        "NetworkPluginNotReady",
        "the runtime cannot attach containers: no usable configuration, or a plugin that says in STATUS that it is not ready",
        "`linkspan status` tells which of the two, and why",
    ),
    entry(
        "error parsing configuration list: no 'plugins' key",
        "a .conflist file has no \"plugins\": it is the configuration of a single plugin under the wrong name",
        "name the file .conf, or put the plugin into \"plugins\": [ … ]",
    )
    .in_section(CONFIGURATION),
    entry(
        "missing 'type'",
        "a plugin of the configuration has no \"type\", or a .conf file holds a list",
        "add the \"type\"; a file with \"plugins\" must end in .conflist. `linkspan lint` shows the place",
    )
    .in_section(CONFIGURATION),
    entry(
        "error parsing configuration*",
        "the configuration cannot be read: {1}",
        "`linkspan lint` shows the line and what is wrong with it",
    )
    .in_section(CONFIGURATION),
    entry(
        "invalid characters found in network name",
        "a network's name begins with a letter or digit and has letters, digits, '_', '.' and '-' alone",
        "`linkspan lint --fix`, or choose another name",
    )
    .in_section(CONFIGURATION),
    entry(
        "missing network name",
        "the configuration has no \"name\"",
        "add one: \"name\": \"mynet\"; it must not be that of another network",
    )
    .in_section(CONFIGURATION),
    entry(
        "required env variables [*] missing",
        "whoever ran the plugin did not set {1}",
        "plugins are run by a runtime; by hand, use `linkspan add`, which sets all of them",
    )
    .in_section("section 2, \"Parameters\""),
    entry(
        "invalid characters in containerID",
        "a container's ID begins with a letter or digit and has letters, digits, '_', '.' and '-' alone",
        "it is the runtime that chooses it",
    )
    .in_section("section 2, \"Parameters\""),
    entry(
        "netplugin failed with no error message: *signal: killed",
        "the plugin was killed (SIGKILL) before it could answer: memory ran out, in its cgroup or on the host, or a deadline passed",
        "`dmesg | grep -i -e oom -e killed`; the runtime's or the daemon's memory limit counts for the plugins that it runs",
    ),
    entry(
        "netplugin failed with no error message: *signal: *",
        "the plugin ended by the signal {2} before it could answer",
        "if it crashed it is a defect of the plugin: run it by hand (`linkspan trace add NET NETNS`) to see more",
    ),
    entry(
        "netplugin failed with no error message*",
        "the plugin failed and said nothing",
        "run it by hand (`linkspan trace add NET NETNS`), and see what it logs; `linkspan events` tells how often it failed",
    ),
    entry(
        "netplugin failed but error parsing its diagnostic message *: *",
        "the plugin failed and printed {1} instead of an error: it crashed, or it is a script that prints to standard output",
        "run it by hand (`linkspan trace add NET NETNS`) to see all that it prints",
    )
    .in_section("section 5, \"Error\""),
    entry(
        "fork/exec *: text file busy",
        "the plugin {1} is being written by an installer that does not rename",
        "try again; install with `linkspan install`, which renames",
    ),
    entry(
        "fork/exec *: permission denied",
        "{1} may not be run: it is not executable, or its file system is mounted noexec",
        "`chmod 755 {1}`; `findmnt -T {1}` shows the mount",
    ),
    entry(
        "fork/exec *: exec format error",
        "{1} is no program for this machine, or only half of one",
        "compare `file {1}` with `uname -m`, and install it again",
    ),
    entry(
        "fork/exec *: no such file or directory",
        "{1} is not there; or it is, and the dynamic loader that it names is not (a build for glibc on musl)",
        "install it again, as a static build",
    ),
    entry(
        "exec format error",
        "a plugin is no program for this machine, or only half of one",
        "compare `file` of it with `uname -m`, and install it again",
    ),
    entry(
        "GLIBC_*not found",
        "the plugin is linked against a newer C library than this host has",
        "install a static build: Linkspan's plugins are",
    ),
    entry(
        "context deadline exceeded",
        "the runtime waited for a plugin until its time was up: the plugin waits for a lock, a lease, a daemon or the network",
        "`linkspan trace add NET NETNS` shows in which step the time goes. Detach the container before the next try: what was made may be left",
    ),
    entry(
        "cached network config: network * not found in CNI cache",
        "Podman has no kept result of the network {1} for the container, as after a restart of the machine",
        "nothing by itself: it stands beside the error that matters, which comes next",
    ),
    entry(
        "cached result*unexpected end of JSON input",
        "the result that the runtime kept of an attachment is empty or cut off: the machine went down while it was written",
        "`linkspan doctor` names the file below /var/lib/cni/results; Linkspan's library goes on without it, others need it removed",
    ),
    entry(
        "failed to convert cached result*",
        "the result that the runtime kept of an attachment cannot be read",
        "`linkspan doctor` names the file below /var/lib/cni/results; with it away the container can be detached from the configuration alone",
    ),
    entry(
        "unexpected end of JSON input",
        "something that should be JSON is empty or cut off: a configuration, a kept result, or what a plugin printed",
        "`linkspan lint` looks at the configurations, `linkspan doctor` at what is kept",
    ),
    entry(
        "invalid character '*' looking for *",
        "something that should be JSON is not: there is a '{1}' where {2} was expected",
        "`linkspan lint` shows the place",
    ),
    entry(
        "too many open files",
        "a limit of open files is reached: of the process, or of inotify watches for the folder of configurations",
        "raise `ulimit -n` (LimitNOFILE= of the unit) or fs.inotify.max_user_instances",
    ),
    entry(
        "no space left on device",
        "a file system is full, or a limit of namespaces (user.max_net_namespaces) or of inotify watches is reached",
        "`df -h /var/lib/cni /run`, `df -i`, `sysctl user.max_net_namespaces`; namespaces that nobody uses are listed by `linkspan show`",
    ),
    entry(
        "read-only file system",
        "what is to be written lies on a file system that is mounted read-only",
        "`findmnt -T` on the path tells which; \"dataDir\" of host-local and the runtime's cache can be put elsewhere",
    ),
];
