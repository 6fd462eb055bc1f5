"""The stack's broker with two more listeners, which ask for an account through TLS and for a client's certificate, and
files that name them."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from typing import Any

import confluent_kafka.admin
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ingestion.cdc.clusters import cluster
from ingestion.settings import PROJECT_ROOT
from ingestion.stack.jvm import free_port
from ingestion.stack.part import HOST, Site
from ingestion.stack.parts.kafka import Kafka
from tests.support.databases import server_in, temporary_state

USER, PASSWORD, VARIABLE = "frazil", "only;for=this test", "SECURED_KAFKA_PASSWORD"
_MODULES = "org.apache.kafka.common.security"
_numbers = count(1)


class Authority:
    """A certificate authority of one test run."""

    def __init__(self, name: str) -> None:
        self._key = generate_private_key(SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        rights = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        draft = self._draft(self._name, self._key).add_extension(x509.BasicConstraints(True, 0), critical=True)
        self.certificate = _pem(draft.add_extension(rights, critical=True).sign(self._key, hashes.SHA256()))

    def pair(self) -> tuple[str, str]:
        """Key and certificate of a server on loopback, or of a client, in PEM."""
        key = generate_private_key(SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address(HOST))])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        signed = self._draft(subject, key).add_extension(names, critical=False).sign(self._key, hashes.SHA256())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return private.decode(), _pem(signed)

    def _draft(self, subject: x509.Name, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        draft = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        return draft.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=12))


class SecuredKafka(Kafka):
    """As the stack's, and on port `secured` by TLS with SASL, PLAIN and SCRAM, on `mutual` by TLS both ways."""

    def __init__(self, authority: Authority) -> None:
        self.secured, self.mutual = free_port(), free_port()
        self._key, self._certificate = authority.pair()
        self._ca = authority.certificate

    def files(self, site: Site) -> Mapping[str, str]:
        files = dict(super().files(site))
        (name,) = (name for name in files if name.startswith("server"))
        plain = dict(line.split("=", 1) for line in files[name].splitlines())
        more = f"SECURED://{HOST}:{self.secured},MUTUAL://{HOST}:{self.mutual}"
        own = {name: f"{plain[name]},{more}" for name in ("listeners", "advertised.listeners")}
        own["listener.security.protocol.map"] = f"{plain['listener.security.protocol.map']},SECURED:SASL_SSL,MUTUAL:SSL"
        account = f'username="broker" password="unused" user_{USER}="{PASSWORD}"'
        known = {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.key": _in_one_line(self._key),
            "ssl.keystore.certificate.chain": _in_one_line(self._certificate),
        }
        mutual = {
            "ssl.client.auth": "required",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.certificates": _in_one_line(self._ca),
        }
        listener = {
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            "plain.sasl.jaas.config": f"{_MODULES}.plain.PlainLoginModule required {account};",
            "scram-sha-512.sasl.jaas.config": f"{_MODULES}.scram.ScramLoginModule required;",
        }
        own |= {f"listener.name.secured.{name}": value for name, value in {**known, **listener}.items()}
        own |= {f"listener.name.mutual.{name}": value for name, value in {**known, **mutual}.items()}
        return {**files, name: "".join(f"{key}={value}\n" for key, value in {**plain, **own}.items())}


@dataclass(frozen=True)
class SecuredBus:
    """The running broker; `config` writes a copy of the project's configuration whose default cluster is its port.

    `pair` is a client's key and certificate for port `mutual`.
    """

    port: int
    mutual: int
    ca: str
    pair: str
    folder: Path
    mechanism: str = "SCRAM-SHA-512"
    changed: Mapping[str, str] = field(default_factory=dict)

    def config(self, **changed: str) -> Path:
        """A folder for FRAZIL_CONFIG_DIR, with `changed` in the place of what is right."""
        folder = self.folder / f"config-{next(_numbers)}"
        shutil.copytree(PROJECT_ROOT / "config", folder)
        (folder / "ca.pem").write_text(self.ca, encoding="utf-8")
        block = {"bootstrap": f"{HOST}:{self.port}", "security": "SASL_SSL", "mechanism": self.mechanism, "user": USER}
        block |= {"password": f"${{{VARIABLE}}}", "ca_file": str(folder / "ca.pem"), **changed}
        address = {"default": {**block, "connect": {"url": "http://127.0.0.1:9"}}}
        (folder / "kafka_clusters.yaml").write_text(yaml.safe_dump({"clusters": address}), encoding="utf-8")
        return folder

    def mutual_config(self) -> Path:
        """The same for the port that asks for a certificate."""
        pair = self.folder / "pair.pem"
        pair.write_text(self.pair, encoding="utf-8")
        files = {"certificate_file": str(pair), "key_file": str(pair)}
        return self.config(bootstrap=f"{HOST}:{self.mutual}", security="SSL", **files)

    @property
    def client(self) -> dict[str, str]:
        return cluster(self.config(), "default", {VARIABLE: PASSWORD}).client()

    def name(self) -> str:
        return f"secured{next(_numbers)}"


@contextmanager
def running_secured(folder: Path) -> Iterator[SecuredBus]:
    """A broker with fresh data for as long as the block lasts; it knows one account by both mechanisms."""
    authority = Authority("Frazil's test")
    with temporary_state() as state:
        server = server_in(state, "kafka")
        part: Any = SecuredKafka(authority)
        server.part = part
        admin: Any = confluent_kafka.admin  # it does not say what it exports
        try:
            client = admin.AdminClient({"bootstrap.servers": server.up().address})
            scram = admin.ScramCredentialInfo(admin.ScramMechanism.SCRAM_SHA_512, 4096)
            account = admin.UserScramCredentialUpsertion(USER, scram, PASSWORD.encode())
            for future in client.alter_user_scram_credentials([account]).values():
                future.result(30)
            pair = "".join(authority.pair())
            yield SecuredBus(part.secured, part.mutual, authority.certificate, pair, folder)
        finally:
            server.remove()


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _in_one_line(pem: str) -> str:
    """As a Java properties file has it."""
    return pem.replace("\n", "\\n")
