//! The place of one check: a host of its own, containers, and the plugin.

use std::cell::Cell;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use ipnet::{IpNet, Ipv4Net};
use linkspan_kernel::Error;
use linkspan_kernel::netns::Netns;
use linkspan_kernel::rtnl::{Address, Change, Kind as LinkKind, LinkChange, NewLink, Peer, Rtnl};
use linkspan_kernel::sandbox::Sandbox;
use linkspan_spec::{Map, Value, Version};
use serde_json::json;

use crate::answer::Answer;
use crate::before::Before;
use crate::call::Call;
use crate::check::Stop;
use crate::container::{Attachment, Container};
use crate::kind::{DEVICE, Kind, UPLINK};
use crate::snapshot::Snapshot;
use crate::subject::{Subject, known_versions};

/// Directories that plugins write to; each check finds them empty.
const PRIVATE: [&str; 4] = ["/run", "/var/lib/cni", "/etc/cni", "/tmp"];
/// Where the plugin's directory is shown, and behind it those of the plugins that it asks.
const PLUGINS: &str = "/run/conformance/plugins";
/// Where the bench lays plugins of its own.
pub(crate) const SCRIPTS: &str = "/run/conformance/scripts";
const NAMESPACES: &str = "/run/netns";
/// What the command before the plugin prints.
const BEFORE: &str = "/run/conformance/before.log";
/// How long the kernel may take to end a namespace, and how often is looked meanwhile.
const SETTLED: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);
/// The network's name.
pub(crate) const NETWORK: &str = "conformance";
/// The uplink's address: one that is kept for documentation (RFC 5737).
const HOST: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

/// A host of its own, with the plugin on it.
#[derive(Debug)]
pub struct Bench<'a> {
    pub(crate) subject: &'a Subject,
    /// What the plugin says that it supports, of what is known.
    pub(crate) versions: &'a [Version],
    plugin: PathBuf,
    cni_path: String,
    containers: Cell<u32>,
    /// What runs beside the plugin, as long as this is there.
    _before: Option<Before>,
}

impl<'a> Bench<'a> {
    /// Takes the calling thread to a host of its own, where it is to end.
    ///
    /// # Errors
    /// When the machine lets its user make no namespaces, or what is to be there before the plugin fails.
    pub(crate) fn enter(subject: &'a Subject, versions: &'a [Version]) -> Result<Self, Error> {
        let sandbox = Sandbox::enter()?;
        let dirs: Vec<_> = std::iter::once(&subject.dir)
            .chain(&subject.cni_path)
            .collect();
        // What is opened now can be shown, whatever covers it.
        let opened: Result<Vec<_>, _> = dirs.iter().map(|dir| opened(dir)).collect();
        let opened = opened?;
        let usual = PRIVATE.iter().map(Path::new);
        for dir in usual.chain(subject.private.iter().map(PathBuf::as_path)) {
            sandbox.empty(dir)?;
        }
        make_dir(NAMESPACES)?;
        make_dir(SCRIPTS)?;
        let mut shown = Vec::new();
        for (number, dir) in opened.iter().enumerate() {
            let target = format!("{PLUGINS}/{number}");
            make_dir(&target)?;
            sandbox.show(
                Path::new(&format!("/proc/self/fd/{}", dir.as_raw_fd())),
                Path::new(&target),
            )?;
            shown.push(target);
        }
        connect()?;
        let before =
            |line: &String| Before::run(line, &shown.join(":"), Path::new(BEFORE), subject.timeout);
        Ok(Self {
            subject,
            versions,
            plugin: Path::new(&shown[0]).join(&subject.name),
            cni_path: format!("{SCRIPTS}:{}", shown.join(":")),
            containers: Cell::new(0),
            _before: subject.before.as_ref().map(before).transpose()?,
        })
    }

    /// The newest version that the plugin claims.
    pub(crate) fn newest(&self) -> Result<Version, Stop> {
        let newest = self.versions.last().copied();
        newest.ok_or_else(|| Stop::skip("the plugin claims no version that is known"))
    }

    /// The newest version that the plugin claims, if it is not before that one.
    pub(crate) fn newest_since(&self, first: Version) -> Result<Version, Stop> {
        match self.newest()? {
            newest if newest >= first => Ok(newest),
            newest => Err(Stop::skip(format!(
                "the plugin supports {newest} at most; this is since {first}"
            ))),
        }
    }

    /// A container that nothing is attached to; for a chained plugin with the interface that another plugin would have made.
    pub(crate) fn container(&self) -> Result<Container, Stop> {
        let number = self.containers.get() + 1;
        self.containers.set(number);
        let container = Container::make(
            number,
            Path::new(NAMESPACES),
            &self.subject.ifname,
            self.subject.kind,
        )?;
        Ok(container)
    }

    /// A command with all that a runtime gives for a container, in a version.
    pub(crate) fn call_in(&self, command: &str, container: &Container, version: Version) -> Call {
        let mut call = self.call(command, version);
        call.asked = format!("{command} of {} in {}", container.ifname, container.id);
        publish_others(&mut call.config, container.number);
        let call = call
            .env("CNI_CONTAINERID", &container.id)
            .env("CNI_NETNS", &container.path)
            .env("CNI_IFNAME", &container.ifname);
        match (self.subject.kind, command) {
            (Kind::Chained, "ADD") => call.key("prevResult", container.made_before(version)),
            _ => call,
        }
    }

    /// The same in the newest version.
    pub(crate) fn of(&self, command: &str, container: &Container) -> Result<Call, Stop> {
        Ok(self.call_in(command, container, self.newest()?))
    }

    /// A command of no container.
    pub(crate) fn call(&self, command: &str, version: Version) -> Call {
        let mut call = Call::new(
            self.plugin.clone(),
            command.to_owned(),
            self.subject.timeout,
        );
        call.config = self.config(version);
        call.env("CNI_COMMAND", command)
            .env("CNI_PATH", &self.cni_path)
    }

    /// The configuration, as a runtime derives it.
    fn config(&self, version: Version) -> Map {
        let mut config = Map::new();
        config.insert("cniVersion".into(), version.as_str().into());
        config.insert("name".into(), NETWORK.into());
        config.insert("type".into(), self.subject.name.as_str().into());
        config.extend(self.subject.config.clone());
        config.remove("capabilities");
        config
    }

    /// The directories in which the plugin is to search.
    pub(crate) fn cni_path(&self) -> &str {
        &self.cni_path
    }

    /// Attaches a container that is there, in a version.
    pub(crate) fn attach_in(
        &self,
        container: Container,
        version: Version,
    ) -> Result<Attachment, Stop> {
        let answer = self.call_in("ADD", &container, version).run()?;
        if !answer.ended()?.is_success() {
            return Err(Stop::skip(format!(
                "ADD does not succeed, so there is nothing to look at: {}",
                answer.came()
            )));
        }
        let result = serde_json::from_slice(&answer.stdout).map_err(|_not_json| {
            Stop::skip("ADD prints no JSON, so there is nothing to look at")
        })?;
        Ok(Attachment {
            container,
            version,
            answer,
            result,
        })
    }

    /// A new container that is attached, in the newest version.
    pub(crate) fn attached(&self) -> Result<Attachment, Stop> {
        self.attach_in(self.container()?, self.newest()?)
    }

    /// A command about what is attached, with the result of ADD.
    pub(crate) fn about(&self, command: &str, attachment: &Attachment) -> Call {
        self.call_in(command, &attachment.container, attachment.version)
            .key("prevResult", attachment.result.clone())
    }

    /// DEL of an attachment, which must succeed.
    pub(crate) fn detach(&self, attachment: &Attachment) -> Result<Answer, Stop> {
        let answer = self.about("DEL", attachment).run()?;
        answer.success()?;
        Ok(answer)
    }

    /// GC with these attachments in use.
    pub(crate) fn gc(&self, version: Version, valid: &[&Attachment]) -> Call {
        let valid = valid
            .iter()
            .map(|one| json!({ "containerID": one.container.id, "ifname": one.container.ifname }));
        let valid: Vec<Value> = valid.collect();
        let asked = format!("GC with {} attachments in use", valid.len());
        self.call("GC", version)
            .key("cni.dev/valid-attachments", valid)
            .asking(asked)
    }

    /// What the host has otherwise than before. What the kernel takes away when a namespace ends it takes away some time later.
    pub(crate) fn changes_since(&self, before: &Snapshot) -> Result<Vec<String>, Stop> {
        let begun = Instant::now();
        loop {
            let changes = before.changes_to(&self.snapshot()?);
            if changes.is_empty() || begun.elapsed() > SETTLED {
                return Ok(changes);
            }
            thread::sleep(PAUSE);
        }
    }

    /// What the host has.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, Stop> {
        let private: Vec<&Path> = PRIVATE.iter().map(Path::new).collect();
        let own = self.subject.private.iter().map(PathBuf::as_path);
        let dirs: Vec<&Path> = private.into_iter().chain(own).collect();
        Ok(Snapshot::of_host(&dirs)?)
    }
}

/// An uplink, and an interface to give away, each with its other end in a namespace that plays the world outside.
fn connect() -> Result<(), Error> {
    let host = Rtnl::open()?;
    host.change(Change::SetLink(host.link("lo")?.index, LinkChange::up()))?;
    let outside = Netns::create(Path::new(NAMESPACES).join("outside"))?;
    for (name, far) in [(UPLINK, "eth0"), (DEVICE, "eth1")] {
        let peer = Peer::new(far).inside(outside.as_fd());
        let mut link = NewLink::new(name, LinkKind::Veth(peer));
        link.up = true;
        let index = host.create_link(&link)?.index;
        if name == UPLINK {
            let net = IpNet::from(Ipv4Net::new_assert(HOST, 24));
            host.change(Change::AddAddress(index, Address::new(net)))?;
        }
    }
    Ok(())
}

/// Published ports, of which a runtime gives each container others (CONVENTIONS.md, `portMappings`).
fn publish_others(config: &mut Map, number: u32) {
    let runtime = config.get_mut("runtimeConfig");
    let mappings = runtime.and_then(|runtime| runtime.get_mut("portMappings"));
    let mappings = mappings.and_then(Value::as_array_mut);
    for mapping in mappings.into_iter().flatten() {
        if let Some(port) = mapping.get("hostPort").and_then(Value::as_u64) {
            mapping["hostPort"] = (port + u64::from(number) - 1).into();
        }
    }
}

/// What the plugin says that it supports.
pub(crate) fn claimed(bench: &Bench<'_>) -> Result<Vec<String>, Stop> {
    let answer = Call::new(
        bench.plugin.clone(),
        "VERSION".to_owned(),
        bench.subject.timeout,
    )
    .env("CNI_COMMAND", "VERSION")
    .key("cniVersion", Version::V1_0_0.as_str())
    .run()?;
    let object = answer.object()?;
    let list = object.get("supportedVersions").and_then(Value::as_array);
    let texts = list
        .into_iter()
        .flatten()
        .filter_map(|one| one.as_str().map(str::to_owned));
    Ok(texts.collect())
}

/// The versions that are judged.
pub(crate) fn versions(claimed: &[String]) -> Vec<Version> {
    known_versions(claimed)
}

/// A program of the bench, beside the plugins.
pub(crate) fn script(name: &str, text: &str) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let path = Path::new(SCRIPTS).join(name);
    fs::write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
}

fn opened(dir: &Path) -> Result<File, Error> {
    File::open(dir).map_err(|error| Error::new("open", dir.display().to_string(), error))
}

fn make_dir(dir: &str) -> Result<(), Error> {
    fs::create_dir_all(dir).map_err(|error| Error::new("create", dir, error))
}

/// A variable's value that is no UTF-8.
pub(crate) fn no_text() -> OsString {
    use std::os::unix::ffi::OsStringExt;
    OsString::from_vec(vec![0xff, 0xfe, b'=', b'x'])
}
