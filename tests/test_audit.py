"""A known vulnerability stops the audit, unless an exception is argued and in force."""

import json
from datetime import date
from typing import Any

import pytest

from tools.audit import AuditError, audit

TODAY = date(2026, 11, 23)
NPM: dict[str, Any] = {"auditReportVersion": 2, "vulnerabilities": {}}
PIP: dict[str, Any] = {"dependencies": [{"name": "yarl", "version": "1.25.1", "vulns": []}], "fixes": []}
VULNERABLE = {
    "dependencies": [
        {
            "name": "aiohttp",
            "version": "3.14.5",
            "vulns": [
                {"id": "CVE-2026-1", "fix_versions": ["3.14.6"], "aliases": ["GHSA-1"], "description": "…"}
            ],
        }
    ],
    "fixes": [],
}


def npm_report(severity: str) -> dict[str, Any]:
    """Return a report on a package, and on the one that depends on it."""
    advisory = {"source": 1, "url": "https://github.com/advisories/GHSA-2", "severity": severity}
    packages = {"axios": {"via": [advisory]}, "azurite": {"via": ["axios"]}}
    return {"auditReportVersion": 2, "vulnerabilities": packages}


def exception(identifier: str, until: date = TODAY) -> str:
    """Return an entry of the file of exceptions."""
    return f'[[exceptions]]\nid = "{identifier}"\nreason = "never reached"\nuntil = {until}\n'


def problems(pip: object = PIP, npm: object = NPM, exceptions: str = "") -> list[str]:
    """Audit two reports."""
    return audit(json.dumps(pip).encode(), json.dumps(npm).encode(), exceptions.encode(), TODAY)


def test_nothing_known_is_no_problem() -> None:
    """Two reports without findings pass."""
    assert [] == problems()


def test_a_vulnerability_is_named_with_all_its_ids() -> None:
    """An exception may name any of them."""
    assert ["aiohttp: CVE-2026-1, GHSA-1"] == problems(pip=VULNERABLE)


@pytest.mark.parametrize("severity", ["high", "critical"])
def test_a_serious_vulnerability_of_a_development_tool_counts(severity: str) -> None:
    """Once, for the package that has it."""
    assert ["axios: GHSA-2"] == problems(npm=npm_report(severity))


def test_a_lesser_one_of_a_development_tool_does_not() -> None:
    """It is not deployed."""
    assert [] == problems(npm=npm_report("moderate"))


@pytest.mark.parametrize("identifier", ["CVE-2026-1", "GHSA-1"])
def test_an_exception_holds_to_the_end_of_its_last_day(identifier: str) -> None:
    """Under any of the vulnerability's ids."""
    assert [] == problems(pip=VULNERABLE, exceptions=exception(identifier))


def test_an_exception_past_its_day_is_none() -> None:
    """Somebody has to look again."""
    past = exception("CVE-2026-1", date(2026, 11, 22))
    assert ["aiohttp: CVE-2026-1, GHSA-1"] == problems(pip=VULNERABLE, exceptions=past)


def test_an_exception_for_nothing_is_a_problem() -> None:
    """It would hide the vulnerability if that came back."""
    assert ["the exception GHSA-1 is not needed any more"] == problems(exceptions=exception("GHSA-1"))


SKIPPED = {"dependencies": [{"name": "yarl", "skip_reason": "Dependency not found"}], "fixes": []}


@pytest.mark.parametrize(
    ("pip", "npm", "tool"),
    [(SKIPPED, NPM, "pip-audit"), ("", NPM, "pip-audit"), (PIP, {"error": {"summary": ""}}, "npm audit")],
)
def test_what_was_not_audited_has_not_passed(pip: object, npm: object, tool: str) -> None:
    """The auditors call a package or a registry that they could not ask about a success."""
    with pytest.raises(AuditError, match=tool):
        problems(pip, npm)
