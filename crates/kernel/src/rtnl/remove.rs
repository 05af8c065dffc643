//! Removing many links at once.

use linkspan_netlink::Request;
use rustix::rand::{GetRandomFlags, getrandom};

use super::link::header;
use super::{CHANGE, Change, Link, LinkChange, Rtnl};
use crate::Error;

/// How many links go at once: nobody else changes a link of this machine meanwhile.
const AT_ONCE: usize = 256;

impl Rtnl {
    /// Removes links, and waits until they are gone; one that is gone already is none that fails. Returns the
    /// failures.
    ///
    /// # Kernel
    /// Whoever removes a link waits for RCU, 15 ms and more; whoever removes a group of links waits for all of them
    /// together. So the links are put into a group that nobody uses, and the group is removed. Should the process end in
    /// between they stay as they are, but for the number of their group.
    pub fn remove_links(&self, links: &[&Link]) -> Vec<Error> {
        let remove_some = |links: &[&Link]| match links {
            [] | [_] => self.remove_singly(links),
            _ => {
                let left = self.remove_as_group(links);
                self.remove_singly(&left)
            }
        };
        links.chunks(AT_ONCE).flat_map(remove_some).collect()
    }

    /// Removes links as a group, as far as that can be done; returns those that have not been removed.
    fn remove_as_group<'l>(&self, links: &[&'l Link]) -> Vec<&'l Link> {
        let Ok(group) = random_group() else {
            return links.to_vec();
        };
        let join = LinkChange {
            group: Some(group),
            ..LinkChange::default()
        };
        let changes: Vec<Change> = links
            .iter()
            .map(|link| Change::SetLink(link.index, join.clone()))
            .collect();
        let Ok(joined) = self.commit(&changes) else {
            return links.to_vec();
        };
        // Nobody has joined it who was not asked to.
        let is_asked = |member: &Link| links.iter().any(|link| link.index == member.index);
        let are_ours = self.links_seen().is_ok_and(|all| {
            let mut members = all.iter().filter(|link| link.group == group);
            members.all(is_asked)
        });
        let request = delete_group(group);
        let object = format!("the links of group {group}");
        if !are_ours || self.ask("delete", &object, request, |_| ()).is_err() {
            self.leave_group(links);
            return links.to_vec();
        }
        let left = links.iter().zip(joined);
        left.filter_map(|(link, joined)| joined.is_err().then_some(*link))
            .collect()
    }

    /// Puts links back into the groups that they were in: one that cannot be removed either is to stay as it was.
    fn leave_group(&self, links: &[&Link]) {
        let back = |link: &&Link| {
            let group = Some(link.group);
            let change = LinkChange {
                group,
                ..LinkChange::default()
            };
            Change::SetLink(link.index, change)
        };
        let changes: Vec<Change> = links.iter().map(back).collect();
        if self.commit(&changes).is_err() {
            // Whether they can be removed one by one is what is told.
        }
    }

    fn remove_singly(&self, links: &[&Link]) -> Vec<Error> {
        let deletions: Vec<Change> = links
            .iter()
            .map(|link| Change::DeleteLink(link.index))
            .collect();
        let failures = match self.commit(&deletions) {
            Ok(outcomes) => outcomes.into_iter().filter_map(Result::err).collect(),
            Err(error) => vec![error],
        };
        failures
            .into_iter()
            .filter(|error| !error.is_not_found())
            .collect()
    }
}

fn delete_group(group: u32) -> Request {
    let mut request = Request::new(libc::RTM_DELLINK, CHANGE);
    request
        .header(&header(0, 0, 0))
        .u32(libc::IFLA_GROUP, group);
    request
}

/// A number beyond those that people give to groups (`/etc/iproute2/group`), and that the kernel takes for a positive one.
fn random_group() -> Result<u32, rustix::io::Errno> {
    let mut bytes = [0; 4];
    getrandom(&mut bytes[..], GetRandomFlags::empty())?;
    Ok(u32::from_ne_bytes(bytes) & 0x3fff_ffff | 0x4000_0000)
}
