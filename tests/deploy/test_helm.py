"""deploy/helm: the chart is one, takes what its schema says, and what it renders fits Kubernetes, itself and noclobber.

Helm comes in a wheel of 250 MB, the extra `helm`. Where it is not installed the tests that need it are skipped, and say so; what can be
known without it is looked at everywhere.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from proxy import __version__

from . import cluster
from .cluster import Object
from .test_kubernetes import OLDEST, schema_complaints
from .tools import DEPLOY

CHART = DEPLOY / "helm" / "noclobber"
REQUIRED = {"upstream": "http://legacy:9000", "secret": "noclobber"}
CONFIG = """
[server]
listen = "0.0.0.0:8080"
admin = "0.0.0.0:8081"
workers = 2
drain_seconds = 35.0

[[route]]
name = "all"
path = "/{path*}"
"""
VALUES: Mapping[str, Mapping[str, Any]] = {
    "no more than it must have": REQUIRED,
    "everything": {
        **REQUIRED,
        "adminToken": True,
        "config": CONFIG,
        "imagePullSecrets": [{"name": "registry"}],
        "serviceMonitor": {"enabled": True},
        "networkPolicy": {"enabled": True},
        "podLabels": {"team": "api"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    },
}
WRONG: Mapping[str, Mapping[str, Any]] = {
    "no backend": {"secret": "noclobber"},
    "no secret": {"upstream": "http://legacy:9000"},
    "a backend with a path": {**REQUIRED, "upstream": "http://legacy:9000/api"},
    "a value that does not exist": {**REQUIRED, "replicas": 2},
    "the newest image": {**REQUIRED, "image": {"tag": "latest"}},
    "a wrong type": {**REQUIRED, "service": {"port": "80"}},
}


@pytest.fixture(scope="module")
def helm() -> Any:
    """Helm, as a library."""
    return pytest.importorskip("helm_python", reason="Helm is not installed: .venv/bin/uv pip install -c constraints.txt '.[helm]'")


def rendered(helm: Any, values: Mapping[str, Any]) -> list[Object]:
    """The objects of a release named demo."""
    with helm.Chart.load(str(CHART)) as chart:
        texts = chart.render(dict(values), name="demo", namespace="prod")
    files = (text for name, text in texts.items() if name.endswith(".yaml"))
    return [each for text in files for each in yaml.safe_load_all(text) if each is not None]


def test_lint_has_nothing_against_it(helm: Any) -> None:
    said = helm.lint(str(CHART), values=REQUIRED)["messages"]
    # There is no picture of noclobber.
    assert [each for each in said if each["error"] != "icon is recommended"] == []


@pytest.mark.parametrize("case", VALUES)
def test_what_it_renders_fits(helm: Any, case: str) -> None:
    objects = rendered(helm, VALUES[case])
    assert schema_complaints(objects, OLDEST) == []
    assert cluster.complaints(objects) == []
    kinds = {each["kind"] for each in objects}
    assert {"Deployment", "Service", "ConfigMap", "HorizontalPodAutoscaler", "PodDisruptionBudget"} <= kinds
    assert ({"ServiceMonitor", "NetworkPolicy"} <= kinds) == (case == "everything")


def test_another_configuration_is_a_rolling_update(helm: Any) -> None:
    one, other = (rendered(helm, VALUES[case]) for case in VALUES)
    assert checksum(one) != checksum(other)


def checksum(objects: list[Object]) -> str:
    deployment = next(each for each in objects if each["kind"] == "Deployment")
    return str(deployment["spec"]["template"]["metadata"]["annotations"]["checksum/config"])


@pytest.mark.parametrize("case", WRONG)
def test_helm_refuses(helm: Any, case: str) -> None:
    with pytest.raises(Exception, match="meet the specifications of the schema"):
        rendered(helm, WRONG[case])


def test_helm_notices_a_template_that_is_none(helm: Any, tmp_path: Path) -> None:
    shutil.copytree(CHART, tmp_path / "noclobber")
    broken = tmp_path / "noclobber" / "templates" / "configmap.yaml"
    broken.write_text(broken.read_text(encoding="utf-8").replace("{{- .Values.config", "{{- .Values.config |"))
    assert helm.lint(str(tmp_path / "noclobber"), values=REQUIRED)["errors"]


def test_the_schema_takes_the_defaults_and_refuses_what_is_wrong() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    defaults = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    takes = jsonschema.Draft7Validator(schema).is_valid
    assert set(schema["properties"]) == {*defaults, "global"}
    for values in VALUES.values():
        assert takes(merged(defaults, values))
    for values in WRONG.values():
        assert not takes(merged(defaults, values)), values


def merged(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Values over defaults, as Helm puts them together."""
    both = {key: merged(defaults[key], value) for key, value in values.items() if isinstance(value, Mapping) and defaults.get(key)}
    return {**defaults, **values, **both}


def test_the_chart_is_of_our_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)
    assert OLDEST in chart["kubeVersion"]
