"""The names that templates, scripts and code must agree on."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Self

import msgspec
from azure.functions.decorators.function_app import Function

from function_app import app as function_app
from local import subscriptions
from local.errors import LocalError
from shared.payloads import PAYLOADS
from shared.settings import QUEUE_SETTINGS, Settings
from tools.templates.bicep import Choice, Expression, Literal, Object, Property, Template, Union, Value
from tools.templates.faults import Fault, line_of, unknown

PLATFORM_SETTINGS = frozenset(
    {
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
        "APPLICATIONINSIGHTS_CONNECTION_STRING",
        "AzureFunctionsJobHost__telemetryMode",
        "AzureWebJobsStorage__blobServiceUri",
        "AzureWebJobsStorage__clientId",
        "AzureWebJobsStorage__credential",
        "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY",
    }
)
"""What the Functions host and Microsoft's telemetry read."""

OPTIONAL_SETTINGS = frozenset({"OutcomesStorage", "OutcomesStorage__accountName"})
"""What the app reads, and a deployment need not set."""

SUBSCRIBING = Path("infra/event-subscriptions.bicep")
MAIN = Path("infra/main.bicep")


@dataclass(frozen=True)
class App:
    """What the code calls things."""

    functions: frozenset[str]
    event_types: frozenset[str]
    settings: frozenset[str]
    """All that are read."""
    names: Mapping[str, str]
    """The queues and the container, by their settings."""

    @classmethod
    def of_project(cls) -> Self:
        """Ask the code."""
        environ = _Environ()
        settings = Settings.from_environ(environ)
        queues = {QUEUE_SETTINGS[family][0]: name for family, name in settings.queues.items()}
        others = {
            "DEAD_LETTER_QUEUE": settings.dead_letter_queue,
            "OVERSIZE_CONTAINER": settings.oversize_container,
        }
        return cls(
            functions=frozenset(indexed_functions()),
            event_types=frozenset(PAYLOADS),
            settings=frozenset(environ.asked),
            names=queues | others,
        )


@cache
def indexed_functions() -> Mapping[str, Function]:
    """Return the app's functions by name, as the worker indexes them: an app lets that be done once."""
    return {str(function.get_function_name()): function for function in function_app.get_functions()}


class _Environ(Mapping[str, str]):
    """An environment with an identity's storage alone, which keeps what it is asked for."""

    def __init__(self) -> None:
        self.asked: set[str] = set()
        self._values = {"OutcomesStorage__queueServiceUri": "https://account.queue.core.windows.net"}

    def __getitem__(self, key: str) -> str:
        self.asked.add(key)
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def setting_faults(templates: Mapping[Path, Template], app: App) -> Iterator[Fault]:
    """Hold the app settings that are deployed against those that are read."""
    known = app.settings | PLATFORM_SETTINGS
    deployed = dict(_deployed_settings(templates))
    for item, path in deployed.items():
        if item.name not in known:
            yield Fault(path, item.line, unknown("app setting", str(item.name), known))
        match item.value:
            case Literal(value=name) if app.names.get(item.name or "", name) != name:
                yield Fault(path, item.line, f"{item.name} is {app.names[item.name or '']!r} in the code")
    for name in sorted(known - OPTIONAL_SETTINGS - {item.name for item in deployed}):
        yield Fault(MAIN, 1, f"app setting {name} is missing")


def _deployed_settings(templates: Mapping[Path, Template]) -> Iterator[tuple[Property, Path]]:
    for template in templates.values():
        for resource in template.resources:
            if resource.type == "Microsoft.Web/sites/config":
                properties = resource.body.get("properties")
                yield from _settings_in(properties, template, templates)


def _settings_in(
    value: Value | None, template: Template, templates: Mapping[Path, Template]
) -> Iterator[tuple[Property, Path]]:
    """Look through unions, choices, and parameters up to where a module is called."""
    match value:
        case Object():
            yield from ((item, template.path) for item in value.properties)
        case Union(parts=parts) | Choice(options=parts):
            for part in parts:
                yield from _settings_in(part, template, templates)
        case Expression(source=parameter):
            for caller in templates.values():
                for module in caller.modules:
                    if caller.path.parent / module.path == template.path:
                        argument = module.body.get("params", parameter)
                        yield from _settings_in(argument, caller, templates)


def subscription_faults(project_dir: Path, templates: Mapping[Path, Template], app: App) -> Iterator[Fault]:
    """Hold the event subscriptions against the functions and the event types of the code."""
    try:
        found = subscriptions.load(project_dir)
    except LocalError as error:
        yield Fault(subscriptions.FILE, 1, str(error))
        return
    text = (project_dir / subscriptions.FILE).read_text(encoding="utf-8")

    def faults(kind: str, known: frozenset[str], used: Counter[str]) -> Iterator[Fault]:
        for name in sorted(used.keys() - known):
            yield Fault(subscriptions.FILE, line_of(f'"{name}"', text), unknown(kind, name, known))
        for name in sorted(known):
            if used[name] != 1:
                yield Fault(subscriptions.FILE, 1, f"{kind} {name} is subscribed {used[name]} times")

    types = chain.from_iterable(item.included_event_types.values() for item in found)
    yield from faults("event type", app.event_types, Counter(chain.from_iterable(types)))
    yield from faults("function", app.functions, Counter(item.function for item in found))
    if len({item.dead_letter_container for item in found}) != 1:
        yield Fault(subscriptions.FILE, 1, "deadLetterContainer is not the same everywhere")
    for field in msgspec.structs.fields(subscriptions.Subscription):
        if not re.search(rf"\.{field.encode_name}\b", templates[SUBSCRIBING].source):
            yield Fault(SUBSCRIBING, 1, f"{field.encode_name} of {subscriptions.FILE} is never read")


def azd_faults(project_dir: Path, templates: Mapping[Path, Template]) -> Iterator[Fault]:
    """Hold azure.yaml and its hooks against the templates."""
    path = Path("azure.yaml")
    text = (project_dir / path).read_text(encoding="utf-8")
    tags = set(
        re.findall(r"'azd-service-name': '(\w+)'", "".join(item.source for item in templates.values()))
    )
    if set(re.findall(r"^services:\n  (\w+):", text, re.MULTILINE)) != tags:
        yield Fault(path, line_of("services:", text), f"the services are tagged {sorted(tags)}")
    for hook in map(Path, re.findall(r"run: (\S+\.\w+)", text)):
        if not (project_dir / hook).exists():
            yield Fault(path, line_of(f"run: {hook}", text), f"there is no {hook}")
            continue
        yield from _hook_faults(hook, (project_dir / hook).read_text(encoding="utf-8"), templates)


def _hook_faults(hook: Path, text: str, templates: Mapping[Path, Template]) -> Iterator[Fault]:
    outputs = {output.name for output in templates[MAIN].outputs}
    for name in sorted(set(re.findall(r"\$(?:env:|\{env:|\{)?([A-Z]+(?:_[A-Z]+)+)\b", text)) - outputs):
        yield Fault(hook, line_of(name, text), unknown("output", name, outputs))
    parameters = {parameter.name for parameter in templates[SUBSCRIBING].parameters}
    given = set(re.findall(r'"(\w+)=\$', text))
    for name in sorted(given ^ parameters):
        yield Fault(hook, line_of(name, text), f"parameter {name!r} is not both given and declared")
