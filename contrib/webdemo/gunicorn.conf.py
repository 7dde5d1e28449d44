# SPDX-License-Identifier: MIT
"""Settings of gunicorn; what contrib/webdemo/run lets one choose comes from its environment.

A query holds a thread while it waits, which costs little; connections that are kept
open between queries hold none.
"""
import os

bind = os.environ.get("BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WEB_WORKERS", "2"))
threads = int(os.environ.get("WEBDEMO_THREADS", "256"))
worker_class = "gthread"
worker_connections = 2000
backlog = 2048
keepalive = 15
timeout = 60
graceful_timeout = 5
limit_request_line = 8190
proc_name = "webdemo"
loglevel = "warning"
if os.path.isdir("/dev/shm"):
    worker_tmp_dir = "/dev/shm"


def when_ready(server):
    """Say where the page is; the port may have been left to the system."""
    for listener in server.LISTENERS:
        print(f"webdemo: {listener}/", flush=True)
