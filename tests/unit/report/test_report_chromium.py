"""The page in a real browser: it renders, and the console stays silent."""

import shutil
import subprocess
from html import escape
from pathlib import Path

import pytest

from lading.report.write import write
from lading.store.directory import DirectoryStore
from support.finished_runs import make_run

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
RUN = "20261125T100000Z-bbbb"


@pytest.fixture
def page(tmp_path: Path) -> str:
    """The page of a run with everything on it."""
    store = DirectoryStore(tmp_path / "store")
    make_run(store, RUN)
    return write(store, RUN)


def _browse(page: str, profile: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    fixed = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr", f"--user-data-dir={profile}")
    return subprocess.run([str(BROWSER), *fixed, *flags, Path(page).as_uri()], capture_output=True, text=True, timeout=60, check=True)


def test_the_console_stays_silent(page: str, tmp_path: Path) -> None:
    """No error and no warning of the page itself (a browser says them as CONSOLE lines), and all of it is in the document."""
    browsed = _browse(page, tmp_path / "profile", "--dump-dom")

    assert [line for line in browsed.stderr.splitlines() if "CONSOLE" in line] == []
    assert "Confusion matrix" in browsed.stdout
    assert browsed.stdout.count("<svg") >= 5


def test_it_is_drawn(page: str, tmp_path: Path) -> None:
    """A picture of the page has something on it: it does not compress to nothing as a blank one does."""
    shot = tmp_path / "page.png"
    _browse(page, tmp_path / "profile", "--window-size=1100,1600", f"--screenshot={shot}")

    assert shot.stat().st_size > 40_000


NARROW = """<body style="margin:0">
<iframe id="page" style="width:400px;height:3000px;border:0" srcdoc="{page}"></iframe><pre id="found"></pre><script>
document.getElementById("page").onload = function () {{
  const within = this.contentDocument, wide = [];
  for (const one of within.querySelectorAll("body *")) {{
    const sticksOut = one.getBoundingClientRect().right > 400.5;
    if (sticksOut && !one.closest(".scroll, pre")) wide.push(one.tagName + " " + one.textContent.slice(0, 40));
  }}
  const cards = within.querySelectorAll(".card").length;
  document.getElementById("found").textContent = `looked at ${{cards}} cards; too wide: ${{wide.join(" | ")}}`;
}};
</script>"""


def test_nothing_sticks_out_on_a_telephone(tmp_path: Path) -> None:
    """400 pixels wide, whatever does not scroll in its own box fits, also a long measurement with two gates."""
    store, name = DirectoryStore(tmp_path / "store"), "validation_accuracy_macro"
    record = make_run(store, RUN, more={name: 0.97123456})
    gate = {"measurement": name, "level": "must", "bound": ">= 0.95", "value": 0.97, "ok": True}
    record["stages"]["evaluate"]["gates"] += [gate, gate | {"level": "should"}]
    page = write(store, RUN, record=record)
    around = tmp_path / "narrow.html"
    inside = Path(page).read_text().replace("default-src 'none'", "default-src 'unsafe-inline'")
    around.write_text(NARROW.format(page=escape(inside, quote=True)))
    browsed = _browse(str(around), tmp_path / "profile", "--dump-dom", "--virtual-time-budget=4000")

    found = browsed.stdout.partition('<pre id="found">')[2].partition("</pre>")[0]
    cards, _, wide = found.partition("; too wide: ")
    assert int(cards.split()[2]) > 8
    assert not wide
