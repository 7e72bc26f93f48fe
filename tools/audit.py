"""Holds what pip-audit and npm audit found against the exceptions that are argued in audit-exceptions.toml.

python -m tools.audit PIP_AUDIT_JSON NPM_AUDIT_JSON
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

EXCEPTIONS = Path(__file__).parent.parent / "audit-exceptions.toml"
NPM_SEVERITIES = ("high", "critical")
"""npm's packages run on developers' machines alone, where lesser ones don't matter."""


class AuditError(Exception):
    """The audit could not be done."""


class Exemption(Struct, frozen=True, forbid_unknown_fields=True):
    """A vulnerability that is let pass until a day."""

    id: str
    reason: str
    until: date


class Exceptions(Struct, frozen=True, forbid_unknown_fields=True):
    """The file of exceptions."""

    exceptions: tuple[Exemption, ...] = ()


class Finding(Struct, frozen=True):
    """A known vulnerability in a locked package; databases have ids of their own for it."""

    package: str
    ids: tuple[str, ...]


class PipVulnerability(Struct, frozen=True):
    id: str
    aliases: tuple[str, ...]


class PipDependency(Struct, frozen=True):
    name: str
    vulns: tuple[PipVulnerability, ...] = ()
    skip_reason: str | None = None


class PipReport(Struct, frozen=True):
    dependencies: tuple[PipDependency, ...]


class NpmAdvisory(Struct, frozen=True):
    url: str
    severity: str


class NpmVulnerability(Struct, frozen=True):
    via: tuple[NpmAdvisory | str, ...]
    """An advisory of its own, or the name of a dependency that has one."""


class NpmReport(Struct, frozen=True):
    vulnerabilities: Mapping[str, NpmVulnerability]


def audit(pip_report: bytes, npm_report: bytes, exceptions: bytes, today: date) -> list[str]:
    """Return what is wrong, in words. Raises AuditError where a report tells of no audit."""
    findings = [*_pip_findings(pip_report), *_npm_findings(npm_report)]
    exempt = msgspec.toml.decode(exceptions, type=Exceptions).exceptions
    found = {identifier for finding in findings for identifier in finding.ids}
    in_force = {exemption.id for exemption in exempt if today <= exemption.until}
    return [
        *(f"{one.package}: {', '.join(one.ids)}" for one in findings if not in_force & set(one.ids)),
        *(f"the exception {one.id} is not needed any more" for one in exempt if one.id not in found),
    ]


def _pip_findings(report: bytes) -> Iterator[Finding]:
    for dependency in _read(report, PipReport, "pip-audit").dependencies:
        if dependency.skip_reason is not None:
            raise AuditError(f"pip-audit: {dependency.skip_reason}")
        for vulnerability in dependency.vulns:
            yield Finding(dependency.name, (vulnerability.id, *vulnerability.aliases))


def _npm_findings(report: bytes) -> Iterator[Finding]:
    for package, vulnerability in _read(report, NpmReport, "npm audit").vulnerabilities.items():
        for advisory in vulnerability.via:
            if isinstance(advisory, NpmAdvisory) and advisory.severity in NPM_SEVERITIES:
                yield Finding(package, (advisory.url.rpartition("/")[2],))


def _read[Report](report: bytes, report_type: type[Report], tool: str) -> Report:
    try:
        return msgspec.json.decode(report, type=report_type)
    except msgspec.DecodeError:
        raise AuditError(f"{tool} gave no report: {report.decode(errors='replace') or 'nothing'}") from None


def main(arguments: Sequence[str]) -> int:
    """Print what is wrong; the exit code."""
    pip_report, npm_report = (Path(argument).read_bytes() for argument in arguments)
    try:
        problems = audit(pip_report, npm_report, EXCEPTIONS.read_bytes(), datetime.now(UTC).date())
    except AuditError as error:
        problems = [str(error)]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
