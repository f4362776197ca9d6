"""Addresses are shown without what would let others in."""

import pickle

import pytest

from musicdenoise.errors import UsageError
from musicdenoise.runtime.credentials import without_credentials
from musicdenoise.runtime.remote import parse_path

SIGNED = "https://host/my%20song.flac?X-Amz-Signature=abcdef0123&part=2"


def test_passwords_and_signatures_are_left_out() -> None:
    text = without_credentials(f"GET 'https://me:p@ss@host/x' and {SIGNED}: refused")
    assert "p@ss" not in text and "abcdef0123" not in text
    assert "https://host/x" in text and "X-Amz-Signature=***" in text and "&part=2: refused" in text
    assert without_credentials("https://host/@me/a.flac?id=1") == "https://host/@me/a.flac?id=1"


def test_a_signed_address_is_used_in_full_and_shown_in_part() -> None:
    song = parse_path(SIGNED)
    other = parse_path(SIGNED.replace("abcdef0123", "9876543210"))
    assert pickle.loads(pickle.dumps(song)).address == SIGNED
    assert "abcdef0123" not in f"{song} {song!r}"
    assert song.name == "my song.flac"
    assert song != other and str(song) != str(other), "two songs would pass for one"


def test_a_name_from_a_web_address_leads_nowhere_else() -> None:
    assert parse_path("https://host/..%2F..%5Ca%00%1b.flac").name == ".._.._a__.flac"


@pytest.mark.parametrize("scheme", ["s3", "https", "ftp"])
def test_a_password_in_an_address_is_refused_and_not_repeated(scheme: str) -> None:
    with pytest.raises(UsageError, match="may not hold a password") as caught:
        parse_path(f"{scheme}://me:secret@host/a.flac")
    assert "secret" not in str(caught.value)
