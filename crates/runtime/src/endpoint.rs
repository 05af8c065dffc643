//! A container's end of an attachment.

use std::fmt;
use std::path::PathBuf;

use linkspan_spec::{Attachment, ContainerId, IfName, Map, Value};
use serde::{Deserialize, Serialize};

/// A container's end of an attachment: which container, where its network namespace is and which
/// interface it gets there, with the arguments that the plugins get for it.
///
/// # Arguments
/// There are three ways to tell a plugin something. Where it reads the same from several of them, `mac` for example, the first in this
/// order wins, with the reference's plugins and with Linkspan's, and all of them win over the plugin's own keys. (`host-local`
/// takes the addresses that it finds in any of them together.)
///
/// 1. `runtimeConfig`, here [`capability_args`](Self::capability_args): structured, and only for plugins whose
///    configuration declares the capability. What it gives a plugin has to act upon: prefer it.
/// 2. `args.cni` in the configuration ([`with_labels`](crate::with_labels)): what a plugin may ignore.
/// 3. `CNI_ARGS`, here [`args`](Self::args): flat pairs that reach every plugin of the chain, to tell whose container it is
///    (`K8S_POD_NAME`) or for what knows no other way. A plugin refuses a name that it does not know, unless
///    `IgnoreUnknown=1` is among them.
///
/// # Spec
/// Section 3, "Attachment parameters".
///
/// # JSON
/// The keys are those of the reference's cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Endpoint {
    /// `CNI_CONTAINERID`.
    pub container_id: ContainerId,
    /// `CNI_IFNAME`.
    #[serde(rename = "ifName")]
    pub ifname: IfName,
    /// `CNI_NETNS`; none when the namespace is gone, which DEL and GC bear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<PathBuf>,
    /// `CNI_ARGS`, in order.
    #[serde(default, rename = "cniArgs", skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<(String, String)>,
    /// Arguments by the name of the capability that asks for them, such as `portMappings`. A
    /// plugin gets those of the capabilities that its configuration declares.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub capability_args: Map,
}

impl Endpoint {
    /// An endpoint without a namespace and without arguments.
    pub fn new(container_id: ContainerId, ifname: IfName) -> Self {
        Self {
            container_id,
            ifname,
            netns: None,
            args: Vec::new(),
            capability_args: Map::new(),
        }
    }

    /// The same endpoint, in the namespace at `path`.
    #[must_use]
    pub fn with_netns(mut self, path: impl Into<PathBuf>) -> Self {
        self.netns = Some(path.into());
        self
    }

    /// The same endpoint with one more pair of `CNI_ARGS`.
    ///
    /// ```
    /// # use linkspan_runtime::Endpoint;
    /// let endpoint = Endpoint::new("c1".parse()?, "eth0".parse()?).with_arg("K8S_POD_NAME", "web-1")?;
    /// // A value that would have become another argument:
    /// assert!(endpoint.with_arg("K8S_POD_NAME", "web-1;IP=10.0.0.1").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When it could not be read as the pair that it is: there is no escape for `;` and `=` in `CNI_ARGS`, and the
    /// reference's plugins, which split at both, refuse a value with `=` in it as well.
    pub fn with_arg(
        mut self,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, InvalidArg> {
        let pair = (key.into(), value.into());
        check_arg(&pair)?;
        self.args.push(pair);
        Ok(self)
    }

    /// The same endpoint with the arguments of one capability, in their JSON; for those that CNI's conventions know there are
    /// methods with types, such as [`with_port_mappings`](Self::with_port_mappings).
    #[must_use]
    pub fn with_capability_arg(mut self, capability: impl Into<String>, value: Value) -> Self {
        self.capability_args.insert(capability.into(), value);
        self
    }

    /// What GC is told when the endpoint's attachment is in use.
    pub fn attachment(&self) -> Attachment {
        Attachment::new(self.container_id.as_str(), self.ifname.as_str())
    }

    /// The value of `CNI_ARGS`.
    pub fn cni_args(&self) -> String {
        let pairs: Vec<_> = self
            .args
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        pairs.join(";")
    }

    /// Whether each of [`args`](Self::args) will be read as what it is; they can be set past [`with_arg`](Self::with_arg).
    ///
    /// # Errors
    /// What is wrong with the first that will not.
    pub fn check_args(&self) -> Result<(), InvalidArg> {
        self.args.iter().try_for_each(check_arg)
    }
}

/// A pair that `CNI_ARGS` cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {part} of the argument {key:?} of CNI_ARGS {problem}")]
#[non_exhaustive]
pub struct InvalidArg {
    /// The pair's key, as it was given.
    pub key: String,
    /// Which part of the pair it is.
    pub part: ArgPart,
    /// What is wrong with that.
    pub problem: ArgProblem,
}

/// A part of a pair of `CNI_ARGS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgPart {
    /// What stands before the `=`.
    Key,
    /// What stands behind it.
    Value,
}

/// What is wrong with a part of a pair of `CNI_ARGS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArgProblem {
    /// A key has a letter at least.
    Empty,
    /// It holds what separates pairs or their parts, or what no variable of a process can hold or no log shows as one line:
    /// `;`, `=`, and control characters such as NUL and a line's end.
    Holds(char),
}

impl fmt::Display for ArgPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::Value => "value",
        })
    }
}

impl fmt::Display for ArgProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty"),
            Self::Holds(found) => write!(f, "holds {found:?}, for which there is no escape"),
        }
    }
}

pub(crate) fn check_arg((key, value): &(String, String)) -> Result<(), InvalidArg> {
    let invalid = |part, problem| {
        Err(InvalidArg {
            key: key.clone(),
            part,
            problem,
        })
    };
    if key.is_empty() {
        return invalid(ArgPart::Key, ArgProblem::Empty);
    }
    for (part, text) in [(ArgPart::Key, key), (ArgPart::Value, value)] {
        let bad = |c: &char| matches!(c, ';' | '=') || c.is_control();
        if let Some(found) = text.chars().find(bad) {
            return invalid(part, ArgProblem::Holds(found));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cni#56, cni#351, cni#676, cni PR#247: there are no rules of escaping.
    #[test]
    fn an_argument_stays_one() {
        use ArgPart::{Key, Value};
        use ArgProblem::{Empty, Holds};
        let endpoint = || Endpoint::new("c1".parse().unwrap(), "eth0".parse().unwrap());
        for (key, value, wrong) in [
            ("K8S_POD_NAME", "web-1", None),
            ("IP", "fd00::1/64", None),
            ("A", "", None),
            ("A", "b c", None),
            ("", "b", Some((Key, Empty))),
            ("A;B", "c", Some((Key, Holds(';')))),
            ("A=B", "c", Some((Key, Holds('=')))),
            ("A\n", "c", Some((Key, Holds('\n')))),
            ("A", "b;IP=10.0.0.1", Some((Value, Holds(';')))),
            ("A", "b=c", Some((Value, Holds('=')))),
            ("A", "b\0", Some((Value, Holds('\0')))),
            ("A", "b\nC", Some((Value, Holds('\n')))),
            ("A", "b\u{85}", Some((Value, Holds('\u{85}')))),
        ] {
            let with = endpoint().with_arg(key, value);
            let problem = with.as_ref().err().map(|error| (error.part, error.problem));
            assert_eq!(problem, wrong, "{key:?}={value:?}");
            let mut past = endpoint();
            past.args.push((key.into(), value.into()));
            assert_eq!(past.check_args().err(), with.err(), "{key:?}={value:?}");
        }
        let error = endpoint().with_arg("A", "b;c").unwrap_err().to_string();
        assert_eq!(
            error,
            r#"the value of the argument "A" of CNI_ARGS holds ';', for which there is no escape"#
        );
    }
}
