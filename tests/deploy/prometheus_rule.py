"""The rules of deploy/prometheus as an object of the Prometheus operator: `python -m tests.deploy.prometheus_rule` writes it."""

import sys

import yaml

from .tools import DEPLOY

RULES = DEPLOY / "prometheus" / "rules.yml"
TARGET = DEPLOY / "kubernetes" / "overlays" / "gateway" / "prometheusrule.yaml"
HEAD = "# Made from deploy/prometheus/rules.yml by `python -m tests.deploy.prometheus_rule`.\n"


def prometheus_rule() -> str:
    """The object, as a file."""
    document = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "noclobber"},
        "spec": yaml.safe_load(RULES.read_text(encoding="utf-8")),
    }
    return HEAD + yaml.dump(document, Dumper=_Indented, sort_keys=False, width=100)


class _Indented(yaml.SafeDumper):
    """Lists are indented below their key, as in every other file here."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


if __name__ == "__main__":
    TARGET.write_text(prometheus_rule(), encoding="utf-8")
    sys.exit(0)
