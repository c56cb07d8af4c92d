"""Generations: from the API by the queue to the worker, the bucket and back."""

import io
import json

import pytest
from conftest import eventually
from PIL import Image


def test_a_generation_end_to_end(emulator, stack, client, books, worker):
    premium = client("pro", 20, "--ai")
    order = {"prompt": "a cat that reads the server logs at night"}
    key = {"Idempotency-Key": "picture-1"}
    accepted = premium.post("/v1/generations", order, headers=key)
    assert accepted.status_code == 202, accepted.text
    path = accepted.headers["location"]
    again = premium.post("/v1/generations", order, headers=key)
    assert again.headers["location"] == path

    job = premium.finished(path)
    assert job["state"] == "succeeded", job
    paid = job["credits"]["spent"]
    assert job["credits"] == {"held": 0, "spent": paid, "returned": 0} and paid > 0
    assert [it["id"] for it in premium.get("/v1/generations").json()["data"]] == [job["id"]]

    s3 = emulator.client("s3")
    name = f"generations/{job['id']}/0.jpg"
    kept = s3.get_object(Bucket=stack.outputs["PicturesBucketName"], Key=name)["Body"].read()
    [meme] = job["memes"]
    served = premium.gateway.http.get(meme["url"], headers={"Host": emulator.url[7:]})
    assert served.content == kept
    assert Image.open(io.BytesIO(kept)).size == (meme["width"], meme["height"])
    assert premium.get(f"/v1/memes/{meme['id']}").json()["captions"] == meme["captions"]

    balance = books.settled(premium.id)
    assert (balance["spent"], balance["available"], balance["held"]) == (paid, 20 - paid, 0)
    books.counted(premium.id, {"generation_calls": 1, "generation_credits": paid})


@pytest.fixture
def idle_worker(emulator, worker):
    """The worker, fed nothing for a while."""
    functions = emulator.client("lambda")
    functions.update_event_source_mapping(UUID=worker, Enabled=False)
    yield
    functions.update_event_source_mapping(UUID=worker, Enabled=True)


def accepted(client):
    premium = client("pro", 20, "--ai")
    order = {"prompt": "a robot that waters plants", "fallback": "none"}
    reply = premium.post("/v1/generations", order)
    assert reply.status_code == 202, reply.text
    return premium, reply.headers["location"]


def test_a_generation_that_is_canceled_costs_nothing(client, books, idle_worker):
    premium, path = accepted(client)
    assert books.balance(premium.id)["held"] > 0
    assert premium.request("DELETE", path).status_code == 200
    assert premium.get(path).json()["state"] == "canceled"
    balance = books.balance(premium.id)
    assert (balance["available"], balance["held"], balance["spent"]) == (20, 0, 0)


def test_a_generation_that_was_given_up_is_refunded(emulator, stack, client, books, idle_worker):
    premium, path = accepted(client)
    sqs = emulator.client("sqs")
    queue = stack.outputs["GenerationsQueueUrl"]
    policy = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["RedrivePolicy"])
    redrive = json.loads(policy["Attributes"]["RedrivePolicy"])
    assert int(redrive["maxReceiveCount"]) == 3

    # Received by workers that die each time, until it is moved to the other queue.
    def given_up():
        received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=0)
        for message in received.get("Messages", []):
            handle = message["ReceiptHandle"]
            sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=0)
        return premium.get(path).json()["state"] == "failed"

    eventually("the job is failed", given_up, within_s=30)
    job = premium.get(path).json()
    assert job["credits"]["held"] == job["credits"]["spent"] == 0, job
    assert job["problem"]["type"].startswith("/problems/"), job
    balance = books.balance(premium.id)
    assert (balance["available"], balance["held"], balance["spent"]) == (20, 0, 0)


