//! What is done for one container in its turn, while no other operation is at it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use linkspan_spans::during;
use linkspan_spec::{Command, ContainerId, NetworkList, NetworkName, Success};

use crate::chain::{Chain, with_result};
use crate::lock::{ContainerTurn, Turn};
use crate::trace::operation;
use crate::{
    CachedAttachment, Cancel, Deadline, Endpoint, Error, Event, Operation, Outcome, Runtime, Undone,
};

/// The turn of one container, until it is dropped. What is done in it may be done in parallel, for different attachments.
pub(crate) struct InTurn<'a> {
    runtime: &'a Runtime,
    turn: Arc<ContainerTurn>,
    /// How long it was waited for.
    waited: Duration,
}

/// A failed ADD.
struct Failed {
    error: Error,
    /// Whether something of it may be there.
    has_begun: bool,
}

impl Runtime {
    /// Waits until no other operation is at the container.
    ///
    /// # Errors
    /// When its turn does not come in time, or the lock cannot be had and ADD is what is to be done.
    pub(crate) fn turn(
        &self,
        command: Command,
        container: &ContainerId,
        deadline: Deadline,
    ) -> Result<InTurn<'_>, Error> {
        let begin = Instant::now();
        let turn = self
            .locks
            .container(command, container, self.patience(deadline))?;
        Ok(InTurn {
            runtime: self,
            turn: Arc::new(turn),
            waited: begin.elapsed(),
        })
    }

    /// The same runtime for the DEL that detaches what an ADD has made: with a time of its own, and not given up by what gave ADD up.
    pub(crate) fn cleaner(&self) -> Self {
        let mut cleaner = self.clone();
        cleaner.finish_detach = true;
        cleaner.timeout = cleaner.detach_timeout.unwrap_or(cleaner.timeout);
        cleaner.runner.cancel = cleaner.runner.cancel.filter(Cancel::is_stepwise);
        cleaner
    }

    /// The turn of a container by who has the network's, unless another operation has it.
    pub(crate) fn turn_if_free(
        &self,
        container: &ContainerId,
        collection: &Turn,
    ) -> Result<Option<InTurn<'_>>, Error> {
        let turn = self.locks.container_if_free(container, collection)?;
        Ok(turn.map(|turn| InTurn {
            runtime: self,
            turn: Arc::new(turn),
            waited: Duration::ZERO,
        }))
    }
}

impl InTurn<'_> {
    pub(crate) fn runtime(&self) -> &Runtime {
        self.runtime
    }

    /// ADD; see [`Runtime::add`].
    pub(crate) fn add(
        &self,
        network: &NetworkList,
        endpoint: &Endpoint,
        deadline: Deadline,
    ) -> Result<Success, Error> {
        let runtime = self.runtime;
        runtime.check_arguments(network, endpoint)?;
        let _turn = self.attachment(Command::Add, &network.name, endpoint, deadline)?;
        let known = runtime.cache.known(&network.name, endpoint)?;
        if !known.is_complete {
            runtime.cache.begin(network, endpoint)?;
        }
        self.attach(network, endpoint, deadline).map_err(|failed| {
            let Failed { error, has_begun } = failed;
            let wanted = runtime.detach_failed || runtime.detach_cancelled && error.is_cancelled();
            match has_begun {
                true if wanted && !known.has_result => self.undo(error, network, endpoint),
                false if !known.is_pending => {
                    runtime.cache.never_begun(&network.name, endpoint);
                    error
                }
                _ => error,
            }
        })
    }

    /// The same turn for another runtime.
    pub(crate) fn by<'b>(&self, runtime: &'b Runtime) -> InTurn<'b> {
        InTurn {
            runtime,
            turn: Arc::clone(&self.turn),
            waited: Duration::ZERO,
        }
    }

    /// Detaches what ADD has begun. DEL has a time of its own, and is not given up by what gave ADD up.
    fn undo(&self, add: Error, network: &NetworkList, endpoint: &Endpoint) -> Error {
        let cleaner = self.runtime.cleaner();
        let turn = self.by(&cleaner);
        let del = operation(
            &cleaner.runner,
            Command::Del,
            &network.name,
            endpoint,
            || turn.detach(network, endpoint, cleaner.deadline()),
        );
        Error::Undone(Box::new(Undone { add, del }))
    }

    fn attach(
        &self,
        network: &NetworkList,
        endpoint: &Endpoint,
        deadline: Deadline,
    ) -> Result<Success, Failed> {
        let chain = self.chain(network, Command::Add, endpoint, deadline);
        let mut result = None;
        for index in 0..network.plugins.len() {
            let added = chain.run_add(index, result.as_ref());
            result = Some(added.map_err(|error| Failed {
                has_begun: index > 0 || error.may_leave_something(),
                error,
            })?);
        }
        let result = result.unwrap_or_default();
        let kept = chain.to_json(&result).and_then(|json| {
            during(
                || "keep the result",
                || self.runtime.cache.store(network, endpoint, &json),
            )
        });
        match kept {
            Ok(()) => Ok(result),
            Err(source) => Err(Failed {
                has_begun: true,
                error: Error::NotKept {
                    network: network.name.clone(),
                    attachment: endpoint.attachment(),
                    result: Box::new(result),
                    source: Box::new(source),
                },
            }),
        }
    }

    /// CHECK; see [`Runtime::check`].
    pub(crate) fn check(
        &self,
        network: &NetworkList,
        endpoint: &Endpoint,
        deadline: Deadline,
    ) -> Result<Outcome, Error> {
        if network.cni_version < Command::Check.since() {
            return Err(Error::CheckNotSupported {
                network: network.name.clone(),
                version: network.cni_version,
            });
        }
        if network.disable_check {
            return Ok(Outcome::Disabled);
        }
        let _turn = self.attachment(Command::Check, &network.name, endpoint, deadline)?;
        let chain = self.chain(network, Command::Check, endpoint, deadline);
        let kept = self.runtime.cache.result(&network.name, endpoint)?;
        let kept = kept.map(|result| chain.to_json(&result)).transpose()?;
        for index in 0..network.plugins.len() {
            chain.run(index, |config| with_result(config, kept.clone()))?;
        }
        Ok(Outcome::Done)
    }

    /// DEL; see [`Runtime::del`].
    pub(crate) fn del(
        &self,
        network: &NetworkList,
        endpoint: &Endpoint,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let _turn = self.attachment(Command::Del, &network.name, endpoint, deadline)?;
        self.detach(network, endpoint, deadline)
    }

    /// DEL with what is chosen; see [`Runtime::del_with`].
    pub(crate) fn del_with(
        &self,
        network: &NetworkName,
        endpoint: &Endpoint,
        deadline: Deadline,
        choose: impl FnOnce(
            Result<Option<CachedAttachment>, Error>,
        ) -> Result<(NetworkList, Endpoint), Error>,
    ) -> Result<(), Error> {
        let _turn = self.attachment(Command::Del, network, endpoint, deadline)?;
        let (network, endpoint) = choose(self.runtime.cached(network, endpoint))?;
        self.detach(&network, &endpoint, deadline)
    }

    /// DEL by who has the turn of the attachment, or of the whole network.
    pub(crate) fn detach(
        &self,
        network: &NetworkList,
        endpoint: &Endpoint,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let runtime = self.runtime;
        let chain = self.chain(network, Command::Del, endpoint, deadline);
        let kept = if network.cni_version >= Command::Check.since() {
            let kept = runtime.cache.result_if_readable(&network.name, endpoint)?;
            kept.and_then(|result| chain.to_json(&result).ok())
        } else {
            None
        };
        let mut errors = Vec::new();
        for index in (0..network.plugins.len()).rev() {
            let run = chain.run(index, |config| with_result(config, kept.clone()));
            if let Err(error) = run {
                let go_on = runtime.finish_detach && !error.is_cancelled();
                errors.push(error);
                if !go_on {
                    break;
                }
            }
        }
        Error::collect(errors).inspect_err(|_| runtime.cache.still_there(network, endpoint))?;
        runtime.cache.remove(&network.name, endpoint)
    }

    fn attachment(
        &self,
        command: Command,
        network: &NetworkName,
        endpoint: &Endpoint,
        deadline: Deadline,
    ) -> Result<Turn, Error> {
        let patience = self.runtime.patience(deadline);
        let locks = &self.runtime.locks;
        let begin = Instant::now();
        let turn = locks.attachment(command, network, endpoint, patience)?;
        self.runtime.runner.tell(Event::Turn {
            operation: &Operation::new(command, network, Some(endpoint)),
            waited: self.waited + begin.elapsed(),
        });
        Ok(turn)
    }

    fn chain<'a>(
        &'a self,
        network: &'a NetworkList,
        command: Command,
        endpoint: &'a Endpoint,
        deadline: Deadline,
    ) -> Chain<'a> {
        Chain {
            turn: Some(&self.turn),
            ..self
                .runtime
                .chain(network, command, Some(endpoint), deadline)
        }
    }
}
