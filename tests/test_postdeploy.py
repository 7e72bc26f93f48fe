"""The hook that subscribes the functions, with a stand-in for the Azure CLI."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.events import PROJECT

HOOK = PROJECT / "infra" / "hooks" / "postdeploy.sh"
TOPIC = "/subscriptions/SUB/resourceGroups/GROUP/providers/Microsoft.EventGrid/systemTopics/TOPIC"
OUTPUTS = {
    "SYSTEM_TOPIC_ID": TOPIC,
    "FUNCTION_APP_ID": "/apps/APP",
    "OUTCOME_STORAGE_ACCOUNT_ID": "/accounts/ACCOUNT",
    "CHAT_LEVEL": "thread",
}
AZ = """#!/bin/sh
echo "$@" >>"$CALLS"
[ "$1" = deployment ] || exit "$LOGGED_OUT"
[ "$(grep -c ^deployment "$CALLS")" -gt "$FAILURES" ] || { echo "$ANSWER" >&2; exit 1; }
"""


class Machine:
    """A machine with an Azure CLI that keeps its calls, and fails as often as it is told."""

    def __init__(self, folder: Path) -> None:
        self.calls = folder / "calls"
        self.calls.touch()
        self.bin = folder / "bin"
        self.bin.mkdir()
        for tool in ("cut", "dirname", "grep", "sh"):
            (self.bin / tool).symlink_to(shutil.which(tool) or tool)
        for name, text in {"az": AZ, "sleep": "#!/bin/sh\n"}.items():
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)

    def run(
        self,
        environ: Mapping[str, str] = OUTPUTS,
        *,
        failures: int = 0,
        answer: str = "",
        logged_out: int = 0,
    ) -> subprocess.CompletedProcess[str]:
        """Run the hook."""
        told = {
            "CALLS": str(self.calls),
            "FAILURES": str(failures),
            "ANSWER": answer,
            "LOGGED_OUT": str(logged_out),
        }
        command = [self.bin / "sh", HOOK]
        return subprocess.run(
            command,
            env={"PATH": str(self.bin), **told, **environ},
            capture_output=True,
            text=True,
            check=False,
        )

    def deployments(self) -> list[str]:
        """Return the deployments that were asked for."""
        return [call for call in self.calls.read_text().splitlines() if call.startswith("deployment ")]


@pytest.fixture(name="machine")
def _machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_subscriptions_are_deployed_beside_the_topic(machine: Machine) -> None:
    """The topic's id says where, the other outputs say what."""
    assert machine.run().returncode == 0
    (deployment,) = machine.deployments()
    assert "--subscription SUB --resource-group GROUP" in deployment
    assert deployment.endswith(
        "systemTopicName=TOPIC functionAppId=/apps/APP "
        "deadLetterStorageAccountId=/accounts/ACCOUNT chatLevel=thread"
    )


def test_event_grid_is_waited_for(machine: Machine) -> None:
    """A fresh deployment is tried again until its functions and roles are known."""
    assert machine.run(failures=3, answer="Destination endpoint not found").returncode == 0
    assert len(machine.deployments()) == 4


def test_waiting_has_an_end(machine: Machine) -> None:
    """After ten attempts the hook fails, and says what Azure answered and where to look."""
    result = machine.run(failures=99, answer="Destination endpoint not found")
    assert (1, 10) == (result.returncode, len(machine.deployments()))
    assert "Destination endpoint not found" in result.stderr
    assert "are they in /apps/APP?" in result.stderr


def test_each_refusal_is_shown(machine: Machine) -> None:
    """What waiting cannot cure is known before the waiting ends."""
    assert "AuthorizationFailed" in machine.run(failures=1, answer="AuthorizationFailed").stdout


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_missing_output_is_named(machine: Machine, name: str) -> None:
    """By hand it is easily forgotten."""
    result = machine.run(OUTPUTS | {name: ""})
    assert (1, []) == (result.returncode, machine.deployments())
    assert name in result.stderr


def test_a_missing_login_is_said(machine: Machine) -> None:
    """The Azure CLI's login is not that of azd."""
    result = machine.run(logged_out=1)
    assert (1, []) == (result.returncode, machine.deployments())
    assert "run az login" in result.stderr


def test_a_missing_cli_is_said(machine: Machine) -> None:
    """The Azure Developer CLI does not bring it along."""
    (machine.bin / "az").unlink()
    result = machine.run()
    assert result.returncode == 1
    assert "Azure CLI is needed" in result.stderr
