//! Plugins that are a function.

use std::fmt;
use std::io;
use std::path::PathBuf;

use linkspan_spec::PluginType;

use crate::{Error, Execute, Output, Request};

/// Plugins that are a function, for the tests of a program that embeds this crate: every plugin is found, no file is needed and
/// no process started.
///
/// # Examples
/// ```
/// use linkspan_runtime::{Endpoint, Fake, Output, Runtime};
/// use linkspan_spec::{Command, Error, ErrorCode, NetworkList};
///
/// let plugins = Fake::new(|request| match (request.plugin.as_str(), request.command) {
///     ("bridge", Command::Add) => Output::success(r#"{"ips":[{"address":"10.1.0.2/24"}]}"#),
///     ("portmap", Command::Add) => Output::failure(&Error::new(ErrorCode(100), "port 80 is taken")),
///     _ => Output::success(""),
/// });
/// let cache = tempfile::tempdir()?;
/// let runtime = Runtime::builder().executor(plugins).cache_dir(cache.path()).build();
/// let network = NetworkList::parse(
///     br#"{"cniVersion":"1.0.0","name":"net","plugins":[{"type":"bridge"},{"type":"portmap"}]}"#,
/// )?;
/// let endpoint = Endpoint::new("c1".parse()?, "eth0".parse()?).with_netns("/run/netns/c1");
/// let error = runtime.add(&network, &endpoint).unwrap_err();
/// assert_eq!(error.code(), ErrorCode(100));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Fake<F>(F);

impl<F> Fake<F>
where
    F: Fn(&Request<'_>) -> Output + Send + Sync,
{
    /// Plugins that do what the function says.
    pub fn new(answer: F) -> Self {
        Self(answer)
    }
}

impl<F> Execute for Fake<F>
where
    F: Fn(&Request<'_>) -> Output + Send + Sync,
{
    /// A path of one name.
    fn find(&self, plugin: &PluginType, _: &[PathBuf]) -> Result<PathBuf, Error> {
        Ok(plugin.as_str().into())
    }

    fn run(&self, request: &Request<'_>) -> io::Result<Output> {
        Ok((self.0)(request))
    }
}

impl<F> fmt::Debug for Fake<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fake")
    }
}
