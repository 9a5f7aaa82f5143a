"""Logs: the part of the composition root that opens what lines are written to."""

import sys
from contextlib import AsyncExitStack

from .config import LogForm
from .gateway.events import AccessLog
from .gateway.metrics import Metrics
from .gateway.text_log import TextLog, wants_colours


class Logs:
    """What is written to standard output, one log for each form."""

    def __init__(self, stack: AsyncExitStack, metrics: Metrics) -> None:
        self._stack = stack
        self._made: dict[LogForm, AccessLog] = {}
        metrics.registry.read("noclobber_access_log_lines_lost_total", by=lambda: sum(log.lost for log in self._made.values()))

    def of(self, form: LogForm) -> AccessLog | None:
        """The log in a form; None: there is to be none."""
        out = sys.stdout.buffer
        if form is LogForm.AUTO:
            form = LogForm.TEXT if out.isatty() else LogForm.JSON
        if form is not LogForm.OFF and form not in self._made:
            self._made[form] = TextLog(out, wants_colours(out)) if form is LogForm.TEXT else AccessLog(out)
            self._stack.callback(self._made[form].flush)
        return self._made.get(form)
