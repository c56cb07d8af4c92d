"""AWS on this machine: `ministack`, which runs functions as plain processes."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import boto3
import httpx
from botocore.config import Config

REGION = "eu-central-1"
KEY = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


class Emulator:
    """The emulator, with all that it keeps in one folder."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "emulator.log"
        # Functions inherit what the emulator is started with, so nothing of this shell goes along.
        environment = KEY | {
            "PATH": os.defpath,
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            # Where the SDK in a function finds AWS.
            "AWS_ENDPOINT_URL": self.url,
            "MINISTACK_REGION": REGION,
            # Functions have no more rights than their roles.
            "AUTH": "true",
            "STATE_DIR": str(folder / "state"),
            "S3_DATA_DIR": str(folder / "s3"),
            # These listen on ports of their own, always the same.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [Path(sys.executable).with_name("ministack")],
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Its functions with it: they are stopped together.
                start_new_session=True,
            )
        self.wait_until_ready()

    def wait_until_ready(self):
        for _ in range(600):
            if self.process.poll() is not None:
                raise AssertionError(f"the emulator ended by itself:\n{self.last_words()}")
            try:
                httpx.get(f"{self.url}/_ministack/health").raise_for_status()
                return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise AssertionError(f"the emulator was not ready within a minute:\n{self.last_words()}")

    def last_words(self):
        return self.log.read_text(encoding="utf-8", errors="replace")[-4000:]

    def client(self, service):
        """boto3's client for a service."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=KEY["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEY["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"max_attempts": 1}, read_timeout=120),
        )

    def environment(self):
        """What a program of this machine needs to use it."""
        return os.environ | KEY | {"AWS_ENDPOINT_URL": self.url}

    def complaints(self):
        """What went wrong of late, as functions and emulator logged it."""
        logs = self.client("logs")
        lines = []
        for group in logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]:
            name = group["logGroupName"]
            for event in logs.filter_log_events(logGroupName=name)["events"][-1000:]:
                if '"level":"WARN"' in event["message"] or '"level":"ERROR"' in event["message"]:
                    lines.append(f"{name}: {event['message'][:600]}")
        log = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        lines += [line[:600] for line in log if " ERROR " in line or " WARNING " in line]
        return "\n".join(lines[-40:])

    def stop(self):
        """Ends it with its functions, and leaves nothing of it."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.folder)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
