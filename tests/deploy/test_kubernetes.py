"""deploy/kubernetes: kustomize builds each overlay, the schemas of Kubernetes fit, and the objects fit each other and noclobber."""

import re
from collections.abc import Sequence
from functools import cache

import kubernetes_validate
import pytest
import yaml

from . import cluster, crds, prometheus_rule
from .cluster import Object
from .tools import DEPLOY, of_a_wheel, say

FOLDER = DEPLOY / "kubernetes"
# Native sidecars, and a pause before a container is told to stop.
OLDEST = "1.30"
OVERLAYS = sorted(path.name for path in (FOLDER / "overlays").iterdir())


@cache
def rendered(overlay: str) -> str:
    """What `kubectl apply -k` would send."""
    status, said = say([of_a_wheel("kubectl"), "kustomize", FOLDER / "overlays" / overlay])
    assert status == 0, said
    return said


def schema_complaints(documents: Sequence[Object], version: str) -> list[str]:
    """What the schemas of that version of Kubernetes, and ours of the custom resources, say; empty where all is well."""
    found: list[str] = []
    for document in documents:
        if document["kind"] in crds.SCHEMAS:
            found += crds.misfits(document)
            continue
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{document['kind']}: {error.json_path}: {error.message}")
        except kubernetes_validate.SchemaNotFoundError as error:
            found.append(error.message)
    return found


def objects(text: str) -> list[Object]:
    return list(yaml.safe_load_all(text))


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_schemas_fit(overlay: str, version: str) -> None:
    assert schema_complaints(objects(rendered(overlay)), version) == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_objects_fit_each_other_and_noclobber(overlay: str) -> None:
    assert cluster.complaints(objects(rendered(overlay))) == []
    assert any(pod.noclobber for pod in cluster.pods(objects(rendered(overlay))))


SCHEMA_BROKEN = {
    "a field that does not exist": ("gateway", "minReplicas:", "minReplica:", "minReplica"),
    "a wrong type": ("gateway", "minReplicas: 2", "minReplicas: two", "two"),
    "a field of a pod": ("sidecar", "periodSeconds: 2", "periodSecond: 2", "periodSecond"),
    "a field of a Service": ("gateway", "targetPort: http", "targetports: http", "targetports"),
    "a kind that does not exist": ("gateway", "kind: Service\n", "kind: Servise\n", "Servise"),
    "a field of an HTTPRoute": ("gateway", "backendRequest:", "backendTimeout:", "backendTimeout"),
    "a time of an HTTPRoute": ("gateway", "request: 45s", "request: 45", "45"),
    "a field of a ServiceMonitor": ("gateway", "interval: 15s", "scrape_interval: 15s", "scrape_interval"),
}


@pytest.mark.parametrize("case", SCHEMA_BROKEN)
def test_the_schemas_notice(case: str) -> None:
    overlay, old, new, complaint = SCHEMA_BROKEN[case]
    assert old in rendered(overlay)
    whole, broken = objects(rendered(overlay)), objects(rendered(overlay).replace(old, new))
    changed = [each for each, was in zip(broken, whole, strict=True) if each != was]
    found = schema_complaints(changed, OLDEST)
    assert any(complaint in each for each in found), found


BROKEN = {
    "a sidecar that is waited for to end": ("sidecar", "restartPolicy: Always", "restartPolicy: Alwayz", "restartPolicy is not Always"),
    "another port": ("sidecar", "containerPort: 8080", "containerPort: 8082", "port http is 8082"),
    "a port of no container": ("gateway", "targetPort: http", "targetPort: web", "not these ports"),
    "a probe of a path that does not exist": ("gateway", "path: /readyz", "path: /ready", "startupProbe does not ask"),
    "a probe of the data plane": ("gateway", "        port: admin\n", "        port: http\n", "does not ask the admin listener"),
    "a version that is not ours": ("gateway", "image: noclobber:0.1.0", "image: noclobber:0.0.9", "the image is not"),
    "an image without a version": ("sidecar", "legacy:1.0", "legacy", "an image without a version"),
    "a variable that noclobber does not take": (
        "gateway",
        "NOCLOBBER__STORE__URL_FILE",
        "NOCLOBBER__STORE__URI_FILE",
        "NOCLOBBER__STORE__URI",
    ),
    "a secret that is not mounted": ("gateway", "mountPath: /run/secrets/noclobber", "mountPath: /run/secret", "store-url"),
    "a key that noclobber does not take": ("gateway", "drain_seconds = 35.0", "drain_secs = 35.0", "drain_secs"),
    "a configuration that is not there": ("gateway", "/etc/noclobber/config.toml", "/etc/noclobber/config.tml", "config.tml"),
    "workers for all cores of a node": ("gateway", "workers = 1", "", "as many workers"),
    "a drain that is cut off": ("gateway", "terminationGracePeriodSeconds: 60", "terminationGracePeriodSeconds: 30", "is below"),
    "writes that are cut off": ("gateway", "drain_seconds = 35.0", "drain_seconds = 5.0", "below write_timeout_seconds"),
    "a pause that is not waited for": ("sidecar", "seconds: 30", "seconds: 60", "terminationGracePeriodSeconds"),
    "root": ("gateway", "runAsNonRoot: true", "runAsNonRoot: false", "may run as root"),
    "a root that can be written": ("gateway", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "securityContext"),
    "a container without a limit": ("gateway", "limits:", "limit:", "no limit of memory"),
    "labels that nobody has": ("sidecar", "  selector:\n    app.kubernetes.io/name: legacy", "  selector:\n    app: legacy", "no pod has"),
    "a budget for nobody": (
        "gateway",
        "  maxUnavailable: 1\n  selector:\n    matchLabels:\n      app",
        "  maxUnavailable: 1\n  selector:\n    matchLabels:\n      ap",
        "no pod",
    ),
    "an autoscaler of nothing": (
        "gateway",
        "    kind: Deployment\n    name: noclobber\n",
        "    kind: Deployment\n    name: proxy\n",
        "nothing to scale",
    ),
    "a route to nothing": ("gateway", "port: 80\n    timeouts", "port: 81\n    timeouts", "no Service"),
    "a monitor of nothing": (
        "gateway",
        "  - interval: 15s\n    path: /metrics\n    port: admin",
        "  - interval: 15s\n    path: /metrics\n    port: web",
        "no Service has",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_does_not_fit_is_noticed(case: str) -> None:
    overlay, old, new, complaint = BROKEN[case]
    assert old in rendered(overlay)
    found = cluster.complaints(objects(rendered(overlay).replace(old, new)))
    assert any(complaint in each for each in found), found


def test_the_configurations_name_one_version() -> None:
    tags = {tag for file in FOLDER.rglob("*.yaml") for tag in re.findall(r"newTag: (\S+)", file.read_text(encoding="utf-8"))}
    assert {f"noclobber:{tag}" for tag in tags} == {cluster.IMAGE}


def test_the_operator_gets_the_rules_of_prometheus() -> None:
    assert prometheus_rule.TARGET.read_text(encoding="utf-8") == prometheus_rule.prometheus_rule(), "python -m tests.deploy.prometheus_rule"
