//! Tap devices: links whose other end is a program, such as a virtual machine.
//!
//! They are made by ioctl: over netlink the kernel makes none ("tun/tap creation via rtnetlink is not
//! supported").

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;

use crate::Error;
use crate::netns::Netns;

const DEVICE: &str = "/dev/net/tun";

/// A tap device to be made. It stays until it is deleted, as any link.
#[derive(Clone, Debug)]
pub struct NewTap {
    /// Its name, at most 15 bytes.
    pub name: String,
    /// The user who may attach to it; with neither user nor group, whoever has CAP_NET_ADMIN there.
    pub owner: Option<u32>,
    /// The group that may attach to it.
    pub group: Option<u32>,
    /// It has several queues. Whoever attaches to it asks for the same.
    pub multi_queue: bool,
}

impl NewTap {
    /// A device of this name, for whoever has CAP_NET_ADMIN.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            owner: None,
            group: None,
            multi_queue: false,
        }
    }

    /// Makes the device in the calling thread's namespace, switched off.
    ///
    /// # Errors
    /// [`is_exists`](Error::is_exists) when the name is taken; `ENOENT` without `/dev/net/tun`.
    pub fn create(&self) -> Result<(), Error> {
        let failed = |error| Error::new("create", format!("tap device {:?}", self.name), error);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(DEVICE)
            .map_err(|error| Error::new("open", DEVICE, error))?;
        // Until it is told to stay, it goes with the file: what fails or is killed leaves nothing.
        attach(&file, &self.name, self.flags()).map_err(failed)?;
        let settings = [
            (libc::TUNSETOWNER, self.owner),
            (libc::TUNSETGROUP, self.group),
            (libc::TUNSETPERSIST, Some(1)),
        ];
        for (request, value) in settings {
            if let Some(value) = value {
                set(&file, request, value).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Makes the device in another namespace.
    ///
    /// # Errors
    /// Those of [`create`](Self::create), and those of entering the namespace.
    pub fn create_in(&self, namespace: &Netns) -> Result<(), Error> {
        namespace.run(|| self.create())?
    }

    /// Without the kernel's protocol header before each packet, as all virtual machines want it, and as
    /// they ask for when they attach; a virtio header is theirs to ask for.
    fn flags(&self) -> libc::c_int {
        let queues = if self.multi_queue {
            libc::IFF_MULTI_QUEUE
        } else {
            0
        };
        libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_TUN_EXCL | queues
    }
}

/// Makes a device of this name, and none of another.
fn attach(file: &File, name: &str, flags: libc::c_int) -> io::Result<()> {
    let mut bytes = [0; libc::IFNAMSIZ];
    let is_plain = !name.is_empty() && name.len() < bytes.len() && !name.contains(['%', '\0']);
    if !is_plain {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    for (byte, from) in bytes.iter_mut().zip(name.bytes()) {
        *byte = from as libc::c_char;
    }
    let request = libc::ifreq {
        ifr_name: bytes,
        ifr_ifru: libc::__c_anonymous_ifr_ifru {
            ifru_flags: flags as libc::c_short,
        },
    };
    // SAFETY: the descriptor is open, and the pointer is to an ifreq that outlives the call, which is
    // what this ioctl reads and writes. rustix has no wrapper for it.
    let outcome = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw const request) };
    match succeeded(outcome) {
        // What IFF_TUN_EXCL answers.
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
            Err(io::Error::from_raw_os_error(libc::EEXIST))
        }
        outcome => outcome,
    }
}

fn set(file: &File, request: libc::Ioctl, value: u32) -> io::Result<()> {
    // SAFETY: the descriptor is open, and the requests that this is called with take a number, no
    // pointer. rustix has no wrapper for them.
    let outcome = unsafe { libc::ioctl(file.as_raw_fd(), request, libc::c_ulong::from(value)) };
    succeeded(outcome)
}

fn succeeded(outcome: libc::c_int) -> io::Result<()> {
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
