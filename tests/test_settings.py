"""App settings: read on first use, and wrong in a way that says which and how."""

import pytest
from azure.storage.queue import QueueServiceClient

from shared.settings import ConnectionStringStorage, IdentityStorage, Settings, SettingsError

ACS = "/providers/Microsoft.Communication/CommunicationServices"

STORAGE = {
    "OutcomesStorage": "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=c2VjcmV0;EndpointSuffix=x"
}


def test_defaults() -> None:
    """With a storage connection alone every other setting has its documented default."""
    settings = Settings.from_environ(STORAGE)
    assert settings.queues == {
        "sms": "acs-sms",
        "chat_message": "acs-chat-message",
        "chat_thread": "acs-chat-thread",
        "membership": "acs-membership",
    }
    assert settings.dead_letter_queue == "acs-dead-letter"
    assert settings.oversize_container == "acs-outcomes"
    assert settings.outcome_ttl_seconds == -1
    assert settings.trusts("/subscriptions/any")


def test_the_host_storage_is_the_fallback() -> None:
    """Where OutcomesStorage is absent the app writes to the storage that the Functions host has."""
    assert Settings.from_environ({"AzureWebJobsStorage": STORAGE["OutcomesStorage"]}).storage == (
        ConnectionStringStorage(STORAGE["OutcomesStorage"], setting="AzureWebJobsStorage")
    )


@pytest.mark.parametrize("text", ["UseDevelopmentStorage=true", "usedevelopmentstorage=TRUE;"])
def test_development_storage_is_azurite(text: str) -> None:
    """What Core Tools' templates hold is understood, as .NET does it in any casing."""
    storage = Settings.from_environ({"AzureWebJobsStorage": text}).storage
    assert isinstance(storage, ConnectionStringStorage)
    with QueueServiceClient.from_connection_string(storage.connection_string) as client:
        assert "http://127.0.0.1:10001/devstoreaccount1/" == client.url


def test_identity_needs_no_connection_string() -> None:
    """The Functions convention for identity-based connections."""
    environ = {
        "OutcomesStorage__queueServiceUri": "https://a.queue.core.windows.net/",
        "OutcomesStorage__credential": "managedidentity",
        "OutcomesStorage__clientId": "id",
    }
    assert Settings.from_environ(environ).storage == IdentityStorage(
        queue_service_uri="https://a.queue.core.windows.net",
        blob_service_uri="https://a.blob.core.windows.net",
        managed_identity=True,
        client_id="id",
        setting="OutcomesStorage",
    )


def test_the_host_storage_is_the_fallback_by_identity_too() -> None:
    """With an account's name alone, as the host takes it, and the developer's own login."""
    assert Settings.from_environ({"AzureWebJobsStorage__accountName": "contoso"}).storage == IdentityStorage(
        queue_service_uri="https://contoso.queue.core.windows.net",
        blob_service_uri="https://contoso.blob.core.windows.net",
        managed_identity=False,
        client_id=None,
        setting="AzureWebJobsStorage",
    )


def test_outcomes_storage_by_identity_is_preferred_to_the_host_connection_string() -> None:
    """The host may keep a connection string; the app's own setting comes first in either form."""
    environ = {
        "AzureWebJobsStorage": STORAGE["OutcomesStorage"],
        "OutcomesStorage__queueServiceUri": "https://a.queue.core.windows.net",
    }
    assert isinstance(Settings.from_environ(environ).storage, IdentityStorage)


def test_a_blob_endpoint_that_cannot_be_told_is_required_by_name() -> None:
    """A queue endpoint of another form than Azure's says nothing of blobs, which few outcomes need."""
    storage = Settings.from_environ({"OutcomesStorage__queueServiceUri": "https://127.0.0.1/a"}).storage
    assert isinstance(storage, IdentityStorage)
    with pytest.raises(SettingsError, match=r"^OutcomesStorage__blobServiceUri is missing"):
        storage.require_blob_service_uri()


def test_sources_are_compared_without_regard_to_case() -> None:
    """ARM resource ids are case-insensitive, and their casing in events is not stable."""
    sources = f" /SUBSCRIPTIONS/A/resourceGroups/B{ACS}/C/ ,,/subscriptions/d/resourceGroups/e{ACS}/f"
    settings = Settings.from_environ(STORAGE | {"ACS_SOURCES": sources})
    assert settings.trusts(f"/subscriptions/a/resourcegroups/b{ACS.lower()}/c")
    assert settings.trusts(f"/Subscriptions/A/resourceGroups/B{ACS}/C/")
    assert settings.trusts(f"/subscriptions/D/resourceGroups/E{ACS}/F")
    assert not settings.trusts(f"/subscriptions/a/resourcegroups/b{ACS}/d")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("OutcomesStorage", "secret"),
        ("OutcomesStorage", "AccountName=a"),
        ("OutcomesStorage", "AccountName=a@b;AccountKey=c2VjcmV0"),
        ("OutcomesStorage", "AccountName=a;AccountKey=c2VjcmV0;nonsense"),
        ("OutcomesStorage__accountName", "https://a.queue.core.windows.net"),
        ("SMS_QUEUE", "Upper"),
        ("CHAT_MESSAGE_QUEUE", "a--b"),
        ("CHAT_THREAD_QUEUE", "ab"),
        ("MEMBERSHIP_QUEUE", "x" * 57),
        ("DEAD_LETTER_QUEUE", "-a-b"),
        ("DEAD_LETTER_QUEUE", "acs-chat-thread"),
        ("OVERSIZE_CONTAINER", "x" * 64),
        ("OUTCOME_TTL_SECONDS", "-5"),
        ("OUTCOME_TTL_SECONDS", "a week"),
        ("ACS_SOURCES", "contoso-acs"),
        ("ACS_SOURCES", "/subscriptions/a/resourceGroups/b/providers/Microsoft.EventGrid/systemTopics/c"),
        ("ACS_SOURCES", f"/subscriptions/a/resourceGroups/b{ACS}/c;/subscriptions/d/resourceGroups/e{ACS}/f"),
    ],
)
def test_a_wrong_setting_is_named_and_not_quoted(key: str, value: str) -> None:
    """The error names the key and what it should look like; the value may be a secret."""
    storage = {} if key.startswith("OutcomesStorage__") else STORAGE
    with pytest.raises(SettingsError, match=rf"^{key} .*should be") as wrong:
        Settings.from_environ(storage | {key: value})
    assert value not in str(wrong.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [("OutcomesStorage__queueServiceUri", "http://a"), ("OutcomesStorage__credential", "password")],
)
def test_a_wrong_identity_setting_is_named(key: str, value: str) -> None:
    """The same for identity-based connections."""
    with pytest.raises(SettingsError, match=rf"^{key} should be"):
        Settings.from_environ({"OutcomesStorage__queueServiceUri": "https://a", key: value})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            "OutcomesStorage__queueServiceURI",
            "^OutcomesStorage__queueServiceURI is no setting: .*queueServiceUri",
        ),
        (
            "OutcomesStorage__managedIdentityResourceId",
            "^OutcomesStorage__managedIdentityResourceId is no sett",
        ),
        (
            "OutcomesStorage__blobServiceUri",
            "^OutcomesStorage is missing: .*OutcomesStorage__queueServiceUri",
        ),
    ],
)
def test_outcomes_do_not_go_to_the_host_storage_by_a_slip(given: str, says: str) -> None:
    """An endpoint that is misspelt or half given is an error, not the fallback's account."""
    environ = {"AzureWebJobsStorage": STORAGE["OutcomesStorage"], given: "https://a.blob.core.windows.net"}
    with pytest.raises(SettingsError, match=says):
        Settings.from_environ(environ)


def test_windows_shows_names_in_upper_case() -> None:
    """Its environment takes a name in any casing, and lists none in its own."""

    class Windows(dict[str, str]):
        def __contains__(self, key: object) -> bool:
            return super().__contains__(str(key).upper())

        def get(self, key: str, default: str = "") -> str:  # type: ignore[override]
            return super().get(key.upper(), default)

    environ = Windows({"OUTCOMESSTORAGE__QUEUESERVICEURI": "https://a.queue.core.windows.net"})
    assert isinstance(Settings.from_environ(environ).storage, IdentityStorage)


def test_a_pasted_connection_string_may_have_spaces() -> None:
    """Those round its parts, and an empty part, are not the reader's problem."""
    pasted = " AccountName = a ; AccountKey = c2VjcmV0== ;; EndpointSuffix=x;"
    assert Settings.from_environ({"OutcomesStorage": pasted}).storage == ConnectionStringStorage(
        "AccountName=a;AccountKey=c2VjcmV0==;EndpointSuffix=x", setting="OutcomesStorage"
    )


def test_a_missing_storage_says_what_to_set() -> None:
    """Without any storage the error names the setting."""
    with pytest.raises(SettingsError, match=r"^OutcomesStorage is missing"):
        Settings.from_environ({})


def test_a_printed_setting_shows_no_key() -> None:
    """Settings may end up in a traceback or a log."""
    assert "c2VjcmV0" not in repr(Settings.from_environ(STORAGE))
