//! The daemon that keeps leases: sockets, timers, namespaces, and what is kept on disk.
