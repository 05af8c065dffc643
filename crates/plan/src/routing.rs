//! Rules and routes as the kernel has them, made and taken away.

use std::fmt;

use linkspan_kernel::rtnl::{Change, Route, RouteFilter, Rtnl, Rule};
use linkspan_plugin::Undo;
use linkspan_spec::Error;

use crate::difference::{Difference, unless};
use crate::fault::explain;
use crate::foresee::Outlook;
use crate::namespaces::Namespaces;
use crate::object::Object;
use crate::route::leads;
use crate::send::{self, Batch, Sent};

/// A rule or a route, there or not. Each is undone when ADD fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routing {
    /// A rule.
    Rule(Box<Rule>),
    /// A route, in the place of what has the same destination, metric and table.
    Route {
        /// It.
        route: Box<Route>,
        /// What it replaces.
        before: Option<Box<Route>>,
    },
    /// A route is taken away.
    NoRoute(Box<Route>),
}

impl Routing {
    /// A route where there is none yet.
    pub fn new(route: Route) -> Self {
        Self::Route {
            route: Box::new(route),
            before: None,
        }
    }

    fn change(&self) -> Change {
        match self {
            Self::Rule(rule) => Change::AddRule((**rule).clone()),
            Self::Route { route, .. } => Change::ReplaceRoute((**route).clone()),
            Self::NoRoute(route) => Change::DeleteRoute((**route).clone()),
        }
    }

    fn inverse(&self) -> Change {
        match self {
            Self::Rule(rule) => Change::DeleteRule((**rule).clone()),
            Self::Route {
                before: Some(before),
                ..
            } => Change::ReplaceRoute((**before).clone()),
            Self::Route { route, .. } => Change::DeleteRoute((**route).clone()),
            Self::NoRoute(route) => Change::AppendRoute((**route).clone()),
        }
    }
}

impl fmt::Display for Routing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => write!(f, "add the rule {rule}"),
            Self::Route {
                route,
                before: None,
            } => write!(f, "add the route {route}"),
            Self::Route { route, .. } => write!(f, "replace the route {route}"),
            Self::NoRoute(route) => write!(f, "take away the route {route}"),
        }
    }
}

impl Object for Routing {
    fn differences(&self, namespaces: &Namespaces) -> Result<Vec<Difference>, Error> {
        let rtnl = namespaces.container()?.rtnl();
        match self {
            Self::Rule(wanted) => {
                let rules = rtnl.rules(wanted.family).map_err(explain)?;
                let is_there = rules.iter().any(|rule| {
                    (rule.from, rule.to, rule.table) == (wanted.from, wanted.to, wanted.table)
                });
                Ok(unless(is_there, format!("the rule {wanted}"), "it", "none"))
            }
            Self::Route { route, .. } => {
                let object = format!("the route {route}");
                Ok(unless(is_there(route, rtnl)?, object, "it", "none"))
            }
            Self::NoRoute(route) => {
                let object = format!("the route {route}");
                Ok(unless(!is_there(route, rtnl)?, object, "none", "it"))
            }
        }
    }

    fn foresee(&self, namespaces: &Namespaces) -> Result<Vec<Outlook>, Error> {
        send::foresee(self, namespaces)
    }
}

impl Sent for Routing {
    fn batch(&self) -> Batch {
        match self {
            Self::NoRoute(_) => Batch::MakingWay,
            Self::Rule(_) | Self::Route { .. } => Batch::Routing,
        }
    }

    fn changes(&self, _namespaces: &Namespaces) -> Result<Vec<Change>, Error> {
        Ok(vec![self.change()])
    }

    fn after<'a>(&self, namespaces: &'a Namespaces, undo: &mut Undo<'a>) -> Result<(), Error> {
        let (inverse, rtnl) = (self.inverse(), namespaces.container()?.rtnl());
        undo.on_failure(self.to_string(), move || revert(inverse, rtnl));
        Ok(())
    }
}

fn revert(change: Change, rtnl: &Rtnl) -> Result<(), Error> {
    match rtnl.change(change) {
        Err(error) if !error.is_not_found() && !error.is_exists() => Err(explain(error)),
        _ => Ok(()),
    }
}

/// Whether a route of its table leads as it does.
fn is_there(route: &Route, rtnl: &Rtnl) -> Result<bool, Error> {
    let filter = RouteFilter {
        link: route.link,
        table: Some(route.table),
    };
    let found = rtnl.routes(filter).map_err(explain)?;
    Ok(found.iter().any(|one| leads_as(one, route)))
}

/// Whether packets to the same destination go the same way, be it as one of several.
fn leads_as(found: &Route, wanted: &Route) -> bool {
    found.destination == wanted.destination
        && (wanted.source.is_none() || wanted.source == found.source)
        && leads(found, wanted.link, wanted.gateway)
}
