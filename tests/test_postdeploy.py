"""The hooks that subscribe the functions, with a stand-in for the Azure CLI.

`postdeploy.ps1` is tested only if PowerShell is on the PATH, as on GitHub's machines.
"""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.events import PROJECT

HOOKS = PROJECT / "infra" / "hooks"
PWSH = shutil.which("pwsh")
SHELLS = ["sh", "pwsh"] if PWSH else ["sh"]
TOPIC = "/subscriptions/SUB/resourceGroups/GROUP/providers/Microsoft.EventGrid/systemTopics/TOPIC"
OUTPUTS = {
    "SYSTEM_TOPIC_ID": TOPIC,
    "FUNCTION_APP_ID": "/subscriptions/SUB/resourceGroups/APPS/providers/Microsoft.Web/sites/APP",
    "OUTCOME_STORAGE_ACCOUNT_ID": "/accounts/ACCOUNT",
    "CHAT_LEVEL": "thread",
}
AZ = """#!/bin/sh
echo "$@" >>"$CALLS"
case "$*" in
    "account get-access-token"*) exit "$LOGGED_OUT" ;;
    "functionapp function list"*) echo "$FUNCTIONS"; exit ;;
esac
[ "$(grep -c ^deployment "$CALLS")" -gt "$FAILURES" ] || { echo "$ANSWER" >&2; exit 1; }
"""


class Machine:
    """A machine whose Azure CLI records its calls, and fails as often as a test says."""

    def __init__(self, folder: Path, shell: str) -> None:
        self.shell = shell
        self.calls = folder / "calls"
        self.calls.touch()
        self.bin = folder / "bin"
        self.bin.mkdir()
        for tool in ("cut", "dirname", "grep", "sh"):
            (self.bin / tool).symlink_to(shutil.which(tool) or tool)
        for name, text in {"az": AZ, "sleep": "#!/bin/sh\n"}.items():
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)

    def command(self) -> Sequence[str | Path]:
        """Return the command of the hook, which does not wait between its attempts."""
        if self.shell == "sh":
            return [self.bin / "sh", HOOKS / "postdeploy.sh"]
        run = f"function Start-Sleep {{}}; & '{HOOKS / 'postdeploy.ps1'}'; exit $LASTEXITCODE"
        return [PWSH or "pwsh", "-NoProfile", "-NonInteractive", "-Command", run]

    def run(
        self,
        environ: Mapping[str, str] = OUTPUTS,
        *,
        failures: int = 0,
        answer: str = "",
        functions: str = "",
        logged_out: int = 0,
    ) -> subprocess.CompletedProcess[str]:
        """Run the hook."""
        told = {
            "CALLS": str(self.calls),
            "FAILURES": str(failures),
            "ANSWER": answer,
            "FUNCTIONS": functions,
            "LOGGED_OUT": str(logged_out),
            "HOME": str(self.bin.parent),
            "PATH": str(self.bin),
        }
        return subprocess.run(
            self.command(), env={**told, **environ}, capture_output=True, text=True, check=False
        )

    def deployments(self) -> list[str]:
        """Return the deployments that the hook requested."""
        return [call for call in self.calls.read_text().splitlines() if call.startswith("deployment ")]


@pytest.fixture(name="machine", params=SHELLS)
def _machine(tmp_path: Path, request: pytest.FixtureRequest) -> Machine:
    return Machine(tmp_path, request.param)


def test_the_subscriptions_are_deployed_beside_the_topic(machine: Machine) -> None:
    """The resource group is that of the topic. The parameters are the other outputs."""
    assert machine.run().returncode == 0
    (deployment,) = machine.deployments()
    assert "--subscription SUB --resource-group GROUP" in deployment
    assert deployment.endswith(
        f"systemTopicName=TOPIC functionAppId={OUTPUTS['FUNCTION_APP_ID']} "
        "deadLetterStorageAccountId=/accounts/ACCOUNT chatLevel=thread"
    )


def test_a_refused_deployment_is_tried_again(machine: Machine) -> None:
    """It takes some time until Event Grid sees new functions and roles."""
    assert machine.run(failures=3, answer="Destination endpoint not found").returncode == 0
    assert len(machine.deployments()) == 4


def test_an_app_that_did_not_load_is_named_as_the_cause(machine: Machine) -> None:
    """After ten attempts the hook says how to find the cause, and what happens to events meanwhile."""
    result = machine.run(failures=99, answer="Destination endpoint not found")
    assert (1, 10) == (result.returncode, len(machine.deployments()))
    assert "Destination endpoint not found" in result.stderr
    assert "The app shows no functions" in result.stderr
    command = "az functionapp function list --subscription SUB --resource-group APPS --name APP"
    assert f"  {command} --output table\n" in result.stderr
    assert "union AppExceptions, AppTraces" in result.stderr
    assert "Event Grid retries their events for 24 hours" in result.stderr
    assert f"{command[3:]} --query [].name --output tsv" in machine.calls.read_text()


def test_an_app_that_did_load_is_not_blamed(machine: Machine) -> None:
    """In this case Azure's answer says what is wrong."""
    result = machine.run(failures=99, answer="AuthorizationFailed", functions="sms")
    assert (1, 10) == (result.returncode, len(machine.deployments()))
    assert "AuthorizationFailed" in result.stderr
    assert "The answer above says why" in result.stderr
    assert "no functions" not in result.stderr


def test_each_refusal_is_shown(machine: Machine) -> None:
    """A user need not wait for the last attempt to see what is wrong."""
    assert "AuthorizationFailed" in machine.run(failures=1, answer="AuthorizationFailed").stdout


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_missing_output_is_named(machine: Machine, name: str) -> None:
    """Who runs the hook by hand may forget one."""
    result = machine.run(OUTPUTS | {name: ""})
    assert (1, []) == (result.returncode, machine.deployments())
    assert name in result.stderr


def test_a_missing_login_is_reported(machine: Machine) -> None:
    """The Azure CLI has its own login, which may have expired."""
    result = machine.run(logged_out=1)
    assert (1, []) == (result.returncode, machine.deployments())
    assert "run az login" in result.stderr


def test_a_missing_cli_is_reported(machine: Machine) -> None:
    """The Azure Developer CLI does not contain the Azure CLI."""
    (machine.bin / "az").unlink()
    result = machine.run()
    assert result.returncode == 1
    assert "Azure CLI is needed" in result.stderr
