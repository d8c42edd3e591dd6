"""Masks over streams."""

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
