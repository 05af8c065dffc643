//! Kernel parameters, written and put back.

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::sysctl::LinkParameters;
use linkspan_plugin::Undo;
use linkspan_spec::Error;

use super::{Namespaces, Place, Side, Step, Sysctl};
use crate::fault::explain;

/// Writes parameters of one place. Those of the container are put back when ADD fails.
pub(super) fn write<'a>(
    steps: &[Step],
    place: Place,
    namespaces: &'a Namespaces,
    undo: &mut Undo<'a>,
) -> Result<(), Error> {
    let side = namespaces.side(place)?;
    let sysctls = || {
        steps.iter().filter_map(|step| match step {
            Step::Sysctl(sysctl) => Some(sysctl),
            _ => None,
        })
    };
    let mut replaced = Vec::new();
    let paths = sysctls().map(|sysctl| sysctl.path.as_str());
    let outcome = within(side, paths, |parameters| {
        sysctls().try_for_each(|sysctl| {
            replaced.extend(write_one(sysctl, parameters)?);
            Ok(())
        })
    })?;
    if place == Place::Container && !replaced.is_empty() {
        undo.on_failure("kernel parameters", move || {
            let paths = replaced.iter().map(|(path, _)| path.as_str());
            within(side, paths, |parameters| {
                let mut last_first = replaced.iter().rev();
                last_first.try_for_each(|replaced| put_back(replaced, parameters))
            })?
        });
    }
    outcome
}

/// Runs `work` where it can use these parameters: those of links from here, others inside alone.
fn within<'p, T: Send>(
    side: &Side,
    mut paths: impl Iterator<Item = &'p str>,
    work: impl FnOnce(&LinkParameters) -> T + Send,
) -> Result<T, Error> {
    if paths.all(LinkParameters::include) {
        return Ok(work(side.parameters().map_err(explain)?));
    }
    side.run(|| work(&LinkParameters::of_the_caller()))
}

/// A parameter's path and the value that it had.
type Replaced = (String, String);

/// Writes a parameter unless it has the value. Returns what it replaced.
fn write_one(wanted: &Sysctl, parameters: &LinkParameters) -> Result<Option<Replaced>, Error> {
    match parameters.replace(&wanted.path, &wanted.value) {
        Ok(before) => Ok(before.map(|before| (wanted.path.clone(), before))),
        Err(error) if wanted.required => Err(missing(wanted, parameters, error)),
        Err(_) => Ok(None),
    }
}

fn put_back((path, value): &Replaced, parameters: &LinkParameters) -> Result<(), Error> {
    match parameters.write(path, value) {
        // Those of a link go with it.
        Err(error) if !error.is_not_found() => Err(explain(error)),
        _ => Ok(()),
    }
}

/// Why a required parameter was not written.
fn missing(wanted: &Sysctl, parameters: &LinkParameters, error: KernelError) -> Error {
    let is_missing = |path| {
        let found = parameters.read(path);
        found.is_err_and(|error| error.is_not_found())
    };
    if wanted.path.starts_with("net/ipv6") && is_missing(ANY_IPV6) {
        return explain(error).with_details(
            "this kernel runs without IPv6 (ipv6.disable=1, or not built in); remove what is of IPv6 \
             from the configuration",
        );
    }
    explain(error)
}

/// What is there when there is IPv6.
const ANY_IPV6: &str = "net/ipv6/conf/all/disable_ipv6";
