"""Signature schemes against published and independently computed vectors, and against the vendors' own libraries."""

import base64
import time
from collections.abc import Mapping

import pytest
import standardwebhooks
import stripe
from pydantic import SecretStr

from ingestion.errors import UsageError
from ingestion.webhooks.signatures import Verifier, sign, verifier
from ingestion.webhooks.sources import SourceConfig

Sources = dict[str, SourceConfig]
NOW = 1_700_000_000.0
SHOPIFY_BODY = '{"id":820982911946154508,"email":"jon@example.com","total_price":"403.00","note":"café €"}'.encode()
SHOPIFY_SIGNATURE = "wXKKWzGRQkv9u3NyQK7gaR48UYntkUVtyIg0AUghXDU="
STRIPE_BODY = b'{"id":"evt_1","object":"event","type":"charge.succeeded","data":{"object":{"id":"ch_1","amount":2000}}}'
STRIPE_SIGNATURE = "ba7c10d83f934f139b900d8ecf4f883b44efc1f810cbca104eb90b0c379c917d"
STRIPE_OLD_SECRET_SIGNATURE = "27a0a6f765a9eb36e9b532f631f27d2d0e88dc636fda8e9b1373418ca69aa3ba"
HUBSPOT_BODY = (
    b'[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,'
    b'"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM",'
    b'"changeFlag":"NEW","appId":54321}]'
)
HUBSPOT_V1 = "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"
HUBSPOT_V2 = "276a2548f0a0181a076d456de09c0e7477ae101ccc16a11600488a77714e9b8d"
HUBSPOT_V3 = "q+yg44lS7QBlv+UGAWaDm3MqZlBS65mPXB2u4RhTbvE="
HUBSPOT_NOW = 1_564_113_600.123
STANDARD_BODY = b'{"test": 2432232314}'
STANDARD_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
STANDARD_SIGNATURE = "v1,Okue2nkvkB6h6aUlZDwamVvtRahEJu4beorBsLy+Jlk="
STANDARD_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def given(**headers: str | bytes) -> dict[bytes, bytes]:
    return {
        name.replace("_", "-").encode(): value.encode("latin-1") if isinstance(value, str) else value
        for name, value in headers.items()
    }


def raw(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in headers.items()}


@pytest.fixture
def shopify(sources: Sources) -> Verifier:
    return verifier(sources["shopify"], "")


@pytest.fixture
def stripe_check(sources: Sources) -> Verifier:
    return verifier(sources["stripe"], "")


@pytest.fixture
def hubspot(sources: Sources) -> Verifier:
    return verifier(sources["hubspot"], "https://www.example.com")


@pytest.fixture
def standard(sources: Sources) -> Verifier:
    return verifier(sources["acme"], "")


def test_shopify_s_vector_verifies_under_both_header_names(shopify: Verifier) -> None:
    assert shopify(given(x_shopify_hmac_sha256=SHOPIFY_SIGNATURE), SHOPIFY_BODY, "", NOW) is None
    assert shopify(given(shopify_hmac_sha256=SHOPIFY_SIGNATURE), SHOPIFY_BODY, "", NOW) is None
    empty = "KGSoGVw1tT4BdRdFLLPUvGe2A+GAmhShU59hq65FOrE="
    assert shopify(given(x_shopify_hmac_sha256=empty), b"", "", NOW) is None


@pytest.mark.parametrize(
    "signature",
    [
        "X4vIkst6MAfzaPHh/whvYsZPyF/urB0EKqZrqC8x3bE=",
        SHOPIFY_SIGNATURE.rstrip("="),
        SHOPIFY_SIGNATURE.lower(),
        SHOPIFY_SIGNATURE + " ",
        SHOPIFY_SIGNATURE + ", " + SHOPIFY_SIGNATURE,
        base64.b64decode(SHOPIFY_SIGNATURE).hex(),
        "é" * 44,
        "",
    ],
)
def test_shopify_refuses_every_other_signature(shopify: Verifier, signature: str) -> None:
    assert shopify(given(x_shopify_hmac_sha256=signature), SHOPIFY_BODY, "", NOW) is not None


def test_shopify_refuses_one_flipped_byte_anywhere(shopify: Verifier) -> None:
    for place in range(len(SHOPIFY_BODY)):
        body = bytearray(SHOPIFY_BODY)
        body[place] ^= 1
        assert shopify(given(x_shopify_hmac_sha256=SHOPIFY_SIGNATURE), bytes(body), "", NOW) == "mismatch"


@pytest.mark.parametrize("signature", [STRIPE_SIGNATURE, STRIPE_OLD_SECRET_SIGNATURE])
def test_stripe_s_vectors_verify_with_each_active_secret(stripe_check: Verifier, signature: str) -> None:
    header = f"t=1700000000,v1={'0' * 64},v1={signature},v0=anything"

    assert stripe_check(given(stripe_signature=header), STRIPE_BODY, "", NOW) is None


@pytest.mark.parametrize(
    "header",
    [
        f"v1={STRIPE_SIGNATURE}",
        f"t=,v1={STRIPE_SIGNATURE}",
        f"t=soon,v1={STRIPE_SIGNATURE}",
        f"t=1700000000,t=1700000000,v1={STRIPE_SIGNATURE}",
        f"t=1700000000\n,v1={STRIPE_SIGNATURE}",
        "t=1700000000,v1=",
        "t=1700000000",
        f"t=1700000000,v0={STRIPE_SIGNATURE}",
        f"t=1700000000,v1={STRIPE_SIGNATURE.upper()}",
        f"t=1700000001,v1={STRIPE_SIGNATURE}",
        "t=1700000000,v1=" + "é" * 64,
        "",
    ],
)
def test_stripe_refuses_every_other_header(stripe_check: Verifier, header: str) -> None:
    assert stripe_check(given(stripe_signature=header), STRIPE_BODY, "", NOW) is not None


@pytest.mark.parametrize("name", ["stripe", "hubspot", "acme"])
@pytest.mark.parametrize(("distance", "expected"), [(-301, "stale"), (-299, None), (299, None), (301, "stale")])
def test_a_signed_time_is_bounded_in_both_directions(
    sources: Sources, name: str, distance: int, expected: str | None
) -> None:
    source = sources[name]
    headers = raw(sign(source, b"{}", NOW + distance, base_url="https://x"))

    assert verifier(source, "https://x")(headers, b"{}", f"/webhooks/{name}", NOW) == expected


def test_stripe_s_own_library_accepts_what_we_sign_and_signs_what_we_accept(
    sources: Sources, stripe_check: Verifier
) -> None:
    ours = sign(sources["stripe"], STRIPE_BODY, NOW)["stripe-signature"]
    theirs = stripe.WebhookSignature._compute_signature(f"1700000000.{STRIPE_BODY.decode()}", "whsec_test_secret")

    assert stripe.WebhookSignature.verify_header(STRIPE_BODY.decode(), ours, "whsec_test_secret")
    assert stripe_check(given(stripe_signature=f"t=1700000000,v1={theirs}"), STRIPE_BODY, "", NOW) is None


def test_hubspot_s_vectors_verify_in_all_three_versions(hubspot: Verifier) -> None:
    v1 = given(x_hubspot_signature=HUBSPOT_V1, x_hubspot_signature_version="v1")
    v2 = given(x_hubspot_signature=HUBSPOT_V2, x_hubspot_signature_version="v2")
    v3 = given(x_hubspot_signature_v3=HUBSPOT_V3, x_hubspot_request_timestamp="1564113600123")

    assert hubspot(v1, HUBSPOT_BODY, "/webhook_uri", NOW) is None
    assert hubspot(v2, HUBSPOT_BODY, "/webhook_uri", NOW) is None
    assert hubspot(v3, HUBSPOT_BODY, "/webhook_uri", HUBSPOT_NOW) is None


def test_hubspot_is_never_downgraded_when_v3_is_there_and_wrong(hubspot: Verifier) -> None:
    older = given(x_hubspot_signature=HUBSPOT_V1, x_hubspot_signature_version="v1")
    for v3 in ("", "wrong", HUBSPOT_V3):
        headers = {**older, **given(x_hubspot_signature_v3=v3, x_hubspot_request_timestamp="1564113600124")}
        assert hubspot(headers, HUBSPOT_BODY, "/webhook_uri", HUBSPOT_NOW) is not None
    without_time = {**older, **given(x_hubspot_signature_v3=HUBSPOT_V3)}
    assert hubspot(without_time, HUBSPOT_BODY, "/webhook_uri", HUBSPOT_NOW) is not None


@pytest.mark.parametrize(
    "headers",
    [
        given(x_hubspot_signature=HUBSPOT_V1, x_hubspot_signature_version="v2"),
        given(x_hubspot_signature=HUBSPOT_V2, x_hubspot_signature_version="v1"),
        given(x_hubspot_signature=HUBSPOT_V1, x_hubspot_signature_version="v4"),
        given(x_hubspot_signature=HUBSPOT_V1.upper(), x_hubspot_signature_version="v1"),
        given(x_hubspot_signature_v3=HUBSPOT_V3, x_hubspot_request_timestamp="soon"),
        given(x_hubspot_signature_v3=HUBSPOT_V3.rstrip("="), x_hubspot_request_timestamp="1564113600123"),
        given(x_hubspot_signature="", x_hubspot_signature_version="v1"),
        {},
    ],
)
def test_hubspot_refuses_every_other_header(hubspot: Verifier, headers: dict[bytes, bytes]) -> None:
    assert hubspot(headers, HUBSPOT_BODY, "/webhook_uri", HUBSPOT_NOW) is not None


def test_hubspot_signs_the_public_url_and_no_other(sources: Sources) -> None:
    headers = raw(sign(sources["hubspot"], b"[]", NOW, base_url="https://public.example"))

    assert verifier(sources["hubspot"], "https://public.example/")(headers, b"[]", "/webhooks/hubspot", NOW) is None
    assert verifier(sources["hubspot"], "http://public.example")(headers, b"[]", "/webhooks/hubspot", NOW) == "mismatch"
    assert verifier(sources["hubspot"], "https://public.example")(headers, b"[]", "/webhooks/other", NOW) == "mismatch"


def test_hubspot_may_sign_a_query_with_its_escapes_decoded(sources: Sources) -> None:
    source = sources["hubspot"]
    check = verifier(source, "https://x")
    decoded = raw(sign(source, b"[]", NOW, base_url="https://x", target="/webhooks/hubspot?to=a:b/c d"))

    assert check(decoded, b"[]", "/webhooks/hubspot?to=a%3Ab%2fc d", NOW) is None
    assert check(decoded, b"[]", "/webhooks/hubspot?to=a%3Ab%2fc%20d", NOW) == "mismatch"


def test_the_standard_scheme_s_vector_verifies_among_others(standard: Verifier) -> None:
    headers = given(
        webhook_id=STANDARD_ID, webhook_timestamp="1700000000", webhook_signature=f"v1a,x v1,AAAA {STANDARD_SIGNATURE}"
    )

    assert standard(headers, STANDARD_BODY, "", NOW) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook_id": "msg_other"},
        {"webhook_id": ""},
        {"webhook_timestamp": "1700000001"},
        {"webhook_timestamp": "soon"},
        {"webhook_signature": STANDARD_SIGNATURE.rstrip("=")},
        {"webhook_signature": STANDARD_SIGNATURE.removeprefix("v1,")},
        {"webhook_signature": "v1,"},
        {"webhook_signature": ""},
        {"webhook_signature": "v1," + "é" * 44},
    ],
)
def test_the_standard_scheme_refuses_every_other_header(standard: Verifier, changes: dict[str, str]) -> None:
    good = {
        "webhook_id": STANDARD_ID,
        "webhook_timestamp": "1700000000",
        "webhook_signature": STANDARD_SIGNATURE,
    }

    assert standard(given(**{**good, **changes}), STANDARD_BODY, "", NOW) is not None


def test_the_standard_scheme_s_own_library_accepts_what_we_sign(sources: Sources) -> None:
    now = time.time()

    headers = sign(sources["acme"], STANDARD_BODY, now, message_id="msg_1")

    assert standardwebhooks.Webhook(STANDARD_SECRET).verify(STANDARD_BODY.decode(), headers) == {"test": 2432232314}


@pytest.mark.parametrize("name", ["acme", "hubspot", "shopify", "stripe"])
def test_what_we_sign_verifies_and_another_secret_s_signature_does_not(sources: Sources, name: str) -> None:
    source = sources[name]
    other = source.model_copy(update={"secrets": (SecretStr("whsec_bm90IHRoaXMgb25lLCBidXQgYXMgbG9uZw=="),)})
    target = f"/webhooks/{name}"
    check = verifier(source, "https://x")

    assert check(raw(sign(source, b"{}", NOW, base_url="https://x")), b"{}", target, NOW) is None
    assert check(raw(sign(other, b"{}", NOW, base_url="https://x")), b"{}", target, NOW) == "mismatch"
    assert check({}, b"{}", target, NOW) == "missing"


def test_a_source_without_secret_refuses_everything(sources: Sources) -> None:
    silent = sources["shopify"].model_copy(update={"secrets": ()})
    empty_key = sources["shopify"].model_copy(update={"secrets": (SecretStr(""),)})
    headers = raw(sign(empty_key, b"{}", NOW))

    assert verifier(silent, "")(headers, b"{}", "", NOW) == "no_secret"
    with pytest.raises(UsageError, match="no secret"):
        sign(silent, b"{}", NOW)


def test_a_secret_that_is_not_base64_or_too_short_is_named(sources: Sources) -> None:
    for secret in ("whsec_not base64", "whsec_", "whsec_c2hvcnQ="):
        broken = sources["acme"].model_copy(update={"secrets": (SecretStr(secret),)})

        with pytest.raises(UsageError, match="acme"):
            verifier(broken, "")
