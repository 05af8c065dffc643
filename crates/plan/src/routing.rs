//! Rules and routes as the kernel has them, made and taken away.

use std::fmt;

use linkspan_kernel::rtnl::{Change, Route, RouteFilter, Rtnl, Rule};
use linkspan_plugin::Undo;
use linkspan_spec::Error;

use super::check::{Difference, unless};
use super::{Namespaces, Place, Step};
use crate::fault::{explain, explain_step};

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

    /// It makes way, so it comes after what it makes way for.
    pub(super) fn takes_away(&self) -> bool {
        matches!(self, Self::NoRoute(_))
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

/// Takes several such steps in one send.
pub(super) fn apply<'a>(
    steps: &[Step],
    place: Place,
    namespaces: &'a Namespaces,
    undo: &mut Undo<'a>,
) -> Result<(), Error> {
    let rtnl = namespaces.side(place)?.rtnl();
    let wanted = || {
        steps.iter().filter_map(|step| match step {
            Step::Routing(_, routing) => Some((step, routing)),
            _ => None,
        })
    };
    let changes: Vec<Change> = wanted().map(|(_, routing)| routing.change()).collect();
    let outcomes = rtnl.commit(&changes).map_err(explain)?;
    let mut outcome = Ok(());
    for ((step, routing), result) in wanted().zip(outcomes) {
        match result {
            Ok(()) => {
                let inverse = routing.inverse();
                undo.on_failure(format!("{routing}"), move || revert(inverse, rtnl));
            }
            Err(error) if routing.takes_away() && error.is_not_found() => {}
            Err(error) if outcome.is_ok() => outcome = Err(explain_step(step, &error)),
            Err(_) => {}
        }
    }
    outcome
}

fn revert(change: Change, rtnl: &Rtnl) -> Result<(), Error> {
    match rtnl.change(change) {
        Err(error) if !error.is_not_found() && !error.is_exists() => Err(explain(error)),
        _ => Ok(()),
    }
}

/// What of it the kernel does not have.
pub(super) fn differences(
    place: Place,
    wanted: &Routing,
    namespaces: &Namespaces,
) -> Result<Vec<Difference>, Error> {
    let rtnl = namespaces.side(place)?.rtnl();
    match wanted {
        Routing::Rule(wanted) => {
            let rules = rtnl.rules(wanted.family).map_err(explain)?;
            let is_there = rules.iter().any(|rule| {
                (rule.from, rule.to, rule.table) == (wanted.from, wanted.to, wanted.table)
            });
            Ok(unless(is_there, format!("the rule {wanted}"), "it", "none"))
        }
        Routing::Route { route, .. } => {
            let found = in_table(route, rtnl)?;
            let object = format!("the route {route}");
            Ok(unless(
                found.iter().any(|one| leads_as(one, route)),
                object,
                "it",
                "none",
            ))
        }
        Routing::NoRoute(route) => {
            let found = in_table(route, rtnl)?;
            let object = format!("the route {route}");
            Ok(unless(
                !found.iter().any(|one| leads_as(one, route)),
                object,
                "none",
                "it",
            ))
        }
    }
}

fn in_table(route: &Route, rtnl: &Rtnl) -> Result<Vec<Route>, Error> {
    let filter = RouteFilter {
        link: route.link,
        table: Some(route.table),
    };
    rtnl.routes(filter).map_err(explain)
}

/// Whether packets to the same destination go the same way, be it as one of several.
fn leads_as(found: &Route, wanted: &Route) -> bool {
    let is_way = |link, gateway| {
        (wanted.link.is_none() || wanted.link == link)
            && (wanted.gateway.is_none() || wanted.gateway == gateway)
    };
    let mut hops = found.next_hops.iter();
    found.destination == wanted.destination
        && (wanted.source.is_none() || wanted.source == found.source)
        && (is_way(found.link, found.gateway)
            || hops.any(|hop| is_way(Some(hop.link), hop.gateway)))
}
