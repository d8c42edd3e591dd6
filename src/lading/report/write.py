"""Writes the page of a run into the store, beside its run.json."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from lading import names
from lading.store.base import Store


def write(store: Store, run: str, *, record: Mapping[str, Any] | None = None) -> str:
    """Writes runs/<run>/report.html and says where it is: a path for a folder, else the object's address."""
    page = render(store, run, record=record)
    store.write(names.RunPlaces(run).report, page.encode("utf-8", errors="replace"))
    return where(store, run)


def where(store: Store, run: str) -> str:
    """The page's path, or its address."""
    place = names.RunPlaces(run).report
    return f"{store.uri.rstrip('/')}/{place}"


def render(store: Store, run: str, *, record: Mapping[str, Any] | None = None) -> str:
    """The page as HTML."""
    from lading.report.page import gather

    return str(_template().render(**gather(store, run, record=record)))


def _text(name: str) -> str:
    return (files("lading.report") / name).read_text(encoding="utf-8")


@cache
def _template() -> Any:
    """The template, compiled once a process; everything that it shows is escaped."""
    import jinja2
    from markupsafe import Markup

    from lading.report import words

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "number": words.number,
        "cell": words.cell,
        "size": words.size,
        "duration": words.duration,
        "word": words.word,
        "moment": words.moment,
    }
    environment.globals["css_text"] = Markup(_text("page.css"))  # noqa: S704 - our own file
    return environment.from_string(_text("page.html.j2"))
