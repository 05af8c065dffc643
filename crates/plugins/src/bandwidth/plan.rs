//! From a configuration to the wanted objects: a pure function.

use std::time::Duration;

use ipnet::IpNet;
use linkspan_kernel::rtnl::tc::{Match, Tbf};
use linkspan_plan::{Because, Ifb, LinkRef, On, Plan, Redirect, Shape, Traffic};

use super::config::{Config, Limit, Subnets};

/// How long a packet may wait before others are dropped, beside the time that a burst takes.
const LATENCY: Duration = Duration::from_millis(25);

/// A derived burst is what passes at the rate in the time of 1 / this second: a timer of a busy machine may be
/// that late without the rate being missed.
const BURSTS_IN_A_SECOND: u64 = 50;

/// And at least so many of the largest packets, without which TCP stumbles at low rates.
const LEAST_PACKETS: u32 = 10;

/// Bytes of an Ethernet header, which counts.
const HEADER: u32 = 14;

/// What the plan needs beyond the configuration.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    /// The end of the link on the host.
    pub(super) host: String,
    /// Its MTU.
    pub(super) mtu: u32,
    /// Whose the ifb is.
    pub(super) owner: String,
    /// The ifb's name, and another should that be taken.
    pub(super) ifb_names: Vec<String>,
}

/// Everything that the limits consist of. What the host's end sends, the container receives; what the container
/// sends can only be made to wait where it is sent again, which is out of the ifb.
pub(super) fn plan(config: &Config, chosen: &Chosen) -> Plan {
    let mut plan = Plan::default();
    let host = LinkRef::host(chosen.host.as_str());
    let ifb = Ifb {
        names: chosen.ifb_names.clone(),
        owner: chosen.owner.clone(),
        source: host.clone(),
        mtu: chosen.mtu,
    };
    if let Some(limit) = config.egress {
        let link = ifb.link();
        plan.push(ifb);
        let shape = shape(limit, chosen.mtu, &config.subnets, Match::Destination);
        let why = "so that the container sends no more than that (egressRate)";
        plan.push(On(link.clone(), shape).because(why));
        plan.push(Redirect(host.clone(), link));
    }
    if let Some(limit) = config.ingress {
        let shape = shape(limit, chosen.mtu, &config.subnets, Match::Source);
        let why = "so that the container receives no more than that (ingressRate)";
        plan.push(On(host, shape).because(why));
    }
    plan
}

/// A limit on traffic whose other side is found in a packet by `other_side`.
fn shape(limit: Limit, mtu: u32, subnets: &Subnets, other_side: fn(IpNet) -> Match) -> Shape {
    let matches = |subnets: &[IpNet]| subnets.iter().map(|net| other_side(net.trunc())).collect();
    let burst = limit.burst.unwrap_or_else(|| derived(limit.rate, mtu));
    let bucket = Tbf::with_latency(limit.rate, burst, LATENCY);
    Shape {
        // As the reference counts a burst that is given, so that its CHECK finds it.
        bucket: Tbf {
            whole_microseconds: limit.burst.is_some(),
            ..bucket
        },
        derived: limit.burst.is_none(),
        traffic: match subnets {
            Subnets::All => Traffic::All,
            Subnets::Only(subnets) => Traffic::Only(matches(subnets)),
            Subnets::Except(subnets) => Traffic::Except(matches(subnets)),
        },
    }
}

/// A burst that suits a rate, in bytes.
fn derived(rate: u64, mtu: u32) -> u32 {
    let least = mtu.saturating_add(HEADER).saturating_mul(LEAST_PACKETS);
    let by_rate = u32::try_from(rate / 8 / BURSTS_IN_A_SECOND).unwrap_or(u32::MAX);
    by_rate.max(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen() -> Chosen {
        Chosen {
            host: "veth0".into(),
            mtu: 1500,
            owner: "net/c1/eth0".into(),
            ifb_names: vec!["bwp0".into(), "bwp1".into()],
        }
    }

    /// plugins#609, kubernetes#90838: a burst of 256 MB let the first second pass at 2 Gbit/s.
    #[test]
    fn a_derived_burst_suits_rate_and_mtu() {
        assert_eq!(derived(8_000_000, 1500), 20_000);
        assert_eq!(derived(1_000_000_000, 1500), 2_500_000);
        assert_eq!(derived(64_000, 1500), 15_140);
        assert_eq!(derived(64_000, 9000), 90_140);
        assert_eq!(derived(u64::MAX, u32::MAX), u32::MAX);
    }

    #[test]
    fn nothing_configured_is_an_empty_plan() {
        assert!(plan(&Config::default(), &chosen()).steps.is_empty());
    }

    #[test]
    fn the_plan_in_words() {
        let config = Config {
            ingress: Some(Limit {
                rate: 8_000_000,
                burst: None,
            }),
            egress: Some(Limit {
                rate: 16_000_000,
                burst: Some(25_000),
            }),
            subnets: Subnets::Except(vec![
                "10.0.0.1/8".parse().unwrap(),
                "fd00::/8".parse().unwrap(),
            ]),
        };
        insta::assert_snapshot!(plan(&config, &chosen()).to_string(), @r#"
        1. create "bwp0", that shapes what "veth0" receives
        2. limit what "bwp0" sends to 16000000 bit/s, 25000 bytes at once, but not for packets to 10.0.0.0/8, packets to fd00::/8
        3. redirect what "veth0" receives to "bwp0"
        4. limit what "veth0" sends to 8000000 bit/s, 20000 bytes at once, but not for packets from 10.0.0.0/8, packets from fd00::/8
        "#);
    }
}
