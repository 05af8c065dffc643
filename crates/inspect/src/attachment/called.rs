//! Which attachments a word means.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;

use super::Attachment;

/// The attachments that a word means: by network, container, pod, namespace, interface, address, hardware address, link of the host,
/// or published port. Where it is nothing of that, those whose container's ID or name begins with it.
pub fn called<'a>(attachments: &'a [Attachment], word: &str) -> Vec<&'a Attachment> {
    let those = |is_meant: &dyn Fn(&Attachment) -> bool| -> Vec<&'a Attachment> {
        attachments.iter().filter(|one| is_meant(one)).collect()
    };
    let found = those(&|one| one.is_called(word));
    match found.is_empty() && !word.is_empty() {
        true => those(&|one| one.begins_with(word)),
        false => found,
    }
}

/// The words that are the nearest to one that means nothing, at most three, the nearest first.
pub fn words_near(attachments: &[Attachment], word: &str) -> Vec<String> {
    let known: BTreeSet<String> = attachments.iter().flat_map(Attachment::words).collect();
    let far = word.chars().count().div_ceil(3).max(1);
    let distances = known
        .into_iter()
        .map(|known| (distance(&known, word), known));
    let mut near: Vec<_> = distances.filter(|(distance, _)| *distance <= far).collect();
    near.sort();
    near.into_iter().take(3).map(|(_, word)| word).collect()
}

impl Attachment {
    /// Whether a word means it, and not only the beginning of it.
    pub fn is_called(&self, word: &str) -> bool {
        let is_path = || self.netns.as_deref() == Some(Path::new(word));
        self.words().iter().any(|own| own == word)
            || self.container == word
            || is_path()
            || self.has_address(word)
            || mac(word).is_some_and(|mac| self.mac.as_deref().and_then(self::mac) == Some(mac))
            || self.publishes(word)
    }

    fn begins_with(&self, word: &str) -> bool {
        let name = self.name.as_ref();
        self.container.starts_with(word)
            || name.is_some_and(|name| name.name.starts_with(word))
            // nerdctl puts containerd's namespace before the ID.
            || self.container.split_once('-').is_some_and(|(_, id)| id.starts_with(word))
    }

    /// What people may call it, one by one: network, container, interface, links, namespace.
    pub fn words(&self) -> Vec<String> {
        let netns = self.netns.as_deref().and_then(Path::file_name);
        let mut words = vec![self.network.clone(), self.container.clone()];
        words.extend(netns.map(|name| name.to_string_lossy().into_owned()));
        if let Some(name) = &self.name {
            words.extend([name.to_string(), name.name.clone()]);
            words.extend(name.namespace.clone());
        }
        let links = [&self.ifname, &self.host_link, &self.bridge];
        words.extend(links.into_iter().flatten().cloned());
        words.extend(self.own_addresses().map(|address| address.to_string()));
        words
    }

    fn own_addresses(&self) -> impl Iterator<Item = IpAddr> {
        let addresses = self.addresses.iter().map(IpNet::addr);
        addresses.chain(self.reserved.iter().copied())
    }

    /// Whether it has this address, in whatever form it is written, or one in this subnet.
    fn has_address(&self, word: &str) -> bool {
        let word = word.trim_start_matches('[').trim_end_matches(']');
        let mut own = self.own_addresses();
        match (word.parse::<IpAddr>(), word.parse::<IpNet>()) {
            (Ok(address), _) => own.any(|one| one == address.to_canonical()),
            (_, Ok(net)) if net.addr() == net.network() => own.any(|one| net.contains(&one)),
            (_, Ok(net)) => own.any(|one| one == net.addr()),
            _ => false,
        }
    }

    fn publishes(&self, word: &str) -> bool {
        let (port, protocol) = match word.split_once('/') {
            Some((port, protocol)) => (port, Some(protocol)),
            None => (word, None),
        };
        let Ok(port) = port.trim_start_matches(':').parse::<u16>() else {
            return false;
        };
        self.ports.iter().any(|one| {
            let is_protocol = |protocol: &str| one.protocol.eq_ignore_ascii_case(protocol);
            one.host_port == port && protocol.is_none_or(is_protocol)
        })
    }
}

/// A hardware address, with whatever stands between its digits.
fn mac(text: &str) -> Option<u64> {
    let digits: String = text
        .chars()
        .filter(|c| ![':', '-', '.'].contains(c))
        .collect();
    let is_one = digits.len() == 12 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one
        .then(|| u64::from_str_radix(&digits, 16).ok())
        .flatten()
}

/// How many characters must be put in, left out or changed to get from one to the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (number, from) in one.chars().enumerate() {
        let mut before = std::mem::replace(&mut row[0], number + 1);
        for (column, to) in other.iter().enumerate() {
            let changed = before + usize::from(from != *to);
            before = row[column + 1];
            row[column + 1] = changed.min(before + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attachment::Port;
    use crate::containers::Name;
    use crate::life::Life;

    fn attachment() -> Attachment {
        Attachment {
            network: "mynet".into(),
            container: "default-3f2a9c".into(),
            ifname: Some("eth0".into()),
            name: Some(Name {
                name: "web-0".into(),
                namespace: Some("shop".into()),
                known_by: "kubernetes".into(),
            }),
            netns: Some("/run/netns/c1".into()),
            addresses: vec![
                "10.22.0.2/16".parse().unwrap(),
                "fd00::2/64".parse().unwrap(),
            ],
            mac: Some("aa:bb:cc:00:00:01".into()),
            host_link: Some("vethb4f".into()),
            bridge: Some("cni0".into()),
            ports: vec![Port {
                host_ip: None,
                host_port: 8080,
                container_port: 80,
                protocol: "tcp".into(),
            }],
            reserved: ["10.22.0.9".parse().unwrap()].into(),
            ..Attachment::unknown(Life::Alive)
        }
    }

    #[test]
    fn a_word_means_an_attachment_by_anything_that_one_has_seen_of_it() {
        let one = [attachment()];
        let words = "mynet default-3f2a9c default-3f 3f2a web-0 web shop shop/web-0 c1 /run/netns/c1 eth0 \
             10.22.0.2 10.22.0.2/16 10.22.0.0/16 ::ffff:10.22.0.2 10.22.0.9 fd00::2 fd00:0:0::0002 [fd00::2] fd00::/64 \
             aa:bb:cc:00:00:01 AA-BB-CC-00-00-01 aabb.cc00.0001 vethb4f cni0 8080 8080/tcp 8080/TCP :8080";
        for word in words.split_whitespace() {
            assert_eq!(called(&one, word).len(), 1, "{word}");
        }
        let others = "net 3f2b eth 10.22.0.3 10.22.0.0/30x fd00::3 aa:bb:cc:00:00 808 80 8080/udp cni /run/netns /";
        for word in others.split_whitespace().chain([""]) {
            assert_eq!(called(&one, word).len(), 0, "{word}");
        }
    }

    #[test]
    fn what_is_named_in_full_goes_before_what_begins_so() {
        let mut longer = attachment();
        longer.container = "mynetwork".into();
        longer.network = "other".into();
        let both = [longer, attachment()];
        let found = called(&both, "mynet");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].network, "mynet");
    }

    #[test]
    fn a_word_with_a_slip_of_the_finger_is_near() {
        let one = [attachment()];
        for (word, near) in [
            ("mynte", &["mynet"][..]),
            ("10.22.0.3", &["10.22.0.2", "10.22.0.9"]),
            ("web-1", &["web-0"]),
            ("elsewhere", &[]),
        ] {
            assert_eq!(words_near(&one, word), near, "{word}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "ab"), 2);
    }
}
