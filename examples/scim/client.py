"""Two administrators give one user two telephone numbers, by scim2-client: the second one saves on what the first one had not yet saved.

The client sends If-Match of its own accord, as soon as a provider says that it supports entity tags. Straight at the server nothing of
that happens, and the first number is lost.
"""

import argparse
import uuid
from collections.abc import Callable

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import PreconditionFailedException, Resource

ATTEMPTS = 5


def connect(url: str) -> SyncSCIMClient:
    client = SyncSCIMClient(Client(base_url=url, timeout=30))
    client.discover()
    return client


def update_with_retry(client: SyncSCIMClient, model: type[Resource], user_id: str, change: Callable[[Resource], None]) -> Resource:
    """Read a resource, change and save it; where another one has saved in between, read it again and repeat the change."""
    for _ in range(ATTEMPTS):
        user = client.query(model, user_id)
        change(user)
        try:
            return client.replace(user)
        except PreconditionFailedException:
            print("someone else was faster: read again")
    raise RuntimeError(f"given up after {ATTEMPTS} attempts")


def add_number(number: str) -> Callable[[Resource], None]:
    def change(user: Resource) -> None:
        user.phone_numbers = [*(user.phone_numbers or []), {"value": number}]

    return change


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where noclobber is, as in http://127.0.0.1:8080/v2")
    client = connect(parser.parse_args().url)
    model = client.get_resource_model("User")
    user = client.create(model(user_name=f"ann-{uuid.uuid4()}"))
    print(f"version {user.meta.version}: created")

    for_bob, for_eve = client.query(model, user.id), client.query(model, user.id)
    add_number("+49 30 1")(for_bob)
    print(f"version {client.replace(for_bob).meta.version}: saved by Bob")
    add_number("+49 30 2")(for_eve)
    try:
        print(f"version {client.replace(for_eve).meta.version}: saved by Eve")
    except PreconditionFailedException as stale:
        print(f"refused for Eve: {stale}")
        saved = update_with_retry(client, model, user.id, add_number("+49 30 2"))
        print(f"version {saved.meta.version}: saved by Eve")
    print("numbers:", [phone.value for phone in client.query(model, user.id).phone_numbers])


if __name__ == "__main__":
    main()
