"""Tokens, read by a library that knows nothing of the service but its address."""

import jwt
import pytest


@pytest.fixture(scope="module")
def key(demo, clients):
    jwks = jwt.PyJWKClient(f"{demo['base_url']}/.well-known/jwks.json")
    return jwks.get_signing_key_from_jwt(clients["premium"].token).key


def test_pyjwt_verifies_a_token_by_the_published_keys(demo, clients, key):
    base = demo["base_url"]
    claims = jwt.decode(
        clients["premium"].token, key, algorithms=["RS256"], audience=base, issuer=base
    )
    assert claims["sub"] == demo["clients"]["premium"]["client_id"]
    assert claims["exp"] - claims["iat"] == 900
    assert claims["plan"] == "pro"
    assert "generations:create" in claims["scope"].split()
    assert {"ent", "home", "jti"} <= claims.keys()
    header = jwt.get_unverified_header(clients["premium"].token)
    assert (header["alg"], header["typ"]) == ("RS256", "at+jwt")


def test_a_changed_token_verifies_nowhere(demo, clients, key):
    head, body, signature = clients["free"].token.split(".")
    other = clients["pro"].token.split(".")[1]
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(f"{head}.{other}.{signature}", key, algorithms=["RS256"], audience=demo["base_url"])
    reply = clients["free"].http.get(
        f"{demo['base_url']}/v1/account",
        headers={"Authorization": f"Bearer {head}.{other}.{signature}"},
        timeout=30,
    )
    assert reply.status_code == 401


def test_the_public_key_is_no_shared_secret(demo, clients, key):
    """RFC 8725, 2.1: a token signed by HMAC with the public key's text must not pass."""
    from cryptography.hazmat.primitives import serialization
    import base64
    import hashlib
    import hmac
    import json

    pem = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    encode = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    kid = jwt.get_unverified_header(clients["free"].token)["kid"]
    head = encode(json.dumps({"alg": "HS256", "typ": "at+jwt", "kid": kid}).encode())
    body = clients["premium"].token.split(".")[1]
    signature = encode(hmac.new(pem, f"{head}.{body}".encode(), hashlib.sha256).digest())
    reply = clients["free"].http.get(
        f"{demo['base_url']}/v1/account",
        headers={"Authorization": f"Bearer {head}.{body}.{signature}"},
        timeout=30,
    )
    assert reply.status_code == 401
