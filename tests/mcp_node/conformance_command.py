"""The command that the conformance suite starts: it passes the scenario to the process that the tests run in.

``conformance_command.py PORT SERVER_URL``; with few imports, since it is started forty times at once.
"""

import json
import os
import socket
import sys

scenario = {
    "name": os.environ["MCP_CONFORMANCE_SCENARIO"],  # noqa: TID251  # so the suite passes it
    "url": sys.argv[2],
    "context": json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}")),  # noqa: TID251
}
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=110) as connection:
    connection.sendall(json.dumps(scenario).encode() + b"\n")
    answer = connection.makefile().readline().strip()
sys.exit(answer or None)
