//! What tells a namespace from every other one.

use std::fmt;
use std::io;
use std::os::unix::net::UnixDatagram;

use super::{Id, Netns, own, socket_cookie};

/// What tells a network namespace from all others of this boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// By which it is found. Another namespace can get it once this one is gone.
    pub inode: u64,
    /// Which no other namespace gets; not known to kernels before 5.14.
    pub cookie: Option<u64>,
}

impl Identity {
    /// That of an open namespace.
    ///
    /// # Errors
    /// As [`Netns::cookie`].
    pub fn of(netns: &Netns) -> io::Result<Self> {
        Ok(Self {
            inode: netns.id().ino,
            cookie: netns.cookie()?,
        })
    }

    /// That of the calling thread's namespace.
    ///
    /// # Errors
    /// When the caller has no rights over it and /proc is not mounted; as [`Netns::cookie`].
    pub fn current() -> io::Result<Self> {
        use std::os::fd::AsFd;
        // Each socket costs more than what it is asked.
        let socket = UnixDatagram::unbound()?;
        let inode = Id::of(own::open_by(&socket)?.as_fd())?.ino;
        let cookie = socket_cookie(&socket)?;
        Ok(Self { inode, cookie })
    }
}

/// In a file's name: inode and cookie.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.inode)?;
        self.cookie.map_or(Ok(()), |cookie| write!(f, "-{cookie}"))
    }
}

impl std::str::FromStr for Identity {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (inode, cookie) = match text.split_once('-') {
            Some((inode, cookie)) => (inode, Some(cookie.parse()?)),
            None => (text, None),
        };
        Ok(Self {
            inode: inode.parse()?,
            cookie,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_namespace_is_the_same_by_either_way_and_as_text() {
        let own = Identity::current().unwrap();
        assert_eq!(own, Identity::of(&Netns::current().unwrap()).unwrap());
        assert_eq!(own.to_string().parse(), Ok(own));
        let without = Identity {
            cookie: None,
            ..own
        };
        assert_eq!(without.to_string().parse(), Ok(without));
    }
}
