"""Masks over streams."""

import base64
import time

from hypothesis import given
from hypothesis import strategies as st

from lading.stages.secrets import MASK, Masker, secrets_of

SECRETS = ("abcabd!", "abcabd!longer", "zzzzzzzz", "aaaaaaab")
pieces = st.lists(st.one_of(st.sampled_from(SECRETS), st.text("abcdz! \n", max_size=5)), max_size=12)


@given(pieces, st.lists(st.integers(1, 9), min_size=1, max_size=20))
def test_no_secret_survives_however_the_stream_is_cut(parts: list[str], cuts: list[int]) -> None:
    """Any text, cut anywhere, comes out without a secret, whole but for the masks."""
    text = "".join(parts).encode()
    masker, out, position, turn = Masker(SECRETS), b"", 0, 0
    while position < len(text):
        step = cuts[turn % len(cuts)]
        out += masker.feed(text[position : position + step])
        position, turn = position + step, turn + 1
    out += masker.finish()
    assert not any(secret.encode() in out for secret in SECRETS)
    assert out == Masker(SECRETS).text(text.decode()).encode()


def test_text_without_secrets_is_not_held_back() -> None:
    """What can't be the beginning of a secret is shown at once; what can, when it turns out not to be."""
    masker = Masker(["secret-1"])
    assert masker.feed(b"step 1\nsec") == b"step 1\n"
    assert masker.feed(b"onds\n") == b"seconds\n"
    assert masker.finish() == b""


def test_other_spellings_are_masked() -> None:
    """A secret inside a URL or a JSON text is one too."""
    masker = Masker(['pa"ss/w0rd'])
    assert masker.text("x pa%22ss%2Fw0rd y") == "x **** y"
    assert MASK.decode() in masker.text('{"k": "pa\\"ss/w0rd"}')


@given(
    secret=st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=6, max_size=40).filter(
        lambda text: len(text.encode()) >= 6
    ),
    before=st.binary(max_size=5),
    after=st.binary(max_size=5),
)
def test_a_secret_in_base64_is_masked_wherever_it_stands(secret: str, before: bytes, after: bytes) -> None:
    """Of the encoded text no more can be decoded than what stood around the secret, and of its ends no whole byte."""
    whole = before + secret.encode() + after
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        shown = Masker([secret]).text(encode(whole).decode())
        assert MASK.decode() in shown
        left = len(shown.replace(MASK.decode(), "").rstrip("="))
        assert left * 6 < (len(before) + len(after)) * 8 + 24


def test_a_secret_in_the_header_of_a_request() -> None:
    """As HTTP's basic authentication sends it, and as forms and URLs spell it."""
    masker = Masker(["hunter2 & /more"])
    header = base64.b64encode(b"me:hunter2 & /more").decode()
    assert header[6:-4] not in masker.text(f"Authorization: Basic {header}")
    for spelled in ("hunter2%20%26%20%2Fmore", "hunter2%20%26%20%2fmore", "hunter2+%26+%2Fmore", "hunter2%20%26%20/more"):
        assert masker.text(f"?password={spelled}&x=1") == "?password=****&x=1"
    assert masker.text(base64.b64encode(b"hunter2 & /more").decode()) == "****"


def test_many_long_secrets_do_not_slow_a_log() -> None:
    """Ten thousand lines past twenty secrets of a thousand letters: well under what printing them takes a training."""
    masker = Masker([f"{i:02d}" + "aB3/x" * 200 for i in range(20)])
    began = time.process_time()
    for i in range(10_000):
        masker.feed(b"step %d of 10000, loss 0.123456, accuracy 0.9876\n" % i)
    assert time.process_time() - began < 5


def test_which_values_are_secret() -> None:
    """By the variable's name, by being passed on, inside URLs, each line of a key; short values and ordinary names are not."""
    environ = {
        "AWS_SECRET_ACCESS_KEY": "s1s1s1s1",
        "HF_TOKEN": "t2t2t2t2",
        "LADING_PASS_ENV": "MINE, OTHER",
        "MINE": "m3m3m3m3",
        "DATABASE": "postgres://me:p4p4p4p4@host/db",
        "TLS_PRIVATE_PEM": "-----BEGIN-----\nQUJDREVGRw\n-----END-----",
        "HOME": "/home/someone",
        "A_TOKEN": "1",
    }
    found = secrets_of(environ)
    assert {"s1s1s1s1", "t2t2t2t2", "m3m3m3m3", "p4p4p4p4", "QUJDREVGRw"} <= found
    assert not found & {"/home/someone", "1"}
