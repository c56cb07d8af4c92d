"""Manifests of pictures, read by C2PA's own library for Python."""

import io
import json
import os
from pathlib import Path

import pytest
import requests
from c2pa import C2paError, Context, Reader, Settings

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"
PROMPT = "a robot that waters the office plants"


def read(picture, anchor=None):
    """What a verifier says of a file that trusts the issuer of this certificate, if anybody."""
    settings = {"trust": {"trust_anchors": anchor}} if anchor else {}
    with Context(settings=Settings.from_dict(settings)) as context:
        return json.loads(Reader("image/jpeg", io.BytesIO(picture), context=context).json())


def codes(report):
    return [status["code"] for status in report.get("validation_status", [])]


@pytest.fixture(scope="module")
def anchor():
    return Path(os.environ["MEMES_DEMO"]).with_name("c2pa-anchor.pem").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def meme(clients):
    accepted = clients["premium"].post("/v1/generations", {"prompt": PROMPT, "count": 1})
    assert accepted.status_code == 202, accepted.text
    job = clients["premium"].finished(accepted.headers["Location"])
    assert job["state"] == "succeeded", job
    return job["memes"][0]


@pytest.fixture(scope="module")
def picture(meme):
    reply = requests.get(meme["url"], timeout=30)
    reply.raise_for_status()
    return reply.content


def test_a_generated_picture_says_where_it_comes_from(meme, picture, anchor):
    report = read(picture, anchor)
    assert (report["validation_state"], codes(report)) == ("Trusted", [])
    manifest = report["manifests"][report["active_manifest"]]
    assert manifest["title"] == meme["id"]
    assert manifest["claim_generator_info"][0]["name"] == "Memes as a Service"
    assert [it["label"] for it in manifest["assertions"]] == ["c2pa.actions.v2"]
    [action] = manifest["assertions"][0]["data"]["actions"]
    assert action["action"] == "c2pa.created"
    assert action["softwareAgent"]["name"] == meme["model"] == "composer"
    assert action["digitalSourceType"] == SOURCE_TYPE
    assert meme["provenance"] == {"c2pa": True, "digital_source_type": SOURCE_TYPE}
    assert PROMPT not in json.dumps(report)
    assert PROMPT.encode() not in picture


def test_who_does_not_know_the_issuer_is_told_so_and_nothing_else(picture):
    report = read(picture)
    assert (report["validation_state"], codes(report)) == ("Valid", ["signingCredential.untrusted"])


def test_a_changed_picture_is_found_out(picture, anchor):
    changed = bytearray(picture)
    changed[-100] ^= 1
    report = read(bytes(changed), anchor)
    assert (report["validation_state"], codes(report)) == ("Invalid", ["assertion.dataHash.mismatch"])


def test_a_meme_of_the_catalogue_carries_no_manifest(clients):
    pro = clients["pro"]
    meme = pro.get("/v1/memes", params={"tier": "normal"}).json()
    assert (meme["tier"], meme["provenance"]) == ("normal", None)
    reply = requests.get(meme["url"], timeout=30)
    reply.raise_for_status()
    with pytest.raises(C2paError.ManifestNotFound):
        Reader(reply.headers["Content-Type"], io.BytesIO(reply.content))
