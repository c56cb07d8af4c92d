"""AWS's own clients on the embedded stores."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

from PIL import Image

TABLES = [
    "clients",
    "generations",
    "idempotency",
    "journal",
    "ledger",
    "memes",
    "signing-keys",
    "stock",
    "usage",
    "webhooks",
]
QUEUES = ["generations", "usage", "webhooks"]
ACCOUNTS = ["available", "leased", "held", "suspense", "spent", "expired"]


def test_boto3_lists_the_tables(aws):
    assert aws("dynamodb").list_tables()["TableNames"] == [f"memes-local-{name}" for name in TABLES]


def test_boto3_reads_a_balance_that_adds_up(aws, clients):
    pro = clients["pro"]
    assert pro.get("/v1/memes").status_code == 200
    item = aws("dynamodb").get_item(
        TableName="memes-local-ledger",
        Key={"client_id": {"S": pro.id}, "sk": {"S": "BALANCE"}},
        ConsistentRead=True,
    )["Item"]
    parts = [int(item[account]["N"]) for account in ACCOUNTS]
    assert sum(parts) == int(item["granted"]["N"]) == 100_000
    assert all(part >= 0 for part in parts)


def test_boto3_sees_the_queues(aws):
    sqs = aws("sqs")
    urls = sqs.list_queues()["QueueUrls"]
    names = sorted(url.rsplit("/", 1)[1] for url in urls)
    # The journal is fed by a stream, and so has only the queue of what was given up.
    wanted = [f"{name}{part}" for name in QUEUES for part in ("", "-dead")] + ["journal-dead"]
    assert names == sorted(f"memes-local-{name}" for name in wanted)
    for name in QUEUES:
        url = next(url for url in urls if url.endswith(f"/memes-local-{name}"))
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        redrive = json.loads(attributes["RedrivePolicy"])
        assert int(redrive["maxReceiveCount"]) == 3
        assert redrive["deadLetterTargetArn"].endswith(f":memes-local-{name}-dead")


def test_boto3_downloads_a_generated_picture(aws, demo, clients):
    premium = clients["premium"]
    accepted = premium.post("/v1/generations", {"prompt": "a robot that waters plants"})
    assert accepted.status_code == 202, accepted.text
    job = premium.finished(accepted.headers["Location"])
    assert job["state"] == "succeeded", job
    s3 = aws("s3")
    prefix = f"generations/{job['id']}/"
    objects = s3.list_objects_v2(Bucket=demo["pictures_bucket"], Prefix=prefix)["Contents"]
    assert [it["Key"] for it in objects] == [prefix + "0.jpg"]
    body = s3.get_object(Bucket=demo["pictures_bucket"], Key=prefix + "0.jpg")["Body"].read()
    picture = Image.open(io.BytesIO(body))
    picture.load()
    assert (picture.format, picture.size) == ("JPEG", (1200, 1200))


def test_the_aws_cli_reads_the_same(demo):
    aws = demo["aws"]
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": aws["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": aws["secret_access_key"],
        "AWS_DEFAULT_REGION": aws["region"],
    }
    program = Path(sys.executable).with_name("aws")
    command = [program, "--endpoint-url", aws["dynamodb"], "dynamodb", "list-tables"]
    output = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert json.loads(output)["TableNames"] == [f"memes-local-{name}" for name in TABLES]
