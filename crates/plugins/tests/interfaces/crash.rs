//! Killed at any change: whatever is left, DEL and GC bring the host and the container back to where they were.

use std::time::Duration;

use linkspan_testkit::{Kill, Setup, kill_at_every_change, lose_every_answer, with_prev_result};

use crate::world::World;

/// How long a loop may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(300);

/// `setup` with the time that a loop needs.
pub(crate) fn patient(setup: Setup) -> Setup {
    setup.deadline(DEADLINE)
}

/// ADD killed at any change is undone by DEL; DEL killed at any change is completed by another one.
#[track_caller]
pub(crate) fn del_undoes(world: &World<'_>) {
    let netns = world.sandbox.netns("killed");
    let before = world.snapshot(&netns);
    let whole = |kill: Option<&Kill>| {
        world.call("DEL", &netns).run().success();
        before.assert_same(&world.snapshot(&netns), &format!("DEL after {kill:?}"));
    };
    let command = |verb| world.call(verb, &netns).cmd().env_remove("LD_LIBRARY_PATH");
    let kills = kill_at_every_change(|| command("ADD"), whole);
    assert!(kills > 8, "{kills}");
    let del = || {
        world.add(&netns).success();
        command("DEL")
    };
    kill_at_every_change(del, whole);
}

/// ADD killed at any change, in a namespace that dies then, is collected.
#[track_caller]
pub(crate) fn gc_collects(world: &World<'_>) {
    let idle = world.sandbox.netns("idle");
    let before = world.snapshot(&idle);
    let kills = kill_at_every_change(
        || {
            let netns = world.sandbox.netns("killed");
            let call = world.call("ADD", &netns);
            call.cmd().env_remove("LD_LIBRARY_PATH")
        },
        |kill| {
            world.sandbox.run("ip netns delete killed");
            world.plugins.gc(&world.config, &[]).success();
            before.assert_same(&world.snapshot(&idle), &format!("GC after {kill:?}"));
        },
    );
    assert!(kills > 8, "{kills}");
}

/// ADD that loses one of the kernel's answers, whichever it is, succeeds or leaves nothing, without a DEL.
#[track_caller]
pub(crate) fn lost_answers_leave_nothing(world: &World<'_>) {
    let netns = world.sandbox.netns("lost");
    // What a first ADD leaves in any case.
    world.add(&netns).success();
    world.call("DEL", &netns).run().success();
    let before = world.snapshot(&netns);
    let add = || {
        world.call("DEL", &netns).run().success();
        let add = world.call("ADD", &netns).cmd();
        add.env_remove("LD_LIBRARY_PATH")
    };
    let failures = lose_every_answer(add, |output, context| {
        if output.ok() {
            world.call("DEL", &netns).run().success();
        }
        before.assert_same(&world.snapshot(&netns), context);
    });
    assert!(failures > 2, "{failures}");
    world.call("DEL", &netns).run().success();
}

/// CHECK that loses one of the kernel's answers, whichever it is, says that, and not that something is missing.
#[track_caller]
pub(crate) fn lost_answers_are_no_differences(world: &World<'_>) {
    let a = world.attach("a");
    let failures = lose_every_answer(
        || {
            let config = with_prev_result(&world.config, &a.result);
            let check = world.with(config).call("CHECK", &a.netns).cmd();
            check.env_remove("LD_LIBRARY_PATH")
        },
        |output, context| {
            assert!(
                output.ok() || output.stdout.contains("(os error "),
                "{context}"
            );
        },
    );
    assert!(failures > 2, "{failures}");
}
