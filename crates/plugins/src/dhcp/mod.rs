//! `dhcp`: addresses from DHCP servers, which a daemon asks for and keeps.
//!
//! The daemon is the same file, started with the word `daemon` ([`linkspan_dhcp::daemon`]), or the reference's.

pub mod config;
mod failure;

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Duration;

use ipnet::Ipv4Net;
use linkspan_dhcp::request::Request;
use linkspan_dhcp::rpc::client::{self, CallError};
use linkspan_dhcp::rpc::{CmdArgs, Method};
use linkspan_plugin::spec::{Error, ErrorCode, Map, Route, Success};
use linkspan_plugin::{Call, Foreseen, Foresight, Gc, Plugin, Role, Standing, warn};
use serde_json::json;

use config::Config;
use failure::Failure;

/// How long a daemon may look for a server: the reference's gives up after 208 seconds, unless it was told otherwise.
const ALLOCATION: Duration = Duration::from_secs(300);

/// How long everything else may take, for which no server is waited for.
const OTHERS: Duration = Duration::from_secs(30);

/// The plugin.
pub struct Dhcp;

impl Plugin for Dhcp {
    type Config = Config;
    const NAME: &'static str = "dhcp";
    const ABOUT: &'static str =
        "gets addresses from DHCP servers, through a daemon that keeps them";
    const ROLE: Role = Role::Ipam;
    const NEEDS_LINK: bool = true;

    fn add(&self, call: &Call<'_, Config>) -> Result<Success, Error> {
        let lease = allocate(call, &arguments(call, wanted(call)?)?);
        if lease.as_ref().is_err_and(Failure::is_in_doubt) {
            // Perhaps there is a lease, of which nobody would know. That this fails too says no more than the first error.
            let _ = release(call);
        }
        Ok(lease?)
    }

    fn foresee(
        &self,
        call: &Call<'_, Config>,
        foresight: &mut Foresight,
    ) -> Result<Success, Error> {
        wanted(call)?;
        let socket = &call.config.socket;
        let words = format!(
            "have the DHCP daemon at {} ask a server, through {:?} in the container, and keep the lease",
            socket.display(),
            call.ifname()?.as_str()
        );
        let step = Foreseen::made("lease", words);
        let probed = client::probe(socket);
        if probed.as_ref().is_err_and(is_refused) {
            foresight.tell(
                step.standing(Standing::Unknown)
                    .note("only root may ask whether the daemon is there"),
            );
        } else if let Err(error) = probed {
            let error = Error::from(Failure::calling(socket, Method::Allocate, error));
            foresight.tell(step.standing(Standing::Fails).note(error.msg.as_str()));
            return Err(error);
        } else {
            foresight.tell(step.note("the daemon is there; what the server gives is known then"));
        }
        let address = foresight.unknown_address("address from the DHCP server");
        let default = Route::new(Ipv4Net::default().into(), address.gateway);
        Ok(Success::default()
            .with_ips([address])
            .with_routes([default]))
    }

    fn check(&self, call: &Call<'_, Config>) -> Result<(), Error> {
        let lease = allocate(call, &arguments(call, wanted(call)?)?)?;
        call.prev_result()?
            .map_or(Ok(()), |result| require_same(&lease, &result))
    }

    fn del(&self, call: &Call<'_, Config>) -> Result<(), Error> {
        match release(call)? {
            Err(failure) if failure.is_absent() => {
                warn(&format!(
                    "DEL goes on without the DHCP daemon, which gives the lease back once it runs and finds the interface \
                     gone: {failure}"
                ));
                Ok(())
            }
            released => Ok(released?),
        }
    }

    fn gc(&self, gc: &Gc<'_, Config>) -> Result<(), Error> {
        let arguments = CmdArgs {
            stdin_data: text(gc.invocation().config.as_map()),
            ..CmdArgs::default()
        };
        match ask(&gc.config, Method::Collect, &arguments, OTHERS) {
            // One that is not there finds out when it is, and the reference's knows no GC.
            Err(failure) if failure.is_absent() || failure.is_unknown_method() => Ok(()),
            collected => Ok(collected.map(drop)?),
        }
    }

    fn status(&self, call: &Call<'_, Config>) -> Result<(), Error> {
        wanted(call)?;
        let socket = &call.config.socket;
        client::probe(socket).map_err(|error| {
            Error::from(Failure::dialing(socket, error)).with_code(ErrorCode::PLUGIN_NOT_AVAILABLE)
        })
    }

    fn program(&self, words: &[OsString]) -> Option<u8> {
        let (first, rest) = words.split_first()?;
        (first == "daemon").then(|| linkspan_dhcp::daemon::run(rest))
    }
}

/// The configuration as the daemon is to see it, after a look at what the daemon would find wrong with it.
fn wanted(call: &Call<'_, Config>) -> Result<Vec<u8>, Error> {
    Request::new(&call.config.request.get()?.0, &call.invocation().args)?;
    Ok(text(call.raw().as_map()))
}

/// Whether who asks may not ask.
fn is_refused(error: &CallError) -> bool {
    matches!(error, CallError::Dial { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
}

fn allocate(call: &Call<'_, Config>, arguments: &CmdArgs) -> Result<Success, Failure> {
    let lease = ask(&call.config, Method::Allocate, arguments, ALLOCATION)?;
    Ok(lease.unwrap_or_default())
}

/// Gives the lease back. The daemon gets no more of the configuration than names it: what has become wrong with the rest
/// does not matter any more.
fn release(call: &Call<'_, Config>) -> Result<Result<(), Failure>, Error> {
    let config = json!({
        "cniVersion": call.version().as_str(),
        "name": call.network().as_str(),
        "ipam": { "type": Dhcp::NAME },
    });
    let arguments = arguments(call, config.to_string().into_bytes())?;
    let released = ask(&call.config, Method::Release, &arguments, OTHERS);
    Ok(released.map(drop))
}

fn ask(
    config: &Config,
    method: Method,
    arguments: &CmdArgs,
    deadline: Duration,
) -> Result<Option<Success>, Failure> {
    client::call(&config.socket, &method, arguments, deadline)
        .map_err(|error| Failure::calling(&config.socket, method, error))
}

fn arguments(call: &Call<'_, Config>, config: Vec<u8>) -> Result<CmdArgs, Error> {
    let invocation = call.invocation();
    let netns = call.netns.as_deref().map(for_everybody).transpose()?;
    let path = std::env::join_paths(&invocation.path).unwrap_or_default();
    let netns_override = if invocation.netns_override { "1" } else { "" };
    Ok(CmdArgs {
        container_id: call.container_id()?.to_string(),
        netns: netns.unwrap_or_default(),
        ifname: call.ifname()?.to_string(),
        args: invocation.args.clone(),
        path: path.to_string_lossy().into_owned(),
        netns_override: netns_override.to_owned(),
        stdin_data: config,
    })
}

/// The namespace's path as it leads there from the daemon, which works in another directory and is another process.
fn for_everybody(netns: &Path) -> Result<String, Error> {
    let fail = |why: String| {
        Error::new(
            ErrorCode::INVALID_NETNS,
            format!(
                "failed to make {:?} an absolute path: {why}",
                netns.display()
            ),
        )
    };
    let absolute = std::path::absolute(netns).map_err(|error| fail(error.to_string()))?;
    let own = ["/proc/self", "/proc/thread-self"].map(|own| absolute.strip_prefix(own).ok());
    let elsewhere = own.into_iter().flatten().next();
    let path = match elsewhere {
        Some(rest) => Path::new(&format!("/proc/{}", std::process::id())).join(rest),
        None => absolute.clone(),
    };
    let path = path.into_os_string().into_string();
    path.map_err(|_other| fail("it is no UTF-8, which the daemon is told it in".to_owned()))
}

fn text(config: &Map) -> Vec<u8> {
    serde_json::to_vec(config).unwrap_or_default()
}

/// The daemon renews the lease or gets another. An address that the container does not have is of no use to it.
fn require_same(lease: &Success, result: &Success) -> Result<(), Error> {
    let has = |ip| result.ips.iter().any(|other| other.address.addr() == ip);
    let Some(ip) = lease.ips.iter().find(|ip| !has(ip.address.addr())) else {
        return Ok(());
    };
    let before: Vec<String> = result.ips.iter().map(|ip| ip.address.to_string()).collect();
    Err(Error::new(
        ErrorCode::INTERNAL,
        format!("dhcp: the lease is for {}, the container was attached with {}", ip.address, before.join(", ")),
    )
    .with_details(
        "the server has given the container another address meanwhile. Detach the container (DEL) and attach it anew (ADD)",
    ))
}
