#!/usr/bin/env python3
"""Stands in for the llama-server that Ollama from v0.30 on starts: hashes the model file it was handed, read in three
ways, and says that for an answer. Ollama asks it three things: its system information, its devices, and to run.
"""

import hashlib
import http.server
import json
import mmap
import os
import sys
import time


def read(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def read_mapped(path):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ) as mapping:
        return hashlib.sha256(mapping).hexdigest()


def read_directly(path):
    digest = hashlib.sha256()
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    buffer = mmap.mmap(-1, 1 << 20)  # page-aligned, as O_DIRECT asks for
    while count := os.readv(fd, [buffer]):
        digest.update(buffer[:count])
    os.close(fd)
    return digest.hexdigest()


def option(name):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else None


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer("application/json", json.dumps({"status": "ok"}))

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        asked = json.loads(self.rfile.read(length) or b"{}")
        text = " ".join(way(option("--model")) for way in (read, read_mapped, read_directly))
        if self.path.endswith("/chat/completions"):
            events = [
                {"choices": [{"index": 0, "delta": {"role": "assistant", "content": text}}]},
                {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            ]
        elif self.path == "/completion":
            events = [{"content": text, "stop": False}, {"content": "", "stop": True, "stop_type": "eos", "timings": {}}]
        elif self.path == "/tokenize":
            return self.answer("application/json", json.dumps({"tokens": [1]}))
        else:
            return self.answer("application/json", json.dumps({"prompt": asked.get("prompt", "")}))
        body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
        self.answer("text/event-stream", body)

    def answer(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


if "--list-devices" in sys.argv:
    sys.exit(0)
if "--model" not in sys.argv:
    print("system_info: n_threads = 1", file=sys.stderr, flush=True)
    time.sleep(600)
http.server.ThreadingHTTPServer(("127.0.0.1", int(option("--port"))), Handler).serve_forever()
