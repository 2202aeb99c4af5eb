"""What a program can call: each endpoint with its arguments, their meaning and an example, taken from a method.

The method's docstring describes it and, under `Args:`, each argument; its annotations say what an argument has to
be. Endpoints of `gradio_client` and MCP tools are both made from this, and check what comes against it.
"""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

import gradio as gr

from kveraser_core.errors import KVEraserError


class UploadedFile(str):
    """An argument that is the path of an uploaded file; `gradio_client` sends the path in an object."""


_KINDS: dict[Any, tuple[str, dict[str, Any]]] = {
    str: ("a text", {"type": "string"}),
    UploadedFile: ("a path", {"type": "string"}),
    int: ("a whole number", {"type": "integer"}),
    bool: ("true or false", {"type": "boolean"}),
    list[str]: ("a list of texts", {"type": "array", "items": {"type": "string"}}),
}
_SHOWN = 60


class ArgumentError(KVEraserError):
    """An argument that is missing, unknown, or not what it has to be."""


@dataclass(frozen=True)
class Parameter:
    """One argument: `kind` is `str`, `int`, `bool`, `list[str]` or `UploadedFile`."""

    name: str
    kind: Any
    description: str
    example: Any
    required: bool
    default: Any = None

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema, for MCP and the description of the API."""
        known = _KINDS[self.kind][1] | {"description": self.description, "examples": [self.example]}
        return known if self.required else known | {"default": self.default}

    def checked(self, value: Any) -> Any:
        """`value`, or the default for null. Raises `ArgumentError`."""
        if value is None and not self.required:
            return self.default
        if self.kind is int and isinstance(value, float) and value.is_integer():
            return int(value)
        if self.kind is UploadedFile and isinstance(value, dict):
            value = value.get("path")
        if not _fits(value, self.kind):
            raise ArgumentError(
                f"The argument {self.name} has to be {_KINDS[self.kind][0]} ({self.description}), "
                f"but {_shown(value)} came."
            )
        return value


@dataclass(frozen=True)
class Endpoint:
    """A method as programs know it."""

    name: str
    description: str
    returns: str
    parameters: tuple[Parameter, ...]
    call: Callable[..., Any]

    @classmethod
    def of(cls, method: Callable[..., Any], examples: Mapping[str, Any], about: Mapping[str, str]) -> "Endpoint":
        """The endpoint of `method`, in whose docstring `{name}` stands for what `about` says under that name.

        Arguments that Gradio fills in itself are none of its parameters.
        """
        described, _, returns = (inspect.getdoc(method) or "").format(**about).partition("Returns:")
        summary, _, arguments = described.partition("Args:")
        about = dict(line.strip().split(": ", 1) for line in arguments.strip().splitlines())
        parameters = tuple(
            Parameter(
                name,
                list[str] if parameter.annotation == list[str] | None else parameter.annotation,
                about[name],
                examples[name],
                parameter.default is parameter.empty,
                None if parameter.default is parameter.empty else parameter.default,
            )
            for name, parameter in inspect.signature(method).parameters.items()
            if parameter.annotation is not gr.Request
        )
        return cls(method.__name__, " ".join(summary.split()), " ".join(returns.split()), parameters, method)

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of all arguments."""
        return {
            "type": "object",
            "properties": {parameter.name: parameter.schema for parameter in self.parameters},
            "required": [parameter.name for parameter in self.parameters if parameter.required],
            "additionalProperties": False,
        }

    def by_name(self, given: Mapping[str, Any]) -> list[Any]:
        """The arguments in their order, defaults filled in. Raises `ArgumentError`."""
        names = [parameter.name for parameter in self.parameters]
        for name in given:
            if name not in names:
                raise ArgumentError(f"{self.name} has no argument {_cut(name)}: it takes {', '.join(names)}.")
        for parameter in self.parameters:
            if parameter.required and parameter.name not in given:
                raise ArgumentError(
                    f"The argument {parameter.name} of {self.name} is missing: {parameter.description}."
                )
        return self.by_position([given.get(parameter.name) for parameter in self.parameters])

    def by_position(self, values: Sequence[Any]) -> list[Any]:
        """The same for values in the order of the parameters, null for a default. Raises `ArgumentError`."""
        if len(values) != len(self.parameters):
            names = ", ".join(parameter.name for parameter in self.parameters)
            raise ArgumentError(
                f"{self.name} takes {len(self.parameters)} arguments ({names}), but {len(values)} came: "
                "give all of them, null for a default."
            )
        return [parameter.checked(value) for parameter, value in zip(self.parameters, values, strict=True)]


def event_of(endpoint: Endpoint) -> Callable[..., Any]:
    """What Gradio runs for `endpoint`; the request, for one that takes it, comes last."""

    @wraps(endpoint.call)
    def event(*values: Any) -> Any:
        requests = [value for value in values if isinstance(value, gr.Request)]
        arguments = [value for value in values if not isinstance(value, gr.Request)]
        return endpoint.call(*endpoint.by_position(arguments), *requests)

    return event


def _fits(value: Any, kind: Any) -> bool:
    if kind == list[str]:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, str) if issubclass(kind, str) else type(value) is kind


def _shown(value: Any) -> str:
    """What came, for a person."""
    if value is None:
        return "nothing"
    kind = {bool: "true or false", str: "the text", list: "the list", dict: "the object"}.get(
        type(value), "the number"
    )
    text = json.dumps(value, ensure_ascii=False)
    return f"{'' if isinstance(value, bool) else kind + ' '}{_cut(text)}"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
