"""Says by name what can't run in the sandbox, and what to use in its place.

A module is refused when it is imported, after every module that is there: a package that came with the
script takes its name. What the standard library offers all the same is refused when it is used.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import concurrent.futures.thread
import importlib.abc
import socket
import subprocess
import threading
from types import ModuleType
from typing import NoReturn

from coo_runner import archive, loop

_NO_NETWORK = "the sandbox has no network; models are asked through openai, anthropic or coo.llm"
_NO_PROCESSES = "the sandbox has no processes"
_NATIVE = "it has native code, which can't run in the sandbox"
_WITH = "'coo run --with FOLDER|WHEEL' brings a package of Python alone"

#: Modules by what is said about them.
MODULES = {
    **dict.fromkeys(
        ("aiohttp", "ftplib", "httpx", "imaplib", "poplib", "requests", "smtplib", "urllib3", "websocket", "websockets"),
        _NO_NETWORK,
    ),
    "ssl": _NO_NETWORK,
    "_ssl": _NO_NETWORK,
    "sqlite3": "use coo.db, the run's own SQLite database",
    "_sqlite3": "use coo.db, the run's own SQLite database",
    "multiprocessing": _NO_PROCESSES + "; call the function directly",
    "_posixsubprocess": _NO_PROCESSES,
    **dict.fromkeys(
        """ctypes _ctypes cffi curses dbm readline tkinter numpy pandas scipy sklearn torch transformers
        tiktoken tokenizers lxml PIL cv2 matplotlib cryptography orjson psycopg psycopg2 pyarrow polars
        sentence_transformers faiss chromadb grpc""".split(),
        _NATIVE,
    ),
    "pydantic": _NATIVE + "; use dataclasses or typing.TypedDict, which openai's parse() takes, too",
    "pydantic_core": _NATIVE,
    "bz2": _NATIVE,
    "lzma": _NATIVE,
    "pip": _WITH,
    "venv": _WITH,
    "webbrowser": "the sandbox has no browser",
    "pty": _NO_PROCESSES,
}


class Finder(importlib.abc.MetaPathFinder):
    """Refuses the modules of `MODULES`; stands after the script's own files and packages."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        reason = MODULES.get(fullname)
        if reason is not None:
            raise ModuleNotFoundError(f"No module named '{fullname}': {reason}", name=fullname)


def explain_missing(error: BaseException) -> None:
    """Adds to the exception about a package that did not come with the script what to do."""
    if isinstance(error, ModuleNotFoundError) and error.msg == f"No module named {error.name!r}":
        error.msg += f"; {_WITH}"


def install() -> None:
    """Replaces what needs processes, threads or the network."""

    def popen(self: object, args: object, *rest: object, **options: object) -> NoReturn:
        # Else the destructor of the half-made object complains.
        self._child_created = False
        self.returncode = None
        program = args if isinstance(args, str | bytes) else list(args)[0]
        raise PermissionError(1, f"subprocess: {_NO_PROCESSES}", str(program))

    def start(self: threading.Thread) -> NoReturn:
        raise RuntimeError(
            "threading.Thread.start: the sandbox has no threads; call the function directly, or use asyncio, "
            "whose model calls are made at the same time"
        )

    def getaddrinfo(host: object, *rest: object, **options: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_FAIL, f"{host}: {_NO_NETWORK}")

    def connect(self: socket.socket, address: object) -> NoReturn:
        raise PermissionError(1, f"socket: {_NO_NETWORK}")

    async def exec_or_shell(*args: object, **options: object) -> NoReturn:
        raise PermissionError(1, f"asyncio.create_subprocess: {_NO_PROCESSES}")

    def close_urllib(module: ModuleType) -> None:
        def urlopen(url: object, *rest: object, **options: object) -> NoReturn:
            raise module.URLError(f"{getattr(url, 'full_url', url)}: {_NO_NETWORK}")

        module.urlopen = urlopen

    archive.after_import["urllib.request"] = close_urllib
    subprocess.Popen.__init__ = popen
    threading.Thread.start = start
    socket.getaddrinfo = getaddrinfo
    socket.socket.connect = connect
    socket.socket.connect_ex = connect
    asyncio.create_subprocess_exec = asyncio.create_subprocess_shell = exec_or_shell
    concurrent.futures.ThreadPoolExecutor = loop.Executor
    concurrent.futures.thread.ThreadPoolExecutor = loop.Executor
    concurrent.futures.ProcessPoolExecutor = loop.Executor
