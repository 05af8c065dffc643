//! DNS settings that take the place of the IPAM plugin's.

use linkspan_plugin::config::{FromKey, Shape, Wrong};
use linkspan_plugin::spec::{Dns, Value, key};

/// The key `dns` where the IPAM plugin's settings stand unless it says something. A list says something even when it is
/// empty: that there are to be no servers, whatever the IPAM plugin knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnDns(Option<Dns>);

impl OwnDns {
    /// Puts these settings, if they say something, in the place of others.
    pub fn replace(&self, dns: &mut Dns) {
        if let Some(own) = &self.0 {
            own.clone_into(dns);
        }
    }
}

impl FromKey for OwnDns {
    const KIND: &'static str = Dns::KIND;
    const SHAPE: Shape = <Dns as FromKey>::SHAPE;

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        let dns = <Dns as FromKey>::from_json(json)?;
        let has_list = |name| {
            json.as_object()
                .and_then(|dns| key(dns, name))
                .is_some_and(Value::is_array)
        };
        let says = !dns.is_empty()
            || ["nameservers", "search", "options"]
                .into_iter()
                .any(has_list);
        Ok(Self(says.then_some(dns)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn replaced(own: &Value) -> Dns {
        let mut dns = Dns::default().with_nameservers(["10.1.1.1".to_owned()]);
        OwnDns::from_json(own).expect("a key").replace(&mut dns);
        dns
    }

    #[test]
    fn an_empty_list_says_that_there_is_nothing() {
        for key in ["nameservers", "search", "options", "Search"] {
            assert!(replaced(&json!({ key: [] })).is_empty(), "{key}");
        }
        assert_eq!(replaced(&json!({ "domain": "a.test" })).domain, "a.test");
        assert!(
            replaced(&json!({ "domain": "a.test" }))
                .nameservers
                .is_empty()
        );
    }

    #[test]
    fn what_says_nothing_replaces_nothing() {
        for own in [
            json!({}),
            json!({ "search": null }),
            json!({ "domain": "" }),
        ] {
            assert_eq!(replaced(&own).nameservers, ["10.1.1.1"], "{own}");
        }
    }
}
