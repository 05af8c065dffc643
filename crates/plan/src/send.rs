//! Objects of which several are made in one send.

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::rtnl::Change;
use linkspan_plugin::Undo;
use linkspan_spec::Error;

use crate::fault::{explain, explain_step};
use crate::foresee::Outlook;
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

    /// Registers how it is undone where nothing is known of its own requests, since their answers were lost. What others
    /// may have made stays.
    fn in_doubt<'a>(&self, namespaces: &'a Namespaces, undo: &mut Undo<'a>) -> Result<(), Error> {
        self.after(namespaces, undo)
    }

    /// Why the kernel refused it, with what the person who wrote the configuration can do.
    fn refused(&self, error: &KernelError) -> Error {
        explain_step(self, error)
    }
}

/// That it would be made, and imagines what its requests would make of addresses and routes.
pub(crate) fn foresee(object: &impl Sent, namespaces: &Namespaces) -> Result<Vec<Outlook>, Error> {
    namespaces.imagine_changes(object.batch().place(), object.changes(namespaces)?);
    Ok(vec![Outlook::made()])
}

/// What came of requests that were not refused.
enum Outcome {
    Made,
    /// What was to be taken away was not there.
    NothingToTake,
}

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
    let first = Requests::of(objects, |object| object.changes(namespaces))?;
    let mut outcome = Ok(());
    let outcomes = match first.exchange(batch, namespaces)? {
        Ok(outcomes) => outcomes,
        Err(error) => {
            for object in objects {
                object.in_doubt(namespaces, undo)?;
            }
            return Err(explain(error));
        }
    };
    for (object, result) in objects.iter().zip(outcomes) {
        match result {
            Ok(Outcome::Made) => object.after(namespaces, undo)?,
            Ok(Outcome::NothingToTake) => {}
            Err(error) if outcome.is_ok() => outcome = Err(object.refused(&error)),
            Err(_) => {}
        }
    }
    outcome?;
    let rest = Requests::of(objects, |object| object.rest(namespaces))?;
    let outcomes = rest.exchange(batch, namespaces)?.map_err(explain)?;
    for (object, result) in objects.iter().zip(outcomes) {
        result.map_err(|error| object.refused(&error))?;
    }
    Ok(())
}

/// What objects request, in order.
struct Requests {
    changes: Vec<Change>,
    /// How many of them are each object's.
    counts: Vec<usize>,
}

impl Requests {
    fn of(
        objects: &[&dyn Sent],
        requests: impl Fn(&dyn Sent) -> Result<Vec<Change>, Error>,
    ) -> Result<Self, Error> {
        let (mut changes, mut counts) = (Vec::new(), Vec::new());
        for object in objects {
            let own = requests(*object)?;
            counts.push(own.len());
            changes.extend(own);
        }
        Ok(Self { changes, counts })
    }

    /// Sends them, and tells what came of each object's; or that this is not known.
    fn exchange(self, batch: Batch, namespaces: &Namespaces) -> Result<Outcomes, Error> {
        if self.changes.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let answers = match namespaces.side(batch.place())?.rtnl().commit(&self.changes) {
            Ok(answers) => answers,
            Err(error) => return Ok(Err(error)),
        };
        let mut outcomes = self.changes.iter().zip(answers).map(outcome);
        let of_object = |count| {
            let own = outcomes.by_ref().take(count);
            own.fold(Ok(Outcome::Made), Result::and)
        };
        Ok(Ok(self.counts.into_iter().map(of_object).collect()))
    }
}

type Outcomes = Result<Vec<Result<Outcome, KernelError>>, KernelError>;

fn outcome((change, answer): (&Change, Result<(), KernelError>)) -> Result<Outcome, KernelError> {
    match (change, answer) {
        (Change::DeleteRoute(_), Err(error)) if error.is_not_found() => Ok(Outcome::NothingToTake),
        // Only the very same route is refused so.
        (Change::AddRoute(_), Err(error)) if error.is_exists() => Ok(Outcome::Made),
        (_, answer) => answer.map(|()| Outcome::Made),
    }
}
