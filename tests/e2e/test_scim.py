"""scim2-client and scim2-tester in front of scim2-server, none of them written here, none of them changed: SCIM with versions."""

import json
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import pytest
import scim2_models
from httpx2 import Client, Request, Response
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import PreconditionFailedException
from scim2_tester import CheckResult, Status, check_server

from tests.e2e.asking import ask
from tests.e2e.foreign import start_scim_server
from tests.e2e.processes import Noclobber

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "scim"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
WRITERS = 4
CLIENT_SECONDS = 60
# From the best to the worst. What was skipped said nothing.
RANKS = [Status.SUCCESS, Status.COMPLIANT, Status.ACCEPTABLE, Status.SKIPPED, Status.DEVIATION, Status.ERROR, Status.CRITICAL]

# Its models are made for a provider when they are named, so that no type can be told beforehand.
models: Any = scim2_models
example: Any = type("example", (), runpy.run_path(str(EXAMPLE / "client.py")))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes of all tests write. Each test has users of its own."""
    return tmp_path_factory.mktemp("scim")


@pytest.fixture(scope="module")
def backend(directory: Path) -> Iterator[int]:
    """A real provider that says that it supports no entity tags, and has none; its port."""
    child, port = start_scim_server(directory, supported=False)
    with child:
        child.wait_for_port(port)
        yield port


@pytest.fixture(scope="module")
def noclobber(backend: int, directory: Path) -> Iterator[int]:
    """noclobber in front of it, as the example's README starts it; its port."""
    with Noclobber(backend, "memory://", directory / "noclobber.log", config=EXAMPLE / "config.toml") as process:
        yield process.wait_until_ready().port


@pytest.fixture(autouse=True)
def _leaving() -> Iterator[None]:
    """The connections of all clients of a test end with it."""
    yield
    while Spoken.connected:
        Spoken.connected.pop().close()


class Spoken:
    """A real client of a provider, and what it said and heard. Models are those that the provider tells of."""

    connected: ClassVar[list[Client]] = []

    def __init__(self, port: int) -> None:
        self.sent: list[Request] = []
        self.heard: list[Response] = []
        hooks: dict[str, list[Callable[..., Any]]] = {"request": [self.sent.append], "response": [self._hear]}
        client = Client(base_url=f"http://127.0.0.1:{port}/v2", timeout=CLIENT_SECONDS, event_hooks=hooks)
        self.connected.append(client)
        self.scim = SyncSCIMClient(client)
        self.scim.discover()
        self.user: Any = self.scim.get_resource_model("User")

    def _hear(self, response: Response) -> None:
        response.read()
        self.heard.append(response)

    def create(self, name: str) -> Any:
        """A new user."""
        return self.scim.create(self.user(user_name=f"{name}-{uuid4()}", display_name=name))

    def read(self, user: Any) -> Any:
        """The user as it stands."""
        return self.scim.query(self.user, user.id)

    @property
    def sent_versions(self) -> list[str | None]:
        """The If-Match of each write so far."""
        return [request.headers.get("if-match") for request in self.sent if request.method in ("PUT", "PATCH", "DELETE")]


def displayed(backend: int, user: Any) -> object:
    """What the provider itself has of a user."""
    return ask(backend, "GET", f"/v2/Users/{user.id}").json().get("displayName")


def test_straight_at_the_provider_an_update_is_lost(backend: int) -> None:
    spoken = Spoken(backend)
    user = spoken.create("ann")
    first, second = spoken.read(user), spoken.read(user)
    first.title, second.display_name = "Dr.", "Ann"
    spoken.scim.replace(first)
    spoken.scim.replace(second)
    assert spoken.sent_versions == [None, None]
    assert spoken.read(user).title is None


def test_the_client_sends_versions_because_noclobber_says_that_they_are_supported(backend: int, noclobber: int) -> None:
    told, before = (ask(port, "GET", "/v2/ServiceProviderConfig").json() for port in (noclobber, backend))
    assert (before["etag"], told["etag"]) == ({"supported": False}, {"supported": True})

    spoken = Spoken(noclobber)
    user = spoken.create("ann")
    assert user.meta.version.startswith('W/"')
    user.display_name = "Ann"
    saved = spoken.scim.replace(user)

    assert spoken.sent_versions == [user.meta.version]
    assert saved.meta.version.startswith('W/"')
    assert saved.meta.version != user.meta.version
    assert spoken.read(user).meta.version == saved.meta.version
    assert displayed(backend, user) == "Ann"


def test_a_stale_write_gets_412_in_the_words_of_scim(backend: int, noclobber: int) -> None:
    spoken = Spoken(noclobber)
    user = spoken.create("ann")
    first, second = spoken.read(user), spoken.read(user)
    first.display_name, second.display_name = "first", "second"
    spoken.scim.replace(first)

    with pytest.raises(PreconditionFailedException):
        spoken.scim.replace(second)

    refused = spoken.heard[-1]
    assert refused.status_code == 412
    assert refused.headers["content-type"] == "application/scim+json"
    error = refused.json()
    assert (error["schemas"], error["status"]) == ([ERROR], "412")
    assert displayed(backend, user) == "first"


def test_a_stale_patch_and_a_stale_delete_are_refused_as_well(backend: int, noclobber: int) -> None:
    spoken = Spoken(noclobber)
    stale = spoken.create("ann")
    fresh = spoken.read(stale)
    fresh.display_name = "first"
    saved = spoken.scim.replace(fresh)
    patch = models.PatchOp[spoken.user](operations=[models.PatchOperation(op="replace", path="displayName", value="second")])

    with pytest.raises(PreconditionFailedException):
        spoken.scim.modify(stale, patch_op=patch)
    with pytest.raises(PreconditionFailedException):
        spoken.scim.delete(stale)
    assert displayed(backend, stale) == "first"

    spoken.scim.modify(saved, patch_op=patch)
    assert displayed(backend, stale) == "second"
    spoken.scim.delete(spoken.read(stale))
    assert ask(backend, "GET", f"/v2/Users/{stale.id}").status == 404


def test_who_has_the_newest_version_is_sent_no_other(noclobber: int) -> None:
    spoken = Spoken(noclobber)
    user = spoken.read(spoken.create("ann"))
    # What has not been written here yet may have been changed around noclobber, under the same version: it is sent once more.
    assert spoken.scim.query(user) is not user
    user.display_name = "Ann"
    user = spoken.scim.replace(user)
    assert spoken.scim.query(user) is user
    assert spoken.heard[-1].status_code == 304


def test_members_of_lists_have_the_versions_of_the_resources(noclobber: int) -> None:
    spoken = Spoken(noclobber)
    # Saved once: what nobody has written to yet has the version that any other such resource has.
    users = {user.id: spoken.scim.replace(user) for user in (spoken.create("ann"), spoken.create("ben"))}
    listed: Any = spoken.scim.query(spoken.user)
    found: Any = {user.id: user for user in listed.resources if user.id in users}
    assert {key: user.meta.version for key, user in found.items()} == {key: user.meta.version for key, user in users.items()}
    sought: Any = spoken.scim.search(models.SearchRequest(start_index=1))
    assert {each.id: each.meta.version for each in sought.resources if each.id in users} == {
        key: each.meta.version for key, each in users.items()
    }

    # A version from a list is as good as any: until somebody else writes.
    found = found.popitem()[1]
    found.display_name = "from the list"
    spoken.scim.replace(found)
    with pytest.raises(PreconditionFailedException):
        spoken.scim.replace(found)


def test_a_change_around_noclobber_is_noticed(backend: int, noclobber: int) -> None:
    spoken, rival = Spoken(noclobber), Spoken(backend)
    user = spoken.create("ann")
    user.display_name = "first"
    user = spoken.scim.replace(user)
    other = rival.read(user)
    other.display_name = "around"
    rival.scim.replace(other)

    user.display_name = "second"
    with pytest.raises(PreconditionFailedException):
        spoken.scim.replace(user)
    assert displayed(backend, user) == "around"


def test_writers_that_read_again_after_a_conflict_lose_nothing(noclobber: int) -> None:
    spoken = Spoken(noclobber)
    user = spoken.create("ann")

    def add(client: Spoken, number: int) -> None:
        for _ in range(10 * WRITERS):
            try:
                example.update_with_retry(client.scim, client.user, user.id, example.add_number(f"+49 30 {number}"))
            except RuntimeError:
                continue
            return

    # Making models of what a provider tells of is not for several threads at once.
    clients = [Spoken(noclobber) for _ in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(add, clients, range(WRITERS)))

    assert sorted(phone.value for phone in spoken.read(user).phone_numbers) == [f"+49 30 {number}" for number in range(WRITERS)]


# ---- Bulk --------------------------------------------------------------------------------------------------------------------------------


def replacement(spoken: Spoken, user: Any, name: str) -> Any:
    """The operation that gives a user another name, on the version of it that is given."""
    data = spoken.user(user_name=user.user_name, display_name=name)
    return models.BulkOperation[spoken.user](method="PUT", path=f"/Users/{user.id}", version=user.meta.version, data=data)


def test_the_stale_operations_of_a_bulk_request_are_refused_and_the_others_done(backend: int, noclobber: int) -> None:
    spoken = Spoken(noclobber)
    ann, ben = spoken.create("ann"), spoken.create("ben")
    spoken.scim.replace(spoken.read(ann).model_copy(update={"display_name": "changed by another"}))
    creation = models.BulkOperation[spoken.user](method="POST", path="/Users", bulk_id="new", data=spoken.user(user_name=f"eve-{uuid4()}"))
    operations = [replacement(spoken, ann, "mine"), replacement(spoken, ben, "mine"), creation]

    answer: Any = spoken.scim.bulk(models.BulkRequest[spoken.user](operations=operations))

    stale, done, created = answer.operations
    assert (stale.status, done.status, created.status) == (412, 200, 201)
    assert stale.response.status == 412
    assert displayed(backend, ann) == "changed by another"
    assert displayed(backend, ben) == "mine"
    # What was told of an operation is what the next one goes on from.
    assert done.version == spoken.read(ben).meta.version != ben.meta.version
    made = ask(noclobber, "GET", created.location[created.location.index("/v2") :])
    assert made.tag == created.version
    assert str(made.json()["userName"]).startswith("eve")


def test_straight_at_the_provider_no_operation_with_a_version_is_done(backend: int, noclobber: int) -> None:
    spoken = Spoken(noclobber)
    user = spoken.create("ann")
    answer: Any = Spoken(backend).scim.bulk(models.BulkRequest[spoken.user](operations=[replacement(spoken, user, "mine")]))
    assert [operation.status for operation in answer.operations] == [412]


def test_a_bulk_request_creates_a_user_and_a_group_with_it(noclobber: int) -> None:
    content = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [
            {
                "method": "POST",
                "path": "/Groups",
                "bulkId": "g",
                "data": {
                    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                    "displayName": "Guides",
                    "members": [{"type": "User", "value": "bulkId:u"}],
                },
            },
            {
                "method": "POST",
                "path": "/Users",
                "bulkId": "u",
                "data": {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": f"ann-{uuid4()}"},
            },
        ],
    }
    answer: Any = ask(noclobber, "POST", "/v2/Bulk", json.dumps(content).encode(), content_type="application/scim+json").json()
    group, user = answer["Operations"]
    assert (group["status"], user["status"]) == ("201", "201")
    made: Any = ask(noclobber, "GET", group["location"][group["location"].index("/v2") :]).json()
    assert made["members"][0]["value"] == user["location"].rpartition("/")[2]
    assert made["meta"]["version"] == group["version"]


# ---- a checker, and the example ----------------------------------------------------------------------------------------------------------


def results(port: int) -> dict[tuple[str | None, str | None, int], CheckResult]:
    """What scim2-tester says of a provider, by check and resource type, and which of several it is."""
    found: dict[tuple[str | None, str | None, int], CheckResult] = {}
    for result in check_server(Spoken(port).scim):
        number = sum((title, kind) == (result.title, result.resource_type) for title, kind, _ in found)
        found[result.title, result.resource_type, number] = result
    return found


def test_the_checker_finds_nothing_that_it_does_not_find_straight(backend: int, noclobber: int) -> None:
    straight, through = results(backend), results(noclobber)

    assert straight.keys() == through.keys()
    assert len(straight) > 100
    rank: Callable[[CheckResult], int] = lambda result: RANKS.index(result.status)  # noqa: E731
    worse = [(check, straight[check].status, result) for check, result in through.items() if rank(result) > rank(straight[check])]
    assert worse == []


def test_the_example_s_client_keeps_both_numbers(noclobber: int, backend: int) -> None:
    def numbers(port: int) -> str:
        command = [sys.executable, str(EXAMPLE / "client.py"), f"http://127.0.0.1:{port}/v2"]
        return subprocess.run(command, capture_output=True, text=True, timeout=CLIENT_SECONDS, check=True).stdout

    said = numbers(noclobber)
    assert "refused for Eve" in said
    assert "['+49 30 1', '+49 30 2']" in said
    assert "['+49 30 2']" in numbers(backend)


def test_what_the_example_starts_is_what_is_tested_here(backend: int, directory: Path) -> None:
    told = json.loads((directory / "provider.json").read_text())
    assert json.loads((EXAMPLE / "provider.json").read_text()) == told
