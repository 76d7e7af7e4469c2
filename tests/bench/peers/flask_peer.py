"""Flask on gunicorn's threaded workers: (2 x cores) + 1 of them, as its documentation advises."""

from __future__ import annotations

from durable import keep, understand
from flask import Flask, Response, request

app = Flask(__name__)


@app.post("/")
def receive() -> Response:
    """Read, parse, keep, answer."""
    body = request.get_data(cache=True, parse_form_data=False)
    if request.mimetype.startswith("multipart/"):
        for value in request.form.values():
            understand(value.encode())
        for upload in request.files.values():
            upload.read()
    else:
        understand(body)
    keep(body)
    return Response()
