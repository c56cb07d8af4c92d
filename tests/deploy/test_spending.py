"""Credits: none sold twice, none lost, whatever is killed; and the books agree at the end."""

import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from conftest import eventually


class Storm:
    """Many calls at once, and what came of them."""

    def __init__(self, client, calls, at_once):
        self.served = self.refused = self.unknown = 0
        self.client = client
        self.lock = threading.Lock()
        self.pool = ThreadPoolExecutor(at_once)
        self.calls = [self.pool.submit(self.call) for _ in range(calls)]

    def call(self):
        for _ in range(100):
            reply = self.client.get("/v1/memes?tier=normal")
            if reply.status_code != 429:
                break
            time.sleep(0.1)
        with self.lock:
            if reply.status_code == 200:
                self.served += 1
            elif reply.status_code == 402:
                self.refused += 1
            else:
                # Its process was killed: nobody knows whether it had been served.
                self.unknown += 1

    def over(self):
        for call in self.calls:
            call.result()
        self.pool.shutdown()
        return self


def processes(emulator, function):
    """The processes of a function of the first colour."""
    ours = {
        "AWS_ENDPOINT_URL": emulator.url,
        "AWS_LAMBDA_FUNCTION_NAME": f"memes-dev-blue-{function}",
    }
    found = []
    for process in psutil.process_iter():
        try:
            if ours.items() <= process.environ().items():
                found.append(process)
        except psutil.Error:
            # It has ended meanwhile, or it is somebody else's.
            continue
    return found


def kill(emulator, function, at_most=None):
    """Kills processes of a function, as a crash does; how many there were."""
    victims = processes(emulator, function)[:at_most]
    for victim in victims:
        victim.kill()
    return len(victims)


@pytest.fixture(scope="module")
def left_behind(emulator, client, books):
    """A client whose lease was left behind by a sandbox that was lost with its files."""
    lost = client("pro", 100)
    for _ in range(3):
        assert lost.get("/v1/memes").status_code == 200
    # Usage is published every second, and counted from the queue.
    books.counted(lost.id, {"normal_meme_calls": 3, "normal_meme_credits": 3})
    assert books.balance(lost.id)["leased"] > 0
    assert kill(emulator, "meme-serve") > 0
    shutil.rmtree(emulator.folder / "tallies" / "blue" / "MemeServe")
    return lost, time.monotonic()


@pytest.fixture(autouse=True)
def _first_of_all(left_behind):
    """The lost lease takes a minute to lapse, which the other tests use."""


def test_the_last_credit_is_usable_and_then_it_is_over(client, books):
    pro = client("pro", 3)
    left = []
    for _ in range(3):
        reply = pro.get("/v1/memes")
        assert reply.status_code == 200, reply.text
        left.append(reply.headers["ratelimit"].split('"credits";r=')[1].split(";")[0])
    assert left == ["2", "1", "0"]
    reply = pro.get("/v1/memes")
    assert (reply.status_code, reply.json()["type"]) == (402, "/problems/credits-exhausted")
    assert reply.json()["credits_return_at"] in reply.json()["detail"]
    assert pro.get("/v1/account").status_code == 200
    balance = books.settled(pro.id)
    assert (balance["spent"], balance["available"]) == (3, 0)


def test_of_500_calls_at_20_at_once_300_are_served_for_300_credits(client, books):
    scale = client("scale", 300)
    storm = Storm(scale, calls=500, at_once=20).over()
    assert storm.unknown == 0
    assert storm.served + storm.refused == 500
    assert storm.served <= 300

    # Some credits are with processes that nobody called any more. They come back and are usable.
    def sold_out():
        if scale.get("/v1/memes?tier=normal").status_code == 200:
            storm.served += 1
            return False
        balance = books.balance(scale.id)
        return balance["available"] == balance["leased"] == balance["suspense"] == 0

    eventually("every credit is spent", sold_out, within_s=60)
    assert storm.served == 300
    assert books.balance(scale.id)["spent"] == 300
    books.counted(scale.id, {"normal_meme_calls": 300, "normal_meme_credits": 300})


def test_a_kill_in_the_middle_sells_nothing_twice_and_loses_nothing(emulator, client, books):
    scale = client("scale", 1_000)
    storm = Storm(scale, calls=300, at_once=10)
    eventually("some calls were served", lambda: storm.served >= 60)
    killed = kill(emulator, "meme-serve", at_most=4)
    storm.over()
    assert killed == 4
    assert storm.refused == 0 and storm.served + storm.unknown == 300
    assert storm.unknown <= killed

    # What the killed ones had spent is found by the next ones in the sandbox, to the credit.
    balance = books.settled(scale.id)
    assert storm.served <= balance["spent"] <= storm.served + storm.unknown
    assert balance["available"] == 1_000 - balance["spent"]
    spent = balance["spent"]
    books.counted(scale.id, {"normal_meme_calls": spent, "normal_meme_credits": spent})


def test_what_a_lost_sandbox_left_behind_is_reaped(left_behind, books, invoke):
    lost, since = left_behind
    # A lease lives for 30 s, and waits for news of it for 30 s more.
    time.sleep(max(0, since + 64 - time.monotonic()))
    # Its schedule calls it too, in time.
    invoke("credit-reap")
    balance = books.settled(lost.id, within_s=60)
    # What was counted of it is charged, and the rest is back.
    assert (balance["spent"], balance["available"]) == (3, 97)
    assert lost.get("/v1/memes").status_code == 200


def test_every_balance_adds_up_and_agrees_with_usage(books):
    balances = books.balances()
    assert balances
    for client_id in balances:
        spent = books.settled(client_id)["spent"]

        def agrees():
            usage = books.usage(client_id)
            return spent == sum(n for name, n in usage.items() if name.endswith("_credits"))

        eventually(f"usage of {client_id} is {spent}", agrees)
