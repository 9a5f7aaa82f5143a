"""The processes themselves: workers, CPU, memory, the event loop, reloads."""

from .layout import TAG
from .model import Dashboard, Query, Row
from .panels import GREEN, RED, YELLOW, heatmap, series, stat, table

SUMMARY = (
    stat(
        "Workers serving",
        "Worker processes that take requests, over all instances. Fewer than configured for longer than a moment: they die; see restarts "
        "and the log.",
        "short",
        Query('sum(noclobber_workers{own,state="serving"})'),
        decimals=0,
        runbook="NoclobberWorkerRestarts",
    ),
    stat(
        "Worker restarts",
        "Workers that died in the shown time range and were started anew. None is normal. The log of the parent has the exit status: 137 "
        "is the kernel's out-of-memory killer as a rule.",
        "short",
        Query("sum(increase(noclobber_worker_restarts_total{own}[$__range]))"),
        steps=((None, GREEN), (0.5, RED)),
        decimals=0,
        runbook="NoclobberWorkerRestarts",
    ),
    stat(
        "Last reload",
        "Whether the last reload of the configuration worked, on every instance. Failed: the old configuration is in force; noclobber "
        "check FILE says what is wrong.",
        "bool_yes_no",
        Query("min(noclobber_config_last_reload_successful{own})"),
        words={"0": ("failed", RED), "1": ("worked", GREEN)},
        runbook="NoclobberReloadFailed",
    ),
    stat(
        "Configuration in force for",
        "Since the instance that has changed it last. Instances that differ run different files: see the table.",
        "s",
        Query("time() - max(noclobber_config_last_reload_success_timestamp_seconds{own})"),
    ),
    stat(
        "p99 of loop lag",
        "How late the event loop of a worker gets to what is due. Over 50 ms every request waits: too little CPU, or one request that "
        "computes too long.",
        "s",
        Query("histogram_quantile(0.99, sum by (le) (rate(noclobber_loop_lag_seconds_bucket{own}[i])))"),
        steps=((None, GREEN), (0.05, YELLOW), (0.25, RED)),
    ),
    stat(
        "Busiest worker",
        "CPU seconds per second of the worker that uses most. A worker has one core at most: near 1 it is full, so add workers or "
        "instances.",
        "percentunit",
        Query("max(rate(noclobber_worker_cpu_seconds_total{own}[i]))"),
        steps=((None, GREEN), (0.7, YELLOW), (0.9, RED)),
        decimals=0,
    ),
)

USE = (
    Row("Use"),
    series(
        "CPU, by worker",
        "CPU seconds per second. Workers share connections, so one that stands out has a few clients that ask for much.",
        "percentunit",
        Query("rate(noclobber_worker_cpu_seconds_total{own}[i])", "{{instance}} worker {{worker}}"),
    ).sized(8, 8),
    series(
        "Memory, by worker",
        "Resident memory. It grows with requests in flight times spool_memory_bytes and then stays; one that only ever grows is a defect: "
        "please report it.",
        "bytes",
        Query("noclobber_worker_resident_memory_bytes{own}", "{{instance}} worker {{worker}}"),
    ).sized(8, 8),
    heatmap(
        "Loop lag",
        "How late the event loops get to what is due. One band at the bottom is right.",
        "sum by (le) (increase(noclobber_loop_lag_seconds_bucket{own}[i]))",
    ).sized(8, 8),
    series(
        "CPU, by instance",
        "All workers of an instance together: hold it against the limits of its container.",
        "percentunit",
        Query("rate(process_cpu_seconds_total{own}[i])", "{{instance}} CPU"),
    ).sized(8, 8),
    series(
        "Resident memory, by instance",
        "All workers of an instance together: hold it against the limit of its container, where the kernel kills.",
        "bytes",
        Query("process_resident_memory_bytes{own}", "{{instance}}"),
    ).sized(8, 8),
    series(
        "File descriptors",
        "Open ones, and how many there may be (dashed). Connections of clients and backends, and bodies on disk. At the limit nobody gets "
        "in: raise LimitNOFILE.",
        "short",
        (Query("process_open_fds{own}", "{{instance}} open"), Query("process_max_fds{own}", "{{instance}} limit")),
    ).sized(8, 8),
    series(
        "Connections of clients",
        "Open now, by instance. Over max_connections the next gets 503.",
        "short",
        Query("sum by (instance) (noclobber_connections{own})", "{{instance}}"),
    ).sized(8, 8),
    series(
        "Tasks",
        "Tasks of the event loops, by instance. They come and go with requests; a number that only grows is a defect.",
        "short",
        Query("sum by (instance) (noclobber_tasks{own})", "{{instance}}"),
    ).sized(8, 8),
    series(
        "Clients refused, by reason",
        "Clients per second that took more than they may: heads too large, bodies too slow, too many at once. docs/configuration.md tells "
        "which key of [limits] each is.",
        "ops",
        Query("sum by (reason) (rate(noclobber_refusals_total{own}[i]))", "{{reason}}"),
    ).sized(8, 8),
)

LIFE = (
    Row("Life"),
    table(
        "What is running",
        "One line for each instance and version. Two versions at once are an update under way, or one that has stopped half-way.",
        (
            ("Running", "sum by (instance, version, python, loop) (noclobber_build_info{own})", "short"),
            ("Up for", "time() - max by (instance) (process_start_time_seconds{own})", "s"),
            (
                "Configuration of",
                "1000 * max by (instance) (noclobber_config_last_reload_success_timestamp_seconds{own})",
                "dateTimeAsLocal",
            ),
        ),
        {"instance": "Instance", "version": "Version", "python": "Python", "loop": "Loop"},
    ).sized(24, 6),
    series(
        "Workers, by state",
        "Serving and draining. Draining ones after a reload are finishing; they end after drain_seconds at the latest.",
        "short",
        Query("sum by (instance, state) (noclobber_workers{own})", "{{instance}} {{state}}"),
        runbook="NoclobberWorkerRestarts",
    ).sized(8, 8),
    series(
        "Worker restarts, by instance",
        "Per minute, by instance. The parent waits longer each time a worker dies young.",
        "cpm",
        Query("60 * sum by (instance) (rate(noclobber_worker_restarts_total{own}[i]))", "{{instance}}"),
        runbook="NoclobberWorkerRestarts",
    ).sized(8, 8),
    series(
        "Reloads, by result",
        "Per minute. A failure leaves the old configuration in force.",
        "cpm",
        Query("60 * sum by (result) (rate(noclobber_config_reloads_total{own}[i]))", "{{result}}"),
        colors={"success": GREEN, "failure": RED},
        runbook="NoclobberReloadFailed",
    ).sized(8, 8),
    series(
        "Log lines lost",
        "Lines of the log per minute that could not be written: nobody reads standard output, or its disk is full. noclobber does not wait "
        "for whoever reads its log.",
        "cpm",
        Query("60 * sum by (instance) (rate(noclobber_access_log_lines_lost_total{own}[i]))", "{{instance}}"),
    ).sized(24, 5),
)

DASHBOARD = Dashboard(
    f"{TAG}-process",
    "noclobber / Process",
    "The processes themselves: workers, CPU, memory, the event loop, reloads.",
    (*SUMMARY, *USE, *LIFE),
)
