"""A second colour beside the first, on the first one's data."""

import pytest
from conftest import Gateway
from stack import Stack


@pytest.fixture(scope="module")
def green(emulator, binaries, stack):
    return Stack(emulator, binaries, colour="green", create_data="no")


def test_both_colours_take_one_token_and_spend_one_balance(emulator, green, client, books):
    pro = client("pro", 20)
    other = pro.at(Gateway(emulator, green.outputs["ApiId"]))
    for it, colour in [(pro, "blue"), (other, "green")]:
        assert it.gateway.get("/healthz").json()["colour"] == colour
    for it in (pro, other):
        assert it.get("/v1/memes").status_code == 200
    made = pro.post("/v1/memes", {"template": "two-buttons", "captions": ["Blue", "Green"]})
    assert other.get(made.headers["location"]).json() == pro.get(made.headers["location"]).json()
    assert books.settled(pro.id)["spent"] == 3
