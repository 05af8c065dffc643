//! A whole plugin: `sample` follows an interface plugin in a chain and refuses networks whose address
//! is not the wanted one. Copy it and put your own work into the three methods.
use linkspan_plugin::spec::{Error, ErrorCode, Success};
use linkspan_plugin::{Call, Handler, Needs, Plugin, Role};
use std::process::ExitCode;

linkspan_plugin::keys! {
    /// The configuration of `sample`.
    pub struct Config {
        /// How every address of the attachment must begin.
        "prefix" => prefix: String, read by [Add, Check];
        /// The MTU that the result reports.
        "mtu" => mtu: u32, default = 1500, unit = "bytes", range = 68..=65535, read by [Add];
    }
}

struct Sample;
impl Plugin for Sample {
    type Config = Config;
    const NAME: &'static str = "sample";
    const ABOUT: &'static str = "refuses addresses outside a range";
    const ROLE: Role = Role::Chained {
        needs: Needs::Address,
    };

    fn add(&self, call: &Call<'_, Config>) -> Result<Success, Error> {
        let mut result = require(&call.config, call.prev_result()?)?;
        for interface in &mut result.interfaces {
            interface.mtu.get_or_insert(call.config.mtu);
        }
        Ok(result)
    }

    fn check(&self, call: &Call<'_, Config>) -> Result<(), Error> {
        require(&call.config, call.prev_result()?).map(drop)
    }

    fn del(&self, _: &Call<'_, Config>) -> Result<(), Error> {
        Ok(()) // it holds nothing
    }
}

fn require(config: &Config, result: Option<Success>) -> Result<Success, Error> {
    let invalid = |msg: String| Error::new(ErrorCode::INVALID_NETWORK_CONFIG, msg);
    let result = result.ok_or_else(|| invalid("sample must follow an interface plugin".into()))?;
    match result
        .ips
        .iter()
        .find(|ip| !ip.address.to_string().starts_with(&config.prefix))
    {
        Some(ip) => Err(invalid(format!(
            "{} does not begin with {:?}",
            ip.address, config.prefix
        ))),
        None => Ok(result),
    }
}

fn main() -> ExitCode {
    const TABLE: [&dyn Handler; 1] = [&Sample];
    linkspan_plugin::main(&TABLE)
}
