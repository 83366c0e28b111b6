"""A real MCP server on stdio, for the tests of the shim. Its first argument is a file to which it writes what it is told."""

import json
import sys

RESULTS = {
    "initialize": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "shop", "version": "1"}},
    "tools/list": {"tools": [{"name": "lookup_order", "inputSchema": {"type": "object"}}]},
    "tools/call": {"content": [{"type": "text", "text": '{"total": 12.5}'}], "isError": False},
}

with open(sys.argv[1], "a") as log:  # noqa: PTH123 - nothing of pathlib is needed to start fast
    for line in sys.stdin:
        message = json.loads(line)
        method = message.get("method")
        log.write(f"{method}\n")
        log.flush()
        if "id" in message:
            found = {"result": RESULTS[method]} if method in RESULTS else {"error": {"code": -32601, "message": "Method not found"}}
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **found}) + "\n")
            sys.stdout.flush()
