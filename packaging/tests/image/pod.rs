//! A container of a pod, run by crun as a kubelet would have it run: its root, user, capabilities, limits and mounts are those that
//! the manifest says. The sandbox plays the node.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use linkspan_testkit::{Background, Cmd, Output, Sandbox};
use serde_json::{Value, json};

use crate::archive::{IMAGE, unpacked};
use crate::manifest::daemonset;

/// crun, which leaves control groups alone, since they are the machine's, but wants to see some.
fn crun() -> Cmd {
    let line = "mount -t cgroup2 cgroup2 /sys/fs/cgroup
        exec crun --root /run/crun --cgroup-manager disabled \"$@\"";
    Cmd::new("unshare").args(["--cgroup", "--mount", "sh", "-ec", line, "crun"])
}

/// Whether there are other users than root: not where an ordinary user has made the sandbox.
pub(crate) fn has_users() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap();
    map.split_whitespace().nth(2) != Some("1")
}

/// A node with the image.
pub(crate) struct Node<'s> {
    host: &'s Sandbox,
    rootfs: PathBuf,
    directory: &'static str,
}

impl<'s> Node<'s> {
    /// With runtimes that look for plugins in this directory, which the manifests were made for by sed (docs/kubernetes.md).
    pub(crate) fn new(host: &'s Sandbox, directory: &'static str) -> Self {
        Self {
            host,
            rootfs: unpacked(host),
            directory,
        }
    }

    /// Runs the init container of a manifest's pod, which succeeds.
    #[track_caller]
    pub(crate) fn succeeds(&self, file: &str) {
        let _ = self.init(file).success();
    }

    /// Runs the init container of a manifest's pod.
    pub(crate) fn init(&self, file: &str) -> Output {
        let pod = self.pod(file);
        self.command(&pod, &pod["initContainers"][0]).output()
    }

    /// The pod's init container, to be run.
    pub(crate) fn init_command(&self, file: &str) -> Cmd {
        let pod = self.pod(file);
        self.command(&pod, &pod["initContainers"][0])
    }

    /// Starts the container that stays, and waits until it does; returns its ID as well.
    pub(crate) fn start_main(&self, file: &str) -> (Background, String) {
        let pod = self.pod(file);
        let (command, id) = self.prepare(&pod, &pod["containers"][0]);
        let started = command.start();
        // It is itself once its program is run, which crun's state does not tell.
        let running = format!(
            "while ! pid=$(crun --root /run/crun --cgroup-manager disabled state {id} 2>/dev/null | sed -n 's/.*\"pid\": *\\([0-9]*\\).*/\\1/p') ||
                [ \"$(cat /proc/$pid/comm 2>/dev/null)\" != linkspan ]; do sleep 0.02; done"
        );
        self.host.run(&running);
        (started, id)
    }

    /// Asks crun something about a container.
    pub(crate) fn crun(&self, args: &[&str]) -> String {
        crun().args(args).run()
    }

    /// The image's program, run on the node.
    pub(crate) fn linkspan(&self, args: &[&str]) -> String {
        let program = self.rootfs.join("usr/bin/linkspan");
        Cmd::new(program).args(args).run()
    }

    /// What the probe of the container that stays says.
    pub(crate) fn probe(&self, file: &str) -> Output {
        let pod = self.pod(file);
        let mut container = pod["containers"][0].clone();
        let words = container["readinessProbe"]["exec"]["command"].take();
        let words = words.as_array().unwrap();
        assert_eq!(words[0], "/usr/bin/linkspan", "the image has nothing else");
        container["args"] = words[1..].into();
        self.command(&pod, &container).output()
    }

    fn pod(&self, file: &str) -> Value {
        daemonset(file, self.directory)["spec"]["template"]["spec"].take()
    }

    fn command(&self, pod: &Value, container: &Value) -> Cmd {
        self.prepare(pod, container).0
    }

    fn prepare(&self, pod: &Value, container: &Value) -> (Cmd, String) {
        let bundle = self.host.dir();
        let config = config(pod, container, &self.rootfs);
        fs::write(bundle.join("config.json"), config.to_string()).unwrap();
        let id = bundle
            .file_name()
            .unwrap()
            .to_string_lossy()
            .replace('.', "");
        let command = crun().args(["run", "--bundle"]);
        let command = command.arg(&bundle).arg(&id);
        (command.deadline(Duration::from_secs(50)), id)
    }
}

/// The configuration of the runtime specification that the container of a pod comes to.
fn config(pod: &Value, container: &Value, rootfs: &Path) -> Value {
    let image = container["image"].as_str().unwrap();
    assert_eq!(
        image,
        format!("{IMAGE}:{}", env!("CARGO_PKG_VERSION")),
        "the image of this version"
    );
    let security = &container["securityContext"];
    assert_eq!(security["privileged"], Value::Null);
    assert_eq!(security["capabilities"]["drop"], json!(["ALL"]));
    let capabilities: Value = strings(&security["capabilities"]["add"])
        .map(|name| Value::from(format!("CAP_{name}")))
        .collect();
    let mut args = vec![json!("/usr/bin/linkspan")];
    args.extend(strings(&container["args"]).map(Value::from));
    // Of less than the memory that it may have, since what is only mapped counts here as well. // siderolabs/talos#12463
    let memory = bytes(container["resources"]["limits"]["memory"].as_str().unwrap());
    let mut namespaces: Vec<_> = ["pid", "ipc", "uts", "mount"]
        .map(|kind| json!({ "type": kind }))
        .into();
    if pod["hostNetwork"] != true {
        namespaces.push(json!({ "type": "network" }));
    }
    // A user other than root has none, whatever it may have got back.
    let of_user = match security["runAsUser"].as_u64().unwrap() {
        0 => capabilities.clone(),
        _ => json!([]),
    };
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": if has_users() {
                json!({ "uid": security["runAsUser"], "gid": security["runAsGroup"] })
            } else {
                json!({ "uid": 0, "gid": 0 })
            },
            "args": args,
            "env": ["PATH=/usr/bin"],
            "cwd": "/",
            "capabilities": { "bounding": capabilities, "permitted": of_user, "effective": of_user },
            "noNewPrivileges": security["allowPrivilegeEscalation"] == false,
            "rlimits": [{ "type": "RLIMIT_AS", "soft": memory, "hard": memory }],
        },
        "root": { "path": rootfs, "readonly": security["readOnlyRootFilesystem"] },
        "mounts": mounts(pod, container),
        "linux": {
            "namespaces": namespaces,
            "maskedPaths": ["/proc/kcore", "/proc/keys"],
            "readonlyPaths": ["/proc/sys"],
        },
    })
}

fn mounts(pod: &Value, container: &Value) -> Value {
    let mut mounts = vec![
        json!({ "destination": "/proc", "type": "proc", "source": "proc" }),
        json!({ "destination": "/dev", "type": "tmpfs", "source": "tmpfs" }),
    ];
    for mount in container["volumeMounts"].as_array().into_iter().flatten() {
        let volumes = pod["volumes"].as_array().unwrap();
        let of_name = |volume: &&Value| volume["name"] == mount["name"];
        let volume = volumes.iter().find(of_name).unwrap();
        mounts.push(match volume["emptyDir"].is_object() {
            true => json!({ "destination": mount["mountPath"], "type": "tmpfs", "source": "tmpfs",
                "options": ["mode=1777"] }),
            false => of_the_node(&volume["hostPath"], mount),
        });
    }
    mounts.into()
}

fn of_the_node(volume: &Value, mount: &Value) -> Value {
    let path = volume["path"].as_str().unwrap();
    match volume["type"].as_str().unwrap() {
        "DirectoryOrCreate" => fs::create_dir_all(path).unwrap(),
        _ => assert!(Path::new(path).is_dir(), "{path}"),
    }
    let propagation = match mount["mountPropagation"].as_str() {
        Some("HostToContainer") => "rslave",
        _ => "rprivate",
    };
    let access = match mount["readOnly"] == true {
        true => "ro",
        false => "rw",
    };
    json!({ "destination": mount["mountPath"], "type": "bind", "source": path,
        "options": ["rbind", propagation, access] })
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    let list = list.as_array().into_iter().flatten();
    list.map(|one| one.as_str().unwrap())
}

fn bytes(quantity: &str) -> u64 {
    let mebibytes = quantity.strip_suffix("Mi").unwrap();
    mebibytes.parse::<u64>().unwrap() << 20
}
