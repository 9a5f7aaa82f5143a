"""Schemas of the custom resources that deploy/ has, as far as it uses them: a field that is not here has to be looked up first.

Written after the references of the Gateway API (HTTPRoute, v1) and of the Prometheus operator (ServiceMonitor, PrometheusRule, v1).
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import jsonschema

Schema: TypeAlias = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
DURATION: Schema = {"type": "string", "pattern": r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"}
PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65_535}
LABELS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}


def _object(required: Mapping[str, Schema], **optional: Schema) -> Schema:
    return {"type": "object", "properties": {**required, **optional}, "required": [*required], "additionalProperties": False}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of, "minItems": 1}


METADATA = _object({"name": TEXT}, namespace=TEXT, labels=LABELS, annotations=LABELS)


def _kind(version: str, kind: str, spec: Schema) -> Schema:
    return _object({"apiVersion": {"const": version}, "kind": {"const": kind}, "metadata": METADATA, "spec": spec})


_ROUTE = _object(
    {
        "parentRefs": _list(_object({"name": TEXT}, namespace=TEXT, sectionName=TEXT)),
        "rules": _list(
            _object(
                {"backendRefs": _list(_object({"name": TEXT, "port": PORT}, namespace=TEXT, weight={"type": "integer"}))},
                timeouts=_object({}, request=DURATION, backendRequest=DURATION),
                matches=_list({"type": "object"}),
            )
        ),
    },
    hostnames=_list(TEXT),
)
_MONITOR = _object(
    {
        "selector": _object({"matchLabels": LABELS}),
        "endpoints": _list(_object({"port": TEXT}, path=TEXT, interval=DURATION, scrapeTimeout=DURATION)),
    },
    jobLabel=TEXT,
    namespaceSelector={"type": "object"},
)
_RULE = _object(
    {"expr": TEXT}, alert=TEXT, record=TEXT, labels=LABELS, annotations=LABELS, **{"for": DURATION, "keep_firing_for": DURATION}
)
_RULES = _object({"groups": _list(_object({"name": TEXT, "rules": _list(_RULE)}, interval=DURATION))})

SCHEMAS: Mapping[str, Schema] = {
    "HTTPRoute": _kind("gateway.networking.k8s.io/v1", "HTTPRoute", _ROUTE),
    "ServiceMonitor": _kind("monitoring.coreos.com/v1", "ServiceMonitor", _MONITOR),
    "PrometheusRule": _kind("monitoring.coreos.com/v1", "PrometheusRule", _RULES),
}


def misfits(document: Mapping[str, Any]) -> list[str]:
    """What is wrong with a custom resource."""
    found = jsonschema.Draft202012Validator(SCHEMAS[document["kind"]]).iter_errors(document)
    return [f"{document['kind']}: {error.json_path}: {error.message}" for error in found]
