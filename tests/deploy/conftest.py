"""The service in the emulator, deployed once for all tests.

Needs MEMES_BINARIES: the folder of a workspace build, with the functions' programs and `memes`.
"""

import json
import logging
import os
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from emulator import REGION, Emulator
from stack import BASE_URL, PACKAGES, Stack, deploy_worker

# SAM's translation warns of its own experiments.
logging.getLogger("samtranslator").setLevel(logging.ERROR)
os.environ.setdefault("AWS_DEFAULT_REGION", REGION)

ACCOUNTS = ["available", "leased", "held", "suspense", "spent", "expired"]


class Client:
    """A client of the API with a token, at one colour's gateway."""

    def __init__(self, gateway, made):
        self.gateway = gateway
        self.id = made["client_id"]
        self.secret = made["client_secret"]
        self.log_in()

    def log_in(self):
        reply = self.gateway.token(self.id, self.secret)
        assert reply.status_code == 200, reply.text
        self.token = reply.json()["access_token"]

    def at(self, gateway):
        """The same client with the same token at another gateway."""
        other = object.__new__(Client)
        other.__dict__ |= self.__dict__ | {"gateway": gateway}
        return other

    def request(self, method, path, **options):
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        return self.gateway.request(method, path, headers=headers, **options)

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body, **options):
        return self.request("POST", path, json=body, **options)

    def finished(self, path):
        """The generation at this path, once it has ended."""

        def ended():
            job = self.get(path).json()
            return job if job["state"] not in ("queued", "running") else None

        return eventually(f"{path} ends", ended, within_s=60)


class Gateway:
    """One colour's API, called as a customer's program calls it."""

    def __init__(self, emulator, api_id):
        self.api_id = api_id
        host = f"{api_id}.execute-api.localhost:{emulator.port}"
        limits = httpx.Limits(max_connections=100)
        self.http = httpx.Client(
            base_url=emulator.url, headers={"Host": host}, limits=limits, timeout=60
        )

    def request(self, method, path, **options):
        # What the service says of itself begins with the address that it has in the open.
        return self.http.request(method, path.removeprefix(BASE_URL), **options)

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def token(self, client_id, client_secret):
        form = {"grant_type": "client_credentials"}
        return self.request("POST", "/oauth/token", data=form, auth=(client_id, client_secret))


class Operator:
    """The operator's command line."""

    def __init__(self, emulator, program):
        self.emulator = emulator
        self.program = program

    def run(self, *arguments, environment=None):
        """What came of a command."""
        return subprocess.run(
            [self.program, *arguments],
            env=environment or self.emulator.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def answer(self, *arguments, **options):
        """The answer to a command that succeeds."""
        place = ["--stage", "dev", "--region", REGION, "--json"]
        done = self.run(*place, *arguments, **options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


class Books:
    """Ledger and usage, read with boto3."""

    def __init__(self, emulator):
        self.dynamodb = emulator.client("dynamodb")

    def balance(self, client_id):
        """A balance, which adds up whenever it is read."""
        item = self.dynamodb.get_item(
            TableName="memes-dev-ledger",
            Key={"client_id": {"S": client_id}, "sk": {"S": "BALANCE"}},
            ConsistentRead=True,
        )["Item"]
        return adds_up(item)

    def balances(self):
        """The balances of all clients."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName="memes-dev-ledger")
        items = [item for page in pages for item in page["Items"]]
        return {it["client_id"]["S"]: adds_up(it) for it in items if it["sk"]["S"] == "BALANCE"}

    def settled(self, client_id, within_s=30):
        """The balance once no process holds any of it."""

        def at_rest():
            balance = self.balance(client_id)
            return balance if balance["leased"] == balance["suspense"] == 0 else None

        return eventually(f"{client_id} is settled", at_rest, within_s)

    def usage(self, client_id):
        """What is counted of a client: calls and credits by what was asked."""
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName="memes-dev-usage",
            KeyConditionExpression="client_id = :client AND begins_with(sk, :hour)",
            ExpressionAttributeValues={":client": {"S": client_id}, ":hour": {"S": "HOUR#"}},
            ConsistentRead=True,
        )
        counts = {}
        for item in (item for page in pages for item in page["Items"]):
            for name, value in item.items():
                if name.endswith(("_calls", "_credits")):
                    counts[name] = counts.get(name, 0) + int(value["N"])
        return counts

    def counted(self, client_id, expected, within_s=30):
        """Waits until exactly this is counted."""
        try:
            eventually("usage", lambda: self.usage(client_id) == expected, within_s)
        except AssertionError:
            assert self.usage(client_id) == expected


def adds_up(item):
    balance = {account: int(item[account]["N"]) for account in ["granted", *ACCOUNTS]}
    assert balance["granted"] == sum(balance[account] for account in ACCOUNTS), balance
    assert all(part >= 0 for part in balance.values()), balance
    return balance


def eventually(what, check, within_s=30):
    """What a check brings, once it brings something."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if found := check():
            return found
        time.sleep(0.2)
    raise AssertionError(f"not within {within_s} s: {what}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows beside a failure what the functions logged."""
    report = yield
    emulator = item.funcargs.get("emulator")
    if report.failed and emulator and emulator.process.poll() is None:
        report.sections.append(("logs of the emulator and its functions", emulator.complaints()))
    return report


@pytest.fixture(scope="session")
def binaries():
    folder = Path(os.environ["MEMES_BINARIES"]).resolve()
    assert folder.is_dir(), f"{folder} is no folder; build the workspace first"
    return folder


@pytest.fixture(scope="session")
def emulator(tmp_path_factory):
    emulator = Emulator(tmp_path_factory.mktemp("emulator"))
    try:
        where = {"LocationConstraint": REGION}
        emulator.client("s3").create_bucket(Bucket=PACKAGES, CreateBucketConfiguration=where)
        yield emulator
    finally:
        emulator.stop()


@pytest.fixture(scope="session")
def stack(emulator, binaries):
    """The first colour, which makes the stage's data, deployed as samconfig.toml says."""
    emulator.client("ssm").put_parameter(
        Name="/memes/dev/base-url", Type="String", Value=BASE_URL
    )
    return Stack(emulator, binaries, colour="blue", create_data="yes")


@pytest.fixture(scope="session")
def worker(emulator, binaries, stack, operator):
    """The worker, which the template leaves to others; the id of what feeds it."""
    return deploy_worker(emulator, binaries)


@pytest.fixture(scope="session")
def operator(emulator, binaries, stack):
    """The operator, after the first keys were made."""
    operator = Operator(emulator, binaries / "memes")
    assert operator.answer("keys", "list") == {"keys": []}
    operator.answer("keys", "rotate")
    operator.answer("keys", "certify", "--development")
    return operator


@pytest.fixture(scope="session")
def gateway(emulator, stack, operator):
    return Gateway(emulator, stack.outputs["ApiId"])


@pytest.fixture(scope="session")
def client(gateway, operator):
    """Makes clients with a token."""

    def make(plan, credits, *options):
        made = operator.answer(
            *("client", "create", "--name", "test", "--plan", plan),
            *("--credits", str(credits)),
            *options,
        )
        return Client(gateway, made)

    return make


@pytest.fixture(scope="session")
def books(emulator, stack):
    return Books(emulator)


@pytest.fixture(scope="session")
def invoke(emulator, stack):
    """Calls a function of the first colour, as a schedule does."""
    functions = emulator.client("lambda")

    def invoke(function):
        reply = functions.invoke(
            FunctionName=f"memes-dev-blue-{function}",
            Qualifier="dev",
            InvocationType="Event",
            Payload=b"{}",
        )
        assert reply["StatusCode"] == 202, reply

    return invoke
