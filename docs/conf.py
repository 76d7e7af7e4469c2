"""Sphinx: one page a question, the reference checked by tests."""

import re

from sphinx.application import Sphinx

project = "hikrecv"
author = "The hikrecv authors"
copyright = "2026, The hikrecv authors"
extensions = ["myst_parser"]
myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "hikrecv"
html_static_path = ["_static"]
exclude_patterns = ["_build", "requirements.txt", "tutorial/plugin"]
nitpicky = True

_README = re.compile(r"\((?:\.\./)+plugins/(hikrecv-[a-z]+)/README\.md\)")


def _on_pypi(app: Sphinx, name: str, text: list[str]) -> None:
    """Links to the plugins' READMEs are for readers of the checkout; here they lead to the same on PyPI."""
    text[0] = _README.sub(r"(https://pypi.org/project/\1/)", text[0])


def setup(app: Sphinx) -> None:
    app.connect("source-read", _on_pypi)
