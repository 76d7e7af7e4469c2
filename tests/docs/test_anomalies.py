"""Every name of an anomaly is in the page, and none that nothing gives."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from docs_pages import ROOT, page, rows

from hikrecv.isapi import xml_document
from hikrecv.wire.anomalies import AMBIGUOUS, HARMLESS, INVALID

NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9.]+)*")
# Which argument of a call is the name of an anomaly.
PLACES = {"Anomaly": 0, "note": 0, "_note": 0, "odd": 0, "Unreadable": 1, "_as_utf8": 2, "Refused": 0}


def given() -> Iterator[str]:
    """Every name that some call gives, wherever it is made."""
    for path in (ROOT / "hikrecv").rglob("*.py"):
        if path.relative_to(ROOT / "hikrecv").parts[0] in ("cli", "testing", "reactions"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                yield from in_call(node)


def in_call(call: ast.Call) -> Iterator[str]:
    called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    place = PLACES.get(called)
    if place is not None:
        for argument in call.args[place : place + 1]:
            yield from constants(argument)
    for keyword in call.keywords:
        if keyword.arg in ("anomaly", "anomalies"):
            yield from constants(keyword.value)


def constants(node: ast.expr) -> Iterator[str]:
    """The words that *node* can stand for: either side of a choice, and what begins a tuple."""
    if isinstance(node, ast.IfExp):
        yield from constants(node.body)
        yield from constants(node.orelse)
    elif isinstance(node, ast.Tuple):
        for each in node.elts:
            yield from constants(each)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and NAME.fullmatch(node.value):
        yield node.value


def repairs() -> set[str]:
    """What the reader of XML mends, by trying: it gives the names out of a table."""
    broken = (b"<a><b>1 & 2</b></a>", b"<a><b>1 < 2</b></a>", b"<a><b>\x01</b></a>", b"<a><b>1</b>")
    read = (xml_document.read(text) for text in broken)
    return {name for found in read if found is not None for name, _ in found.anomalies}


def test_every_anomaly_is_documented_and_every_documented_one_exists() -> None:
    tables = re.split(r"(?=^\| name \|)", page("reference/anomalies.md"), flags=re.MULTILINE)[1:]
    documented = {cells[0].strip("`") for table in tables for cells in rows(table)}

    assert documented == {*given(), *repairs(), *HARMLESS, *INVALID, *AMBIGUOUS}
