"""Deliveries, verified by the library that Standard Webhooks gives to receivers."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from standardwebhooks import Webhook, WebhookVerificationError


class Receiver(ThreadingHTTPServer):
    """An endpoint on loopback that answers with each of `statuses` in turn, and with 200 then."""

    def __init__(self, statuses=()):
        self.told = []
        self.arrived = threading.Condition()
        self.statuses = list(statuses)
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hooks?from=memes"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def wait_for(self, count):
        """The first requests, once there are so many: headers and body of each."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.told) >= count, timeout=60)
            return self.told[:count]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        with server.arrived:
            server.told.append((dict(self.headers), body))
            status = server.statuses.pop(0) if server.statuses else 200
            server.arrived.notify_all()
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def endpoints(clients):
    """Registers receivers for a client, and removes them when the test is over."""
    premium = clients["premium"]
    made = []

    def register(receiver, **more):
        reply = premium.post("/v1/webhooks", {"url": receiver.url, **more})
        assert reply.status_code == 201, reply.text
        made.append(reply.headers["Location"])
        return reply.json()

    yield register
    for path in made:
        reply = premium.http.delete(premium.base_url + path, timeout=30)
        assert reply.status_code == 204, reply.text


def test_a_generation_is_told_and_the_library_verifies_it(clients, endpoints):
    premium = clients["premium"]
    receiver = Receiver()
    endpoint = endpoints(receiver, events=["generation.succeeded"])
    accepted = premium.post("/v1/generations", {"prompt": "a cat that reads é, 猫 and 🐱"})
    assert accepted.status_code == 202, accepted.text
    job = premium.finished(accepted.headers["Location"])

    [(headers, body)] = receiver.wait_for(1)
    payload = Webhook(endpoint["secret"]).verify(body, headers)
    assert payload["type"] == "generation.succeeded"
    assert payload["data"]["id"] == job["id"]
    assert payload["data"]["prompt"] == job["prompt"]
    assert payload["data"]["memes"][0]["id"] == job["memes"][0]["id"]

    with pytest.raises(WebhookVerificationError):
        Webhook(endpoint["secret"]).verify(body.replace(b"succeeded", b"failed"), headers)
    late = headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}
    with pytest.raises(WebhookVerificationError):
        Webhook(endpoint["secret"]).verify(body, late)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 43 + "=").verify(body, headers)


def test_the_library_takes_either_secret_after_a_rotation(clients, endpoints):
    premium = clients["premium"]
    receiver = Receiver()
    endpoint = endpoints(receiver)
    rotated = premium.post(f"/v1/webhooks/{endpoint['id']}/rotate", {}).json()
    assert premium.post(f"/v1/webhooks/{endpoint['id']}/test", {}).status_code == 202
    [(headers, body)] = receiver.wait_for(1)
    for secret in (endpoint["secret"], rotated["secret"]):
        assert Webhook(secret).verify(body, headers)["type"] == "webhook.test"


def test_a_repetition_has_the_same_id_and_verifies_too(clients, endpoints):
    premium = clients["premium"]
    receiver = Receiver([503])
    endpoint = endpoints(receiver)
    premium.post(f"/v1/webhooks/{endpoint['id']}/test", {})
    told = receiver.wait_for(2)
    assert len({headers["webhook-id"] for headers, _ in told}) == 1
    for headers, body in told:
        assert Webhook(endpoint["secret"]).verify(body, headers) == json.loads(body)
