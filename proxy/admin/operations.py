"""Operations: what the admin API can be asked for. Data: the dispatch and the OpenAPI document are made from it."""

from dataclasses import dataclass
from enum import Enum

from .documents import Conflict, Conflicts, Document, Doubt, Hot, Meant, Nothing, Reload, Resource, Route, Status

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query. `default` None: it must be given. A `most` of 0: it is a text, else a whole number from 1 on."""

    name: str
    does: str
    default: str | None = ""
    most: int = 0


class Form(Enum):
    """What is answered with."""

    DOCUMENT = "application/json"
    EVENTS = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Operation:
    """One of them. `answer` is the type of its document, or of the data of its events. `body` is the type of what a change is sent.

    `problems` are the statuses of its own refusals.
    """

    name: str
    method: str
    path: str
    does: str
    answer: object
    parameters: tuple[Parameter, ...] = ()
    body: type[Document] | None = None
    form: Form = Form.DOCUMENT
    problems: tuple[int, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether it changes something, and so needs the token."""
        return self.method == "POST"


_URL = Parameter("url", "A path, or a URL where routes ask for the host.", None)
_METHOD = Parameter("method", "The method of the request whose resource is meant, where routes ask for it.", "GET")

OPERATIONS = (
    Operation("status", "GET", "/status", "What noclobber does, and how it does.", Status),
    Operation("routes", "GET", "/routes", "Every route, with what it has counted.", tuple[Route, ...]),
    Operation(
        "conflicts",
        "GET",
        "/conflicts",
        "Events of the conflict log, newest first, of every process on the store.",
        Conflicts,
        (
            Parameter("limit", "How many.", "50", 500),
            Parameter("before", "Those before the event with this id; empty: from the newest on."),
            Parameter("route", "Those of one route; empty: of all."),
            Parameter("kind", "Those of one kind; empty: of all."),
        ),
        problems=(503,),
    ),
    Operation(
        "stream",
        "GET",
        "/conflicts/stream",
        "Events as they come: `event: conflict`, with the id of each. Last-Event-ID goes on after that one.",
        Conflict,
        form=Form.EVENTS,
        problems=(503,),
    ),
    Operation(
        "resource",
        "GET",
        "/resource",
        "What is known of the resource at a URL. The backend is not asked.",
        Resource,
        (_URL, _METHOD),
        problems=(503,),
    ),
    Operation(
        "hottest",
        "GET",
        "/hottest",
        "The resources that are written, waited for and fought over most, lately.",
        tuple[Hot, ...],
        (Parameter("limit", "How many.", "20", 500),),
    ),
    Operation(
        "doubts",
        "GET",
        "/doubts",
        "The records that this noclobber has left pending or unknown, and that still are.",
        tuple[Doubt, ...],
        problems=(503,),
    ),
    Operation(
        "forget",
        "POST",
        "/resource/forget",
        "Forget the version that is remembered of a resource: the next write is judged by what the backend shows alone.",
        Resource,
        body=Meant,
        problems=(409, 413, 415, 503),
    ),
    Operation(
        "mark_unknown",
        "POST",
        "/resource/mark-unknown",
        "Mark a resource unknown: the next write waits out the quarantine first, and then looks at what stands.",
        Resource,
        body=Meant,
        problems=(409, 413, 415, 503),
    ),
    Operation(
        "reload",
        "POST",
        "/reload",
        "Load the configuration anew. What is wrong with it is told, and then the old one stays.",
        Reload,
        body=Nothing,
        problems=(413, 415, 501),
    ),
)
