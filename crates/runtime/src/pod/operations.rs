//! ADD, CHECK and DEL of a pod in all of its networks.

use std::thread;

use linkspan_spans::{Here, here};
use linkspan_spec::{Command, IfName, NetworkName, Success};
use serde::{Deserialize, Serialize};

use super::{Pod, PodError, PodFailure, PodNetwork};
use crate::trace::operation;
use crate::turn::InTurn;
use crate::{Error, Outcome, Runtime};

/// In which order a pod's networks are attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// One after the other; those after one that failed are not tried. As go-cni's `SetupSerially`.
    #[default]
    Serial,
    /// All at the same time, each on a thread of its own. As go-cni's `Setup`.
    Parallel,
}

/// A pod's attachment to one of its networks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PodAttachment {
    /// The network.
    pub network: NetworkName,
    /// The interface in the pod.
    pub ifname: IfName,
    /// The result of ADD.
    pub result: Success,
}

/// What is done for a pod in all of its networks. Each operation in each network has the runtime's time for itself.
impl Runtime {
    /// Attaches a pod to its networks: the results in the order of the networks, whichever is done first.
    ///
    /// When one fails, those that were attached stay so, and the error tells them; with
    /// [`Builder::detach_failed`](crate::Builder::detach_failed) they are detached, the last first, but for those that were
    /// attached already before: a pod that is attached once more goes on working.
    ///
    /// # Errors
    /// Those of the networks that failed: one with [`Order::Serial`], where those behind it are not tried.
    pub fn add_pod(&self, pod: &Pod, order: Order) -> Result<Vec<PodAttachment>, PodError> {
        let turn = self.pod_turn(Command::Add, pod)?;
        let was_there: Vec<_> = pod.networks.iter().map(|one| self.knows(one)).collect();
        let attach = |one: &PodNetwork| {
            let PodNetwork { network, endpoint } = one;
            operation(&self.runner, Command::Add, &network.name, endpoint, || {
                turn.add(network, endpoint, self.deadline())
            })
        };
        let outcomes = match order {
            Order::Serial => serial(pod, attach),
            Order::Parallel => parallel(pod, attach),
        };
        let mut error = PodError::new(Command::Add, pod);
        let (mut made, mut attached_before) = (Vec::new(), Vec::new());
        for ((one, outcome), was_there) in pod.networks.iter().zip(outcomes).zip(was_there) {
            match outcome {
                Ok(result) => {
                    let attachment = PodAttachment {
                        network: one.network.name.clone(),
                        ifname: one.endpoint.ifname.clone(),
                        result,
                    };
                    match was_there {
                        true => attached_before.push(attachment.clone()),
                        false => made.push(one),
                    }
                    error.attached.push(attachment);
                }
                Err(failure) => error.failures.push(PodFailure::new(one, failure)),
            }
        }
        if error.failures.is_empty() {
            return Ok(error.attached);
        }
        if self.detach_failed || self.detach_cancelled && error.is_cancelled() {
            error.attached = attached_before;
            let cleaner = self.cleaner();
            error.not_detached = detach_each(&turn.by(&cleaner), &made);
        }
        Err(error)
    }

    /// Checks a pod in all of its networks. A network whose version has no CHECK is [told](Outcome::NotInVersion), and fails
    /// nothing.
    ///
    /// # Errors
    /// Those of all networks that failed.
    pub fn check_pod(&self, pod: &Pod) -> Result<Vec<Outcome>, PodError> {
        let turn = self.pod_turn(Command::Check, pod)?;
        let mut error = PodError::new(Command::Check, pod);
        let mut outcomes = Vec::new();
        for one in &pod.networks {
            let (network, endpoint) = (&one.network, &one.endpoint);
            let checked = operation(
                &self.runner,
                Command::Check,
                &network.name,
                endpoint,
                || turn.check(network, endpoint, self.deadline()),
            );
            match checked {
                Ok(outcome) => outcomes.push(outcome),
                Err(Error::CheckNotSupported { .. }) => outcomes.push(Outcome::NotInVersion),
                Err(failure) => error.failures.push(PodFailure::new(one, failure)),
            }
        }
        error.unless_empty(outcomes)
    }

    /// Detaches a pod from its networks, the last first; also from those that it is not attached to, which is no failure.
    ///
    /// # Errors
    /// Those of all networks that failed; none keeps it from the others, unless it is that the operation was given up.
    pub fn del_pod(&self, pod: &Pod) -> Result<(), PodError> {
        let turn = self.pod_turn(Command::Del, pod)?;
        let mut error = PodError::new(Command::Del, pod);
        error.failures = detach_each(&turn, &pod.networks.iter().collect::<Vec<_>>());
        error.unless_empty(())
    }

    /// Whether a pod may be in one of its networks already.
    fn knows(&self, one: &PodNetwork) -> bool {
        let known = self.cache.known(&one.network.name, &one.endpoint);
        known.is_ok_and(|known| known.has_result)
    }

    /// The turn of the pod's container, once for all of its networks. That it does not come is told of the first.
    fn pod_turn(&self, command: Command, pod: &Pod) -> Result<InTurn<'_>, PodError> {
        let turn = self.turn(command, &pod.container_id, self.deadline());
        turn.map_err(|failure| {
            let mut error = PodError::new(command, pod);
            let first = pod.networks.first();
            error
                .failures
                .extend(first.map(|one| PodFailure::new(one, failure)));
            error
        })
    }
}

fn detach_each(turn: &InTurn<'_>, networks: &[&PodNetwork]) -> Vec<PodFailure> {
    let mut failures = Vec::new();
    for one in networks.iter().rev() {
        let (network, endpoint) = (&one.network, &one.endpoint);
        let detached = operation(
            &turn.runtime().runner,
            Command::Del,
            &network.name,
            endpoint,
            || turn.del(network, endpoint, turn.runtime().deadline()),
        );
        if let Err(error) = detached {
            let given_up = error.is_cancelled();
            failures.push(PodFailure::new(one, error));
            if given_up {
                break;
            }
        }
    }
    failures
}

/// Up to the first failure.
fn serial<T>(pod: &Pod, work: impl Fn(&PodNetwork) -> Result<T, Error>) -> Vec<Result<T, Error>> {
    let mut outcomes = Vec::new();
    for one in &pod.networks {
        let outcome = work(one);
        let failed = outcome.is_err();
        outcomes.push(outcome);
        if failed {
            break;
        }
    }
    outcomes
}

/// All of them, with a thread for each but the last; where there can be no thread, that work is done on this one.
fn parallel<T: Send>(
    pod: &Pod,
    work: impl Fn(&PodNetwork) -> Result<T, Error> + Sync,
) -> Vec<Result<T, Error>> {
    let here = here();
    let (here, work) = (here.as_ref(), &work);
    thread::scope(|scope| {
        let begin = |one| {
            let run = move || {
                let _span = Here::enter(here, || "on a thread of its own");
                work(one)
            };
            thread::Builder::new().spawn_scoped(scope, run).or(Err(one))
        };
        let begun: Vec<_> = pod.networks.iter().map(begin).collect();
        let end = |begun: Result<thread::ScopedJoinHandle<'_, _>, _>| match begun {
            Ok(thread) => thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(one) => work(one),
        };
        begun.into_iter().map(end).collect()
    })
}
