"""The running service, as `demo.json` tells of it. Needs MEMES_DEMO, the path of that file."""

import json
import os
import time

import boto3
import pytest
import requests


class Client:
    """A client of the API with a token."""

    def __init__(self, base_url, credentials):
        self.base_url = base_url
        self.id = credentials["client_id"]
        reply = requests.post(
            f"{base_url}/oauth/token",
            auth=(credentials["client_id"], credentials["client_secret"]),
            data={"grant_type": "client_credentials"},
            timeout=30,
        )
        reply.raise_for_status()
        self.token = reply.json()["access_token"]
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"Bearer {self.token}"

    def get(self, path, **options):
        return self.http.get(self.base_url + path, timeout=30, **options)

    def post(self, path, body, **options):
        return self.http.post(self.base_url + path, json=body, timeout=30, **options)

    def finished(self, path):
        """The generation at this path, once it has ended."""
        for _ in range(300):
            job = self.get(path).json()
            if job["state"] not in ("queued", "running"):
                return job
            time.sleep(0.2)
        raise AssertionError(f"{path} did not end within a minute")


@pytest.fixture(scope="session")
def demo():
    with open(os.environ["MEMES_DEMO"], encoding="utf-8") as file:
        return json.load(file)


@pytest.fixture(scope="session")
def clients(demo):
    return {name: Client(demo["base_url"], it) for name, it in demo["clients"].items()}


@pytest.fixture(scope="session")
def aws(demo):
    """Makes boto3's clients for the embedded stores."""

    def client(service):
        return boto3.client(
            service,
            endpoint_url=demo["aws"][service],
            region_name=demo["aws"]["region"],
            aws_access_key_id=demo["aws"]["access_key_id"],
            aws_secret_access_key=demo["aws"]["secret_access_key"],
        )

    return client
