"""config/kafka_clusters.yaml: what may be written, and what clients are told."""

from pathlib import Path

import pytest

from ingestion.cdc.clusters import FILE, cluster, load_clusters
from ingestion.errors import UsageError
from ingestion.settings import PROJECT_ROOT

FULL = """
clusters:
  far:
    bootstrap: a:9094,b:9094
    security: SASL_SSL
    user: fra"zil
    password: ${KAFKA_PASSWORD}
    ca_file: /etc/ca.pem
    connect:
      url: https://connect:8443/
      secrets: {path: "/run/{source}.properties"}
"""
SECRET = {"KAFKA_PASSWORD": "tell-nobody"}


def written(folder: Path, text: str) -> Path:
    (folder / FILE).write_text(text, encoding="utf-8")
    return folder


def test_the_projects_own_file_finds_the_stack() -> None:
    addresses = {"FRAZIL_KAFKA_BOOTSTRAP": "127.0.0.1:1", "FRAZIL_CONNECT_URL": "http://127.0.0.1:2"}

    found = cluster(PROJECT_ROOT / "config", "default", addresses)

    assert found.client()["bootstrap.servers"] == "127.0.0.1:1"
    assert found.connect.url == "http://127.0.0.1:2"
    assert found.java() == {}


def test_both_kinds_of_client_are_told_account_and_certificates(tmp_path: Path) -> None:
    found = cluster(written(tmp_path, FULL), "far", SECRET)

    assert found.client() == {
        "bootstrap.servers": "a:9094,b:9094",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": 'fra"zil',
        "sasl.password": "tell-nobody",
        "ssl.ca.location": "/etc/ca.pem",
    }
    assert found.java()["sasl.jaas.config"] == (
        'org.apache.kafka.common.security.scram.ScramLoginModule required username="fra\\"zil" password="tell-nobody";'
    )
    assert found.connect.secrets is not None
    assert found.connect.secrets.reference("shop") == "${file:/run/shop.properties:password}"
    assert "tell-nobody" not in repr(found)


def test_java_is_given_a_client_s_key_and_certificate_in_one_file(tmp_path: Path) -> None:
    files = "    certificate_file: /etc/frazil.pem\n    key_file: {}\n    key_password: ${{KEY_PASSWORD}}\n"
    secrets = {**SECRET, "KEY_PASSWORD": "tell-nobody-either"}
    one = FULL.replace("    ca_file", files.format("/etc/frazil.pem") + "    ca_file")
    two = FULL.replace("    ca_file", files.format("/etc/frazil.key") + "    ca_file")

    found = cluster(written(tmp_path, one), "far", secrets)
    apart = cluster(written(tmp_path, two), "far", secrets)

    assert found.client()["ssl.certificate.location"] == found.client()["ssl.key.location"] == "/etc/frazil.pem"
    assert {name: value for name, value in found.java().items() if "key" in name} == {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": "/etc/frazil.pem",
        "ssl.key.password": "tell-nobody-either",
    }
    with pytest.raises(UsageError, match="far: Kafka Connect reads key and certificate from one file"):
        apart.java()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("${KAFKA_PASSWORD}", "hunter2", "far.password: secrets are not written here"),
        ("    user:", "    usr:", "far.usr: unknown; did you mean user"),
        ('    user: fra"zil\n', "", "security SASL_SSL needs user and password"),
        ("https://connect", "connect", "far.connect.url: String should match"),
        ("clusters:", "cluster:", "one top-level key, `clusters:`"),
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in FULL

    with pytest.raises(UsageError, match=message.replace("`", ".")) as caught:
        load_clusters(written(tmp_path, FULL.replace(old, new)), SECRET)

    assert "\n" not in str(caught.value)
    assert "tell-nobody" not in str(caught.value)


def test_an_unknown_cluster_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"did you mean far\?"):
        cluster(written(tmp_path, FULL), "fra", SECRET)
