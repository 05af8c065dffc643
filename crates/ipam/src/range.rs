//! Ranges of addresses, sets of them, and the order in which addresses are tried.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Consecutive addresses of one family, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first address.
    pub first: IpAddr,
    /// The last address, not before the first.
    pub last: IpAddr,
}

impl Span {
    /// The span between two addresses, `None` when that is empty.
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// Whether `address` is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        (self.first..=self.last).contains(&address) && self.first.is_ipv4() == address.is_ipv4()
    }

    /// What is left of it behind `address`.
    pub fn after(&self, address: IpAddr) -> Option<Self> {
        Self::new(next(address)?, self.last)
    }

    /// How many of its addresses come before one that is in it.
    pub fn offset(&self, address: IpAddr) -> u128 {
        bits(address).saturating_sub(bits(self.first))
    }

    /// How many addresses it has; saturates for all of IPv6.
    pub fn size(&self) -> u128 {
        (bits(self.last) - bits(self.first)).saturating_add(1)
    }

    /// Its parts before and behind `hole`.
    fn without(self, hole: IpAddr) -> impl Iterator<Item = Self> {
        if !self.contains(hole) {
            return [Some(self), None].into_iter().flatten();
        }
        let before = previous(hole).and_then(|last| Self::new(self.first, last));
        [before, self.after(hole)].into_iter().flatten()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// The address behind `address`, `None` behind the last one of its family.
pub fn next(address: IpAddr) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits().checked_add(1)?).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits().checked_add(1)?).into(),
    })
}

fn previous(address: IpAddr) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits().checked_sub(1)?).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits().checked_sub(1)?).into(),
    })
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// A range as it stands in a configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct RangeSpec {
    /// `subnet`, which alone must be there.
    pub subnet: Option<IpNet>,
    /// `rangeStart`; by default the address behind the network's.
    pub start: Option<IpAddr>,
    /// `rangeEnd`; by default the last address of the subnet, for IPv4 without the broadcast address.
    pub end: Option<IpAddr>,
    /// `gateway`; by default the address behind the network's.
    pub gateway: Option<IpAddr>,
}

/// A range that can be: its ends are in its subnet, in order, and of one family with its gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    subnet: IpNet,
    span: Span,
    gateway: IpAddr,
    /// Ends that the configuration names and that are given to nobody: they mean all hosts of the subnet.
    withheld: [Option<IpAddr>; 2],
}

/// Why a range or a set cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// There is no subnet.
    #[error("subnet is missing")]
    NoSubnet,
    /// The subnet has no addresses beside network, broadcast and gateway.
    #[error("Network {0} too small to allocate from")]
    TooSmall(IpNet),
    /// The subnet is written with the address of a host.
    #[error(
        "Network has host bits set. For a subnet mask of length {} the network address is {}",
        .0.prefix_len(), .0.network()
    )]
    HostBits(IpNet),
    /// An address is of another family than the subnet.
    #[error("{key} {address} not in network {subnet}")]
    Family {
        /// Which key.
        key: &'static str,
        /// The address.
        address: IpAddr,
        /// The subnet.
        subnet: IpNet,
    },
    /// An end of the range is outside the subnet.
    #[error("{key} {address} not in network {subnet}")]
    Outside {
        /// Which key.
        key: &'static str,
        /// The address.
        address: IpAddr,
        /// The subnet.
        subnet: IpNet,
    },
    /// The range ends before it starts. The words are the reference's.
    #[error("RangeStart {start} not in network {subnet}")]
    Inverted {
        /// Its first address.
        start: IpAddr,
        /// The subnet.
        subnet: IpNet,
    },
    /// The range has no address but the network's or the broadcast address.
    #[error("the range has no address of {0} that a host can have")]
    Unusable(IpNet),
    /// There is no range in the set.
    #[error("empty range set")]
    Empty,
    /// The set has ranges of both families.
    #[error("mixed address families")]
    MixedFamilies,
    /// Two ranges have an address in common.
    #[error("subnets {0} and {1} overlap")]
    Overlap(Span, Span),
}

impl Range {
    /// Proves a range.
    ///
    /// A gateway outside the subnet is allowed: on-link gateways such as fe80::1 rely on it.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn new(spec: RangeSpec) -> Result<Self, RangeError> {
        let subnet = spec.subnet.ok_or(RangeError::NoSubnet)?;
        if subnet.prefix_len() + 2 > subnet.max_prefix_len() {
            return Err(RangeError::TooSmall(subnet));
        }
        if subnet.addr() != subnet.network() {
            return Err(RangeError::HostBits(subnet));
        }
        // There is one behind the network's, since the subnet is not that small.
        let second = next(subnet.network()).unwrap_or_else(|| subnet.network());
        let start = inside("RangeStart", spec.start, subnet)?.unwrap_or(second);
        let end = inside("RangeEnd", spec.end, subnet)?.unwrap_or_else(|| last_address(subnet));
        let gateway = of_family("Gateway", spec.gateway, subnet)?.unwrap_or(second);
        if start > end {
            return Err(RangeError::Inverted { start, subnet });
        }
        let last = last_address(subnet);
        let withheld = match subnet {
            IpNet::V4(_) => [
                (start < second).then_some(start),
                (end > last).then_some(end),
            ],
            IpNet::V6(_) => [None, None],
        };
        let first = withheld[0].map_or(start, |_| second);
        let last = withheld[1].map_or(end, |_| last);
        Ok(Self {
            subnet,
            span: Span::new(first, last).ok_or(RangeError::Unusable(subnet))?,
            gateway,
            withheld,
        })
    }

    /// The network's and the broadcast address of an IPv4 subnet, where the configuration has the range begin or end
    /// with them.
    pub fn withheld(&self) -> impl Iterator<Item = IpAddr> {
        self.withheld.into_iter().flatten()
    }

    /// Its addresses; the gateway can be one of them.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The subnet that the range is in.
    pub fn subnet(&self) -> IpNet {
        self.subnet
    }

    /// The gateway of the range's subnet, which is given to nobody.
    pub fn gateway(&self) -> IpAddr {
        self.gateway
    }

    /// `address` with the length of the subnet's prefix.
    pub fn with_prefix(&self, address: IpAddr) -> IpNet {
        IpNet::new(address, self.subnet.prefix_len()).unwrap_or(IpNet::from(address))
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.span.contains(other.span.first) || other.span.contains(self.span.first)
    }
}

fn of_family(
    key: &'static str,
    address: Option<IpAddr>,
    subnet: IpNet,
) -> Result<Option<IpAddr>, RangeError> {
    match address {
        Some(address) if address.is_ipv4() != subnet.addr().is_ipv4() => Err(RangeError::Family {
            key,
            address,
            subnet,
        }),
        _ => Ok(address),
    }
}

fn inside(
    key: &'static str,
    address: Option<IpAddr>,
    subnet: IpNet,
) -> Result<Option<IpAddr>, RangeError> {
    match of_family(key, address, subnet)? {
        Some(address) if !subnet.contains(&address) => Err(RangeError::Outside {
            key,
            address,
            subnet,
        }),
        address => Ok(address),
    }
}

/// The last address of a subnet, for IPv4 without the broadcast address.
fn last_address(subnet: IpNet) -> IpAddr {
    match subnet.broadcast() {
        IpAddr::V4(broadcast) => previous(broadcast.into()).unwrap_or_else(|| broadcast.into()),
        last => last,
    }
}

/// Ranges of one family that have no address in common; an attachment gets one address from each set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeSet {
    ranges: Vec<Range>,
}

impl RangeSet {
    /// Proves a set.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn new(specs: impl IntoIterator<Item = RangeSpec>) -> Result<Self, RangeError> {
        let ranges = specs
            .into_iter()
            .map(Range::new)
            .collect::<Result<Vec<_>, _>>()?;
        let first = ranges.first().ok_or(RangeError::Empty)?;
        if ranges
            .iter()
            .any(|range| range.subnet.addr().is_ipv4() != first.subnet.addr().is_ipv4())
        {
            return Err(RangeError::MixedFamilies);
        }
        for (index, range) in ranges.iter().enumerate() {
            if let Some(other) = ranges[index + 1..]
                .iter()
                .find(|other| range.overlaps(other))
            {
                return Err(RangeError::Overlap(range.span, other.span));
            }
        }
        Ok(Self { ranges })
    }

    /// The addresses that the configuration names as ends of ranges and that are given to nobody, see
    /// [`Range::withheld`].
    pub fn withheld(&self) -> impl Iterator<Item = IpAddr> {
        self.ranges.iter().flat_map(Range::withheld)
    }

    /// Its ranges, in the order in which they are tried.
    pub fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// Whether its addresses are of IPv4.
    pub fn is_ipv4(&self) -> bool {
        self.ranges.iter().any(|range| range.gateway.is_ipv4())
    }

    /// The range that `address` is in.
    pub fn range_of(&self, address: IpAddr) -> Option<&Range> {
        self.ranges
            .iter()
            .find(|range| range.span.contains(address))
    }

    /// Whether `address` is in one of the ranges.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.range_of(address).is_some()
    }

    /// Whether the two sets have an address in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.ranges
            .iter()
            .any(|range| other.ranges.iter().any(|other| range.overlaps(other)))
    }

    /// How many addresses it can give.
    pub fn size(&self) -> u128 {
        self.order(None)
            .iter()
            .fold(0u128, |sum, span| sum.saturating_add(span.size()))
    }

    /// All addresses that can be given, in the order in which they are tried: round robin from the
    /// one behind `last`, so that an address that became free rests as long as possible.
    /// Gateways are left out. A `last` that is in no range starts at the beginning.
    pub fn order(&self, last: Option<IpAddr>) -> Vec<Span> {
        let start = last.and_then(|last| {
            let index = self
                .ranges
                .iter()
                .position(|range| range.span.contains(last))?;
            Some((index, last))
        });
        let Some((index, last)) = start else {
            return self.ranges.iter().flat_map(Range::allocatable).collect();
        };
        let (before, from_here) = self.ranges.split_at(index);
        let (here, behind) = from_here.split_at(1);
        let cut = |keep: fn(Span, IpAddr) -> Option<Span>| {
            here.iter()
                .flat_map(Range::allocatable)
                .filter_map(move |span| keep(span, last))
        };
        let rest = |span: Span, last| Span::new(span.first.max(next(last)?), span.last);
        let begin = |span: Span, last| Span::new(span.first, span.last.min(last));
        cut(rest)
            .chain(behind.iter().chain(before).flat_map(Range::allocatable))
            .chain(cut(begin))
            .collect()
    }
}

impl Range {
    fn allocatable(&self) -> impl Iterator<Item = Span> + use<> {
        self.span.without(self.gateway)
    }
}

impl fmt::Display for RangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.ranges.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(f, "{separator}{}", range.span)?;
        }
        Ok(())
    }
}
