"""All that is checked."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.templates.agreement import MAIN, App, azd_faults, setting_faults, subscription_faults
from tools.templates.bicep import Template, parse, syntax_errors
from tools.templates.bodies import module_faults, resource_faults
from tools.templates.faults import Fault
from tools.templates.security import security_faults
from tools.templates.symbols import loaded_file_faults, parameter_file_faults, symbol_faults

PARAMETERS = Path("infra/main.parameters.json")


def check(project_dir: Path, app: App) -> list[Fault]:
    """Return what is wrong with the templates of a project, with its subscriptions and with azd's files."""
    paths = (path.relative_to(project_dir) for path in project_dir.glob("infra/**/*.bicep"))
    sources = {path: (project_dir / path).read_text(encoding="utf-8") for path in paths}
    if broken := _syntax_faults(sources):
        return broken
    templates = {path: parse(path, source) for path, source in sources.items()}
    return sorted(set(_faults(project_dir, templates, app)))


def _syntax_faults(sources: Mapping[Path, str]) -> list[Fault]:
    return sorted(
        Fault(path, line, "syntax error")
        for path, source in sources.items()
        for line in set(syntax_errors(source))
    )


def _faults(project_dir: Path, templates: Mapping[Path, Template], app: App) -> Iterator[Fault]:
    for template in templates.values():
        below = {
            str(path.relative_to(template.path.parent)): other
            for path, other in templates.items()
            if path.is_relative_to(template.path.parent)
        }
        yield from resource_faults(template)
        yield from module_faults(template, below)
        yield from symbol_faults(template, below)
        yield from loaded_file_faults(template, project_dir)
        yield from security_faults(template)
    parameters = (project_dir / PARAMETERS).read_text(encoding="utf-8")
    yield from parameter_file_faults(templates[MAIN], PARAMETERS, parameters)
    yield from setting_faults(templates, app)
    yield from subscription_faults(project_dir, templates, app)
    yield from azd_faults(project_dir, templates)
