"""An agent for orders as an HTTP endpoint, which remembers each conversation.

agentlab test examples/order_endpoint.suite.yaml
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bare_loop import build
from openai import OpenAIError

chats = {}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        chat = chats.setdefault(asked["conversation"], build())
        try:
            status, text = 200, chat(asked["prompt"])
        except OpenAIError as error:
            status, text = 502, type(error).__name__
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps({"text": text}).encode())


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
