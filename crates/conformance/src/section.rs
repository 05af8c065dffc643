//! The sections of the specification that checks stand on.

use std::fmt;

/// Where the text of version 1.1.0 is.
const SPEC: &str = "https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md";

/// A heading of SPEC.md 1.1.0, in the order of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// How versions are agreed on.
    Versions,
    /// Standard input, output and error.
    Protocol,
    /// The variables.
    Parameters,
    /// The exit status, and the error's form.
    Errors,
    /// ADD.
    Add,
    /// DEL.
    Del,
    /// CHECK.
    Check,
    /// STATUS.
    Status,
    /// VERSION.
    Version,
    /// GC.
    Gc,
    /// What happens at the same time, and in which order.
    Lifecycle,
    /// What a plugin finds in its configuration.
    Request,
    /// IPAM plugins, asked by others.
    Delegation,
    /// The result of ADD.
    AddResult,
    /// The result of an IPAM plugin.
    IpamResult,
    /// The answer to VERSION.
    VersionResult,
    /// The error, and its codes.
    ErrorResult,
}

impl Section {
    /// The heading, behind that of the part which it is in.
    pub fn title(self) -> &'static str {
        match self {
            Self::Versions => "Section 1, Version considerations",
            Self::Protocol => "Section 2, Overview",
            Self::Parameters => "Section 2, Parameters",
            Self::Errors => "Section 2, Errors",
            Self::Add => "Section 2, ADD",
            Self::Del => "Section 2, DEL",
            Self::Check => "Section 2, CHECK",
            Self::Status => "Section 2, STATUS",
            Self::Version => "Section 2, VERSION",
            Self::Gc => "Section 2, GC",
            Self::Lifecycle => "Section 3, Lifecycle & Ordering",
            Self::Request => "Section 3, Deriving request configuration",
            Self::Delegation => "Section 4, Delegated plugin execution procedure",
            Self::AddResult => "Section 5, ADD Success",
            Self::IpamResult => "Section 5, Delegated plugins (IPAM)",
            Self::VersionResult => "Section 5, VERSION Success",
            Self::ErrorResult => "Section 5, Error",
        }
    }

    /// Where the section stands.
    pub fn url(self) -> String {
        let anchor = match self {
            Self::Versions => "version-considerations",
            Self::Protocol => "overview-1",
            Self::Parameters => "parameters",
            Self::Errors => "errors",
            Self::Add => "add-add-container-to-network-or-apply-modifications",
            Self::Del => "del-remove-container-from-network-or-un-apply-modifications",
            Self::Check => "check-check-containers-networking-is-as-expected",
            Self::Status => "status-check-plugin-status",
            Self::Version => "version-probe-plugin-version-support",
            Self::Gc => "gc-clean-up-any-stale-resources",
            Self::Lifecycle => "lifecycle--ordering",
            Self::Request => "deriving-request-configuration-from-plugin-configuration",
            Self::Delegation => "delegated-plugin-execution-procedure",
            Self::AddResult => "add-success",
            Self::IpamResult => "delegated-plugins-ipam",
            Self::VersionResult => "version-success",
            Self::ErrorResult => "error",
        };
        format!("{SPEC}#{anchor}")
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}
