"""Storage without a connection string: a managed identity, or the developer's own login."""

import asyncio
import json
import ssl
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket
from typing import Any

import jwt
import pytest
import pytest_asyncio
from aiohttp import web
from azure.core.credentials import TokenRequestOptions

from local import azurite as local_azurite
from local.ports import free_block
from shared.identity import Identity, TokenError
from shared.settings import Settings
from tests.certificate import make_certificate
from tests.events import PROJECT, golden, sample
from tests.queues import Queues

CLIENT_ID = "8f1e1f3e-5f0b-4a57-9d0e-0d4a0f0f7a11"
IDENTITY = {"OutcomesStorage__credential": "managedidentity", "OutcomesStorage__clientId": CLIENT_ID}
STORAGE = "https://storage.azure.com"
SCOPE = f"{STORAGE}/.default"
SMALL = json.dumps(sample("sms-received"))
LARGE = json.dumps(
    sample("sms-received") | {"data": sample("sms-received")["data"] | {"Message": "x" * 50_000}}
)
NOT_WRITTEN = "Not written: an outcome for the queue acs-sms (SMS_QUEUE)."

DELIVER = """
import asyncio, logging, sys
from shared.sink import SinkError, get_sink
from tests.events import FAMILIES

logging.basicConfig(level=logging.INFO)
logging.getLogger("acs_events").setLevel(logging.CRITICAL)  # so that only others' records are printed

async def deliver(event):
    try:
        async with asyncio.timeout(20):
            await FAMILIES["sms"].handle(event)
    except SinkError as error:
        print(error)

async def main():
    for together in sys.stdin.read().split("\\n\\n"):
        await asyncio.gather(*map(deliver, together.splitlines()))
    await get_sink().close()

asyncio.run(main())
"""


@dataclass(frozen=True)
class Account:
    """A storage account that accepts tokens, over HTTPS."""

    first_port: int
    certificate: Path

    @property
    def connection_string(self) -> str:
        return local_azurite.connection_string(self.first_port).replace("http:", "https:")

    def environ(self) -> dict[str, str]:
        """Return an environment with the account's settings and its certificate."""
        endpoints = {
            f"OutcomesStorage__{service}ServiceUri": f"https://127.0.0.1:{port}/devstoreaccount1"
            for port, service in enumerate(("blob", "queue"), self.first_port)
        }
        # Python's own TLS, and that of the library requests.
        return endpoints | dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(self.certificate))


def token(**claims: Any) -> str:
    """Return a token that Azurite accepts. Azurite checks everything except the signature."""
    now = int(time.time())
    times = {"iat": now - 60, "nbf": now - 60, "exp": now + 3600}
    issuer = "https://sts.windows-ppe.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/"
    return jwt.encode({"aud": STORAGE, "iss": issuer} | times | claims, "nobody checks this signature" * 2)


@dataclass
class AppService:
    """A stand-in for App Service's token endpoint, which exists in Azure only."""

    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    """Fields that the answers have in addition, or with another value."""
    answers: int | None = None
    """Number of tokens that it issues before it fails. None means any number."""
    asked: int = 0

    @property
    def environ(self) -> dict[str, str]:
        """Return the environment that App Service gives an app with an identity."""
        return {"IDENTITY_ENDPOINT": self.url, "IDENTITY_HEADER": "a secret"}

    async def answer(self, request: web.Request) -> web.Response:
        """Issue a token for storage to the one identity that is assigned."""
        self.asked += 1
        if self.answers is not None and self.asked > self.answers:
            return web.json_response({"statusCode": 400, "message": "Out of order"}, status=400)
        if request.headers.get("X-IDENTITY-HEADER") != "a secret" or request.query["resource"] != STORAGE:
            return web.json_response({"statusCode": 500}, status=500)
        if request.query.get("client_id") != CLIENT_ID:
            return web.json_response({"statusCode": 400, "message": "No identity found"}, status=400)
        expires_on = str(int(time.time()) + 86_400)
        answer = {"access_token": token(**self.claims), "expires_on": expires_on, "resource": STORAGE}
        return web.json_response(answer | {"token_type": "Bearer", "client_id": CLIENT_ID} | self.fields)


@pytest.fixture(scope="module", name="certificate")
def _certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate and its key."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="account")
async def _account(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Account]:
    """Run an Azurite that accepts tokens."""
    port = free_block(3)
    options = ["--oauth", "basic", "--cert", str(certificate), "--key", str(certificate)]
    async with local_azurite.running(port, tmp_path_factory.mktemp("azurite"), *options):
        yield Account(port, certificate)


@pytest.fixture(name="written")
def _written(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queues]:
    """Return the account's queues, which have their default names. Empty them after the test."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(account.certificate))
    settings = Settings.from_environ(account.environ())
    queues = Queues(account.connection_string, settings)
    yield queues
    queues.clear()


@pytest.fixture(name="app_service")
async def _app_service() -> AsyncIterator[AppService]:
    """Serve tokens."""
    service = AppService()
    application = web.Application()
    application.router.add_get("/msi/token", service.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}/msi/token"
    yield service
    await runner.cleanup()


async def run(arguments: list[str], environ: dict[str, str], text: str = "") -> tuple[str, str]:
    """Run Python with this environment only. Return its standard output and standard error."""
    command = [sys.executable, "-W", "error", *arguments]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=PROJECT, env={"PATH": "/usr/bin:/bin"} | environ
    )
    printed, complaints = await process.communicate(text.encode())
    return printed.decode(), complaints.decode()


async def deliver(environ: dict[str, str], *events: str) -> tuple[str, str]:
    """Let the app handle texts one after another, and the lines of each text at the same time.

    It runs in another process, because certificates are read from the environment at the start.
    """
    return await run(["-c", DELIVER], environ, "\n\n".join(events))


async def test_a_managed_identity_writes_queues_and_blobs(
    account: Account, app_service: AppService, written: Queues
) -> None:
    """One token is enough, nothing is left open, and there is no connection string."""
    environ = account.environ() | IDENTITY | app_service.environ
    assert ("", "") == await deliver(environ, SMALL, LARGE, SMALL, LARGE)
    first, oversize, second, repeated = written.everything()
    assert first == second == golden("sms-received")
    assert oversize == repeated
    assert "x" * 50_000 == written.referenced(oversize)["data"]["message"]
    assert 1 == app_service.asked


async def test_a_developers_own_login_needs_the_queue_endpoint_alone(
    account: Account, written: Queues, tmp_path: Path
) -> None:
    """Without a credential setting, `az` gives the tokens: one for queues, one for blobs."""
    login = {"accessToken": token(), "expires_on": int(time.time()) + 3600}
    az = tmp_path / "az"
    az.write_text(f"#!/bin/sh\necho \"$*\" >> '{tmp_path}/asked'\necho '{json.dumps(login)}'\n")
    az.chmod(0o755)
    environ = account.environ() | {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)}
    blobs = environ.pop("OutcomesStorage__blobServiceUri")
    asked = f"account get-access-token --output json --resource {STORAGE}"
    assert ("", "") == await deliver(environ, SMALL, SMALL)
    assert [asked] == (tmp_path / "asked").read_text().splitlines()
    assert ("", "") == await deliver(environ | {"OutcomesStorage__blobServiceUri": blobs}, LARGE, LARGE)
    assert [asked] * 3 == (tmp_path / "asked").read_text().splitlines()
    first, second, *oversize = written.everything()
    assert first == second == golden("sms-received")
    assert ["dataref" in outcome for outcome in oversize] == [True, True]


async def test_an_identity_needs_no_azure_storage_queue(
    account: Account, app_service: AppService, written: Queues
) -> None:
    """It is imported for a connection string only."""
    environ = account.environ() | IDENTITY | app_service.environ
    assert ("", "") == await deliver(environ, SMALL)
    script = DELIVER + "print('azure.storage' in sys.modules)"
    assert ("False\n", "") == await run(["-c", script], environ, SMALL)
    assert [golden("sms-received")] * 2 == written.everything()


async def test_a_connection_string_needs_no_azure_identity(account: Account, written: Queues) -> None:
    """Its import would cost a cold start more than all other imports."""
    environ = {"OutcomesStorage": account.connection_string, "SSL_CERT_FILE": str(account.certificate)}
    script = DELIVER + "print('azure.identity' in sys.modules)"
    assert ("False\n", "") == await run(["-c", script], environ, SMALL)
    assert [golden("sms-received")] == written.everything()


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"aud": "https://vault.azure.net"}, id="another audience"),
        pytest.param({"exp": 1}, id="expired"),
    ],
)
async def test_a_token_that_storage_refuses_is_an_error(
    claims: dict[str, Any], account: Account, app_service: AppService, written: Queues
) -> None:
    """The errors for queues and blobs name the setting and say what to do. They do not contain the token."""
    app_service.claims = claims
    environ = account.environ() | IDENTITY | app_service.environ
    printed, complaints = await deliver(environ, SMALL, LARGE)
    refusal = (
        "Storage refused the credential of OutcomesStorage (AuthenticationFailed): use a current key or "
        "signature, or an identity of the account's own tenant."
    )
    container = "Not written: an outcome for the container acs-outcomes (OVERSIZE_CONTAINER)."
    assert [f"{refusal} {NOT_WRITTEN}", f"{refusal} {container}"] == printed.splitlines()
    assert "eyJ" not in complaints
    assert [] == written.everything()


async def test_a_role_that_the_identity_lacks_is_named(certificate: Path, app_service: AppService) -> None:
    """Azurite has no roles. This is Azure's answer without a role on a queue, or without the queue."""

    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=403, headers={"x-ms-error-code": "AuthorizationPermissionMismatch"})

    application = web.Application()
    application.router.add_post("/{path:.*}", refuse)
    runner = web.AppRunner(application)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    environ = Account(runner.addresses[0][1] - 1, certificate).environ() | IDENTITY | app_service.environ
    printed, _ = await deliver(environ, SMALL)
    await runner.cleanup()
    assert printed == (
        "The identity lacks Storage Queue Data Message Sender or Storage Blob Data Contributor, or what it "
        f"should write to is not there. {NOT_WRITTEN}\n"
    )


async def test_without_a_token_the_identity_is_named_in_time(
    account: Account, app_service: AppService, written: Queues
) -> None:
    """A wrong client id and an endpoint that fails or hangs are errors within 20 s, which name the cause.

    All deliveries that wait for the token fail with this error, not with one of storage.
    """
    environ = account.environ() | {"OutcomesStorage__credential": "managedidentity"} | app_service.environ
    chosen = environ | {"OutcomesStorage__clientId": CLIENT_ID}
    with closing(socket()) as away, closing(socket()) as hanging:
        away.bind(("127.0.0.1", 0))
        hanging.bind(("127.0.0.1", 0))
        hanging.listen()
        results = await asyncio.gather(
            deliver(environ, SMALL),
            deliver(environ | {"OutcomesStorage__clientId": "another"}, SMALL),
            deliver(chosen | {"IDENTITY_ENDPOINT": f"http://127.0.0.1:{away.getsockname()[1]}"}, SMALL),
            deliver(
                chosen | {"IDENTITY_ENDPOINT": f"http://127.0.0.1:{hanging.getsockname()[1]}"},
                "\n".join([SMALL] * 4),
            ),
        )
    advice = (
        "No token for the managed identity: is OutcomesStorage__clientId {}, and is the identity assigned to "
        f"the app? {NOT_WRITTEN}\n"
    )
    missing, right = advice.format("missing"), advice.format("right")
    assert [missing, right, right, right * 4] == [printed for printed, _ in results]
    assert [] == written.everything()


async def test_a_token_is_used_while_it_is_valid(
    account: Account, app_service: AppService, written: Queues
) -> None:
    """No delivery fails because the endpoint fails when a token should be refreshed."""
    app_service.answers = 1
    app_service.fields = {"expires_on": str(int(time.time()) + 200), "refresh_in": -100}
    printed, _ = await deliver(account.environ() | IDENTITY | app_service.environ, SMALL, SMALL)
    assert "" == printed
    assert [golden("sms-received")] * 2 == written.everything()
    assert 1 < app_service.asked


@pytest.fixture(name="identity")
async def _identity(app_service: AppService, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Identity]:
    """Connect an identity to an endpoint that issues one token, which should be refreshed."""
    for name, value in app_service.environ.items():
        monkeypatch.setenv(name, value)
    app_service.answers = 1
    app_service.fields = {"refresh_in": -100}
    storage = Settings.from_environ({"OutcomesStorage__accountName": "contoso"} | IDENTITY).storage
    identity = Identity.of(storage)
    assert identity is not None
    yield identity
    await identity.close()


async def test_a_token_says_when_to_refresh_it(identity: Identity) -> None:
    """azure-core requests the next token long before this one expires."""
    asked = time.time()
    token = await identity.get_token_info(SCOPE)
    assert token.refresh_on is not None
    assert token.refresh_on < asked < token.expires_on
    assert (token.token, token.expires_on) == await identity.get_token(SCOPE)


@pytest.mark.parametrize("options", [{"claims": '{"access_token": {}}'}, {"tenant_id": "another"}])
async def test_another_token_is_never_the_last_one(identity: Identity, options: TokenRequestOptions) -> None:
    """Storage asks for claims or a tenant after it has refused a token."""
    await identity.get_token_info(SCOPE)
    with pytest.raises(TokenError, match=r"^No token for the managed identity"):
        await identity.get_token_info(SCOPE, options=options)
    with pytest.raises(TokenError):
        await identity.get_token(SCOPE, **options)


async def test_a_token_that_has_expired_is_not_used(app_service: AppService, identity: Identity) -> None:
    """The error then says what to look at, instead of storage's refusal."""
    app_service.fields["expires_on"] = str(int(time.time()))
    await identity.get_token_info(SCOPE)
    with pytest.raises(TokenError, match=r"^No token for the managed identity"):
        await identity.get_token_info(SCOPE)


async def test_a_developer_without_a_login_is_told_so(
    account: Account, written: Queues, tmp_path: Path
) -> None:
    """If there is no login on a developer's machine, the app says what to run."""
    printed, _ = await deliver(account.environ() | {"PATH": str(tmp_path), "HOME": str(tmp_path)}, SMALL)
    assert printed == (
        "No token from a developer's login: run `az login`, or set OutcomesStorage__credential to "
        f"managedidentity where the app has one. {NOT_WRITTEN}\n"
    )
    assert [] == written.everything()


async def test_the_operators_tools_use_an_identity(account: Account, app_service: AppService) -> None:
    """`python -m ops` reaches the same account in the same way."""
    environ = account.environ() | {"OutcomesStorage__clientId": CLIENT_ID} | app_service.environ
    assert ("", "no dead letters\n") == await run(["-m", "ops", "dead-letters", "list"], environ)
    assert 1 == app_service.asked


async def test_the_example_consumer_takes_the_same_settings(
    account: Account, app_service: AppService
) -> None:
    """It reaches queues, blobs and tables with the app's managed identity."""
    identity = {"OutcomesStorage__clientId": CLIENT_ID}
    identity["OutcomesStorage__tableServiceUri"] = (
        f"https://127.0.0.1:{account.first_port + 2}/devstoreaccount1"
    )
    script = (
        "import storage; storage.queue('consumer').create_queue(); storage.table('Consumer').list_entities()"
    )
    script += "; storage.oversize().exists()"
    environ = account.environ() | identity | app_service.environ
    environ["PYTHONPATH"] = str(PROJECT / "examples" / "consumer")
    assert ("", "") == await run(["-c", script], environ)
