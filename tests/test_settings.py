"""App settings, and the errors for wrong ones."""

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
    assert {"sms": "acs-sms", "chat_message": "acs-chat-message"}.items() <= settings.queues.items()
    assert settings.dead_letter_queue == "acs-dead-letter"
    assert settings.oversize_container == "acs-outcomes"
    assert settings.outcome_ttl_seconds == -1
    assert settings.trusts("/subscriptions/any")


def test_the_host_storage_is_not_used() -> None:
    """AzureWebJobsStorage is the Functions host's. Without OutcomesStorage the error says what to set."""
    host = {"AzureWebJobsStorage": STORAGE["OutcomesStorage"], "AzureWebJobsStorage__accountName": "contoso"}
    with pytest.raises(SettingsError, match=r"^OutcomesStorage is missing: set it to a storage connection"):
        Settings.from_environ(host)


@pytest.mark.parametrize("text", ["UseDevelopmentStorage=true", "usedevelopmentstorage=TRUE;"])
def test_development_storage_is_azurite(text: str) -> None:
    """The value in Core Tools' templates is accepted, in any casing as in .NET."""
    storage = Settings.from_environ({"OutcomesStorage": text}).storage
    assert isinstance(storage, ConnectionStringStorage)
    with QueueServiceClient.from_connection_string(storage.connection_string) as client:
        assert "http://127.0.0.1:10001/devstoreaccount1/" == client.url


def test_identity_needs_no_connection_string() -> None:
    """The settings follow the Functions convention for identity-based connections."""
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
    )


def test_an_account_name_is_enough_for_an_identity() -> None:
    """The host accepts such a connection too. White space around a value and its casing are ignored."""
    environ = {
        "OutcomesStorage__accountName": " contoso ",
        "OutcomesStorage__credential": " ManagedIdentity ",
    }
    assert Settings.from_environ(environ).storage == IdentityStorage(
        queue_service_uri="https://contoso.queue.core.windows.net",
        blob_service_uri="https://contoso.blob.core.windows.net",
        managed_identity=True,
        client_id=None,
    )


def test_names_of_three_letters_are_allowed() -> None:
    """They are the shortest names that Azure allows for a queue, a container and an account."""
    environ = {"OutcomesStorage__accountName": "abc", "SMS_QUEUE": "sms", "OVERSIZE_CONTAINER": "big"}
    settings = Settings.from_environ(environ)
    assert ("sms", "big") == (settings.queues["sms"], settings.oversize_container)


@pytest.mark.parametrize("part", ["ACCOUNTNAME=contoso", "AccountName=CONTOSO"])
def test_the_casing_of_a_connection_string_is_free(part: str) -> None:
    """The SDK accepts the names of its parts in any casing, and DNS ignores the casing of an account."""
    text = f"{part};AccountKey=c2VjcmV0"
    assert Settings.from_environ({"OutcomesStorage": text}).storage == ConnectionStringStorage(text)


def test_a_blob_endpoint_that_cannot_be_derived_is_required_by_name() -> None:
    """If the queue endpoint has another form than Azure's, the blob endpoint does not follow from it."""
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
        ("OutcomesStorage", "ACCOUNTNAME=a@b;AccountKey=c2VjcmV0"),
        ("OutcomesStorage", "AccountName=a;AccountKey=c2VjcmV0;nonsense"),
        ("OutcomesStorage__accountName", "https://a.queue.core.windows.net"),
        ("OutcomesStorage__accountName", "xy"),
        ("OutcomesStorage__accountName", "CONTOSO"),
        ("OutcomesStorage__accountName", "x" * 25),
        ("SMS_QUEUE", "Upper"),
        ("CHAT_MESSAGE_QUEUE", "a--b"),
        ("CHAT_THREAD_QUEUE", "ab"),
        ("MEMBERSHIP_QUEUE", "x" * 57),
        ("DEAD_LETTER_QUEUE", "-a-b"),
        ("DEAD_LETTER_QUEUE", "acs-chat-thread"),
        ("OVERSIZE_CONTAINER", "x" * 64),
        ("OUTCOME_TTL_SECONDS", "-5"),
        ("OUTCOME_TTL_SECONDS", "00"),
        ("OUTCOME_TTL_SECONDS", "a week"),
        ("ACS_SOURCES", "contoso-acs"),
        ("ACS_SOURCES", f"/subscriptions/a,b/resourceGroups/b{ACS}/c"),
        ("ACS_SOURCES", f"/subscriptions/a/resourceGroups/b,c{ACS}/c"),
        ("ACS_SOURCES", f"/subscriptions/a/resourceGroups/b{ACS}/c;"),
        ("ACS_SOURCES", "/subscriptions/a/resourceGroups/b/providers/Microsoft.EventGrid/systemTopics/c"),
        ("ACS_SOURCES", f"/subscriptions/a/resourceGroups/b{ACS}/c;/subscriptions/d/resourceGroups/e{ACS}/f"),
    ],
)
def test_a_wrong_setting_is_named_and_not_quoted(key: str, value: str) -> None:
    """The error names the key and the expected form. The value may be a secret."""
    storage = {} if key.startswith("OutcomesStorage__") else STORAGE
    with pytest.raises(SettingsError, match=rf"^{key} .*should be") as wrong:
        Settings.from_environ(storage | {key: value})
    assert value not in str(wrong.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [("OutcomesStorage__queueServiceUri", "http://a"), ("OutcomesStorage__credential", "password")],
)
def test_a_wrong_identity_setting_is_named(key: str, value: str) -> None:
    """The error names the key of an identity-based connection too."""
    with pytest.raises(SettingsError, match=rf"^{key} should be"):
        Settings.from_environ({"OutcomesStorage__queueServiceUri": "https://a", key: value})


@pytest.mark.parametrize("reference", ["@Microsoft.KeyVault(SecretUri=https://x)", "@AppSetting(NAME)"])
@pytest.mark.parametrize("key", ["OutcomesStorage", "OutcomesStorage__queueServiceUri", "SMS_QUEUE"])
def test_an_unresolved_reference_is_named(key: str, reference: str) -> None:
    """Azure passes on a reference that it cannot resolve. The error says where to look, without its text."""
    with pytest.raises(SettingsError, match=rf"^{key} is a reference .*status.*identity") as wrong:
        Settings.from_environ(({} if key.startswith("OutcomesStorage") else STORAGE) | {key: reference})
    assert reference not in str(wrong.value)


@pytest.mark.parametrize(("first", "last"), [("'", "'"), ('"', '"'), ("'", ""), ("", '"')])
def test_quotation_marks_round_a_connection_string_are_named(first: str, last: str) -> None:
    """They come from a shell or a .env file, and are hard to see in the portal."""
    with pytest.raises(SettingsError, match=r"^OutcomesStorage has quotation marks") as wrong:
        Settings.from_environ({"OutcomesStorage": f"{first}{STORAGE['OutcomesStorage']}{last}"})
    assert "c2VjcmV0" not in str(wrong.value)


def test_a_pasted_connection_string_may_have_spaces_and_line_breaks() -> None:
    """Spaces around its parts, line breaks and empty parts are ignored."""
    pasted = " AccountName = a ;\nAccountKey = c2VjcmV0== ;; EndpointSuffix=x;"
    assert Settings.from_environ({"OutcomesStorage": pasted}).storage == ConnectionStringStorage(
        "AccountName=a;AccountKey=c2VjcmV0==;EndpointSuffix=x"
    )


def test_a_printed_setting_shows_no_key() -> None:
    """A setting may be printed in a traceback or a log."""
    assert "c2VjcmV0" not in repr(Settings.from_environ(STORAGE))
