#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Ask a coprocd: client.py SOCKET LINE...; the listener has replies=status.
# The package coproc is contrib/python: PYTHONPATH=contrib/python, or pip install.
import sys

from coproc import Client, CoprocError

with Client(sys.argv[1], timeout=5) as client:
    for line in sys.argv[2:]:
        try:
            print(client.ask(line))
        except CoprocError as error:
            print(f"no reply: {error.code}: {error.text}")
