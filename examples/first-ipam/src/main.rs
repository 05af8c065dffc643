//! An IPAM plugin: it gives addresses out of a subnet, and notes in a file who has which.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use linkspan_plugin::config::Deferred;
use linkspan_plugin::ipnet::IpNet;
use linkspan_plugin::spec::{Error, ErrorCode, IpConfig, Success};
use linkspan_plugin::{Call, Gc, Handler, Plugin, Role};

// ANCHOR: keys
linkspan_plugin::keys! {
    /// The configuration of `first-ipam`.
    pub struct Config, strict = warn {
        /// The subnet. Its first address is the gateway's.
        "ipam.subnet" => subnet: Deferred<IpNet>, read by [Add, Status];
        /// The directory of the files, one for each network.
        "ipam.directory" => directory: String, default = "/run/first-ipam", read by [Add, Check, Del, Gc, Status];
    }
}
// ANCHOR_END: keys

struct FirstIpam;

// ANCHOR: plugin
impl Plugin for FirstIpam {
    type Config = Config;
    const NAME: &'static str = "first-ipam";
    const ABOUT: &'static str = "gives addresses out of a subnet";
    const VERSION: Option<&'static str> = Some(env!("CARGO_PKG_VERSION"));
    const ROLE: Role = Role::Ipam;

    fn add(&self, call: &Call<'_, Config>) -> Result<Success, Error> {
        let owner = owner(call.container_id()?.as_str(), call.ifname()?.as_str());
        let subnet = *call.config.subnet.get()?;
        let mut book = Book::open(&call.config, call.network().as_str())?;
        if book.lines.iter().any(|line| line.owner == owner) {
            return Err(Error::new(
                ErrorCode::FIRST_OF_PLUGINS,
                format!("{owner} has an address already"),
            )
            .with_details("a container is attached once; DEL gives the address back"));
        }
        let address = book.free(subnet)?;
        book.lines.push(Line {
            address: address.clone(),
            owner,
        });
        book.write()?;
        let parsed = format!("{address}/{}", subnet.prefix_len()).parse();
        let address = parsed.map_err(|error| {
            Error::new(
                ErrorCode::INTERNAL,
                format!("no address {address}: {error}"),
            )
        })?;
        let ip = IpConfig::new(address).with_gateway(subnet.hosts().next());
        Ok(Success::default().with_ips([ip]))
    }

    fn check(&self, call: &Call<'_, Config>) -> Result<(), Error> {
        let owner = owner(call.container_id()?.as_str(), call.ifname()?.as_str());
        let book = Book::open(&call.config, call.network().as_str())?;
        match book.lines.iter().any(|line| line.owner == owner) {
            true => Ok(()),
            false => Err(Error::new(
                ErrorCode::FIRST_OF_PLUGINS,
                format!("{owner} has no address in {}", book.path.display()),
            )
            .with_details("something has given it back; attach the container anew")),
        }
    }

    fn del(&self, call: &Call<'_, Config>) -> Result<(), Error> {
        let owner = owner(call.container_id()?.as_str(), call.ifname()?.as_str());
        let mut book = Book::open(&call.config, call.network().as_str())?;
        book.keep(|line| line.owner != owner)
    }

    fn gc(&self, gc: &Gc<'_, Config>) -> Result<(), Error> {
        let valid = gc.valid.iter();
        let valid: Vec<_> = valid
            .map(|one| owner(&one.container_id, &one.ifname))
            .collect();
        let mut book = Book::open(&gc.config, gc.network().as_str())?;
        book.keep(|line| valid.contains(&line.owner))
    }

    fn status(&self, call: &Call<'_, Config>) -> Result<(), Error> {
        let subnet = *call.config.subnet.get()?;
        let book = Book::open(&call.config, call.network().as_str());
        book.and_then(|book| book.free(subnet))
            .map(drop)
            .map_err(|error| error.with_code(ErrorCode::PLUGIN_NOT_AVAILABLE))
    }
}
// ANCHOR_END: plugin

// ANCHOR: book
/// Who has which addresses of a network, for as long as the lock is held.
struct Book {
    network: String,
    path: PathBuf,
    lines: Vec<Line>,
    _lock: File,
}

/// A line of the file: the address and its owner.
struct Line {
    address: String,
    owner: String,
}

/// An attachment, never its address alone, is what owns something.
fn owner(container_id: &str, ifname: &str) -> String {
    format!("{container_id}/{ifname}")
}

impl Book {
    /// Opens that of a network; other calls wait until this one is done.
    fn open(config: &Config, network: &str) -> Result<Self, Error> {
        let directory = Path::new(&config.directory);
        fs::create_dir_all(directory).map_err(|error| failure("make", directory, &error))?;
        // Names of networks begin with no dot.
        let lock = directory.join(format!(".{network}.lock"));
        let taken = File::create(&lock).and_then(|file| file.lock().map(|()| file));
        let path = directory.join(network);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            read => read.map_err(|error| failure("read", &path, &error))?,
        };
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        Ok(Self {
            network: network.to_owned(),
            _lock: taken.map_err(|error| failure("lock", &lock, &error))?,
            lines: lines
                .map(|(address, owner)| Line {
                    address: address.to_owned(),
                    owner: owner.to_owned(),
                })
                .collect(),
            path,
        })
    }

    /// The first address that nobody has.
    fn free(&self, subnet: IpNet) -> Result<String, Error> {
        let is_free = |address: &String| self.lines.iter().all(|line| line.address != *address);
        // The first is the gateway's.
        let mut addresses = subnet.hosts().skip(1).map(|address| address.to_string());
        addresses.find(is_free).ok_or_else(|| {
            Error::new(ErrorCode::TRY_AGAIN_LATER, format!("{subnet} is full"))
                .with_details("detach containers that are gone (GC), or take a larger subnet")
        })
    }

    /// Strikes the others; that there are none is well, since DEL comes twice.
    fn keep(&mut self, is_kept: impl Fn(&Line) -> bool) -> Result<(), Error> {
        let before = self.lines.len();
        self.lines.retain(is_kept);
        match self.lines.len() == before {
            true => Ok(()),
            false => self.write(),
        }
    }

    /// Writes it beside and renames, so that whoever is killed meanwhile leaves a whole file.
    fn write(&self) -> Result<(), Error> {
        let lines = self.lines.iter();
        let text: String = lines
            .map(|line| format!("{} {}\n", line.address, line.owner))
            .collect();
        let beside = self.path.with_file_name(format!(".{}.new", self.network));
        fs::write(&beside, text)
            .and_then(|()| fs::rename(&beside, &self.path))
            .map_err(|error| failure("write", &self.path, &error))
    }
}
// ANCHOR_END: book

// ANCHOR: failure
/// What was attempted, on what, why it failed, and what to do.
fn failure(attempted: &str, path: &Path, why: &io::Error) -> Error {
    let msg = format!("cannot {attempted} {}: {why}", path.display());
    Error::new(ErrorCode::IO_FAILURE, msg)
        .with_details("\"ipam.directory\" must be a directory that root can write")
}
// ANCHOR_END: failure

// ANCHOR: main
const TABLE: [&dyn Handler; 1] = [&FirstIpam];

fn main() -> ExitCode {
    linkspan_plugin::main(&TABLE)
}
// ANCHOR_END: main

// ANCHOR: tests
#[cfg(test)]
mod tests {
    use super::*;
    use linkspan_plugin::{spec::Command, testing};
    use serde_json::json;

    /// A subnet of two containers, in a directory of the test's own.
    struct Network(tempfile::TempDir);

    impl Network {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a directory"))
        }

        fn call(&self, command: Command, container: &str) -> testing::Call {
            self.of("10.22.0.0/30", command, container)
        }

        fn of(&self, subnet: &str, command: Command, container: &str) -> testing::Call {
            let ipam = json!({ "subnet": subnet, "directory": self.0.path() });
            let call = testing::Call::of(&FirstIpam, command).config(json!({ "ipam": ipam }));
            match command {
                Command::Gc | Command::Status => call,
                _ => call.container(container),
            }
        }
    }

    #[test]
    fn what_add_gives_del_takes_back_and_twice_is_well() {
        let network = Network::new();
        let add = |container| network.call(Command::Add, container).run();
        let ip = add("c1").result().ips[0];
        assert_eq!(ip.address.to_string(), "10.22.0.2/30");
        assert_eq!(
            ip.gateway.map(|one| one.to_string()).as_deref(),
            Some("10.22.0.1")
        );
        network.call(Command::Check, "c1").run().succeeded();
        assert_eq!(add("c1").error().code, ErrorCode::FIRST_OF_PLUGINS);
        assert_eq!(add("c2").error().code, ErrorCode::TRY_AGAIN_LATER);
        let status = network.call(Command::Status, "").run();
        assert_eq!(status.error().code, ErrorCode::PLUGIN_NOT_AVAILABLE);
        for _ in 0..2 {
            network.call(Command::Del, "c1").run().succeeded();
        }
        let check = network.call(Command::Check, "c1").run();
        assert_eq!(check.error().code, ErrorCode::FIRST_OF_PLUGINS);
        network.call(Command::Status, "").run().succeeded();
        add("c2").succeeded();
    }

    #[test]
    fn gc_takes_back_what_no_attachment_has() {
        let network = Network::new();
        network.call(Command::Add, "c1").run().succeeded();
        let gc = |valid| network.call(Command::Gc, "").valid(valid).run();
        gc(&[("c1", "eth0")]).succeeded();
        network.call(Command::Check, "c1").run().succeeded();
        gc(&[("c1", "eth1")]).succeeded();
        network.call(Command::Check, "c1").run().error();
    }

    #[test]
    fn a_subnet_that_has_become_wrong_keeps_no_address() {
        let network = Network::new();
        for command in [Command::Del, Command::Gc] {
            network.call(Command::Add, "c1").run().succeeded();
            let wrong = |command| network.of("10.22.0.0/33", command, "c1").run();
            let told = wrong(Command::Status).error();
            assert!(told.msg.contains("10.22.0.0/33"), "{told}");
            wrong(command).succeeded();
            network.call(Command::Check, "c1").run().error();
        }
    }
}
// ANCHOR_END: tests
