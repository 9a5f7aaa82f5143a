"""The catalogue: every metric there is. The registry, the pages, how workers are merged and docs/metrics.md all follow from it.

Labels come from closed sets or from the configuration: never a path, a key or a tag.
"""

from collections.abc import Mapping
from typing import Literal, get_args

from ..core.hops import KINDS
from ..core.precondition import Verdict
from ..origin.failures import Failure
from .family import PREFIX, Family, Kind, Label, Merge
from .refusal import Refusal

ConflictKind = Literal["stale", "missing", "exists", "gone"]
ObservedKind = Literal[
    "stale", "missing", "exists", "gone", "unleased", "replayed", "malformed", "refused", "unprotected", "blind-overwrite"
]
ForcedKind = Literal["unconditional", "override"]
METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "POST", "OPTIONS", "TRACE")
OPERATIONS = ("load", "swap", "settle", "append", "tail", "latest")
REQUIRED = "required"
"""The verdict on a write without a precondition, where the route asks for one."""

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SHORT_SECONDS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)
LAG_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
AGE_SECONDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)

_ROUTE = Label("route", "the name of a route; `unrouted` for what no route takes")
_UPSTREAM = Label("upstream", "the name of a backend; `default` for that of [upstream]")
_OPERATION = Label("operation", "what the store was asked for", OPERATIONS)
_WORKER = Label("worker", "the number of a worker's slot, from 0")


def _counter(name: str, told: str, action: str, *labels: Label, merge: Merge = Merge.SUM) -> Family:
    return Family(f"{PREFIX}{name}_total", Kind.COUNTER, told, action, labels, merge)


def _gauge(name: str, told: str, action: str, *labels: Label, merge: Merge = Merge.SUM) -> Family:
    return Family(PREFIX + name, Kind.GAUGE, told, action, labels, merge)


def _durations(name: str, buckets: tuple[float, ...], told: str, action: str, *labels: Label) -> Family:
    return Family(f"{PREFIX}{name}_seconds", Kind.HISTOGRAM, told, action, labels, buckets=buckets)


def _process(name: str, kind: Kind, told: str, action: str, merge: Merge = Merge.SUM, *labels: Label) -> Family:
    return Family(name, kind, told, action, labels, merge)


_REQUESTS = (
    _counter(
        "requests",
        "Requests answered.",
        "A fall to nothing: look at connections, and at what stands in front. A rise of codes 5xx: noclobber_upstream_errors_total and "
        "noclobber_store_up say whose they are.",
        _ROUTE,
        Label("method", "the method, `other` for any that is not common", (*METHODS, "other")),
        Label("code", "the status of the answer"),
    ),
    _durations(
        "request_duration",
        SECONDS,
        "From the head of a request to the last byte of its answer.",
        "Compare it with noclobber_upstream_duration_seconds: what the backend does not account for is ours, or the client's.",
        _ROUTE,
    ),
    _durations("upstream_duration", SECONDS, "Waiting for the backend.", "It is the backend that has become slow.", _ROUTE),
    _durations(
        "overhead",
        SHORT_SECONDS,
        "What a request took beyond the backend's own time and the arrival of its body.",
        "Look at noclobber_lease_wait_seconds, noclobber_store_duration_seconds and noclobber_loop_lag_seconds, in this order.",
        _ROUTE,
    ),
    _gauge("in_flight_requests", "Requests being served.", "It grows while answers do not: the backend or the store hangs."),
    _gauge("connections", "Connections of clients that are open.", "Close to max_connections: raise it, or find out who holds them."),
    _counter(
        "refusals",
        "Clients that took more than they may.",
        "The reason names the limit, as in [limits] of the configuration. Raise it where honest clients meet it.",
        Label("reason", "which limit it was", tuple(refusal.value for refusal in Refusal)),
    ),
)

_WRITES = (
    _counter(
        "lost_updates_prevented",
        "Writes refused that would have overwritten a state their sender had not seen: the conflicts stale and exists.",
        "Nothing: this is what noclobber is for. Many on one route: people work on the same thing, see noclobber_losing_read_age_seconds.",
        _ROUTE,
    ),
    _counter(
        "preconditions",
        "Requests with preconditions, by what these came to.",
        "A growing share of failed: more conflicts. Of required: clients that send no If-Match.",
        _ROUTE,
        Label("verdict", "what they came to", (*(verdict.name.lower() for verdict in Verdict), REQUIRED)),
    ),
    _counter(
        "conflicts",
        "Writes refused to save an update.",
        "stale: two wanted the same. missing: a client does not know of preconditions yet. exists: created twice. gone: deleted meanwhile.",
        _ROUTE,
        Label("kind", "what was wrong with the state that the write named", get_args(ConflictKind)),
    ),
    _durations(
        "losing_read_age",
        AGE_SECONDS,
        "How old the read was at least on which a stale write was based that was refused, or would have been.",
        "Seconds: clients race, retries help. Hours: forms are left open, or a cache hands out old copies.",
        _ROUTE,
    ),
    _counter(
        "observed",
        "What enforcing would have done otherwise, on routes that observe.",
        "Go through docs/rollout.md before such a route enforces.",
        _ROUTE,
        Label("kind", "what would have been otherwise", get_args(ObservedKind)),
    ),
    _counter(
        "unprotected_writes",
        "Writes that were applied without a precondition.",
        'Find the client in the access log, and teach it If-Match; then set missing = "require".',
        _ROUTE,
    ),
    _counter(
        "forced_writes",
        "Writes that were applied whatever stood there.",
        "override: the conflict log has the reason that was given. unconditional: as for unprotected writes.",
        _ROUTE,
        Label("kind", "how", get_args(ForcedKind)),
    ),
    _counter(
        "forced_after_conflict",
        "Forced writes by who had just been refused one.",
        "Somebody overwrites what they were told of. The conflict log names the principal.",
        _ROUTE,
    ),
    _counter(
        "unknown_outcomes",
        "Writes of which nobody can say whether they were applied.",
        "Each stands in the conflict log. Look at the backend's timeouts, and at noclobber_upstream_errors_total.",
        _ROUTE,
    ),
    _counter("quarantines", "Writes that had to wait because the one before them is in doubt.", "See unknown outcomes.", _ROUTE),
    _counter(
        "quarantine_wait_seconds",
        "How long they waited together.",
        "Lower apply_delay_seconds, if the backend surely ends a write within that time.",
        _ROUTE,
    ),
    _counter(
        "own_writes_recognised",
        "Retries that were told what the write itself was told.",
        "Answers get lost on the way to clients: look at what stands in front.",
        _ROUTE,
    ),
    _counter(
        "tags_undone",
        "Requests with a tag that a hop in front had weakened or marked, by what it had done.",
        "Nothing has to be done. No more of them after a change in front: clients may get other tags now.",
        _ROUTE,
        Label("kind", "what a hop had done to the tag", KINDS),
    ),
    _counter(
        "out_of_band_changes",
        "States found that no write through noclobber had left.",
        "Somebody writes around noclobber. Close that way: between such writers nothing is promised.",
        _ROUTE,
    ),
    _counter("conflict_events_lost", "Events of the conflict log that did not get into the store.", "They are in the log all the same."),
    _counter("access_log_lines_lost", "Lines of the log that could not be written.", "Nobody reads standard output."),
)

_RECORDS = (
    _durations(
        "lease_wait",
        SHORT_SECONDS,
        "From asking for a lease to having it.",
        "The store is slow, or many write one thing: noclobber_store_duration_seconds tells which.",
        _ROUTE,
    ),
    _gauge("lease_queue_writes", "Writes that wait for an earlier one of the same resource.", "Something is fought over: see the console."),
    _gauge(
        "in_doubt_records",
        "Records that were left pending or unknown, and still are as far as is known.",
        "They settle with the next write. Each stands in GET /api/v1/doubts.",
    ),
    _counter(
        "store_loss_writes",
        "Writes let through without a lease while the store was away.",
        "on_store_loss allows it: these may lose updates. Bring the store back.",
        _ROUTE,
    ),
    _counter(
        "counters_raised",
        "Counters that went on above all that an earlier history of the store may have given out.",
        "The store has lost its history: see noclobber_store_losses_total.",
        _ROUTE,
    ),
    _counter(
        "store_round_trips",
        "Requests to the store. Those of one moment may go out to Redis in one piece.",
        "More of them for each write than before: several writers wait for one lease and look again and again.",
        _OPERATION,
    ),
    _durations(
        "store_duration",
        SHORT_SECONDS,
        "One operation of the store.",
        "Redis: the network, its CPU, a slow disk with appendfsync always. SQLite: another process holds the file.",
        _OPERATION,
    ),
    _counter(
        "store_errors",
        "Operations that the store failed.",
        "unavailable: it cannot be reached, or is slow. refused: a replica, or out of memory.",
        _OPERATION,
        Label("kind", "how it failed", ("unavailable", "refused")),
    ),
    _gauge("store_up", "Whether the store answered when it was looked at last.", "No write is granted meanwhile.", merge=Merge.MIN),
    _counter(
        "store_losses",
        "How often the history of the store began anew: a failover, a restart without persistence.",
        "Writes wait for the grace each time. Give Redis persistence, or see docs/redis.md.",
        merge=Merge.MAX,
    ),
    _gauge(
        "grace_remaining_seconds",
        "How long no write is granted any more after the store's history began anew.",
        "Wait: writes granted by the lost history may still be under way.",
        merge=Merge.MAX,
    ),
)

_BACKENDS = (
    _gauge(
        "upstream_up",
        "Whether a server is asked; of the only server of a backend, whether it answered last.",
        "The server is away. Writes get 503 and are safe to repeat.",
        _UPSTREAM,
        Label("server", "its address"),
        merge=Merge.MIN,
    ),
    _counter(
        "upstream_errors",
        "Requests that a backend did not answer, or not to the end.",
        "unreachable: it is down. crowded: it is slow, or max_connections is low. timeout: it hangs. broken: it breaks off, or is no HTTP.",
        _UPSTREAM,
        Label("kind", "how it failed", tuple(failure.value for failure in Failure)),
    ),
    _gauge(
        "upstream_connections",
        "Connections to a backend; busy ones include those being made.",
        "busy close to max_connections: the backend is slow, or more connections are needed.",
        _UPSTREAM,
        Label("state", "what they do", ("idle", "busy")),
    ),
    _gauge("upstream_waiting_requests", "Requests that wait for a connection to a backend.", "Any for long: as above.", _UPSTREAM),
)

_PROCESSES = (
    _gauge("ready", "Whether writes are granted.", "GET /readyz tells the reasons.", merge=Merge.MIN),
    _gauge("tasks", "Tasks of the event loop.", "It only ever grows: report it, with the log."),
    _durations(
        "loop_lag",
        LAG_SECONDS,
        "By how much the event loop was late.",
        "The process has no core of its own, or works on something long: more workers, or fewer neighbours.",
    ),
    _gauge(
        "build_info",
        "What is running.",
        "Two versions at once: an update is under way.",
        Label("version", "of noclobber"),
        Label("python", "its version"),
        Label("loop", "the event loop"),
        merge=Merge.MAX,
    ),
    _gauge(
        "workers",
        "Worker processes.",
        "Fewer serve than are configured: see the log.",
        Label("state", "what they do", ("serving", "draining")),
    ),
    _counter("worker_restarts", "Workers that ended by themselves and were replaced.", "Look for their last words in the log."),
    _counter("worker_cpu_seconds", "Processor time of each worker slot.", "One is at a core's full: more workers.", _WORKER),
    _gauge("worker_resident_memory_bytes", "Memory of each worker.", "It only ever grows: report it.", _WORKER),
    _counter(
        "config_reloads",
        "Reloads of the configuration.",
        "failure: the log and `noclobber status` have the mistakes; the old configuration is in use.",
        Label("result", "what became of them", ("success", "failure")),
    ),
    _gauge("config_last_reload_successful", "Whether the last reload was one.", "As above.", merge=Merge.MIN),
    _gauge(
        "config_last_reload_success_timestamp_seconds",
        "When the configuration in use was loaded.",
        "It differs between instances: not all have the same configuration.",
        merge=Merge.MAX,
    ),
    _process("process_cpu_seconds_total", Kind.COUNTER, "Processor time, of all workers.", "At one core a worker: more workers."),
    _process("process_resident_memory_bytes", Kind.GAUGE, "Resident memory, of all workers.", "See docs on sizing."),
    _process("process_virtual_memory_bytes", Kind.GAUGE, "Virtual memory, of all workers.", "Nothing."),
    _process("process_open_fds", Kind.GAUGE, "Open descriptors, of all workers.", "Close to process_max_fds: raise ulimit -n."),
    _process("process_max_fds", Kind.GAUGE, "Descriptors allowed, of all workers.", "Nothing."),
    _process("process_start_time_seconds", Kind.GAUGE, "When the process started.", "It was restarted: the log says why.", Merge.MIN),
)

FAMILIES = (*_REQUESTS, *_WRITES, *_RECORDS, *_BACKENDS, *_PROCESSES)
CATALOGUE: Mapping[str, Family] = {family.name: family for family in FAMILIES}
