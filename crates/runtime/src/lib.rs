//! What a container runtime embeds: configurations, plugin chains, cached results
#![forbid(unsafe_code)]
