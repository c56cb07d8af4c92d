"""Schemathesis: requests made up from the description, and answers held to it."""

import subprocess
import sys
from pathlib import Path

import requests

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")

# Left out: `ignored_auth`, for a token is sent by us with every request, also where none is needed;
# `unsupported_method`, for every path answers a browser's preflight; `positive_data_acceptance`, for
# which topics, templates and cursors there are is nothing that a description tells.
NOT_CHECKED = "ignored_auth,unsupported_method,positive_data_acceptance"


def run(demo, token, *arguments):
    command = [
        SCHEMATHESIS,
        "--config-file",
        CONFIGURATION,
        "run",
        f"{demo['base_url']}/openapi.json",
        "--phases=examples,coverage,fuzzing",
        "--max-examples=60",
        "--seed=1",
        "--generation-deterministic",
        "--continue-on-failure",
        "--suppress-health-check=all",
        "--request-timeout=30",
        "--workers=1",
        "--no-color",
        f"--exclude-checks={NOT_CHECKED}",
        *(["--header", f"Authorization: Bearer {token}"] if token else []),
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-2_000:]


def test_every_answer_to_a_subscriber_is_as_described(demo, clients):
    run(demo, clients["premium"].token, "--exclude-path=/oauth/token")


def test_every_answer_to_nobody_is_as_described(demo):
    run(demo, None)


def test_the_description_names_no_other_server(demo):
    document = requests.get(f"{demo['base_url']}/openapi.json", timeout=30).json()
    assert document["openapi"] == "3.1.0"
    for server in document.get("servers", []):
        assert server["url"].startswith("/"), server
