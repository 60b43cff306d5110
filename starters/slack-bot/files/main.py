import hashlib
import hmac
import json
import os
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ.get("SLACK_SIGNING_SECRET", "")
TOKEN = os.environ.get("SLACK_BOT_TOKEN", "")
OLDEST_S = 300


def is_from_slack(headers, body):
    """https://api.slack.com/authentication/verifying-requests-from-slack"""
    moment, given = headers.get("x-slack-request-timestamp", "0"), headers.get("x-slack-signature")
    if not SECRET or not moment.isdigit() or abs(time.time() - int(moment)) > OLDEST_S:
        return False
    signed = hmac.new(SECRET.encode(), f"v0:{moment}:".encode() + body, hashlib.sha256)
    return hmac.compare_digest(f"v0={signed.hexdigest()}", given or "")


def say(channel, text):
    request = urllib.request.Request(
        "https://slack.com/api/chat.postMessage",
        json.dumps({"channel": channel, "text": text}).encode(),
        {"authorization": f"Bearer {TOKEN}", "content-type": "application/json; charset=utf-8"},
    )
    urllib.request.urlopen(request, timeout=10).close()


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, told):
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        missing = [name for name in ("SLACK_SIGNING_SECRET", "SLACK_BOT_TOKEN") if not os.environ.get(name)]
        self.answer(200, {"bot": "ready", "missing": missing})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if not is_from_slack(self.headers, body):
            return self.answer(401, {"error": "not signed by Slack"})
        told = json.loads(body)
        if told.get("type") == "url_verification":
            return self.answer(200, {"challenge": told["challenge"]})
        event = told.get("event", {})
        if event.get("type") == "app_mention":
            text = f"Hello <@{event['user']}>"
            threading.Thread(target=say, args=(event["channel"], text)).start()
        return self.answer(200, {})


ThreadingHTTPServer(("", int(os.environ.get("PORT", "8000"))), Handler).serve_forever()
