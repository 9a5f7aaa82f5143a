"""SCIM: what a provider says of itself, and Bulk requests taken apart and put together again."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scim2_models import BulkRequest as ModelOfRequest
from scim2_models import BulkResponse, Error, Group, ServiceProviderConfig, User
from scim2_server.bulk import BulkPlan

from proxy.core.json_text import Document, read_json
from proxy.core.scim import (
    BULK_REQUEST,
    MAX_OPERATIONS,
    BulkRequest,
    Operation,
    RefusedBulk,
    Result,
    bulk_response,
    error_document,
    order,
    read_bulk,
    references,
    resolved,
    with_versions,
)

USER = "urn:ietf:params:scim:schemas:core:2.0:User"


def document(value: object) -> Document:
    read = read_json(json.dumps(value).encode())
    assert read is not None
    return read


def bulk(*operations: object, **members: object) -> bytes:
    return json.dumps({"schemas": [BULK_REQUEST], "Operations": operations, **members}).encode()


def taken_apart(content: bytes) -> BulkRequest:
    request = read_bulk(content)
    assert isinstance(request, BulkRequest)
    return request


def refused(content: bytes) -> RefusedBulk:
    request = read_bulk(content)
    assert isinstance(request, RefusedBulk)
    return request


# ---- ServiceProviderConfig ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "etag", [{"etag": {"supported": False}}, {"etag": {}}, {"etag": None}, {"etag": []}, {}, {"etag": {"supported": True}}]
)
def test_a_provider_supports_entity_tags_whatever_it_said(etag: dict[str, object]) -> None:
    told = {"patch": {"supported": True}, **etag, "documentationUri": "https://example.org"}
    assert json.loads(with_versions(document(told))) == {**told, "etag": {"supported": True}}


@pytest.mark.parametrize(
    ("most", "told"), [(10, 10), (MAX_OPERATIONS, MAX_OPERATIONS), (MAX_OPERATIONS + 1, MAX_OPERATIONS), ("many", "many")]
)
def test_a_provider_offers_no_larger_bulk_requests_than_are_served(most: object, told: object) -> None:
    config = json.loads(with_versions(document({"bulk": {"supported": True, "maxOperations": most}})))
    assert config["bulk"] == {"supported": True, "maxOperations": told}


def test_the_rest_of_a_provider_s_config_stays_as_it_was_to_the_byte() -> None:
    read = read_json(b'{ "sort" : {"supported":\ttrue}, "etag": {"supported": false} , "x": 1.50 }')
    assert read is not None
    assert with_versions(read) == b'{ "sort" : {"supported":\ttrue}, "etag": {"supported": true} , "x": 1.50 }'


def test_a_real_config_is_read_by_a_real_model() -> None:
    config = ServiceProviderConfig.model_validate(json.loads(with_versions(document({"schemas": [], "etag": {"supported": False}}))))
    assert config.etag is not None
    assert config.etag.supported is True


# ---- errors ------------------------------------------------------------------------------------------------------------------------------


def test_an_error_is_read_by_a_real_model() -> None:
    error = Error.model_validate(json.loads(error_document(412, "Someone else has changed it.")))
    assert (error.status, error.scim_type, error.detail) == (412, None, "Someone else has changed it.")
    assert json.loads(error_document(400, "", "invalidSyntax"))["scimType"] == "invalidSyntax"


def test_the_status_of_an_error_is_a_text() -> None:
    assert json.loads(error_document(412, ""))["status"] == "412"


# ---- requests ----------------------------------------------------------------------------------------------------------------------------


def test_a_request_is_taken_apart() -> None:
    content = bulk(
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "Ann"}},
        {"method": "put", "path": "/Users/1", "version": 'W/"4"', "data": {"n": 1}},
        {"method": "DELETE", "path": "/Groups/2", "version": None},
        failOnErrors=2,
    )
    assert taken_apart(content) == BulkRequest(
        (
            Operation("POST", "/Users", "a", None, b'{"userName":"Ann"}'),
            Operation("PUT", "/Users/1", "", 'W/"4"', b'{"n":1}'),
            Operation("DELETE", "/Groups/2"),
        ),
        2,
    )


def test_attribute_names_have_no_case() -> None:
    content = json.dumps({"SCHEMAS": [BULK_REQUEST], "operations": [{"METHOD": "DELETE", "Path": "/Users/1", "VERSION": '"1"'}]}).encode()
    assert taken_apart(content) == BulkRequest((Operation("DELETE", "/Users/1", "", '"1"'),), None)


def test_numbers_keep_their_text() -> None:
    content = bulk({"method": "PUT", "path": "/Users/1", "data": {"n": 0}}).replace(b'"n": 0', b'"n": [0.1234567890123456789, 1e400]')
    assert taken_apart(content).operations[0].data == b'{"n":[0.1234567890123456789,1e400]}'


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=10,
    ).filter(lambda value: value is not None)
)
def test_data_stays_what_it_is(value: object) -> None:
    data = taken_apart(bulk({"method": "PUT", "path": "/Users/1", "data": value})).operations[0].data
    assert data is not None
    assert json.loads(data) == value


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{", 400),
        (b'{"schemas":[],"Operations":[]}', 400),
        (bulk(operations=[]), 400),
        (json.dumps({"schemas": [BULK_REQUEST]}).encode(), 400),
        (json.dumps({"schemas": [BULK_REQUEST], "Operations": {}}).encode(), 400),
        (bulk(failOnErrors="1"), 400),
        (bulk(failOnErrors=1.5), 400),
        (bulk(*[{}] * (MAX_OPERATIONS + 1)), 413),
        (bulk({"method": "DELETE", "path": "/Users/1"}).replace(b'"path"', b'"method":"PUT","path"'), 400),
    ],
)
def test_what_is_no_bulk_request_is_refused(content: bytes, status: int) -> None:
    assert refused(content).status == status


@pytest.mark.parametrize(
    "operation",
    [
        "DELETE",
        {},
        {"method": "GET", "path": "/Users/1"},
        {"method": "PUT"},
        {"method": "PUT", "path": "/Users"},
        {"method": "PUT", "path": "/Users/"},
        {"method": "POST", "path": "/Users/1"},
        {"method": "PUT", "path": "Users/1"},
        {"method": "PUT", "path": "//1"},
        {"method": "PUT", "path": "/Users/1?x=1"},
        {"method": "PUT", "path": "/Users/1#x"},
        {"method": "PUT", "path": "/Users/é"},
        {"method": "PUT", "path": 7},
        {"method": "POST", "path": "/Bulk"},
        {"method": "POST", "path": "/bulk"},
        {"method": "POST", "path": "/.search"},
        {"method": "PUT", "path": "/Users/.search"},
        {"method": "PUT", "path": "/Users/1", "version": 4},
        {"method": "PUT", "path": "/Users/1", "version": '"4"\r\nX: y'},
        {"method": "PUT", "path": "/Users/1", "version": '"é"'},
        {"method": "PUT", "path": "/Users/1 HTTP/1.1\r\nX: y"},
        {"method": "PUT", "path": "/Users/1", "version": ['"4"']},
        {"method": "PUT", "Method": "PUT", "path": "/Users/1"},
        {"": "PUT", "path": "/Users/1"},
    ],
)
def test_a_faulty_operation_bears_its_fault_and_others_do_not(operation: object) -> None:
    first, second = taken_apart(bulk(operation, {"method": "DELETE", "path": "/Users/1"})).operations
    assert first.why
    assert not second.why


def test_a_bulk_id_may_be_given_once() -> None:
    create = {"method": "POST", "path": "/Users", "bulkId": "a", "data": {}}
    first, second = taken_apart(bulk(create, create)).operations
    assert (bool(first.why), bool(second.why)) == (False, True)


# ---- references --------------------------------------------------------------------------------------------------------------------------


def creation(name: str, *others: str) -> Operation:
    return Operation("POST", "/Groups", name, None, json.dumps({"members": [{"value": f"bulkId:{other}"} for other in others]}).encode())


def test_references_stand_in_path_and_data() -> None:
    operation = Operation("PUT", "/Groups/bulkId:g", data=b'{"a":"bulkId:x","b":["bulkId:y",{"bulkId:z":"not bulkId:w"}]}')
    assert references(operation) == {"g", "x", "y"}


def test_references_are_resolved() -> None:
    operation = Operation("PUT", "/Groups/bulkId:g", data=b'{"members": [{"value": "bulkId:x"}], "n": 1.0}')
    made = resolved(operation, {"g": "a/b", "x": 'say "hi"', "unused": "1"})
    assert made == operation._replace(path="/Groups/a%2Fb", data=b'{"members": [{"value": "say \\"hi\\""}], "n": 1.0}')
    assert resolved(operation, {"g": "1"}) is None
    deletion = Operation("DELETE", "/Groups/bulkId:g")
    assert resolved(deletion, {"g": "1"}) == deletion._replace(path="/Groups/1")
    assert resolved(creation("a"), {}) == creation("a")


def test_a_creation_comes_before_what_refers_to_it_and_the_rest_stays() -> None:
    operations = [creation("a", "c"), creation("b"), creation("c"), creation("d")]
    assert order(operations) == [1, 2, 0, 3]


def test_what_refers_in_a_circle_comes_last() -> None:
    assert order([creation("a", "b"), creation("b", "a"), creation("c", "c"), creation("d"), creation("e", "nobody")]) == [3, 4, 0, 1, 2]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 5), max_size=3), min_size=1, max_size=6))
def test_the_order_is_that_of_any_plan(graph: list[list[int]]) -> None:
    operations = [creation(str(at), *(str(other) for other in others if other < len(graph))) for at, others in enumerate(graph)]
    planned = order(operations)

    assert sorted(planned) == list(range(len(operations)))
    made: set[str] = set()
    for at in planned:
        if references(operations[at]) <= made:
            made.add(operations[at].bulk_id)
    # What another implementation can resolve can be resolved here too.
    models: list[dict[str, object]] = [
        {"method": "POST", "path": "/Groups", "bulkId": each.bulk_id, "data": json.loads(each.data or b"")} for each in operations
    ]
    read: Any = ModelOfRequest[User[Any] | Group].model_validate({"Operations": models})
    theirs = BulkPlan(read.operations, None)
    resolvable: set[str] = set()
    for step in theirs:
        if set(theirs.references(theirs.operation(step))) <= resolvable:
            resolvable.add(str(step.index))
    assert made == resolvable


def test_a_long_chain_is_ordered_quickly() -> None:
    operations = [creation(str(at), str(at + 1)) for at in range(MAX_OPERATIONS)]
    assert order(operations) == list(reversed(range(MAX_OPERATIONS)))


# ---- the answer --------------------------------------------------------------------------------------------------------------------------


def test_an_answer_is_read_by_a_real_model() -> None:
    results = [
        (Operation("POST", "/Users", "a"), Result(201, "https://example.org/v2/Users/1", 'W/"1"')),
        (Operation("PUT", "/Users/2"), Result(412, "https://example.org/v2/Users/2", error=error_document(412, "Stale."))),
        (Operation("DELETE", "/Users/3"), Result(204, "https://example.org/v2/Users/3")),
    ]
    answer = json.loads(bulk_response(results))
    assert answer["Operations"][0] == {
        "location": "https://example.org/v2/Users/1",
        "method": "POST",
        "bulkId": "a",
        "version": 'W/"1"',
        "status": "201",
    }
    assert answer["Operations"][1]["response"]["status"] == answer["Operations"][1]["status"] == "412"
    model = BulkResponse[User[Any]].model_validate(answer)
    assert [operation.status for operation in model.operations or []] == [201, 412, 204]


def test_an_answer_may_be_empty() -> None:
    assert json.loads(bulk_response([]))["Operations"] == []
