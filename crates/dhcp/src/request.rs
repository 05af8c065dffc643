//! What a configuration asks of a DHCP server: which options, and what it tells of the container. The plugin reads it to say
//! at once what is wrong with it, the daemon to act on it.

use linkspan_plugin::spec::{Error, ErrorCode, PluginConfig};
use linkspan_plugin::{Configuration, keys};

use crate::message::options as code;

keys! {
    /// The keys of `dhcp` that are about the server.
    pub struct Keys {
        /// The options that the server is asked for, besides those that are asked for by default.
        "ipam.request" => request: Option<Vec<RequestKeys>>, read by [Add, Check, Status];
        /// The options that the server is told.
        "ipam.provide" => provide: Option<Vec<ProvideKeys>>, read by [Add, Check, Status];
        /// The priority (metric) of the lease's routes; 0 leaves it to the kernel.
        "ipam.priority" => priority: u32, default = 0, range = 0..=4294967295, read by [Add, Check];
    }
}

keys! {
    /// One of `ipam.request`.
    pub struct RequestKeys {
        /// None of the options is asked for that are by default.
        "skipDefault" => skip_default: bool, default = false, read by [Add, Check, Status];
        /// An option by name or number.
        "option" => option: String, default = "", read by [Add, Check, Status];
    }
}

keys! {
    /// One of `ipam.provide`.
    pub struct ProvideKeys {
        /// The option by name or number.
        "option" => option: String, default = "", read by [Add, Check, Status];
        /// Its value as text.
        "value" => value: String, default = "", read by [Add, Check, Status];
        /// The name in CNI_ARGS whose value it is, where that is there.
        "fromArg" => from_arg: String, default = "", read by [Add, Check];
    }
}

/// The options that have a name in configurations (`dhcp-options(5)` has more).
const NAMES: [(&str, u8); 6] = [
    ("dhcp-client-identifier", code::CLIENT_ID),
    ("subnet-mask", code::SUBNET_MASK),
    ("routers", code::ROUTERS),
    ("host-name", code::HOST_NAME),
    ("user-class", code::USER_CLASS),
    ("vendor-class-identifier", code::VENDOR_CLASS),
];

/// What is asked for by default. Classless routes stand before the router, whose place they take (RFC 3442).
const DEFAULT: [u8; 8] = [
    code::CLASSLESS_ROUTES,
    code::OLD_CLASSLESS_ROUTES,
    code::ROUTERS,
    code::SUBNET_MASK,
    code::DNS,
    code::DOMAIN,
    code::MTU,
    code::DOMAIN_SEARCH,
];

/// The most bytes of an option's value, and of the names in a client identifier.
const LONGEST_VALUE: usize = 255;
const LONGEST_ID: usize = 254;

/// What is asked of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The codes of the options that are wanted, each once.
    pub requested: Vec<u8>,
    /// The options that are sent along: code and value, each code once.
    pub provided: Vec<(u8, Vec<u8>)>,
    /// The priority of the routes that the lease has.
    pub priority: Option<u32>,
}

impl Request {
    /// Reads the configuration, with CNI_ARGS as they are.
    ///
    /// # Errors
    /// When a key has a value of another kind, an option is neither a name that is known nor a number, or a value is longer
    /// than an option can be.
    pub fn read(config: &PluginConfig, args: &str) -> Result<Self, Error> {
        Self::new(&Keys::read(config)?, args)
    }

    /// Puts together what the keys say.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn new(keys: &Keys, args: &str) -> Result<Self, Error> {
        Ok(Self {
            requested: requested(keys.request.as_deref().unwrap_or_default())?,
            provided: provided(keys.provide.as_deref().unwrap_or_default(), args)?,
            priority: Some(keys.priority).filter(|priority| *priority != 0),
        })
    }
}

/// By what a server knows the attachment (option 61): a type of 0, since it is no hardware address, and the names, which
/// are those of the reference to the byte, so that a server goes on giving the same address.
pub fn client_id(container_id: &str, network: &str, ifname: &str) -> Vec<u8> {
    let names = format!("{container_id}/{network}/{ifname}");
    let kept = names.len().min(LONGEST_ID);
    [&[0], &names.as_bytes()[..kept]].concat()
}

fn requested(keys: &[RequestKeys]) -> Result<Vec<u8>, Error> {
    let skips_default = keys.iter().any(|key| key.skip_default);
    let mut codes = match skips_default {
        true => Vec::new(),
        false => DEFAULT.to_vec(),
    };
    for key in keys.iter().filter(|key| !key.option.is_empty()) {
        let code = option(&key.option)?;
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    Ok(codes)
}

fn provided(keys: &[ProvideKeys], args: &str) -> Result<Vec<(u8, Vec<u8>)>, Error> {
    let mut options: Vec<(u8, Vec<u8>)> = Vec::new();
    for key in keys {
        let code = option(&key.option)?;
        let given = |value: &str| !value.is_empty();
        let from_args = argument(args, &key.from_arg).filter(|value| given(value));
        let Some(value) = from_args.or(Some(key.value.as_str()).filter(|value| given(value)))
        else {
            continue;
        };
        if value.len() > LONGEST_VALUE {
            let from = match from_args {
                Some(_) => format!(" from CNI_ARGS {:?}", key.from_arg),
                None => String::new(),
            };
            let msg = format!(
                "value too long for option {:?}{from}: {value:?}",
                key.option
            );
            return Err(
                invalid(msg).with_details(format!("an option has {LONGEST_VALUE} bytes at most"))
            );
        }
        options.retain(|(known, _)| *known != code);
        options.push((code, value.as_bytes().to_vec()));
    }
    Ok(options)
}

/// The value of a name in CNI_ARGS, the last one when it stands there several times. What others may mean there is not
/// judged.
fn argument<'a>(args: &'a str, name: &str) -> Option<&'a str> {
    let pairs = args.rsplit(';').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(known, _)| *known == name && !name.is_empty());
    values.next().map(|(_, value)| value)
}

/// The code of an option; the words of errors are the reference's.
fn option(text: &str) -> Result<u8, Error> {
    if let Some((_, code)) = NAMES.iter().find(|(name, _)| *name == text) {
        return Ok(*code);
    }
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let why = match (is_number, text.parse()) {
        (true, Ok(code)) => return Ok(code),
        (true, Err(_)) => "value out of range",
        (false, _) => "invalid syntax",
    };
    let names = NAMES.map(|(name, _)| name).join(", ");
    Err(invalid(format!(
        "Can not parse option {text:?}: Can not parse option: strconv.ParseUint: parsing {text:?}: {why}"
    ))
    .with_details(format!(
        "an option is a number from 0 to 255 in quotes, or one of these names: {names}"
    )))
}

fn invalid(msg: String) -> Error {
    Error::new(ErrorCode::INVALID_NETWORK_CONFIG, msg)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(ipam: &str, args: &str) -> Result<Request, Error> {
        let json = format!(r#"{{ "name": "n", "type": "macvlan", "ipam": {{ {ipam} }} }}"#);
        Request::read(&PluginConfig::parse(json.as_bytes()).unwrap(), args)
    }

    #[test]
    fn options_are_asked_for_by_name_and_number_besides_those_by_default() {
        let skip = r#"{ "skipDefault": true }"#;
        for (items, expected) in [
            ("", &DEFAULT[..]),
            (
                r#"{ "option": "host-name" }, { "option": "routers" }"#,
                &[121, 249, 3, 1, 6, 15, 26, 119, 12],
            ),
            (
                r#"{ "Option": "042" }, { "OPTION": "" }"#,
                &[121, 249, 3, 1, 6, 15, 26, 119, 42],
            ),
            (skip, &[]),
            (
                &format!(
                    r#"{skip}, {{ "option": "routers" }}, {{ "option": "subnet-mask" }}, {{ "option": "3" }}"#
                ),
                &[3, 1],
            ),
            (r#"{ "option": "255", "skipdefault": true }"#, &[255]),
        ] {
            let request = read(&format!(r#""Request": [{items}]"#), "").unwrap();
            assert_eq!(request.requested, expected, "{items}");
        }
        assert_eq!(read("", "").unwrap().requested, DEFAULT);
    }

    #[test]
    fn options_are_provided_from_the_configuration_and_from_cni_args() {
        let name = r#"{ "option": "host-name", "value": "a", "fromArg": "HOST" }"#;
        let class = r#"{ "option": "77", "value": "b" }"#;
        let longest = "x".repeat(255);
        for (items, args, expected) in [
            (name, "", &[(12, "a")][..]),
            (name, "X=y;HOST=web-1", &[(12, "web-1")]),
            (name, "HOST=1;HOST=k=v;noise", &[(12, "k=v")]),
            (name, "HOST=", &[(12, "a")]),
            (name, &format!("HOST={longest}"), &[(12, longest.as_str())]),
            (&format!("{name}, {class}"), "", &[(12, "a"), (77, "b")]),
            (
                &format!(r#"{class}, {name}, {{ "option": "user-class", "value": "c" }}"#),
                "",
                &[(12, "a"), (77, "c")],
            ),
            (
                r#"{ "option": "61", "value": "id" }, { "option": "60" }"#,
                "=v",
                &[(61, "id")],
            ),
        ] {
            let provided = read(&format!(r#""provide": [{items}]"#), args)
                .unwrap()
                .provided;
            let expected: Vec<_> = expected
                .iter()
                .map(|(code, value)| (*code, value.as_bytes().to_vec()))
                .collect();
            assert_eq!(provided, expected, "{items} {args}");
        }
    }

    #[test]
    fn what_is_no_option_is_told_in_the_words_of_the_reference() {
        let words = |text: &str, why: &str| {
            format!(
                "Can not parse option {text:?}: Can not parse option: strconv.ParseUint: parsing {text:?}: {why}"
            )
        };
        let long = "x".repeat(256);
        for (ipam, args, expected) in [
            (
                r#""request": [{ "option": "dns" }]"#,
                "",
                words("dns", "invalid syntax"),
            ),
            (
                r#""request": [{ "option": "+3" }]"#,
                "",
                words("+3", "invalid syntax"),
            ),
            (
                r#""request": [{ "option": "Routers" }]"#,
                "",
                words("Routers", "invalid syntax"),
            ),
            (
                r#""provide": [{ "option": "256" }]"#,
                "",
                words("256", "value out of range"),
            ),
            (
                r#""provide": [{ "value": "x" }]"#,
                "",
                words("", "invalid syntax"),
            ),
            (
                &format!(r#""provide": [{{ "option": "12", "value": "{long}" }}]"#),
                "",
                format!("value too long for option \"12\": {long:?}"),
            ),
            (
                r#""provide": [{ "option": "12", "fromArg": "H" }]"#,
                &format!("H={long}"),
                format!("value too long for option \"12\" from CNI_ARGS \"H\": {long:?}"),
            ),
            (
                r#""priority": -1"#,
                "",
                "invalid \"ipam.priority\" -1: it must be from 0 to 4294967295".to_owned(),
            ),
            (
                r#""request": { "option": "3" }"#,
                "",
                "invalid \"ipam.request\": expected a list, found {\"option\":\"3\"}".to_owned(),
            ),
        ] {
            assert_eq!(read(ipam, args).unwrap_err().msg, expected);
        }
    }

    #[test]
    fn a_priority_of_zero_is_none() {
        for (ipam, expected) in [
            ("", None),
            (r#""priority": 0"#, None),
            (r#""priority": 7"#, Some(7)),
        ] {
            assert_eq!(read(ipam, "").unwrap().priority, expected);
        }
    }

    #[test]
    fn the_client_identifier_is_the_references() {
        assert_eq!(client_id("c1", "net1", "eth0"), b"\0c1/net1/eth0");
        let container = "c".repeat(300);
        let id = client_id(&container, "net1", "eth0");
        assert_eq!(id, [&[0], &container.as_bytes()[..254]].concat());
        // Cut between the bytes of a letter, as the reference does.
        assert_eq!(client_id(&"ä".repeat(200), "n", "e").len(), 255);
    }
}
