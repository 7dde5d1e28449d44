# SPDX-License-Identifier: MIT
"""Ask the program behind a coprocd: Client (threads), AsyncClient (asyncio), Server."""
from .aio import AsyncClient
from .client import Client
from .errors import (BadRequestError, ConnectError, ConnectionLostError, CoprocError, CrashedError,
                     DeniedError, DesyncError, NothingSentError, OverloadedError, ProtocolError,
                     ReplyTooLongError, RequestTimeoutError, StoppingError, TooLongError,
                     UnavailableError)
from .server import Server

__all__ = ["AsyncClient", "BadRequestError", "Client", "ConnectError", "ConnectionLostError",
           "CoprocError", "CrashedError", "DeniedError", "DesyncError", "NothingSentError",
           "OverloadedError", "ProtocolError", "ReplyTooLongError", "RequestTimeoutError",
           "Server", "StoppingError", "TooLongError", "UnavailableError"]
