"""Signature schemes: one class each, verifying and (for `frazil webhooks send` and the tests) signing.

Verification is over the raw bytes, in constant time, against every active secret. A scheme that signs a time
refuses it when it is further than the tolerance from now, in either direction.
"""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64, hexlify
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from hmac import compare_digest
from typing import Literal, Protocol
from urllib.parse import unquote

from ingestion.errors import UsageError
from ingestion.webhooks.sources import SIGNATURE_HEADERS, SourceConfig

RawHeaders = Mapping[bytes, bytes]
Refusal = Literal["no_secret", "missing", "mismatch", "stale"]
HubSpotVersion = Literal["v1", "v2", "v3"]

_SECONDS = re.compile(rb"[0-9]{1,12}(?!\n)")
_MILLISECONDS = re.compile(rb"[0-9]{1,15}(?!\n)")
_HUBSPOT_DECODED = re.compile(r"%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)


class Verifier(Protocol):
    """`headers` by lower-case name, each given once; `target` is path and query as received; None means verified."""

    def __call__(self, headers: RawHeaders, body: bytes, target: str, now: float) -> Refusal | None: ...


class _Hmac:
    """HMAC-SHA256 with the key's part computed once: a copy of two hash states per message."""

    def __init__(self, key: bytes) -> None:
        block = (sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in block))

    def digest(self, *parts: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        for part in parts:
            inner.update(part)
        outer.update(inner.digest())
        return outer.digest()


def _base64(digest: bytes) -> bytes:
    return b2a_base64(digest, newline=False)


def _any_equal(expected: Iterable[bytes], given: Iterable[bytes]) -> bool:
    """Every pair is compared, so that the time tells nothing about which one fits."""
    candidates = list(given)
    found = False
    for wanted in expected:
        for candidate in candidates:
            found |= compare_digest(wanted, candidate)
    return found


class Shopify:
    """base64(HMAC-SHA256(secret, body)); no time is signed, so a replay is met by ids and positions instead."""

    def __init__(self, secrets: list[bytes]) -> None:
        self._keys = [_Hmac(secret) for secret in secrets]

    def __call__(self, headers: RawHeaders, body: bytes, target: str, now: float) -> Refusal | None:
        given = headers.get(b"shopify-hmac-sha256") or headers.get(b"x-shopify-hmac-sha256")
        if not given:
            return "missing"
        return None if _any_equal([_base64(key.digest(body)) for key in self._keys], [given]) else "mismatch"

    def sign(self, body: bytes) -> dict[str, str]:
        return {"x-shopify-hmac-sha256": _base64(self._keys[0].digest(body)).decode()}


class Stripe:
    """`t=<seconds>,v1=<hex>[,v1=<hex>]` over `<t>.<body>`; other schemes in the header are ignored."""

    def __init__(self, secrets: list[bytes], tolerance: float) -> None:
        self._keys = [_Hmac(secret) for secret in secrets]
        self._tolerance = tolerance

    def __call__(self, headers: RawHeaders, body: bytes, target: str, now: float) -> Refusal | None:
        pairs = [part.strip(b" ").partition(b"=") for part in headers.get(b"stripe-signature", b"").split(b",")]
        times = [value for name, _, value in pairs if name == b"t"]
        given = [value for name, _, value in pairs if name == b"v1" and value]
        if len(times) != 1 or not _SECONDS.fullmatch(times[0]) or not given:
            return "missing"
        if abs(now - int(times[0])) > self._tolerance:
            return "stale"
        expected = [hexlify(key.digest(times[0], b".", body)) for key in self._keys]
        return None if _any_equal(expected, given) else "mismatch"

    def sign(self, body: bytes, now: float) -> dict[str, str]:
        time = str(int(now))
        return {"stripe-signature": f"t={time},v1={self._keys[0].digest(time.encode(), b'.', body).hex()}"}


class HubSpot:
    """v3 where it is present, else v2 or v1 as the version header says; a wrong v3 is never saved by an older one."""

    def __init__(self, secrets: list[bytes], tolerance: float, base_url: str) -> None:
        self._secrets = secrets
        self._keys = [_Hmac(secret) for secret in secrets]
        self._tolerance = tolerance
        self._base_url = base_url.rstrip("/")

    def __call__(self, headers: RawHeaders, body: bytes, target: str, now: float) -> Refusal | None:
        v3 = headers.get(b"x-hubspot-signature-v3")
        if v3 is not None:
            return self._verify_v3(v3, headers.get(b"x-hubspot-request-timestamp", b""), body, target, now)
        given = headers.get(b"x-hubspot-signature")
        if not given:
            return "missing"
        version = headers.get(b"x-hubspot-signature-version", b"v1")
        if version == b"v1":
            expected = [self._plain(secret, body) for secret in self._secrets]
        elif version == b"v2":
            expected = [self._plain(secret, uri, body) for secret in self._secrets for uri in self._signed(target)]
        else:
            return "missing"
        return None if _any_equal(expected, [given]) else "mismatch"

    def _verify_v3(self, given: bytes, time: bytes, body: bytes, target: str, now: float) -> Refusal | None:
        if not given or not _MILLISECONDS.fullmatch(time):
            return "missing"
        if abs(now - int(time) / 1_000) > self._tolerance:
            return "stale"
        expected = [_base64(key.digest(uri, body, time)) for key in self._keys for uri in self._signed(target)]
        return None if _any_equal(expected, [given]) else "mismatch"

    def _signed(self, target: str) -> list[bytes]:
        """Method and public URL; where the query holds escapes, also with those decoded that HubSpot decodes."""
        uri = self._base_url + target
        path, mark, query = uri.partition("?")
        decoded = path + mark + _HUBSPOT_DECODED.sub(lambda escape: unquote(escape.group()), query)
        return [b"POST" + text.encode() for text in dict.fromkeys((uri, decoded))]

    @staticmethod
    def _plain(*parts: bytes) -> bytes:
        return hexlify(sha256(b"".join(parts)).digest())

    def sign(self, body: bytes, now: float, target: str, version: HubSpotVersion = "v3") -> dict[str, str]:
        uri = self._signed(target)[0]
        if version == "v3":
            time = str(int(now * 1_000))
            signature = _base64(self._keys[0].digest(uri, body, time.encode())).decode()
            return {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": time}
        parts = (self._secrets[0], body) if version == "v1" else (self._secrets[0], uri, body)
        return {"x-hubspot-signature": self._plain(*parts).decode(), "x-hubspot-signature-version": version}


class Standard:
    """Standard Webhooks: `v1,<base64>` (several, by spaces) over `<id>.<timestamp>.<body>`; secrets are base64."""

    def __init__(self, secrets: list[bytes], tolerance: float) -> None:
        self._keys = [_Hmac(secret) for secret in secrets]
        self._tolerance = tolerance

    def __call__(self, headers: RawHeaders, body: bytes, target: str, now: float) -> Refusal | None:
        message_id, time = headers.get(b"webhook-id"), headers.get(b"webhook-timestamp", b"")
        parts = [part.partition(b",") for part in headers.get(b"webhook-signature", b"").split(b" ")]
        given = [value for version, _, value in parts if version == b"v1" and value]
        if not message_id or not _SECONDS.fullmatch(time) or not given:
            return "missing"
        if abs(now - int(time)) > self._tolerance:
            return "stale"
        expected = [_base64(key.digest(message_id, b".", time, b".", body)) for key in self._keys]
        return None if _any_equal(expected, given) else "mismatch"

    def sign(self, body: bytes, now: float, message_id: str) -> dict[str, str]:
        time = str(int(now))
        signature = _base64(self._keys[0].digest(message_id.encode(), b".", time.encode(), b".", body)).decode()
        return {"webhook-id": message_id, "webhook-timestamp": time, "webhook-signature": f"v1,{signature}"}


Scheme = Shopify | Stripe | HubSpot | Standard


_LEAST_KEY = 16  # bytes of a Standard Webhooks key, which should have 24 to 64: a short one can be guessed


@lru_cache(maxsize=256)
def _scheme(source: SourceConfig, base_url: str) -> Scheme | None:
    secrets = [secret.get_secret_value().encode() for secret in source.secrets]
    if not secrets:
        return None
    tolerance = source.signature.tolerance_seconds
    builders: dict[str, Callable[[], Scheme]] = {
        "shopify": lambda: Shopify(secrets),
        "stripe": lambda: Stripe(secrets, tolerance),
        "hubspot": lambda: HubSpot(secrets, tolerance, base_url),
        "standard": lambda: Standard([_standard_key(source.source, secret) for secret in secrets], tolerance),
    }
    return builders[source.signature.scheme]()


def _standard_key(source: str, secret: bytes) -> bytes:
    try:
        key = a2b_base64(secret.removeprefix(b"whsec_"), strict_mode=True)
    except Base64Error as error:
        raise UsageError(
            f"secret of webhook source {source!r}: write whsec_ and base64, as the sender shows it"
        ) from error
    if len(key) < _LEAST_KEY:
        raise UsageError(f"secret of webhook source {source!r}: it has {len(key)} bytes, {_LEAST_KEY} are the least")
    return key


def verifier(source: SourceConfig, base_url: str) -> Verifier:
    """The source's check; without a secret it refuses everything. Raises UsageError for an unusable secret."""
    scheme = _scheme(source, base_url)
    return scheme if scheme is not None else lambda headers, body, target, now: "no_secret"


def signature_headers(source: SourceConfig) -> frozenset[bytes]:
    """Headers that must not be doubled."""
    return frozenset(name.encode() for name in SIGNATURE_HEADERS[source.signature.scheme])


def sign(
    source: SourceConfig,
    body: bytes,
    now: float,
    *,
    target: str | None = None,
    base_url: str = "http://127.0.0.1:8090",
    message_id: str = "msg_0",
    version: HubSpotVersion = "v3",
) -> dict[str, str]:
    """Headers a sender adds, signed with the source's first secret.

    `now` is seconds since 1970; `target` (path and query, HubSpot only) is the source's own path unless given;
    `base_url` must equal the server's `public_base_url`. Raises UsageError for a source without secret.
    """
    scheme = _scheme(source, base_url)
    if scheme is None:
        raise UsageError(f"webhook source {source.source!r} has no secret; see config/webhooks/{source.source}.yaml")
    if isinstance(scheme, Shopify):
        return scheme.sign(body)
    if isinstance(scheme, Stripe):
        return scheme.sign(body, now)
    if isinstance(scheme, HubSpot):
        return scheme.sign(body, now, target or f"/webhooks/{source.source}", version)
    return scheme.sign(body, now, message_id)
