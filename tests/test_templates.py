"""The templates agree with Microsoft's models and with the code, and where they do not, it is found."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.events import PROJECT
from tools.templates.agreement import App
from tools.templates.check import check

MAIN = "infra/main.bicep"
SUBSCRIPTIONS = "infra/event-subscriptions.json"
SUBSCRIBING = "infra/event-subscriptions.bicep"
APP = "infra/modules/app.bicep"
STORAGE = "infra/modules/storage-account.bicep"
OUTCOMES = "infra/modules/outcomes.bicep"
ALERTS = "infra/modules/alerts.bicep"

OF_BODIES = [
    (APP, "httpsOnly", "httpOnly", "app.properties: unknown property 'httpOnly': did you mean 'httpsOnly'?"),
    (APP, "maximumInstanceCount: 100", "maximumInstanceCount: '100'", "expected number, got string"),
    (APP, "name: 'python'", "name: 'pyhton'", "unknown value 'pyhton': did you mean 'python'?"),
    (APP, "httpsOnly: true", "httpsOnly: true\n    state: 'Running'", "property 'state' is read-only"),
    (APP, "'config'", "'slots'", "no model for Microsoft.Web/sites/slots"),
    (APP, "  location: location\n", "", "plan: property 'location' is missing"),
    (APP, "telemetryMode: 'OpenTelemetry'", "telemetryMode: true", "expected string, got bool"),
    (STORAGE, "bypass: 'AzureServices'", "bypass: ['AzureServices']", "expected string, got array"),
    (STORAGE, "{ name: 'Standard_LRS' }", "'Standard_LRS'", "account.sku: expected object, got string"),
    (SUBSCRIBING, "endpointType: 'AzureFunction'", "endpointType: 'AzureFunctions'", "'AzureFunction'?"),
    (SUBSCRIBING, "endpointType: 'AzureFunction'", "", "property 'endpointType' is missing"),
    (SUBSCRIBING, "blobContainerName:", "containerName:", "unknown property 'containerName'"),
    (
        SUBSCRIBING,
        "identity: { type: 'SystemAssigned' }",
        "identity: { type: 'System' }",
        "'SystemAssigned'?",
    ),
    (
        OUTCOMES,
        "parent: queueService\n",
        "parent: account\n",
        "cannot be in Microsoft.Storage/storageAccounts",
    ),
    (OUTCOMES, "principalType: 'ServicePrincipal'", "principalType: 'Service'", "unknown value 'Service'"),
    (ALERTS, "'StaticThresholdCriterion'", "'StaticCriterion'", "did you mean 'StaticThresholdCriterion'?"),
    (ALERTS, "timeAggregation: 'Count'", "timeAggregation: 'Sum'", "unknown value 'Sum'"),
    (ALERTS, "{ actionGroupId: id }", "{ actionGroup: id }", "did you mean 'actionGroupId'?"),
]
OF_SYMBOLS = [
    (MAIN, "'modules/app.bicep'", "'modules/apps.bicep'", "unknown module 'modules/apps.bicep'"),
    (MAIN, "    clientId: identity", "    client: identity", "app.params: unknown property 'client'"),
    (MAIN, "    clientId: identity.outputs.clientId\n", "", "app.params: property 'clientId' is missing"),
    (MAIN, "openTelemetry: openTelemetry", "openTelemetry: 'yes'", "expected bool, got string"),
    (MAIN, "app.outputs.name", "app.outputs.nmae", "app: unknown member 'nmae': did you mean 'name'?"),
    (MAIN, "'event-subscriptions.json'", "'subscriptions.json'", "there is no subscriptions.json"),
    (MAIN, "empty(", "emtpy(", "unknown function 'emtpy': did you mean 'empty'?"),
    (MAIN, "containers.OVERSIZE_CONTAINER", "containers.OVERSIZE", "unknown member 'OVERSIZE'"),
    (OUTCOMES, "properties.primaryEndpoints", "properties.endpoints", "account: unknown member 'endpoints'"),
    (MAIN, "tags: tags", "tags: tag", "unknown name 'tag': did you mean 'tags'?"),
    (APP, "param clientId string", "param clientId string\nparam other string = ''", "'other' is never used"),
    (APP, "resource plan", "resource = plan", "syntax error"),
    ("infra/main.parameters.json", '"chatLevel"', '"chatLevels"', "unknown parameter 'chatLevels'"),
    ("infra/main.parameters.json", '"location"', '"chatLevel"', "parameter 'location' is missing"),
]
OF_SECURITY = [
    (STORAGE, "allowSharedKeyAccess: false", "allowSharedKeyAccess: true", "allowSharedKeyAccess should be"),
    (STORAGE, "allowBlobPublicAccess: false\n", "\n", "allowBlobPublicAccess should be False"),
    (STORAGE, "'TLS1_2'", "'TLS1_0'", "minimumTlsVersion should be 'TLS1_2'"),
    (OUTCOMES, "c6a89b2d-59bc", "c6a89b2d-59bd", "storageQueueDataMessageSender is c6a89b2d-59bc-"),
    (OUTCOMES, "scope: queues[index]", "scope: account", "MessageSender is for a queue or a container, not"),
    (OUTCOMES, "var storageQueueDataMessageSender", "var sender", "unknown role 'sender'"),
    (
        OUTCOMES,
        "'Microsoft.Authorization/roleDefinitions'",
        "'roleDefinitions'",
        "roleDefinitionId is not that",
    ),
    (
        STORAGE,
        "= account.name",
        "= account.listKeys().keys[0].value",
        "'listKeys(': nothing here may know a key",
    ),
    (STORAGE, "output name", "output accountKey", "output 'accountKey' would be in"),
    (APP, "param clientId", "param apiKey string\nparam clientId", "parameter 'apiKey' is not @secure()"),
]
OF_AGREEMENT = [
    (MAIN, "'acs-sms'", "'acs-texts'", "SMS_QUEUE is 'acs-sms' in the code"),
    (MAIN, "SMS_QUEUE:", "SMS_QUEUES:", "unknown app setting 'SMS_QUEUES': did you mean 'SMS_QUEUE'?"),
    (MAIN, "'acs-outcomes'", "'acs-oversize'", "OVERSIZE_CONTAINER is 'acs-outcomes' in the code"),
    (MAIN, "union(queues, containers, {", "union(containers, {", "app setting DEAD_LETTER_QUEUE is missing"),
    (
        MAIN,
        "      OutcomesStorage__clientId: identity.outputs.clientId\n",
        "",
        "OutcomesStorage__clientId is",
    ),
    (APP, "AzureWebJobsStorage__clientId:", "AzureWebJobsStorage__client:", "did you mean 'AzureWebJobs"),
    (SUBSCRIPTIONS, '"Microsoft.Communication.SMSReceived",', "", "SMSReceived is subscribed 0 times"),
    (SUBSCRIPTIONS, ".ChatThreadDeleted", ".ChatThreadCreated", "ChatThreadCreated is subscribed 2 times"),
    (
        SUBSCRIPTIONS,
        ".ChatThreadDeleted",
        ".ThreadDeleted",
        "unknown event type 'Microsoft.Communication.Thre",
    ),
    (SUBSCRIPTIONS, '"function": "sms"', '"function": "text"', "unknown function 'text'"),
    (SUBSCRIPTIONS, '"event-grid-dead-letters"', '"other"', "deadLetterContainer is not the same everywhere"),
    (SUBSCRIPTIONS, '"deadLetterContainer"', '"container"', "event-subscriptions.json:1: "),
    (
        SUBSCRIBING,
        "subscription.deadLetterContainer",
        "subscription.container",
        "deadLetterContainer of infra/",
    ),
    (SUBSCRIBING, "param functionAppId", "param appId", "parameter 'functionAppId' is not both"),
    (MAIN, "output CHAT_LEVEL", "output LEVEL", "unknown output 'CHAT_LEVEL'"),
    ("azure.yaml", "  app:", "  functions:", "the services are tagged ['app']"),
    ("azure.yaml", "postdeploy.sh", "deployed.sh", "there is no infra/hooks/deployed.sh"),
]
"""A file, what is replaced in it by what, and a part of the fault that this must give."""

OF_CODE = [
    ({"functions": {"chat", "chat_thread", "membership", "sms"}}, "unknown function 'chat_message'"),
    ({"event_types": {"Microsoft.Communication.CallStarted"}}, "CallStarted is subscribed 0 times"),
    ({"settings": {"SMS_OUTCOMES"}}, "unknown app setting 'SMS_QUEUE'"),
    ({"names": {"SMS_QUEUE": "acs-texts"}}, "SMS_QUEUE is 'acs-texts' in the code"),
]


@pytest.fixture(name="code", scope="module")
def _code() -> App:
    return App.of_project()


@pytest.fixture(name="copy")
def _copy(tmp_path: Path) -> Path:
    shutil.copytree(PROJECT / "infra", tmp_path / "infra")
    shutil.copy(PROJECT / "azure.yaml", tmp_path)
    return tmp_path


def test_the_projects_own_templates_have_no_fault(code: App) -> None:
    """What is deployed is what Azure's models describe, and what the code expects."""
    assert [] == check(PROJECT, code)


@pytest.mark.parametrize(("file", "old", "new", "fault"), OF_BODIES + OF_SYMBOLS + OF_SECURITY + OF_AGREEMENT)
def test_a_fault_in_a_file_is_found(copy: Path, code: App, file: str, old: str, new: str, fault: str) -> None:
    """It is named with the file where it shows."""
    path = copy / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    assert [found for found in map(str, check(copy, code)) if fault in found]


@pytest.mark.parametrize(("change", "fault"), OF_CODE)
def test_what_only_the_code_calls_differently_is_found(
    code: App, change: Mapping[str, Any], fault: str
) -> None:
    """A name that is changed in the code must be changed in the templates."""
    assert [found for found in map(str, check(PROJECT, replace(code, **change))) if fault in found]


def test_a_fault_has_its_line(copy: Path, code: App) -> None:
    """It is where an editor jumps to."""
    path = copy / APP
    before, _, _ = path.read_text().partition("httpsOnly")
    path.write_text(path.read_text().replace("httpsOnly", "httpOnly"))
    (fault,) = check(copy, code)
    assert (Path(APP), before.count("\n") + 1) == (fault.path, fault.line)


def test_the_command_fails_where_there_is_a_fault(copy: Path) -> None:
    """`make check` stops there, and prints it."""
    for name in ("function_app.py", "functions", "local", "shared", "tools"):
        (copy / name).symlink_to(PROJECT / name)
    (copy / APP).write_text((copy / APP).read_text().replace("httpsOnly", "httpOnly"))
    done = subprocess.run(
        [sys.executable, "-m", "tools.templates"], cwd=copy, capture_output=True, text=True, check=False
    )
    assert (1, "") == (done.returncode, done.stdout)
    assert re.fullmatch(rf"{APP}:\d+: app.properties: unknown property 'httpOnly'.*\n", done.stderr)
