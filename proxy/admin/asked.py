"""What an operation is asked: its parameters, checked."""

from collections.abc import Mapping

from .answers import Refused
from .operations import Operation, Parameter


def parameters(operation: Operation, query: Mapping[str, str]) -> dict[str, str]:
    """The parameters of a query, with the defaults of those that are missing. Refused where one is unknown, or cannot be."""
    known = {parameter.name: parameter for parameter in operation.parameters}
    for name in query:
        if name not in known:
            allowed = ", ".join(known) or "none"
            raise Refused(400, f"The parameter {name[:40]!r} is unknown, allowed: {allowed}.")
    return {name: _value(parameter, query.get(name)) for name, parameter in known.items()}


def _value(parameter: Parameter, text: str | None) -> str:
    if text is None:
        if parameter.default is None:
            raise Refused(400, f"The parameter {parameter.name!r} is missing: {parameter.does}")
        return parameter.default
    if parameter.most and not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= parameter.most):
        raise Refused(400, f"The parameter {parameter.name!r} is not a whole number from 1 to {parameter.most}, read {text[:40]!r}.")
    return text
