"""A small JSON server: one function for each path."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def serve(routes):
    """Answer `(method, path)` with what its function makes of the request's JSON."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            route = routes.get((self.command, self.path.partition("?")[0]))
            size = int(self.headers.get("content-length") or 0)
            try:
                given = json.loads(self.rfile.read(size) or b"{}")
                status, told = (200, route(given)) if route else (404, {"error": "not found"})
            except (KeyError, ValueError) as error:
                status, told = 400, {"error": str(error)}
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer

    port = int(os.environ.get("PORT", "8000"))
    ThreadingHTTPServer(("", port), Handler).serve_forever()
