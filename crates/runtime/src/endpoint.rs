//! A container's end of an attachment.

use std::path::PathBuf;

use linkspan_spec::{Attachment, ContainerId, IfName, Map, Value};

/// A container's end of an attachment: which container, where its network namespace is and which
/// interface it gets there, with the arguments that the plugins get for it.
///
/// # Spec
/// Section 3, "Attachment parameters".
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// `CNI_CONTAINERID`.
    pub container_id: ContainerId,
    /// `CNI_IFNAME`.
    pub ifname: IfName,
    /// `CNI_NETNS`; none when the namespace is gone, which DEL and GC bear.
    pub netns: Option<PathBuf>,
    /// `CNI_ARGS`, in order.
    pub args: Vec<(String, String)>,
    /// Arguments by the name of the capability that asks for them, such as `portMappings`. A
    /// plugin gets those of the capabilities that its configuration declares.
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

    /// The same endpoint with one more pair of `CNI_ARGS`. There is no escape for `;` and `=`.
    #[must_use]
    pub fn with_arg(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.args.push((key.into(), value.into()));
        self
    }

    /// The same endpoint with the arguments of one capability.
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
}
