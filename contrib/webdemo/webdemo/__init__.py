# SPDX-License-Identifier: MIT
"""A web page before a program that coprocd keeps warm.

environment, set by contrib/webdemo/run:
  WEBDEMO_SOCKET   coprocd's socket, with replies=status
  WEBDEMO_CONTROL  its control socket
  WEBDEMO_SPOOL    a directory for batches
  WEBDEMO_PROGRAM  the program's name, for the heading
  WEBDEMO_SAMPLES  the sample queries, one a line
  WEBDEMO_TIMEOUT  seconds for a query; a little more than coprocd's request-timeout
  WEBDEMO_THREADS  of each web worker process
"""
from __future__ import annotations

import os
from pathlib import Path

from flask import Flask

from . import api, pages
from .asking import Asker
from .batch import RUNNING, Batches
from .services import KEY, Services
from .state import StateWatch

SAMPLES = "在云端\n云梯\n摩萨德\nAlisa\niDB\n阿里大数据"
SPARE_THREADS = 32  # for pages, states and batches while all queries wait


def need(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise SystemExit(f"webdemo: {name} is not set; start it with contrib/webdemo/run")
    return value


def create_app() -> Flask:
    app = Flask(__name__)
    threads = int(os.environ.get("WEBDEMO_THREADS", "256"))
    asker = Asker(need("WEBDEMO_SOCKET"), float(os.environ.get("WEBDEMO_TIMEOUT", "12")),
                  max(1, threads - SPARE_THREADS), RUNNING)
    app.extensions[KEY] = Services(
        asker, StateWatch(need("WEBDEMO_CONTROL")),
        Batches(Path(need("WEBDEMO_SPOOL")), asker.ask_many),
        os.environ.get("WEBDEMO_PROGRAM", "program"),
        os.environ.get("WEBDEMO_SAMPLES", SAMPLES).splitlines())
    app.register_blueprint(api.blueprint)
    app.register_blueprint(pages.blueprint)
    pages.register_everywhere(app)
    return app
