"""The snapshots of the templates: what is deployed agrees with the code, and contains no secret."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain
from typing import Any

import pytest

from local import subscriptions
from shared.delivery import Delivery, Fate
from shared.settings import Settings
from shared.telemetry import report
from tests.events import FAMILIES, PROJECT

INFRA = PROJECT / "infra"
MAIN = (INFRA / "main.bicep").read_text()
SUBSCRIBING = (INFRA / "event-subscriptions.bicep").read_text()
HOOKS = [(INFRA / "hooks" / name).read_text() for name in ("postdeploy.sh", "postdeploy.ps1")]

ROLES = {
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Storage Queue Data Message Sender": "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
    "Storage Queue Data Reader": "19e7f393-937e-4f77-808e-94535e297925",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
}
"""https://learn.microsoft.com/azure/role-based-access-control/built-in-roles"""

HOST_SETTINGS = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "AzureWebJobsStorage__accountName",
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__credential",
}
OPEN_TELEMETRY_SETTINGS = {
    "AzureFunctionsJobHost__telemetryMode",
    "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY",
}

STORAGE = "Microsoft.Storage/storageAccounts"
REFERENCE = r"reference\('([^']+)', '[^']+'(?:, 'full')?\)"
"""A value that only Azure knows, as a snapshot shows it. The first group is the id of the resource."""

SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups"

type Resource = Mapping[str, Any]


@cache
def snapshot(name: str) -> Mapping[str, Any]:
    """Return the snapshot of a parameters file in infra/snapshots/."""
    content: Mapping[str, Any] = json.loads((INFRA / "snapshots" / f"{name}.snapshot.json").read_text())
    return content


class Deployment:
    """All resources of one snapshot."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.outputs: Mapping[str, str] = snapshot(name)["outputs"]

    def all(self, resource_type: str) -> list[Resource]:
        """Return the resources of a type."""
        resources = snapshot(self.name)["predictedResources"]
        return [resource for resource in resources if resource["type"] == resource_type]

    def one(self, resource_type: str) -> Resource:
        """Return the only resource of a type."""
        (resource,) = self.all(resource_type)
        return resource

    def settings(self) -> dict[str, str]:
        """Return the app settings."""
        properties: dict[str, str] = self.one("Microsoft.Web/sites/config")["properties"]
        return properties

    @property
    def outcome_account(self) -> str:
        return self.outputs["OUTCOME_STORAGE_ACCOUNT_ID"]

    @property
    def host_account(self) -> str:
        (account,) = (
            found["id"]
            for found in self.all("Microsoft.Storage/storageAccounts")
            if found["id"] != self.outcome_account
        )
        return str(account)

    def names(self, resource_type: str) -> list[str]:
        """Return the last part of the names of the resources of a type."""
        return [resource["name"].rpartition("/")[2] for resource in self.all(resource_type)]


class AskedFor(dict[str, str]):
    """An environment that records the names that are read."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.names: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, or the default, and record its name."""
        self.names.add(key)
        return super().get(key, default)


@pytest.fixture(name="deployment", params=["new", "existing"])
def _deployment(request: pytest.FixtureRequest) -> Deployment:
    return Deployment(request.param)


@pytest.fixture(name="new")
def _new() -> Deployment:
    return Deployment("new")


@pytest.fixture(name="existing")
def _existing() -> Deployment:
    return Deployment("existing")


def value_in_azure(value: str) -> str:
    """Return the value of an app setting, which is made up if only Azure knows it."""
    if match := re.fullmatch(rf"\[{REFERENCE}\.primaryEndpoints\.(\w+)\]", value):
        return f"https://{match[1].rpartition('/')[2]}.{match[2]}.core.windows.net/"
    if re.fullmatch(rf"\[{REFERENCE}\.source\]", value):
        return "/subscriptions/S/resourceGroups/G/providers/Microsoft.Communication/communicationServices/C"
    return value


def read_settings(deployment: Deployment) -> tuple[Settings, set[str]]:
    """Return the settings as the app reads them, and the names that it reads."""
    environ = AskedFor({name: value_in_azure(value) for name, value in deployment.settings().items()})
    return Settings.from_environ(environ), environ.names


def test_the_app_is_given_the_settings_that_it_reads(deployment: Deployment) -> None:
    """A wrong name would leave the app with a default, or without its storage."""
    _, asked = read_settings(deployment)
    given = deployment.settings().keys() - HOST_SETTINGS - OPEN_TELEMETRY_SETTINGS
    assert asked == given | {"OutcomesStorage", "OutcomesStorage__accountName"}
    assert all(isinstance(value, str) for value in deployment.settings().values())


def test_the_host_is_given_the_settings_that_it_reads(deployment: Deployment) -> None:
    """Without the account's name the host may fail to start: azure-functions-host#11787."""
    settings = deployment.settings()
    assert settings.keys() >= HOST_SETTINGS
    assert deployment.host_account.endswith(f"/{settings['AzureWebJobsStorage__accountName']}")
    assert settings["AzureWebJobsStorage__credential"] == "managedidentity"


def test_open_telemetry_is_on_by_default(new: Deployment, existing: Deployment) -> None:
    """Both the host and the app have a setting for it. If it is off, neither is set."""
    assert {name: new.settings()[name] for name in OPEN_TELEMETRY_SETTINGS} == {
        "AzureFunctionsJobHost__telemetryMode": "OpenTelemetry",
        "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "true",
    }
    assert not OPEN_TELEMETRY_SETTINGS & existing.settings().keys()


def test_every_identity_setting_names_the_apps_identity(deployment: Deployment) -> None:
    """A user-assigned identity is found only by its client id."""
    identity = deployment.one("Microsoft.ManagedIdentity/userAssignedIdentities")["id"]
    client = rf"{REFERENCE}\.clientId"
    settings = deployment.settings()
    found = {
        name: match[1]
        for name, value in settings.items()
        if (
            match := re.fullmatch(
                rf"\[(?:format\('ClientId=\{{0\}};Authorization=AAD', )?{client}\)?\]", value
            )
        )
    }
    assert found == dict.fromkeys(
        [
            "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
            "AzureWebJobsStorage__clientId",
            "OutcomesStorage__clientId",
        ],
        identity,
    )
    app = deployment.one("Microsoft.Web/sites")
    assert app["identity"] == {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}
    assert app["properties"]["keyVaultReferenceIdentity"] == identity
    storage = app["properties"]["functionAppConfig"]["deployment"]["storage"]
    assert storage["authentication"] == {
        "type": "UserAssignedIdentity",
        "userAssignedIdentityResourceId": identity,
    }


def test_the_names_in_the_settings_are_those_of_the_queues_and_the_container(deployment: Deployment) -> None:
    """The app cannot create queues or containers that are missing: its roles do not allow it."""
    settings, _ = read_settings(deployment)
    assert settings.queues.keys() == FAMILIES.keys()
    queues = [*settings.queues.values(), settings.dead_letter_queue]
    assert Counter(queues) == Counter(deployment.names(f"{STORAGE}/queueServices/queues"))
    containers = {settings.oversize_container, *dead_letter_containers(), "app-package"}
    assert sorted(containers) == sorted(deployment.names(f"{STORAGE}/blobServices/containers"))


def test_the_default_names_are_those_of_the_code(new: Deployment) -> None:
    """A consumer that was developed with the local stack finds the same queues in Azure."""
    uri = {"OutcomesStorage__queueServiceUri": "https://account.queue.core.windows.net"}
    default, deployed = Settings.from_environ(uri), read_settings(new)[0]
    for name in ("queues", "dead_letter_queue", "oversize_container", "outcome_ttl_seconds"):
        assert getattr(default, name) == getattr(deployed, name)


def dead_letter_containers() -> set[str]:
    return {subscription.dead_letter_container for subscription in subscriptions.load(PROJECT)}


def role_assignments(deployment: Deployment) -> Iterator[tuple[str, str, str]]:
    """Return the principal, the role and the scope of each assignment."""
    names = {role: name for name, role in ROLES.items()}
    for assignment in deployment.all("Microsoft.Authorization/roleAssignments"):
        scope = re.match(
            r"\[extensionResourceId\('([^']+)'|(.+)/providers/Microsoft.Authorization/", assignment["id"]
        )
        role = assignment["properties"]["roleDefinitionId"]
        principal = assignment["properties"]["principalId"]
        identity = re.fullmatch(rf"\[{REFERENCE}\.(?:identity\.)?principalId\]", principal)
        assert scope
        assert role.startswith("/subscriptions/00000000-0000-0000-0000-000000000000/providers/")
        # Without the type, an assignment may fail until a new identity is replicated.
        assert assignment["properties"].get("principalType") == ("ServicePrincipal" if identity else None)
        yield (
            identity[1] if identity else principal,
            names.get(role.rpartition("/")[2], role),
            scope[1] or scope[2],
        )


def test_each_identity_has_the_roles_that_it_needs_and_no_other(deployment: Deployment) -> None:
    """The app may send messages and write documents. Event Grid may write dead letters."""
    settings, _ = read_settings(deployment)
    account, host = deployment.outcome_account, deployment.host_account
    queues = f"{account}/queueServices/default/queues"
    containers = f"{account}/blobServices/default/containers"
    app = deployment.one("Microsoft.ManagedIdentity/userAssignedIdentities")["id"]
    topic = deployment.outputs["SYSTEM_TOPIC_ID"]
    insights = deployment.one("Microsoft.Insights/components")["id"]
    all_queues = [*settings.queues.values(), settings.dead_letter_queue]
    expected = [
        (app, "Monitoring Metrics Publisher", insights),
        (app, "Storage Blob Data Owner", host),
        (app, "Storage Table Data Contributor", host),
        (app, "Storage Blob Data Contributor", f"{containers}/{settings.oversize_container}"),
        *((app, "Storage Queue Data Message Sender", f"{queues}/{name}") for name in all_queues),
        *(
            (topic, "Storage Blob Data Contributor", f"{containers}/{name}")
            for name in dead_letter_containers()
        ),
    ]
    if deployment.name == "existing":
        operator = "11111111-1111-1111-1111-111111111111"
        readable = {settings.oversize_container, *dead_letter_containers()}
        expected += [
            *(
                (operator, "Storage Queue Data Reader", f"{queues}/{name}")
                for name in settings.queues.values()
            ),
            (operator, "Storage Queue Data Contributor", f"{queues}/{settings.dead_letter_queue}"),
            *((operator, "Storage Blob Data Contributor", f"{containers}/{name}") for name in readable),
        ]
    assert Counter(expected) == Counter(role_assignments(deployment))


def test_storage_accounts_take_no_keys_and_only_encrypted_requests(deployment: Deployment) -> None:
    """Access is by identity only."""
    for account in deployment.all(STORAGE):
        properties = account["properties"]
        assert properties["allowSharedKeyAccess"] is False
        assert properties["allowBlobPublicAccess"] is False
        assert properties["supportsHttpsTrafficOnly"] is True
        assert properties["minimumTlsVersion"] == "TLS1_2"
        # Event Grid reaches the dead-letter container as a trusted service.
        assert properties["networkAcls"]["bypass"] == "AzureServices"


def test_the_app_and_its_telemetry_take_no_keys_and_only_encrypted_requests(deployment: Deployment) -> None:
    """The passwords of both ways to publish are off."""
    assert deployment.one("Microsoft.Insights/components")["properties"]["DisableLocalAuth"] is True
    properties = deployment.one("Microsoft.Web/sites")["properties"]
    assert properties["httpsOnly"] is True
    assert properties["siteConfig"]["minTlsVersion"] == "1.2"
    passwords = {
        policy["name"].rpartition("/")[2]: policy["properties"]
        for policy in deployment.all("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    }
    assert passwords == {"ftp": {"allow": False}, "scm": {"allow": False}}


def test_no_key_is_read_and_no_secret_is_put_out(deployment: Deployment) -> None:
    """Outputs and app settings can be read by everyone who may see the deployment."""
    text = json.dumps(snapshot(deployment.name))
    assert not re.findall(r"\blist\w*\(|AccountKey|SharedAccess(?:Key|Signature)", text)
    assert not re.findall(r"(?i)password|secret|key", " ".join(deployment.outputs))


def test_the_runtime_is_that_of_the_project(deployment: Deployment) -> None:
    """The packages are locked for this version of Python."""
    version = (PROJECT / ".python-version").read_text().strip()
    properties = deployment.one("Microsoft.Web/sites")["properties"]
    assert properties["functionAppConfig"]["runtime"] == {"name": "python", "version": version}
    assert deployment.one("Microsoft.Web/serverfarms")["sku"] == {"name": "FC1", "tier": "FlexConsumption"}


def test_instances_are_always_ready_only_where_asked_for(new: Deployment, existing: Deployment) -> None:
    """Each function scales on its own instances. An always-ready instance costs money without events."""
    scaling = [
        deployment.one("Microsoft.Web/sites")["properties"]["functionAppConfig"]["scaleAndConcurrency"]
        for deployment in (new, existing)
    ]
    assert [] == scaling[0]["alwaysReady"]
    ready = {found["name"]: found["instanceCount"] for found in scaling[1]["alwaysReady"]}
    assert ready == {f"function:{name}": 1 for name in FAMILIES}


def test_personal_data_expires(new: Deployment) -> None:
    """Documents and Event Grid's dead letters are deleted some days after they were written."""
    policy = new.one(f"{STORAGE}/managementPolicies")
    assert policy["id"] == f"{new.outcome_account}/managementPolicies/default"
    (rule,) = policy["properties"]["policy"]["rules"]
    assert rule["enabled"] is True
    settings, _ = read_settings(new)
    containers = {settings.oversize_container, *dead_letter_containers()}
    filters = rule["definition"]["filters"]
    assert sorted(filters["prefixMatch"]) == sorted(f"{name}/" for name in containers)
    assert sorted(filters["blobTypes"]) == ["appendBlob", "blockBlob"]
    assert rule["definition"]["actions"] == {"baseBlob": {"delete": {"daysAfterModificationGreaterThan": 90}}}


def test_the_policy_of_an_existing_account_is_not_overwritten(existing: Deployment) -> None:
    """An account has one policy. Deploying another would delete its rules."""
    assert [] == existing.all(f"{STORAGE}/managementPolicies")
    assert existing.outcome_account not in [account["id"] for account in existing.all(STORAGE)]


def test_the_workspace_gets_event_grids_delivery_failures(deployment: Deployment) -> None:
    """The app has no record of a delivery that did not reach it."""
    setting = deployment.one("Microsoft.Insights/diagnosticSettings")
    assert setting["id"].startswith(f"{deployment.outputs['SYSTEM_TOPIC_ID']}/providers/")
    assert setting["properties"] == {
        "workspaceId": deployment.one("Microsoft.OperationalInsights/workspaces")["id"],
        "logAnalyticsDestinationType": "Dedicated",
        "logs": [{"category": "DeliveryFailures", "enabled": True}],
    }


def alerts(deployment: Deployment, kind: str) -> dict[str, Resource]:
    """Return the properties of the alerts of a kind by name."""
    return {
        alert["name"].rpartition("-")[0]: alert["properties"]
        for alert in deployment.all(f"Microsoft.Insights/{kind}")
    }


def test_the_alerts_on_metrics_are_those_of_event_grid(deployment: Deployment) -> None:
    """The names of the metrics are in https://learn.microsoft.com/azure/event-grid/metrics."""
    found = alerts(deployment, "metricAlerts")
    criteria = {name: alert["criteria"]["allOf"] for name, alert in found.items()}
    assert criteria == {
        name: [
            {
                "criterionType": "StaticThresholdCriterion",
                "name": metric,
                "metricNamespace": "Microsoft.EventGrid/systemTopics",
                "metricName": metric,
                "timeAggregation": "Total",
                "operator": "GreaterThan",
                "threshold": threshold,
            }
        ]
        for name, metric, threshold in [
            ("event-grid-dropped", "DroppedEventCount", 0),
            ("event-grid-dead-letters", "DeadLetteredCount", 0),
            ("event-grid-failures", "DeliveryAttemptFailCount", 10),
        ]
    }
    assert all(alert["scopes"] == [deployment.outputs["SYSTEM_TOPIC_ID"]] for alert in found.values())


@pytest.mark.parametrize(
    ("name", "fate", "threshold"), [("dead-letters", "dead_lettered", 0), ("function-failures", "raised", 10)]
)
def test_the_alerts_on_logs_look_for_the_apps_own_records(
    deployment: Deployment, caplog: pytest.LogCaptureFixture, name: str, fate: str, threshold: int
) -> None:
    """A query finds the records of one fate and of no other."""
    alert = alerts(deployment, "scheduledQueryRules")[name]
    assert alert["scopes"] == [deployment.one("Microsoft.OperationalInsights/workspaces")["id"]]
    (criterion,) = alert["criteria"]["allOf"]
    assert (criterion["timeAggregation"], criterion["operator"]) == ("Count", "GreaterThan")
    assert criterion["threshold"] == threshold
    query = re.search(
        r'AppTraces \| where Message startswith "(.+?)" and Message contains "(.+?)"', criterion["query"]
    )
    assert query
    found = {
        record_fate.value
        for record_fate in Fate
        if (record := record_of(record_fate, caplog)).startswith(query[1]) and query[2] in record
    }
    assert found == {fate}


def record_of(fate: Fate, caplog: pytest.LogCaptureFixture) -> str:
    """Return the log record of a delivery."""
    caplog.clear()
    with caplog.at_level("INFO"):
        report(Delivery(function="sms", fate=fate), seconds=0.0, current=None)
    return caplog.messages[-1]


def test_failures_count_what_the_host_refuses_and_what_it_ends(deployment: Deployment) -> None:
    """The app writes no record if the host refuses an event, or ends the function or its worker."""
    (criterion,) = alerts(deployment, "scheduledQueryRules")["function-failures"]["criteria"]["allOf"]
    assert criterion["query"].endswith(
        ', (AppExceptions | where tostring(Properties) has "ExceptionMiddleware"'
        ' or ExceptionType has_any ("FunctionTimeoutException", "WorkerProcessExitException"))'
    )


def test_each_alert_has_its_severity_and_its_section_in_the_runbook(deployment: Deployment) -> None:
    """A lost event is the most severe, then one that waits for a person, then one that is late."""
    found = alerts(deployment, "metricAlerts") | alerts(deployment, "scheduledQueryRules")
    assert {name: alert["severity"] for name, alert in found.items()} == {
        "event-grid-dropped": 0,
        "event-grid-dead-letters": 1,
        "dead-letters": 1,
        "event-grid-failures": 2,
        "function-failures": 2,
    }
    runbook = (PROJECT / "docs" / "operate.md").read_text()
    for name, alert in found.items():
        assert alert["enabled"] is True
        assert alert["description"].endswith(f'See "Alert: {name}" in docs/operate.md.')
        assert re.search(rf"^#+ Alert: {name}$", runbook, re.MULTILINE)


def test_alerts_go_to_the_address_if_there_is_one(new: Deployment, existing: Deployment) -> None:
    """Without an address they show in the portal only."""
    assert [] == new.all("Microsoft.Insights/actionGroups")
    group = existing.one("Microsoft.Insights/actionGroups")
    (receiver,) = group["properties"]["emailReceivers"]
    assert receiver["emailAddress"] == "operator@contoso.example"
    for alert in alerts(existing, "metricAlerts").values():
        assert alert["actions"] == [{"actionGroupId": group["id"]}]
    for alert in alerts(existing, "scheduledQueryRules").values():
        assert alert["actions"] == {"actionGroups": [group["id"]]}


def test_the_hooks_read_outputs_and_pass_all_parameters(deployment: Deployment) -> None:
    """The scripts for both platforms use the names of the templates."""
    declared = set(re.findall(r"^param (\w+)", SUBSCRIBING, re.MULTILINE))
    for hook in HOOKS:
        read = set(re.findall(r"\$(?:env:|\{env:|\{)?([A-Z]+(?:_[A-Z]+)+)\b", hook))
        assert {"SYSTEM_TOPIC_ID", "FUNCTION_APP_ID", "OUTCOME_STORAGE_ACCOUNT_ID", "CHAT_LEVEL"} == read
        assert read <= deployment.outputs.keys()
        assert declared == set(re.findall(r'"(\w+)=\$', hook))


def test_azd_finds_the_app_and_the_hooks(deployment: Deployment) -> None:
    """It deploys a service to the resource that has the service's name as a tag."""
    text = (PROJECT / "azure.yaml").read_text()
    tag = deployment.one("Microsoft.Web/sites")["tags"]["azd-service-name"]
    assert re.findall(r"^services:\n  (\w+):", text, re.MULTILINE) == [tag]
    hooks = re.findall(r"run: (\S+/\S+)", text)
    assert hooks
    assert all((PROJECT / hook).exists() for hook in hooks)


def test_the_parameters_file_and_the_page_have_every_parameter() -> None:
    """A parameter that is not in the file cannot be set with azd. Readers find it on the page."""
    parameters = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    assert sorted(parameters) == sorted(re.findall(r"^param (\w+)", MAIN, re.MULTILINE))
    page = (PROJECT / "docs" / "deploy.md").read_text()
    for name, parameter in parameters.items():
        variable, _, default = parameter["value"].strip("${}").partition("=")
        if not variable.startswith("AZURE_"):
            assert re.search(rf"^\| `{variable}` \| `{name}` \|", page, re.MULTILINE)
            assert re.search(rf"^param {name} \w+ = '?{re.escape(default)}'?$", MAIN, re.MULTILINE)


@pytest.mark.parametrize("level", ["user", "thread", "both"])
def test_the_functions_are_subscribed_as_in_the_file(level: str) -> None:
    """The templates and the local Event Grid read the same file in the same way."""
    levels = {"always", "user", "thread"} if level == "both" else {"always", level}
    resources = snapshot(f"subscriptions-{level}")["predictedResources"]
    expected: dict[str, Resource] = {}
    for subscription in subscriptions.load(PROJECT):
        by_level = subscription.included_event_types
        event_types = chain.from_iterable(types for name, types in by_level.items() if name in levels)
        expected[f"evgt-topic/{subscription.name}"] = {
            "destination": {
                "endpointType": "AzureFunction",
                "properties": {
                    "resourceId": f"{SUBSCRIPTION}/rg-acs-events/providers/Microsoft.Web/sites/func-app"
                    f"/functions/{subscription.function}",
                    "maxEventsPerBatch": subscription.max_events_per_batch,
                    "preferredBatchSizeInKilobytes": subscription.preferred_batch_size_in_kilobytes,
                },
            },
            "filter": {
                "includedEventTypes": list(event_types),
                "subjectBeginsWith": subscription.subject_begins_with,
                "subjectEndsWith": subscription.subject_ends_with,
            },
            "eventDeliverySchema": subscription.event_delivery_schema,
            "retryPolicy": {
                "maxDeliveryAttempts": subscription.retry_policy.max_delivery_attempts,
                "eventTimeToLiveInMinutes": subscription.retry_policy.event_time_to_live_in_minutes,
            },
            "deadLetterWithResourceIdentity": {
                "identity": {"type": "SystemAssigned"},
                "deadLetterDestination": {
                    "endpointType": "StorageBlob",
                    "properties": {
                        "resourceId": f"{SUBSCRIPTION}/rg-acs-events/providers/{STORAGE}/stoutcomes",
                        "blobContainerName": subscription.dead_letter_container,
                    },
                },
            },
        }
    assert expected == {found["name"]: found["properties"] for found in resources}
    # To Event Grid, an empty list of types means all types.
    assert all(properties["filter"]["includedEventTypes"] for properties in expected.values())


def test_the_topic_is_that_of_communication_services(new: Deployment, existing: Deployment) -> None:
    """Events of other resources are dead-lettered. The resource of an existing topic is read from it."""
    topic = new.one("Microsoft.EventGrid/systemTopics")
    source = new.one("Microsoft.Communication/communicationServices")["id"]
    assert topic["properties"] == {
        "source": source,
        "topicType": "Microsoft.Communication.CommunicationServices",
    }
    assert topic["identity"] == {"type": "SystemAssigned"}
    assert new.settings()["ACS_SOURCES"] == source
    assert [] == existing.all("Microsoft.EventGrid/systemTopics")
    assert re.fullmatch(rf"\[{REFERENCE}\.source\]", existing.settings()["ACS_SOURCES"])
    assert existing.outputs["SYSTEM_TOPIC_ID"] in existing.settings()["ACS_SOURCES"]


def test_names_are_within_their_limits(deployment: Deployment) -> None:
    """The Functions host identifies an app by the first 32 characters of its name."""
    for account in deployment.names(STORAGE):
        assert re.fullmatch(r"[a-z0-9]{3,24}", account)
    assert len(deployment.one("Microsoft.Web/sites")["name"]) <= 32
    for queue in deployment.names(f"{STORAGE}/queueServices/queues"):
        # For a message that a consumer cannot handle, its host appends "-poison" to the name.
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", queue)
        assert 3 <= len(queue) <= 56
