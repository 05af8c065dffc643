//! A plugin that keeps a phone book of containers: for each attachment a file with its addresses, whose name is the container's,
//! and for each address a link to it, so that a program of the host looks up whose an address is.
//!
//! The book makes it step by step (docs/authors/README.md).

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use linkspan_plugin::spec::{Error, ErrorCode, Success};
use linkspan_plugin::{Call, Gc, Handler, Needs, Plugin, Role, Undo};

// ANCHOR: keys
linkspan_plugin::keys! {
    /// The configuration of `phonebook`.
    pub struct Config {
        /// The directory of the book.
        "directory" => directory: String, default = "/run/phonebook", read by [Add, Check, Del, Gc, Status];
        /// How many containers the book may hold.
        "most" => most: u32, default = 1000, unit = "containers", range = 1..=100000, read by [Add];
    }
}
// ANCHOR_END: keys

struct Phonebook;

// ANCHOR: plugin
impl Plugin for Phonebook {
    type Config = Config;
    const NAME: &'static str = "phonebook";
    const ABOUT: &'static str = "notes which container has which address";
    const ROLE: Role = Role::Chained {
        needs: Needs::Address,
    };

    fn add(&self, call: &Call<'_, Config>) -> Result<Success, Error> {
        let result = call.prev_result()?.ok_or_else(|| {
            Error::new(
                ErrorCode::INVALID_NETWORK_CONFIG,
                "phonebook is the first of its list",
            )
            .with_details(
                "it notes the addresses that a plugin before it gives: put it behind that",
            )
        })?;
        Book::of(&call.config, call.network().as_str()).note(
            &name(call)?,
            &addresses(&result),
            call.config.most,
        )?;
        Ok(result)
    }

    fn check(&self, call: &Call<'_, Config>) -> Result<(), Error> {
        let book = Book::of(&call.config, call.network().as_str());
        let noted = fs::read_to_string(book.page(&name(call)?));
        match noted {
            Ok(_) => Ok(()),
            Err(error) => Err(failure("read", &book.page(&name(call)?), &error)),
        }
    }

    fn del(&self, call: &Call<'_, Config>) -> Result<(), Error> {
        Book::of(&call.config, call.network().as_str()).strike(&name(call)?)
    }

    fn gc(&self, gc: &Gc<'_, Config>) -> Result<(), Error> {
        let book = Book::of(&gc.config, gc.network().as_str());
        let valid: Vec<String> = gc
            .valid
            .iter()
            .map(|one| format!("{}-{}", one.container_id, one.ifname))
            .collect();
        let stale = book
            .names()?
            .into_iter()
            .filter(|name| !valid.contains(name));
        // What cannot be struck does not keep the rest from being so; the first failure is told.
        let failures = stale.filter_map(|name| book.strike(&name).err());
        failures.reduce(|first, _| first).map_or(Ok(()), Err)
    }

    fn status(&self, call: &Call<'_, Config>) -> Result<(), Error> {
        let directory = Path::new(&call.config.directory);
        fs::create_dir_all(directory).map_err(|error| {
            failure("make", directory, &error).with_code(ErrorCode::PLUGIN_NOT_AVAILABLE)
        })
    }
}
// ANCHOR_END: plugin

/// The name of an attachment in the book.
fn name(call: &Call<'_, Config>) -> Result<String, Error> {
    Ok(format!("{}-{}", call.container_id()?, call.ifname()?))
}

fn addresses(result: &Success) -> Vec<String> {
    let ips = result.ips.iter();
    ips.map(|ip| ip.address.addr().to_string()).collect()
}

/// The pages of one network.
struct Book(PathBuf);

impl Book {
    fn of(config: &Config, network: &str) -> Self {
        Self(Path::new(&config.directory).join(network))
    }

    fn page(&self, name: &str) -> PathBuf {
        self.0.join("containers").join(name)
    }

    fn link(&self, address: &str) -> PathBuf {
        self.0.join("addresses").join(address)
    }

    // ANCHOR: undo
    fn note(&self, name: &str, addresses: &[String], most: u32) -> Result<(), Error> {
        let mut undo = Undo::new();
        for folder in ["containers", "addresses"] {
            let folder = self.0.join(folder);
            fs::create_dir_all(&folder).map_err(|error| failure("make", &folder, &error))?;
        }
        if self.names()?.len() >= most as usize {
            let full = format!("the phone book {} is full: {most}", self.0.display());
            return Err(Error::new(ErrorCode::TRY_AGAIN_LATER, full)
                .with_details("detach containers that are gone (GC), or set \"most\" higher"));
        }
        let page = self.page(name);
        // One that is there stays as it is: only what is made here is undone.
        let text = addresses.join("\n") + "\n";
        File::create_new(&page)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| failure("write", &page, &error))?;
        undo.on_failure("note the container", {
            let page = page.clone();
            move || gone(fs::remove_file(&page)).map_err(|error| failure("remove", &page, &error))
        });
        for address in addresses {
            let link = self.link(address);
            // One that is there is somebody else's address: what was made so far is undone.
            symlink(&page, &link).map_err(|error| failure("make", &link, &error))?;
            undo.on_failure("note an address", move || {
                gone(fs::remove_file(&link)).map_err(|error| failure("remove", &link, &error))
            });
        }
        undo.commit();
        Ok(())
    }
    // ANCHOR_END: undo

    // ANCHOR: strike
    /// Removes a page and its links; nothing that is there is no failure, since DEL may come twice.
    fn strike(&self, name: &str) -> Result<(), Error> {
        let page = self.page(name);
        let text = match fs::read_to_string(&page) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            read => read.map_err(|error| failure("read", &page, &error))?,
        };
        for address in text.lines() {
            let link = self.link(address);
            let is_ours = fs::read_link(&link).is_ok_and(|target| target == page);
            if is_ours {
                gone(fs::remove_file(&link)).map_err(|error| failure("remove", &link, &error))?;
            }
        }
        gone(fs::remove_file(&page)).map_err(|error| failure("remove", &page, &error))
    }
    // ANCHOR_END: strike

    fn names(&self) -> Result<Vec<String>, Error> {
        let folder = self.0.join("containers");
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            read => read.map_err(|error| failure("read", &folder, &error))?,
        };
        let names = entries.flatten().map(|entry| entry.file_name());
        Ok(names.filter_map(|name| name.into_string().ok()).collect())
    }
}

/// That a file is not there is what was wanted.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

// ANCHOR: failure
/// What was attempted, on what, why it failed, and what to do.
fn failure(attempted: &str, path: &Path, why: &io::Error) -> Error {
    let msg = format!("cannot {attempted} {}: {why}", path.display());
    Error::new(ErrorCode::IO_FAILURE, msg)
        .with_details("the phone book must be a directory that root can write")
}
// ANCHOR_END: failure

// ANCHOR: main
const TABLE: [&dyn Handler; 1] = [&Phonebook];

fn main() -> ExitCode {
    linkspan_plugin::main(&TABLE)
}
// ANCHOR_END: main

// ANCHOR: tests
#[cfg(test)]
mod tests {
    use super::*;
    use linkspan_plugin::{Answer, serve};

    /// Calls the plugin as a runtime does, in this process.
    fn call(command: &str, config: &str) -> Answer {
        let env = |name: &str| {
            let value = match name {
                "CNI_COMMAND" => command,
                "CNI_CONTAINERID" => "c1",
                "CNI_NETNS" => "/proc/self/ns/net",
                "CNI_IFNAME" => "eth0",
                "CNI_PATH" => "/opt/cni/bin",
                _ => return None,
            };
            Some(value.to_owned())
        };
        serve(&Phonebook, &TABLE, &env, &mut config.as_bytes(), |_| {
            Ok(false)
        })
    }

    #[test]
    fn what_add_notes_del_strikes() {
        let book = tempfile::tempdir().expect("a directory");
        let config = format!(
            r#"{{ "cniVersion": "1.0.0", "name": "mynet", "type": "phonebook", "directory": {:?},
                "prevResult": {{ "cniVersion": "1.0.0", "ips": [{{ "address": "10.22.0.2/16" }}] }} }}"#,
            book.path()
        );
        let link = book.path().join("mynet/addresses/10.22.0.2");
        assert!(matches!(call("ADD", &config), Answer::Success(Some(_))));
        assert_eq!(fs::read_to_string(&link).expect("noted"), "10.22.0.2\n");
        assert!(
            matches!(call("ADD", &config), Answer::Failure(_)),
            "it is in the book"
        );
        for _ in 0..2 {
            assert_eq!(call("DEL", &config), Answer::Success(None));
        }
        assert!(!link.exists());
    }
}
// ANCHOR_END: tests
