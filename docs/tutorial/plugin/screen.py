"""A screen for the tutorial: prints what it is told to show.  Run it with a port: python screen.py 8000"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Screen(BaseHTTPRequestHandler):
    def do_PUT(self):
        shown = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        picture = " (with a picture)" if "picture" in shown else ""
        print(f"{shown['text']}{picture}", flush=True)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", int(sys.argv[1])), Screen).serve_forever()
