import html
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COLOR, VERSION = os.environ.get("COLOR", "blue"), os.environ.get("VERSION", "1")
PAGE = f"""<!doctype html><meta charset="utf-8"><title>{html.escape(COLOR)}</title>
<body style="background: {html.escape(COLOR)}; color: white; font: 3rem sans-serif">
{html.escape(COLOR)} {html.escape(VERSION)}"""
ANSWERS = {
    "/": ("text/html; charset=utf-8", PAGE),
    "/version": ("application/json", json.dumps({"color": COLOR, "version": VERSION})),
    "/health": ("application/json", json.dumps({"status": "ok"})),
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.partition("?")[0]
        kind, text = ANSWERS.get(path, ("text/plain", "not found"))
        body = text.encode()
        self.send_response(200 if path in ANSWERS else 404)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("", int(os.environ.get("PORT", "8000"))), Handler).serve_forever()
