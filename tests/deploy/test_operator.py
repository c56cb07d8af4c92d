"""The operator's command line on the deployed stage."""

from emulator import KEY, REGION


def test_keys_are_made_listed_and_retired(operator):
    [first] = [it for it in operator.answer("keys", "list")["keys"] if it["role"] == "signs"]
    next_key = operator.answer("keys", "rotate")
    assert next_key["replaces"] == first["kid"]
    roles = {it["kid"]: it["role"] for it in operator.answer("keys", "list")["keys"]}
    assert roles == {first["kid"]: "signs", next_key["kid"]: "next"}
    operator.answer("keys", "retire", next_key["kid"])
    assert [it["kid"] for it in operator.answer("keys", "list")["keys"]] == [first["kid"]]
    only = operator.run("--stage", "dev", "--region", REGION, "keys", "retire", first["kid"])
    assert only.returncode == 1 and "the only key that can sign" in only.stderr


def test_a_client_is_made_shown_granted_and_revoked(operator, client, books, gateway):
    pro = client("pro", 100, "--ai")
    shown = operator.answer("client", "show", pro.id)
    assert (shown["balance"]["available"], shown["entitlement"]["ai"]) == (100, True)
    assert shown["home"] == REGION

    grant = ["credits", "grant", pro.id, "50", "--grant-id", "grn_01J9ZK3V7N8Q4R5S6T7V8W9X0Y"]
    first, second = operator.answer(*grant), operator.answer(*grant)
    assert (first["already_granted"], second["already_granted"]) == (False, True)
    assert books.balance(pro.id)["granted"] == 150

    operator.answer("client", "revoke", pro.id)
    assert gateway.token(pro.id, pro.secret).status_code == 401


def test_a_profile_names_region_and_credentials(operator, emulator, tmp_path):
    config = tmp_path / "config"
    config.write_text(
        f"[profile ops]\nregion = {REGION}\nendpoint_url = {emulator.url}\n"
        f"aws_access_key_id = {KEY['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {KEY['AWS_SECRET_ACCESS_KEY']}\n"
    )
    environment = {"AWS_CONFIG_FILE": str(config), "HOME": str(tmp_path)}
    place = ["--stage", "dev", "--profile", "ops"]
    done = operator.run(*place, "keys", "list", environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "signs" in done.stdout


def test_what_is_wrong_is_said_with_what_to_do(operator, emulator):
    def refusal(*place, **changed):
        environment = emulator.environment() | changed
        done = operator.run(*place, "keys", "list", environment=environment)
        assert (done.returncode, done.stdout) == (1, "")
        return done.stderr

    assert "check `--stage`" in refusal("--stage", "qa", "--region", REGION)
    assert "check `--stage`" in refusal("--stage", "dev", "--region", "us-east-1")
    nobody = refusal("--stage", "dev", "--region", REGION, AWS_ACCESS_KEY_ID="AKIANOBODY")
    assert "there are no valid AWS credentials" in nobody
    silent = refusal("--stage", "dev", "--region", REGION, AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert "AWS cannot be reached" in silent
