"""A small shop outside the process: an agent that needs nothing but Python, as a command and as an endpoint, and a suite for it."""

from __future__ import annotations

__all__ = ["AGENT", "ENDPOINT", "SUITE"]

AGENT = """
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

MANNER = "retries"
SCHEMA = {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]}
TOOLS = [{"type": "function", "function": {"name": "refund", "parameters": SCHEMA}}]
HEADERS = {"authorization": "Bearer k", "content-type": "application/json"}
SORRY = "I'm sorry, that is not available right now."


def note(name, text):
    with Path(__file__).with_name(name).open("a") as file:
        file.write(text + "\\n")


def once(messages):
    body = json.dumps({"model": "m", "messages": messages, "tools": TOOLS}).encode()
    request = urllib.request.Request(os.environ["OPENAI_BASE_URL"] + "/chat/completions", body, HEADERS)
    note("asked", "once")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        return json.load(answer)["choices"][0]["message"]


def ask(messages):
    for tries in range(500 if MANNER == "storms" else 3):
        try:
            return once(messages)
        except (urllib.error.URLError, ConnectionError):
            if MANNER in ("raises", "admits", "lies", "quiet") or tries == 2 and MANNER == "retries":
                raise


def chat(messages, text):
    if MANNER == "idle":
        return "I refunded order 5512."
    messages.append({"role": "user", "content": text})
    while True:
        try:
            message = ask(messages)
        except (urllib.error.URLError, ConnectionError):
            if MANNER in ("raises", "retries"):
                raise
            return {"admits": SORRY, "lies": "All done!", "quiet": ""}[MANNER]
        messages.append(message)
        if not message.get("tool_calls"):
            return message["content"]
        for call in message["tool_calls"]:
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": "{\\"ok\\": true}"})


def begin():
    note("pids", str(os.getpid()))
    Path(__file__).with_name("environment").write_text(json.dumps(dict(os.environ)))
    if MANNER == "waits":
        note("pids", str(subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL).pid))


if __name__ == "__main__":
    begin()
    print(chat([], sys.argv[1]))
"""

ENDPOINT = """
import json
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

import agent

agent.begin()
chats = {}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        try:
            status, text = 200, agent.chat(chats.setdefault(asked["conversation"], []), asked["prompt"])
        except Exception as error:
            status, text = 500, str(error)
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps({"text": text}).encode())


HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

SUITE = """\
version: 1
agent: {command: [python, agent.py]}
defaults: {deadline: 4s}
faults: [http_503, net_read_timeout]
tools:
  refund: {effect: write, body: real}
scenarios:
  refund_order:
    prompt: Refund 5512.
    script:
      - call: {refund: {order: '5512'}}
      - say: I refunded order 5512.
    expect:
      - reply.contains: '5512'
"""
