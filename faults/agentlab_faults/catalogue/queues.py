"""Faults of the boundary queue: jobs that come twice, late, in the wrong order, or kill whoever takes them.

They need a queue whose deliveries pass the lab, and the lab has none yet: until then they can be read about and never fire.
"""

from __future__ import annotations

from agentlab_faults.catalogue.rates import HARMLESS, QUEUE, RETRIED, STAYS, often
from agentlab_faults.fault import BreaksQueue, Row, register

__all__ = [
    "Backlog",
    "ClockSkew",
    "DuplicateDelivery",
    "OutOfOrder",
    "PoisonMessage",
    "VisibilityTimeout",
    "WorkerCrash",
]

UNREADY = "It needs a session in which agents take their work from a job queue, whose deliveries the lab can see; there is none yet."


@register(
    Row(
        id="queue_duplicate_delivery",
        boundary="queue",
        family="delivery",
        category="semantic",
        scope="call",
        best=HARMLESS,
        why="A job id that was done already can be told, each time.",
        happens="Every queue that promises at-least-once delivery, whenever an acknowledgement is lost.",
        agent_should="Remember job ids that are done, and have exactly one effect for each.",
        kinds=frozenset(),
        unready=UNREADY,
        **often(QUEUE, 0.3, harm=3),
    )
)
class DuplicateDelivery(BreaksQueue):
    """The same job is delivered `times` times."""

    times: int = 2


@register(
    Row(
        id="queue_worker_crash",
        boundary="queue",
        family="worker",
        category="transient",
        scope="call",
        best=RETRIED,
        outcome_unknown=True,
        why="The job comes again, and what was done before the crash can be read from the checkpoint.",
        happens="A deployment or the kernel kills a worker after its effect and before its acknowledgement.",
        agent_should="Write a checkpoint after each step; resume from it, never start again.",
        kinds=frozenset(),
        unready=UNREADY,
        **often(QUEUE, 0.2, harm=3),
    )
)
class WorkerCrash(BreaksQueue):
    """The worker dies after the effect of its `step`-th step, before it acknowledges the job."""

    step: int = 1


@register(
    Row(
        id="queue_visibility_timeout",
        boundary="queue",
        family="delivery",
        category="semantic",
        scope="call",
        best=HARMLESS,
        why="A lease that is extended in time is never lost; a fencing token stops the second worker.",
        happens="A job takes longer than its lease, so that a second worker gets it while the first still works.",
        agent_should="Extend the lease while working, and carry a fencing token into each write.",
        kinds=frozenset(),
        unready=UNREADY,
        **often(QUEUE, 0.15, harm=3),
    )
)
class VisibilityTimeout(BreaksQueue):
    """The lease ends after `seconds` virtual seconds, and another worker gets the job."""

    seconds: float = 30.0


@register(
    Row(
        id="queue_poison_message",
        boundary="queue",
        family="worker",
        category="permanent",
        scope="call",
        best=STAYS,
        why="The job kills every worker that takes it: it has to be put aside, and somebody told.",
        happens="A payload that the parser, or the model's context, does not stand.",
        agent_should="Count deliveries, and put the job on the dead-letter queue after a few.",
        kinds=frozenset(),
        unready=UNREADY,
        **often(QUEUE, 0.05, harm=3),
    )
)
class PoisonMessage(BreaksQueue):
    """The job's payload makes every worker that takes it crash."""

    payload: str = '{"order": '


@register(
    Row(
        id="queue_out_of_order",
        boundary="queue",
        family="delivery",
        category="semantic",
        scope="call",
        best=HARMLESS,
        why="A sequence number tells that an earlier job is missing, each time.",
        happens="Several consumers, or a retry of the earlier job while the later one goes through.",
        agent_should="Carry sequence numbers, and hold a job back until those before it are done.",
        kinds=frozenset(),
        unready=UNREADY,
        **often(QUEUE, 0.1, harm=2),
    )
)
class OutOfOrder(BreaksQueue):
    """A job is delivered before the one that was put in `by` places earlier."""

    by: int = 1


@register(
    Row(
        id="queue_backlog",
        boundary="queue",
        family="delivery",
        category="budget",
        scope="call",
        best=HARMLESS,
        why="A job whose deadline has passed can be told by its own time, and dropped before it costs anything.",
        happens="An outage ends, and the queue holds hours of jobs that nobody waits for any more.",
        agent_should="Drop expired jobs before the first call of a model, and say so.",
        kinds=frozenset(),
        unready=UNREADY,
        **often(QUEUE, 0.14, harm=2),
    )
)
class Backlog(BreaksQueue):
    """The jobs are `age` virtual seconds old when they are delivered, past their deadline."""

    age: float = 3_600.0


@register(
    Row(
        id="queue_clock_skew",
        boundary="queue",
        family="worker",
        category="semantic",
        scope="call",
        best=HARMLESS,
        why="The server's clock is one clock for all, and can be asked each time.",
        happens="Workers on machines whose clocks differ compute deadlines and leases for each other.",
        agent_should="Use the queue server's time only, for leases and deadlines alike.",
        kinds=frozenset(),
        unready=UNREADY,
        **often(QUEUE, 0.05, harm=2),
    )
)
class ClockSkew(BreaksQueue):
    """The worker's clock is `ahead` seconds ahead of the queue's."""

    ahead: float = 300.0
