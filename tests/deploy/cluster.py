"""What a schema of Kubernetes does not catch: whether the objects of one deployment fit each other, and noclobber.

Every function takes the objects as they would reach the cluster, and yields a sentence for each thing that does not fit.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from proxy import __version__
from proxy.arguments import parser
from proxy.config import Address, Config, load_config
from proxy.config.server import Server

from .tools import mistakes

Object: TypeAlias = Mapping[str, Any]
IMAGE = f"noclobber:{__version__}"
PATHS = ("/healthz", "/readyz")
SPARE_SECONDS = 10
"""What Kubernetes must leave beyond a drain, before it kills."""
SECRET = {"store-url": "redis://noclobber:secret@redis:6379/0\n", "admin-token": "0123456789abcdef0123456789abcdef\n"}
"""The Secret that an operator makes, by its keys."""


@dataclass(frozen=True, slots=True)
class Pod:
    """The template of a workload's pods."""

    name: str
    labels: Mapping[str, str]
    spec: Object
    claims: frozenset[str]
    """The volumes that a StatefulSet claims for each."""

    @property
    def containers(self) -> list[Object]:
        """All of them, those that are called init too."""
        return [*self.spec.get("initContainers", ()), *self.spec["containers"]]

    @property
    def noclobber(self) -> Object | None:
        """The container of noclobber, where there is one."""
        return next((each for each in self.containers if each["name"] == "noclobber"), None)


def pods(objects: Sequence[Object]) -> list[Pod]:
    """The pods of every workload."""
    return [
        Pod(f"{each['kind']}/{each['metadata']['name']}", template["metadata"].get("labels", {}), template["spec"], _claims(each))
        for each in objects
        if (template := each.get("spec", {}).get("template")) is not None and "spec" in template
    ]


def _claims(workload: Object) -> frozenset[str]:
    return frozenset(claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", ()))


def complaints(objects: Sequence[Object]) -> list[str]:
    """Everything that does not fit."""
    found: list[str] = []
    for pod in pods(objects):
        found += [f"{pod.name}: {complaint}" for complaint in (*_security(pod), *_volumes(pod, objects), *_sidecars(pod))]
        if pod.noclobber is not None:
            found += [f"{pod.name}: {complaint}" for complaint in _noclobber(pod, pod.noclobber, objects)]
    return [*found, *_selectors(objects), *_routes(objects)]


def _security(pod: Pod) -> Iterator[str]:
    context = pod.spec.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "the pod may run as root, or without seccomp"
    if pod.spec.get("automountServiceAccountToken") is not False:
        yield "the pod has a token of Kubernetes"
    for container in pod.containers:
        its = container.get("securityContext", {})
        wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        if {key: its.get(key) for key in wanted} != wanted:
            yield f"{container['name']}: its securityContext is not {wanted}"
        resources = container.get("resources", {})
        if {"cpu", "memory"} - resources.get("requests", {}).keys() or "memory" not in resources.get("limits", {}):
            yield f"{container['name']}: no requests, or no limit of memory"
        if ":" not in container["image"] or container["image"].endswith(":latest"):
            yield f"{container['name']}: an image without a version"


def _sidecars(pod: Pod) -> Iterator[str]:
    """A value that does not exist passes the schema, and makes of a sidecar something to be waited for to end."""
    for container in pod.spec.get("initContainers", ()):
        if container["name"] == "noclobber" and container.get("restartPolicy") != "Always":
            yield f"{container['name']}: restartPolicy is not Always, read {container.get('restartPolicy')}"


def _volumes(pod: Pod, objects: Sequence[Object]) -> Iterator[str]:
    there = {volume["name"]: volume for volume in pod.spec.get("volumes", ())}
    mounted = {mount["name"] for container in pod.containers for mount in container.get("volumeMounts", ())}
    for name in sorted(mounted ^ (there.keys() | pod.claims)):
        yield f"volume {name} is not both declared and mounted"
    made = {each["metadata"]["name"] for each in objects if each["kind"] == "ConfigMap"}
    for volume in there.values():
        if "configMap" in volume and volume["configMap"]["name"] not in made:
            yield f"no ConfigMap {volume['configMap']['name']}"


def _noclobber(pod: Pod, container: Object, objects: Sequence[Object]) -> Iterator[str]:
    if container["image"].rpartition("/")[2] != IMAGE:
        yield f"the image is not {IMAGE}, read {container['image']}"
    with tempfile.TemporaryDirectory() as folder:
        file, environment = materialized(pod, container, objects, Path(folder))
        found = mistakes(file, environment)
        if found:
            yield from found
            return
        config = load_config(file, environment, {})
    if not config.server.workers:
        yield "as many workers as the node has cores"
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for name, address in (("http", config.server.listen_address), ("admin", config.server.admin_address)):
        if not isinstance(address, Address) or address.host != "0.0.0.0" or address.port != ports.get(name):
            yield f"port {name} is {ports.get(name)}, and noclobber listens on {address}"
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        get = container.get(kind, {}).get("httpGet", {})
        if get.get("path") not in PATHS or get.get("port") != "admin":
            yield f"{kind} does not ask the admin listener for its health, read {get}"
    yield from _drain(pod, config)


def _drain(pod: Pod, config: Config) -> Iterator[str]:
    pauses = [each.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0) for each in pod.spec["containers"]]
    needed = max(pauses) + drain_seconds(config.server) + SPARE_SECONDS
    if pod.spec.get("terminationGracePeriodSeconds", 30) < needed:
        yield f"terminationGracePeriodSeconds is below {needed:g}"
    if config.server.drain_seconds < config.protocol.write_timeout_seconds:
        yield "drain_seconds is below write_timeout_seconds: a write in flight may be cut off"


def drain_seconds(server: Server) -> float:
    """How long noclobber may take to stop."""
    return server.drain_delay_seconds + server.drain_seconds


def materialized(pod: Pod, container: Object, objects: Sequence[Object], folder: Path) -> tuple[Path, dict[str, str]]:
    """Lay out the files that a container would see below `folder`: the path of its configuration there, and its environment."""
    arguments = parser().parse_args(container["args"])
    config: Path | None = None
    environment = {each["name"]: each["value"] for each in container.get("env", ())}
    for mount in container["volumeMounts"]:
        volume: Object = next((each for each in pod.spec["volumes"] if each["name"] == mount["name"]), {})
        for name, text in _files(volume, objects).items():
            place = folder / mount["mountPath"].lstrip("/") / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            inside = f"{mount['mountPath']}/{name}"
            config = place if inside == str(arguments.config) else config
            environment = {key: str(place) if value == inside else value for key, value in environment.items()}
    return config or Path("no file of the pod:", str(arguments.config)), environment


def _files(volume: Object, objects: Sequence[Object]) -> Mapping[str, str]:
    if "secret" in volume:
        return SECRET
    name = volume.get("configMap", {}).get("name")
    found = (each for each in objects if each["kind"] == "ConfigMap" and each["metadata"]["name"] == name)
    data: Mapping[str, str] = next(found, {}).get("data", {})
    return data


def _fits(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return selector.items() <= labels.items()


def _selectors(objects: Sequence[Object]) -> Iterator[str]:
    """Whatever selects pods, or names another object, finds one."""
    names = {(each["kind"], each["metadata"]["name"]) for each in objects}
    templates = pods(objects)
    for each in objects:
        kind, spec = each["kind"], each.get("spec", {})
        name = f"{kind}/{each['metadata']['name']}"
        match kind:
            case "Service":
                chosen = [pod for pod in templates if _fits(spec["selector"], pod.labels)]
                ports = {port.get("name") for pod in chosen for container in pod.containers for port in container.get("ports", ())}
                if not chosen or {port.get("targetPort") for port in spec["ports"]} - ports:
                    yield f"{name}: no pod has these labels, or not these ports"
            case "Deployment" | "StatefulSet":
                if not _fits(spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"]):
                    yield f"{name}: does not select its own pods"
            case "PodDisruptionBudget":
                if not any(_fits(spec["selector"]["matchLabels"], pod.labels) for pod in templates):
                    yield f"{name}: no pod has these labels"
            case "HorizontalPodAutoscaler":
                target = spec["scaleTargetRef"]
                if (target["kind"], target["name"]) not in names:
                    yield f"{name}: nothing to scale"
                if any(
                    "replicas" in each["spec"]
                    for each in objects
                    if each["kind"] == "Deployment" and each["metadata"]["name"] == target["name"]
                ):
                    yield f"{name}: the Deployment says how many pods there are, too"
            case _:
                continue


def _routes(objects: Sequence[Object]) -> Iterator[str]:
    """What Prometheus and the Gateway are led to exists."""
    services = [each for each in objects if each["kind"] == "Service"]
    for each in objects:
        name = f"{each['kind']}/{each['metadata']['name']}"
        if each["kind"] == "ServiceMonitor":
            chosen = [its for its in services if _fits(each["spec"]["selector"]["matchLabels"], its["metadata"].get("labels", {}))]
            ports = {port["name"] for service in chosen for port in service["spec"]["ports"]}
            if {endpoint["port"] for endpoint in each["spec"]["endpoints"]} - ports:
                yield f"{name}: no Service has these labels, or not these ports"
        if each["kind"] == "HTTPRoute":
            there = {(service["metadata"]["name"], port["port"]) for service in services for port in service["spec"]["ports"]}
            wanted = {(ref["name"], ref["port"]) for rule in each["spec"]["rules"] for ref in rule["backendRefs"]}
            if wanted - there:
                yield f"{name}: no Service {sorted(wanted - there)}"
