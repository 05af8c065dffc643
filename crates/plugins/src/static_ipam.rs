//! `static`: the addresses that configuration or runtime state, handed on as they are.
//!
//! It holds nothing, so there is nothing to release. Where the addresses come from, the later
//! replacing the earlier:
//!
//! 1. `ipam.addresses` together with `IP` in CNI_ARGS, whose gateways `GATEWAY` names;
//! 2. `args.cni.ips`;
//! 3. `runtimeConfig.ips` (capability `ips`).
//!
//! See [the reference's documentation](https://www.cni.dev/plugins/current/ipam/static/).

use linkspan_plugin::config::{Configuration, Deferred, Key};
use linkspan_plugin::spec::{
    Dns, Error, ErrorCode, IpConfig, PluginConfig, Route, Success, Version, address,
};
use linkspan_plugin::{Call, CniArgs, Foreseen, Foresight, Gc, Plugin, Role, keys};

keys! {
    /// The keys of `static` as they stand in a configuration.
    pub struct Keys {
        /// The addresses, each with the length of its prefix, and their gateways.
        "ipam.addresses" => addresses: Option<Vec<AddressKeys>>, read by [Add, Check, Status];
        /// The routes of the result; one without gw goes through the gateway of its family.
        "ipam.routes" => routes: Option<Vec<Route>>, read by [Add, Status];
        /// The DNS settings of the result.
        "ipam.dns" => dns: Option<Dns>, read by [Add, Status];
        /// Addresses with prefix lengths instead of those of ipam, by the configuration's author.
        "args.cni.ips" => args_ips: Option<Vec<String>>, read by [Add, Check];
        /// Addresses with prefix lengths instead of all others, by the runtime (capability ips).
        "runtimeConfig.ips" => runtime_ips: Option<Vec<String>>, read by [Add, Check];
    }
}

keys! {
    /// One of `ipam.addresses`.
    pub struct AddressKeys {
        /// The address with the length of its prefix.
        "address" => address: String, default = "", read by [Add, Check, Status];
        /// The gateway of its subnet.
        "gateway" => gateway: Option<String>, read by [Add, Check, Status];
    }
}

/// A configuration of `static`.
#[derive(Clone, Debug)]
pub struct Config {
    keys: Keys,
    version: Version,
}

impl Configuration for Config {
    const KEYS: &'static [Key] = Keys::KEYS;

    fn read(config: &PluginConfig) -> Result<Self, Error> {
        if config.ipam().is_none() {
            return Err(
                invalid("IPAM config missing 'ipam' key".to_owned()).with_details(
                    "static reads the object ipam of the configuration that delegates to it",
                ),
            );
        }
        Ok(Self {
            keys: Keys::read(config)?,
            version: config.cni_version()?,
        })
    }
}

/// The plugin.
pub struct Static;

impl Plugin for Static {
    type Config = Deferred<Config>;
    const NAME: &'static str = "static";
    const ABOUT: &'static str = "hands on the addresses that the configuration states";
    const ROLE: Role = Role::Ipam;
    const ARGS: Option<&'static [&'static str]> = Some(&["IP", "GATEWAY"]);

    fn add(&self, call: &Call<'_, Deferred<Config>>) -> Result<Success, Error> {
        let config = call.config.get()?;
        Ok(Success::default()
            .with_ips(addresses(config, &call.args)?)
            .with_routes(config.keys.routes.clone().unwrap_or_default())
            .with_dns(config.keys.dns.clone().unwrap_or_default()))
    }

    fn foresee(
        &self,
        call: &Call<'_, Deferred<Config>>,
        foresight: &mut Foresight,
    ) -> Result<Success, Error> {
        let result = self.add(call)?;
        for ip in &result.ips {
            let gateway = ip
                .gateway
                .map(|gateway| format!(", with the gateway {gateway}"));
            let words = format!(
                "hand on the address {}{}",
                ip.address,
                gateway.unwrap_or_default()
            );
            let why = "as the configuration or the runtime states it; nothing is reserved";
            foresight.tell(Foreseen::made("address", words).because(why));
        }
        Ok(result)
    }

    fn check(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        let wanted = addresses(call.config.get()?, &call.args)?;
        let result = call
            .prev_result()?
            .ok_or_else(|| invalid("Required prevResult missing".to_owned()))?;
        for ip in &wanted {
            let found = result
                .ips
                .iter()
                .find(|other| other.address.addr() == ip.address.addr());
            require_gateway(ip, found, call.ifname()?.as_str())?;
        }
        Ok(())
    }

    fn del(&self, _: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        Ok(()) // it holds nothing
    }

    fn gc(&self, _: &Gc<'_, Deferred<Config>>) -> Result<(), Error> {
        Ok(()) // it holds nothing
    }

    fn status(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        addresses(call.config.get()?, &call.args).map(drop)
    }
}

/// The addresses of the attachment: see the order in the [module's documentation](self).
fn addresses(config: &Config, args: &CniArgs) -> Result<Vec<IpConfig>, Error> {
    let keys = &config.keys;
    // Read even when they will be replaced: what CNI_ARGS says wrongly is told.
    let by_args = addresses_of_cni_args(args)?;
    let set = |ips: &Option<Vec<String>>| ips.clone().filter(|ips| !ips.is_empty());
    let ips = match set(&keys.runtime_ips).or_else(|| set(&keys.args_ips)) {
        Some(ips) => ips
            .iter()
            .map(|text| {
                parse(text, || {
                    format!("an entry in the 'ips' field is NOT in CIDR notation, got: '{text}'")
                })
            })
            .collect::<Result<_, _>>()?,
        None => {
            let configured = keys.addresses.iter().flatten().map(AddressKeys::ip_config);
            let mut ips = configured.collect::<Result<Vec<_>, _>>()?;
            ips.extend(by_args);
            ips
        }
    };
    require_expressible(&ips, config.version)?;
    Ok(ips)
}

impl AddressKeys {
    fn ip_config(&self) -> Result<IpConfig, Error> {
        let Self { address, gateway } = self;
        let ip = parse(address, || {
            format!("the 'address' field is expected to be in CIDR notation, got: '{address}'")
        })?;
        let gateway = gateway.as_deref().filter(|text| !text.is_empty());
        let gateway = gateway.map(|text| {
            address::parse_ip(text).ok_or_else(|| {
                invalid(format!("invalid IP address: {text}"))
                    .with_details(format!("it stands beside the address {address}"))
            })
        });
        Ok(ip.with_gateway(gateway.transpose()?))
    }
}

/// `IP` and `GATEWAY`, both lists with commas. A gateway is that of every address whose subnet holds it.
fn addresses_of_cni_args(args: &CniArgs) -> Result<Vec<IpConfig>, Error> {
    let list = |name| {
        args.get(name)
            .into_iter()
            .flat_map(|text| text.split(','))
            .map(str::trim)
    };
    let mut ips = list("IP")
        .map(|text| {
            parse(text, || {
                format!("the 'ip' field is expected to be in CIDR notation, got: '{text}'")
            })
            .map_err(|error| error.with_code(ErrorCode::INVALID_ENVIRONMENT))
        })
        .collect::<Result<Vec<_>, _>>()?;
    for text in list("GATEWAY") {
        let gateway = address::parse_ip(text).ok_or_else(|| {
            Error::new(
                ErrorCode::INVALID_ENVIRONMENT,
                format!("invalid gateway address: {text}"),
            )
            .with_details("GATEWAY in CNI_ARGS is an address, or several with commas")
        })?;
        for ip in ips.iter_mut().filter(|ip| ip.address.contains(&gateway)) {
            ip.gateway = Some(gateway);
        }
    }
    Ok(ips)
}

fn parse(text: &str, message: impl FnOnce() -> String) -> Result<IpConfig, Error> {
    let address = address::parse_cidr(text).ok_or_else(|| {
        invalid(message())
            .with_details("write the address with the length of its prefix, such as 10.22.0.2/16")
    })?;
    Ok(IpConfig::new(address))
}

/// The results of versions before 0.3.0 have room for one address of each family.
fn require_expressible(ips: &[IpConfig], version: Version) -> Result<(), Error> {
    let ipv4 = ips.iter().filter(|ip| ip.address.addr().is_ipv4()).count();
    if version >= Version::V0_3_0 || (ipv4 <= 1 && ips.len() - ipv4 <= 1) {
        return Ok(());
    }
    Err(invalid(format!(
        "CNI version {version} does not support more than 1 address per family"
    ))
    .with_details("set cniVersion to 0.3.0 or later, or leave one address of each family"))
}

/// An address that the result has must have the stated gateway there.
fn require_gateway(wanted: &IpConfig, found: Option<&IpConfig>, ifname: &str) -> Result<(), Error> {
    match (wanted.gateway, found) {
        (Some(gateway), Some(found)) if found.gateway != Some(gateway) => Err(Error::new(
            ErrorCode::INTERNAL,
            format!(
                "static: Failed to match addr {} on interface {ifname}",
                found.address.addr()
            ),
        )
        .with_details(format!(
            "the configuration gives it the gateway {gateway}, the attachment was made with {}",
            found
                .gateway
                .map_or("none".to_owned(), |gateway| gateway.to_string())
        ))),
        _ => Ok(()),
    }
}

fn invalid(msg: String) -> Error {
    Error::new(ErrorCode::INVALID_NETWORK_CONFIG, msg)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn read(rest: &str, version: &str) -> Result<Config, Error> {
        let json =
            format!(r#"{{ "cniVersion": "{version}", "name": "n", "type": "macvlan", {rest} }}"#);
        Config::read(&PluginConfig::parse(json.as_bytes()).unwrap())
    }

    fn network(version: &str, rest: &str) -> Config {
        read(rest, version).unwrap()
    }

    fn args(text: &str) -> CniArgs {
        CniArgs::parse(text, Static::NAME, Static::ARGS.unwrap()).unwrap()
    }

    fn shown(config: &Config, cni_args: &str) -> Vec<String> {
        let ips = addresses(config, &args(cni_args)).unwrap();
        let show = |ip: IpConfig| match ip.gateway {
            Some(gateway) => format!("{} via {gateway}", ip.address),
            None => ip.address.to_string(),
        };
        ips.into_iter().map(show).collect()
    }

    fn failure(config: &Config, cni_args: &str) -> String {
        addresses(config, &args(cni_args)).unwrap_err().msg
    }

    const CONFIGURED: &str = r#""ipam": { "type": "static", "addresses": [
        { "address": "10.10.0.1/24", "gateway": "10.10.0.254" },
        { "address": "3ffe:ffff:0:01ff::1/64", "gateway": "3ffe:ffff:0::1" }] }"#;

    #[test]
    fn addresses_of_the_configuration_keep_their_host_bits_and_gateways() {
        let config = network("1.0.0", CONFIGURED);
        assert_eq!(
            shown(&config, ""),
            [
                "10.10.0.1/24 via 10.10.0.254",
                "3ffe:ffff:0:1ff::1/64 via 3ffe:ffff::1"
            ]
        );
    }

    #[test]
    fn cni_args_add_addresses_and_give_gateways_to_those_alone() {
        let config = network(
            "1.0.0",
            r#""ipam": { "type": "static", "addresses": [{ "address": "10.10.0.1/24" }] }"#,
        );
        let added = "IP=10.10.0.2/24, 11.11.0.1/24;GATEWAY=10.10.0.254,11.11.0.254";
        assert_eq!(
            shown(&config, added),
            [
                "10.10.0.1/24",
                "10.10.0.2/24 via 10.10.0.254",
                "11.11.0.1/24 via 11.11.0.254"
            ]
        );
    }

    #[test]
    fn the_runtime_replaces_args_which_replace_the_configuration() {
        let args_ips = r#""args": { "cni": { "ips": ["10.1.0.1/24"] } }"#;
        let runtime = r#""runtimeConfig": { "ips": ["10.2.0.1/24"] }"#;
        let config = network("1.0.0", &format!("{CONFIGURED}, {args_ips}"));
        assert_eq!(shown(&config, "IP=10.9.0.1/24"), ["10.1.0.1/24"]);
        let config = network("1.0.0", &format!("{CONFIGURED}, {args_ips}, {runtime}"));
        assert_eq!(shown(&config, "IP=10.9.0.1/24"), ["10.2.0.1/24"]);
        let empty = r#""args": { "cni": { "ips": [] } }, "runtimeConfig": { "ips": [] }"#;
        let config = network("1.0.0", &format!("{CONFIGURED}, {empty}"));
        assert_eq!(shown(&config, "").len(), 2);
    }

    #[test]
    fn what_is_no_address_is_told_as_it_stands() {
        let addresses = |text: &str| {
            network(
                "1.0.0",
                &format!(r#""ipam": {{ "addresses": [{{ "address": "{text}" }}] }}"#),
            )
        };
        for text in ["10.1.0.1", "10.1.0.1/33", ""] {
            let message =
                format!("the 'address' field is expected to be in CIDR notation, got: '{text}'");
            assert_eq!(failure(&addresses(text), ""), message);
        }
        let fine = addresses("10.1.0.1/24");
        for (cni_args, message) in [
            (
                "IP=10.1.0.9",
                "the 'ip' field is expected to be in CIDR notation, got: '10.1.0.9'",
            ),
            ("IP=10.1.0.9/24;GATEWAY=x", "invalid gateway address: x"),
        ] {
            assert_eq!(failure(&fine, cni_args), message);
        }
        let ips = network(
            "1.0.0",
            r#""ipam": {}, "runtimeConfig": { "ips": ["10.1.0.9"] }"#,
        );
        assert!(failure(&ips, "").starts_with("an entry in the 'ips' field is NOT in CIDR"));
    }

    #[test]
    fn old_versions_have_room_for_one_address_of_each_family() {
        let two = r#""ipam": { "addresses": [{ "address": "10.1.0.1/24" }, { "address": "10.1.0.2/24" }] }"#;
        let message = "CNI version 0.2.0 does not support more than 1 address per family";
        assert_eq!(failure(&network("0.2.0", two), ""), message);
        assert_eq!(shown(&network("0.3.0", two), "").len(), 2);
        assert_eq!(shown(&network("0.2.0", CONFIGURED), "").len(), 2);
    }

    #[test]
    fn a_wrong_configuration_is_told() {
        let message = |rest| read(rest, "1.0.0").unwrap_err().msg;
        assert_eq!(
            message(r#""ipam": { "addresses": 5 }"#),
            "invalid \"ipam.addresses\": expected a list, found 5"
        );
        assert_eq!(message(r#""other": 1"#), "IPAM config missing 'ipam' key");
    }

    #[test]
    fn another_gateway_in_the_result_is_a_difference() {
        let ip = |gateway: &str| {
            IpConfig::new("10.1.0.1/24".parse().unwrap())
                .with_gateway(gateway.parse::<IpAddr>().ok())
        };
        assert!(require_gateway(&ip("10.1.0.254"), Some(&ip("10.1.0.254")), "eth0").is_ok());
        assert!(require_gateway(&ip("none"), Some(&ip("10.1.0.254")), "eth0").is_ok());
        assert!(require_gateway(&ip("10.1.0.254"), None, "eth0").is_ok());
        let error = require_gateway(&ip("10.1.0.254"), Some(&ip("10.1.0.1")), "eth0").unwrap_err();
        assert_eq!(
            error.msg,
            "static: Failed to match addr 10.1.0.1 on interface eth0"
        );
    }
}
