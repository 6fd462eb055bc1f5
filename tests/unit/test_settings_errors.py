"""Settings that cannot be read are told in one line that names the variable."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from ingestion.settings import Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [("FRAZIL_THREADS", "many"), ("FRAZIL_STACK_PORTS", "5432"), ("FRAZIL_PUBLIC_BASE_URL", "garbage")],
)
def test_a_setting_that_cannot_be_read_is_named(name: str, value: str) -> None:
    words = [sys.executable, "-c", "from ingestion.cli import main; main()", "status"]

    done = subprocess.run(words, capture_output=True, text=True, env={name: value}, check=False)

    assert done.returncode == 2
    assert name.removeprefix("FRAZIL_").lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "",
        "garbage",
        "hooks.example.com",
        "ftp://hooks.example.com",
        "https://",
        "https:///webhooks",
        "https://:443",
        "https://hooks.example.com:99999",
        "https://[::1",
        "https://hooks.example.com?a=b",
        "https://hooks.example.com/?",
        "https://hooks.example.com/#here",
        "https://hooks.example .com",
        "https://hooks.example.com\n",
    ],
)
def test_a_public_url_that_senders_cannot_post_to_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="write http://host:port or https://host"):
        Settings(public_base_url=url)


@pytest.mark.parametrize(
    "url", ["https://hooks.example.com", "http://127.0.0.1:8090/", "http://[::1]:80", "https://example.com/from/proxy"]
)
def test_a_public_url_may_have_a_path_in_front(url: str) -> None:
    assert Settings(public_base_url=url).public_base_url == url
