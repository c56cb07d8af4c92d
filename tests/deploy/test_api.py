"""The API, called from outside."""

import io

import jwt
import pytest
from conftest import BASE_URL, eventually
from PIL import Image

BUTTONS = {"template": "two-buttons", "captions": ["Write a test", "Ship on Friday"]}


def picture(reply):
    assert reply.status_code == 200, reply.text
    image = Image.open(io.BytesIO(reply.content))
    image.load()
    return image


def test_what_needs_no_token_is_served_to_everybody(gateway):
    assert gateway.get("/healthz").json()["status"] == "ok"
    assert gateway.get("/openapi.json").json()["openapi"] == "3.1.0"
    assert gateway.get("/problems/not-found").status_code == 200
    image = picture(gateway.get("/images/two-buttons/write_a_test/ship_on_friday.png"))
    assert image.format == "PNG"


def test_every_route_of_the_description_reaches_a_function(gateway):
    paths = gateway.get("/openapi.json").json()["paths"]
    for path, operations in paths.items():
        for method in {"get", "post", "delete"} & set(operations):
            reply = gateway.request(method.upper(), path.replace("{", "x").replace("}", ""))
            # A function names its requests; the gateway's own answers have no such name.
            assert reply.headers.get("x-request-id", "").startswith("req_"), (method, path)
            assert reply.status_code < 500, (method, path, reply.text)


def test_a_page_elsewhere_may_call_and_read_what_it_needs(gateway):
    headers = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    asked = {"Access-Control-Request-Headers": "authorization,idempotency-key"}
    reply = gateway.request("OPTIONS", "/v1/memes", headers=headers | asked)
    assert reply.headers["access-control-allow-origin"] in ("*", "https://shop.example")
    assert "idempotency-key" in reply.headers["access-control-allow-headers"].lower()
    assert "POST" in reply.headers["access-control-allow-methods"]
    # The gateway's list replaces the function's on AWS; here both come.
    reply = gateway.get("/healthz", headers={"Origin": "https://shop.example"})
    lists = reply.headers.get_list("access-control-expose-headers")
    gateways, functions = ({name.strip() for name in it.split(",")} for it in lists)
    assert gateways == functions


def test_a_token_is_verified_by_the_published_keys(gateway, client):
    free = client("free", 5)
    keys = jwt.PyJWKSet.from_dict(gateway.get("/.well-known/jwks.json").json())
    key = keys[jwt.get_unverified_header(free.token)["kid"]].key
    claims = jwt.decode(free.token, key, algorithms=["RS256"], audience=BASE_URL, issuer=BASE_URL)
    assert (claims["sub"], claims["plan"], claims["home"]) == (free.id, "free", "eu-central-1")


def test_who_is_nobody_is_told_so(gateway, client):
    free = client("free", 5)
    assert gateway.token(free.id, "msk_wrong").status_code == 401
    assert gateway.get("/v1/memes").status_code == 401
    free.token = free.token[:-8] + "AAAAAAAA"
    assert free.get("/v1/memes").status_code == 401


def test_a_free_client_gets_a_normal_meme_and_its_picture(gateway, client, books):
    free = client("free", 5)
    reply = free.get("/v1/memes?topic=cats")
    meme = reply.json()
    assert (reply.status_code, meme["tier"], meme["topic"]) == (200, "normal", "cats")
    assert '"credits";r=4' in reply.headers["ratelimit"]
    assert meme["url"].startswith(f"{BASE_URL}/images/")
    assert picture(gateway.get(meme["url"])).size == (meme["width"], meme["height"])
    again = free.get(f"/v1/memes/{meme['id']}").json()
    assert (again["url"], again["captions"]) == (meme["url"], meme["captions"])
    assert free.get("/v1/memes?tier=ai").status_code == 403
    assert books.settled(free.id)["spent"] == 1


def test_a_subscriber_gets_an_ai_meme_of_the_pool(emulator, client, books, invoke, worker):
    # Enough for a normal meme each time that the pool is found dry.
    premium = client("pro", 1_000, "--ai")
    meme = premium.get("/v1/memes").json()
    assert meme["tier"] == "ai" or meme["fallback"]["reason"] == "backlog"
    invoke("pool-fill")

    def from_the_pool():
        reply = premium.get("/v1/memes?tier=ai")
        served = reply.json() if reply.status_code == 200 else {}
        return served if served.get("tier") == "ai" else None

    # A process looks into the pool every so often.
    meme = eventually("the pool has a meme", from_the_pool, within_s=60)
    assert (meme["credits"], meme["fallback"]) == (2, None)
    # Its address is signed, for S3.
    assert meme["url"].startswith(emulator.url) and "X-Amz-Signature=" in meme["url"]
    image = picture(premium.gateway.http.get(meme["url"], headers={"Host": emulator.url[7:]}))
    assert (image.format, image.size) == ("JPEG", (meme["width"], meme["height"]))


def test_one_idempotency_key_is_one_meme_and_one_debit(client, books):
    pro = client("pro", 10)
    key = {"Idempotency-Key": "order-7"}
    first = pro.post("/v1/memes", BUTTONS, headers=key)
    second = pro.post("/v1/memes", BUTTONS, headers=key)
    assert (first.status_code, second.status_code) == (201, 201), first.text
    assert first.content == second.content
    assert pro.get(first.headers["location"]).json()["captions"] == BUTTONS["captions"]
    other = pro.post("/v1/memes", BUTTONS | {"captions": ["Other", "Words"]}, headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    assert books.settled(pro.id)["spent"] == 1
    books.counted(pro.id, {"captioned_meme_calls": 1, "captioned_meme_credits": 1})


def test_templates_are_listed_and_shown(client, gateway):
    free = client("free", 5)
    listed = free.get("/v1/templates?limit=3").json()
    assert len(listed["data"]) == 3
    shown = free.get("/v1/templates/two-buttons").json()
    assert shown["id"] == "two-buttons"
    assert gateway.get("/v1/templates/no-such").status_code in (401, 404)


@pytest.mark.parametrize("path", ["/images/no-such/a.png", "/v1/elsewhere"])
def test_what_is_not_there_is_not_found(gateway, path):
    assert gateway.get(path).status_code == 404


def test_an_account_tells_plan_and_balance(client):
    pro = client("pro", 50, "--ai")
    assert pro.get("/v1/memes?tier=normal").status_code == 200
    account = pro.get("/v1/account").json()
    assert (account["client_id"], account["plan"], account["ai"]) == (pro.id, "pro", True)
    balance = account["balance"]
    assert balance["granted"] == 50 == balance["available"] + balance["leased"] + balance["spent"]
