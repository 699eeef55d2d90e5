"""Packs the standard library when the runner is built: the snapshot holds every module that a script
may import and that the runner has not imported itself. Does nothing while a script runs.
"""

from __future__ import annotations

import os
import zlib

from coo_runner.archive import Library

#: Modules that need what the sandbox has not (windows, processes, native libraries), and tests.
LEFT_OUT = frozenset(
    """
    antigravity bz2 config-3.14-wasm32-wasi ctypes curses dbm ensurepip idlelib lzma multiprocessing
    pty pydoc_data site-packages sqlite3 ssl this tkinter tty turtle turtledemo venv webbrowser
    _apple_support _android_support _ios_support _osx_support _aix_support
    """.split()
)


def pack(folder: str) -> Library:
    """Reads all modules below `folder`."""
    prefix = folder.rstrip("/") + "/"
    modules: dict[str, bytes] = {}
    for path in sorted(_python_files(folder, "")):
        with open(prefix + path, "rb") as file:
            modules[path] = zlib.compress(file.read(), 9)
    return Library(prefix, modules)


def _python_files(folder: str, below: str) -> list[str]:
    found = []
    for entry in os.scandir(f"{folder}/{below}"):
        path = below + entry.name
        if entry.name.removesuffix(".py") in LEFT_OUT and not below or entry.name == "__pycache__":
            continue
        if entry.is_dir():
            found += _python_files(folder, path + "/")
        elif entry.name.endswith(".py"):
            found.append(path)
    return found
