//! What a plugin is in a chain.

/// What a plugin is in a chain: what it gives to those behind it, or what it needs of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It makes the container's interface, so a chain begins with it and has one such plugin.
    Interface {
        /// The interface is one end of a pair, whose other end is on the host.
        has_host_end: bool,
        /// The interface is made on a link of the host, its master, past which nothing comes from the host itself.
        hides_from_host: bool,
    },
    /// It works on what the plugins before it have made.
    Chained {
        /// What that must be.
        needs: Needs,
    },
    /// It gives addresses to the plugin that names it in `ipam`.
    Ipam,
    /// It needs no other plugin, and none needs it: it stands alone or anywhere.
    Independent,
}

/// What a chained plugin must find in the result of the plugins before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// The container's interface.
    Interface,
    /// An address of the container: without one it fails, or does nothing.
    Address,
    /// The end on the host of the container's interface.
    HostEnd,
}
