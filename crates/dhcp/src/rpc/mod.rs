//! Go's net/rpc over HTTP's CONNECT, as the reference's plugin and daemon speak it.
