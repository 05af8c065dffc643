//! Tests in a virtual machine, for kernels that lack what they need.
//!
//! The machine is qemu with Debian's cloud kernel. It has no disk: through virtiofs it sees this machine's own files,
//! read-only, at their own paths. So a test there is the same executable at the same path, with the same plugins, libraries and
//! tools, and nothing needs to be copied into an image. It sends what the test prints, and its exit status, through
//! serial ports of its own, apart from the console.
//!
//! A machine takes 2 seconds to boot, so a test process keeps those that it has booted, as many as there are processors, and runs one
//! test after another in each. They die with the process.

mod image;
mod machine;

use std::num::NonZero;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use self::image::Image;
use self::machine::Machine;
use crate::command::{Cmd, Output};
use crate::tally::Tally;

/// Emulation is slower than the processor, by about this much.
const SLOWNESS: u32 = 4;

/// Runs a program in a virtual machine whose kernel was started with these parameters beside the usual ones.
#[track_caller]
pub(crate) fn run(program: &Cmd, parameters: &str, deadline: Duration) -> Output {
    let mut machine = POOL.take(parameters);
    let output = machine.run(program, deadline * SLOWNESS);
    POOL.give_back(machine);
    Tally::of("vm").add("tests in a virtual machine", 1).write();
    output
}

static POOL: Pool = Pool {
    state: Mutex::new(State {
        idle: Vec::new(),
        taken: 0,
    }),
    changed: Condvar::new(),
};

/// The machines of this process.
struct Pool {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    idle: Vec<Machine>,
    taken: usize,
}

impl Pool {
    /// An idle machine with these parameters, a new one, or the first that becomes idle.
    #[track_caller]
    fn take(&self, parameters: &str) -> Taken {
        let most = thread::available_parallelism().map_or(1, NonZero::get);
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self
            .changed
            .wait_while(state, |state| state.taken >= most)
            .unwrap_or_else(PoisonError::into_inner);
        state.taken += 1;
        let is_alike = |machine: &Machine| machine.parameters() == parameters;
        let position = state.idle.iter().position(is_alike);
        Taken {
            machine: position.map(|position| state.idle.swap_remove(position)),
            parameters: parameters.to_owned(),
        }
    }

    fn give_back(&self, mut taken: Taken) {
        let machine = taken.machine.take().filter(Machine::is_sound);
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .idle
            .extend(machine);
    }
}

/// The right to use a machine, which is booted at the first use.
struct Taken {
    machine: Option<Machine>,
    parameters: String,
}

impl Taken {
    #[track_caller]
    fn run(&mut self, program: &Cmd, deadline: Duration) -> Output {
        self.machine
            .get_or_insert_with(|| Machine::boot(&Image::ready(), &self.parameters))
            .run(program, deadline)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        POOL.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .taken -= 1;
        POOL.changed.notify_one();
    }
}
