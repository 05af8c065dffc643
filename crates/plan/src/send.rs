//! Objects of which several are made in one send.

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::rtnl::Change;
use linkspan_plugin::Undo;
use linkspan_spec::Error;

use crate::fault::{explain, explain_step};
use crate::link::Place;
use crate::namespaces::Namespaces;
use crate::object::Object;

/// What can be made together when it follows each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Batch {
    /// What belongs to links.
    OfLinks(Place),
    /// Traffic control.
    Traffic(Place),
    /// Rules and routes of the container.
    Routing,
    /// Those that make way for others, and come after them.
    MakingWay,
}

impl Batch {
    fn place(self) -> Place {
        match self {
            Self::OfLinks(place) | Self::Traffic(place) => place,
            Self::Routing | Self::MakingWay => Place::Container,
        }
    }
}

/// An object that is made by requests which do not depend on those of others.
pub(crate) trait Sent: Object {
    /// With what it travels.
    fn batch(&self) -> Batch;

    /// The requests.
    fn changes(&self, namespaces: &Namespaces) -> Result<Vec<Change>, Error>;

    /// Those that follow in a send of their own when all of the first one succeeded.
    fn rest(&self, _namespaces: &Namespaces) -> Result<Vec<Change>, Error> {
        Ok(Vec::new())
    }

    /// Registers, before anything is sent, how it is undone.
    fn before<'a>(&self, _namespaces: &'a Namespaces, _undo: &mut Undo<'a>) -> Result<(), Error> {
        Ok(())
    }

    /// Registers, once its own requests succeeded, how it is undone. What goes with its link need not be.
    fn after<'a>(&self, _namespaces: &'a Namespaces, _undo: &mut Undo<'a>) -> Result<(), Error> {
        Ok(())
    }

    /// Why the kernel refused it, with what the person who wrote the configuration can do.
    fn refused(&self, error: &KernelError) -> Error {
        explain_step(self, error)
    }
}

/// What came of requests that were not refused.
enum Outcome {
    Made,
    /// What was to be taken away was not there.
    NothingToTake,
}

type Requests = fn(&dyn Sent, &Namespaces) -> Result<Vec<Change>, Error>;

/// Makes objects of one batch.
pub(crate) fn send<'a>(
    objects: &[&dyn Sent],
    batch: Batch,
    namespaces: &'a Namespaces,
    undo: &mut Undo<'a>,
) -> Result<(), Error> {
    for object in objects {
        object.before(namespaces, undo)?;
    }
    let first: Requests = |object, namespaces| object.changes(namespaces);
    let mut outcome = Ok(());
    let outcomes = exchange(objects, first, batch, namespaces)?;
    for (object, result) in objects.iter().zip(outcomes) {
        match result {
            Ok(Outcome::Made) => object.after(namespaces, undo)?,
            Ok(Outcome::NothingToTake) => {}
            Err(error) if outcome.is_ok() => outcome = Err(object.refused(&error)),
            Err(_) => {}
        }
    }
    outcome?;
    let rest: Requests = |object, namespaces| object.rest(namespaces);
    let outcomes = exchange(objects, rest, batch, namespaces)?;
    for (object, result) in objects.iter().zip(outcomes) {
        result.map_err(|error| object.refused(&error))?;
    }
    Ok(())
}

/// Sends what these objects request, and tells what came of each.
fn exchange(
    objects: &[&dyn Sent],
    requests: Requests,
    batch: Batch,
    namespaces: &Namespaces,
) -> Result<Vec<Result<Outcome, KernelError>>, Error> {
    let mut counts = Vec::new();
    let mut changes = Vec::new();
    for object in objects {
        let own = requests(*object, namespaces)?;
        counts.push(own.len());
        changes.extend(own);
    }
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let rtnl = namespaces.side(batch.place())?.rtnl();
    let answers = rtnl.commit(&changes).map_err(explain)?;
    let mut outcomes = changes.iter().zip(answers).map(outcome);
    let of_object = |count| {
        let own = outcomes.by_ref().take(count);
        own.fold(Ok(Outcome::Made), Result::and)
    };
    Ok(counts.into_iter().map(of_object).collect())
}

fn outcome((change, answer): (&Change, Result<(), KernelError>)) -> Result<Outcome, KernelError> {
    match (change, answer) {
        (Change::DeleteRoute(_), Err(error)) if error.is_not_found() => Ok(Outcome::NothingToTake),
        // Only the very same route is refused so.
        (Change::AddRoute(_), Err(error)) if error.is_exists() => Ok(Outcome::Made),
        (_, answer) => answer.map(|()| Outcome::Made),
    }
}
