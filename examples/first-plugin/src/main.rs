//! A plugin that gives the container routes, and takes its default route where that is wanted: in the kernel, and in what the
//! runtime is told.

use std::process::ExitCode;

use linkspan_kernel::netns::{Netns, OpenError};
use linkspan_kernel::rtnl::{self, Change, RouteFilter, Rtnl};
use linkspan_plugin::config::Deferred;
use linkspan_plugin::spec::{Error, ErrorCode, Route, Success};
use linkspan_plugin::{Call, Foreseen, Foresight, Handler, Needs, Plugin, Role, Undo};

// ANCHOR: keys
linkspan_plugin::keys! {
    /// The configuration of `first-plugin`.
    pub struct Config, strict = deny {
        /// The routes that the container gets.
        "routes" => routes: Vec<Route>, default = [], read by [Add, Check, Del];
        /// Whether the default routes of the plugins before stay.
        "keepDefault" => keep_default: bool, default = true, read by [Add];
    }
}
// ANCHOR_END: keys

struct FirstPlugin;

// ANCHOR: plugin
impl Plugin for FirstPlugin {
    /// Judged when it is asked for: a mistake in it must not keep a container from being detached.
    type Config = Deferred<Config>;
    const NAME: &'static str = "first-plugin";
    const ABOUT: &'static str = "gives the container routes";
    const VERSION: Option<&'static str> = Some(env!("CARGO_PKG_VERSION"));
    const ROLE: Role = Role::Chained {
        needs: Needs::Address,
    };

    fn add(&self, call: &Call<'_, Self::Config>) -> Result<Success, Error> {
        let config = call.config.get()?;
        let result = self::result(call, config)?;
        let container = Container::open(call)?;
        let mut undo = Undo::new();
        if !config.keep_default {
            container.take_defaults(&mut undo)?;
        }
        for route in &config.routes {
            container.give(route, &mut undo)?;
        }
        undo.commit();
        Ok(result)
    }

    fn check(&self, call: &Call<'_, Self::Config>) -> Result<(), Error> {
        let config = call.config.get()?;
        let container = Container::open(call)?;
        let there = container.routes()?;
        let is_missing = |route: &&Route| {
            let wanted = container.kernels(route);
            let is_it = |one: &rtnl::Route| {
                (one.destination, one.gateway, one.table)
                    == (wanted.destination, wanted.gateway, wanted.table)
            };
            !there.iter().any(is_it)
        };
        match config.routes.iter().find(is_missing) {
            Some(route) => Err(Error::new(
                ErrorCode::FIRST_OF_PLUGINS,
                format!("the route to {} is missing in the container", route.dst),
            )
            .with_details("something has removed it; attach the container anew")),
            None => Ok(()),
        }
    }

    fn del(&self, call: &Call<'_, Self::Config>) -> Result<(), Error> {
        // Without a namespace or an interface there are no routes; and what cannot be read goes with the interface.
        let Some(container) = Container::find(call)? else {
            return Ok(());
        };
        let routes = call.config.get().map(|config| config.routes.as_slice());
        for route in routes.unwrap_or_default() {
            container.take(route)?;
        }
        Ok(())
    }

    // ANCHOR: foresee
    fn foresee(
        &self,
        call: &Call<'_, Self::Config>,
        foresight: &mut Foresight,
    ) -> Result<Success, Error> {
        let config = call.config.get()?;
        let result = self::result(call, config)?;
        if !config.keep_default {
            foresight.tell(Foreseen::made("route", "remove the default routes"));
        }
        for route in &config.routes {
            let words = format!("add the route to {}", route.dst);
            foresight.tell(Foreseen::made("route", words));
        }
        Ok(result)
    }
    // ANCHOR_END: foresee
}
// ANCHOR_END: plugin

// ANCHOR: result
/// What the plugins before made, with other routes.
fn result(call: &Call<'_, Deferred<Config>>, config: &Config) -> Result<Success, Error> {
    let mut result = call.prev_result()?.ok_or_else(|| {
        Error::new(
            ErrorCode::INVALID_NETWORK_CONFIG,
            "first-plugin is the first of its list",
        )
        .with_details("it gives routes to an interface: put it behind the plugin that makes one")
    })?;
    if !config.keep_default {
        result.routes.retain(|route| route.dst.prefix_len() > 0);
    }
    result.routes.extend(&config.routes);
    Ok(result)
}
// ANCHOR_END: result

// ANCHOR: kernel
/// The container's interface.
struct Container {
    kernel: Rtnl,
    link: u32,
}

impl Container {
    fn open(call: &Call<'_, Deferred<Config>>) -> Result<Self, Error> {
        Self::find(call)?.ok_or_else(|| {
            Error::new(
                ErrorCode::INVALID_NETNS,
                "the container's namespace or interface is not there",
            )
            .with_details("the plugins before must have made it; it may have ended since")
        })
    }

    /// `None` where the namespace or the interface is gone.
    fn find(call: &Call<'_, Deferred<Config>>) -> Result<Option<Self>, Error> {
        // What the kit has opened is certainly not the host's own namespace.
        let netns = match Netns::from_opened(call.namespace()) {
            Err(OpenError::Missing) => return Ok(None),
            opened => {
                opened.map_err(|error| Error::new(ErrorCode::INVALID_NETNS, error.to_string()))?
            }
        };
        let kernel = Rtnl::open_in(&netns)?;
        match kernel.link(call.ifname()?.as_str()) {
            Err(error) if error.is_not_found() => Ok(None),
            link => Ok(Some(Self {
                link: link?.index,
                kernel,
            })),
        }
    }

    /// A route as the kernel has it.
    fn kernels(&self, route: &Route) -> rtnl::Route {
        let kernels = rtnl::Route::new(route.dst.trunc(), route.gw, self.link);
        rtnl::Route {
            priority: route.priority,
            table: route.table.unwrap_or(kernels.table),
            scope: route.scope.unwrap_or(kernels.scope),
            mtu: route.mtu,
            advmss: route.advmss,
            ..kernels
        }
    }

    fn routes(&self) -> Result<Vec<rtnl::Route>, Error> {
        let filter = RouteFilter {
            link: Some(self.link),
            table: None,
        };
        Ok(self.kernel.routes(filter)?)
    }

    fn give<'u>(&'u self, route: &'u Route, undo: &mut Undo<'u>) -> Result<(), Error> {
        self.kernel.change(Change::AddRoute(self.kernels(route)))?;
        undo.on_failure(format!("the route to {}", route.dst), || self.take(route));
        Ok(())
    }

    fn take(&self, route: &Route) -> Result<(), Error> {
        match self.kernel.change(Change::DeleteRoute(self.kernels(route))) {
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn take_defaults<'u>(&'u self, undo: &mut Undo<'u>) -> Result<(), Error> {
        for route in self.routes()? {
            if route.destination.prefix_len() > 0 {
                continue;
            }
            self.kernel.change(Change::DeleteRoute(route.clone()))?;
            undo.on_failure("the default route", move || {
                Ok(self.kernel.change(Change::AddRoute(route))?)
            });
        }
        Ok(())
    }
}
// ANCHOR_END: kernel

// ANCHOR: main
const TABLE: [&dyn Handler; 1] = [&FirstPlugin];

fn main() -> ExitCode {
    linkspan_plugin::main(&TABLE)
}
// ANCHOR_END: main

// ANCHOR: tests
#[cfg(test)]
mod tests {
    use super::*;
    use linkspan_plugin::testing;
    use serde_json::{Value, json};

    fn config() -> Value {
        json!({ "routes": [{ "dst": "192.0.2.0/24", "gw": "10.22.0.1" }] })
    }

    #[test]
    fn it_must_follow_another() {
        let error = testing::Call::add(&FirstPlugin)
            .config(config())
            .run()
            .error();
        assert_eq!(error.code, ErrorCode::INVALID_NETWORK_CONFIG);
        assert!(error.msg.contains("first of its list"), "{error}");
    }

    #[test]
    fn mistakes_are_told_and_keep_no_container() {
        for (config, words) in [
            (json!({ "routse": [] }), "did you mean \"routes\"?"),
            (json!({ "routes": 5 }), "expected a list"),
            (json!({ "keepDefault": "no" }), "expected true or false"),
        ] {
            let add = testing::Call::add(&FirstPlugin).config(config.clone());
            let error = add.run().error();
            assert!(error.msg.contains(words), "{error}");
            let del = testing::Call::del(&FirstPlugin).config(config);
            del.run().succeeded();
        }
    }

    #[test]
    fn a_container_that_is_gone_is_detached_and_cannot_be_attached() {
        let before = Success::default();
        let add = testing::Call::add(&FirstPlugin)
            .config(config())
            .prev_result(&before);
        assert_eq!(add.run().error().code, ErrorCode::INVALID_NETNS);
        for _ in 0..2 {
            testing::Call::del(&FirstPlugin)
                .config(config())
                .run()
                .succeeded();
        }
    }
}
// ANCHOR_END: tests
