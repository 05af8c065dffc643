//! What the flags wish, by our names and by Podman's.

use linkspan_draft::{Kind, Wish};
use linkspan_spec::IfName;

use crate::args::{Driver, NewNetwork};
use crate::failure::Failure;

/// What the flags say.
pub(super) fn of(args: &NewNetwork) -> Result<Wish, Failure> {
    let options = Options::read(&args.options)?;
    Ok(Wish {
        name: args.name.clone(),
        kind: kind(args, &options)?,
        ports: args.ports,
        firewall: match (args.firewall, args.no_firewall) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        },
        bandwidth: args.bandwidth,
        subnets: args.subnet.clone(),
        ranges: args.range.clone(),
        gateways: args.gateway.clone(),
        ipv6: args.ipv6,
        internal: args.internal,
        dhcp: args.dhcp,
        mtu: args.mtu.or(options.mtu),
        mode: options.mode,
        version: args.cni_version,
    })
}

/// What Podman calls options.
#[derive(Default)]
struct Options {
    parent: Option<String>,
    mtu: Option<u32>,
    vlan: Option<u16>,
    mode: Option<String>,
}

impl Options {
    fn read(texts: &[String]) -> Result<Self, Failure> {
        let mut options = Self::default();
        for text in texts {
            let (key, value) = text.split_once('=').unwrap_or((text, ""));
            let wrong = |_| {
                Failure::usage(format!(
                    "invalid option {text:?}: {value:?} is no number that can be"
                ))
            };
            match key {
                "parent" => options.parent = Some(value.to_owned()),
                "mtu" => options.mtu = Some(value.parse().map_err(wrong)?),
                "vlan" => options.vlan = Some(value.parse().map_err(wrong)?),
                "mode" => options.mode = Some(value.to_owned()),
                _ => {
                    return Err(Failure::usage(format!("unknown option {text:?}"))
                        .advise("Options are parent=MASTER, mtu=BYTES, vlan=ID and mode=MODE."));
                }
            }
        }
        Ok(options)
    }
}

fn kind(args: &NewNetwork, options: &Options) -> Result<Kind, Failure> {
    if args.ptp {
        return Ok(Kind::Ptp);
    }
    if let Some(master) = &args.macvlan {
        return Ok(Kind::Macvlan(master.clone()));
    }
    if let Some(master) = &args.ipvlan {
        return Ok(Kind::Ipvlan(master.clone()));
    }
    if let Some((master, id)) = &args.vlan {
        return Ok(Kind::Vlan(master.clone(), *id));
    }
    let parent = options
        .parent
        .clone()
        .or_else(|| args.interface_name.as_ref().map(IfName::to_string));
    let parent = |flag: &str| {
        parent.clone().ok_or_else(|| {
            Failure::usage(format!(
                "on which link of the host a {flag} is to be was not said"
            ))
            .advise(format!(
                "Write --{flag} MASTER, or --driver {flag} -o parent=MASTER."
            ))
        })
    };
    match args.driver {
        Some(Driver::Ptp) => Ok(Kind::Ptp),
        Some(Driver::Macvlan) => parent("macvlan").map(Kind::Macvlan),
        Some(Driver::Ipvlan) => parent("ipvlan").map(Kind::Ipvlan),
        Some(Driver::Vlan) => match options.vlan {
            Some(id @ 1..=4094) => Ok(Kind::Vlan(parent("vlan")?, id)),
            _ => Err(Failure::usage("which VLAN it is to be was not said")
                .advise("Write --vlan MASTER:ID, or -o vlan=ID with 1 to 4094.")),
        },
        Some(Driver::Bridge) | None => {
            let named = args.bridge.clone().flatten();
            Ok(Kind::Bridge(named.or_else(|| args.interface_name.clone())))
        }
    }
}
