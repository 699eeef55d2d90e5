"""The life of one run: envelope in, script executed, output or failure out.

Every exception of a script ends here, so that no mistake of an author is a trap. Never decides what a
script may do: the host does.
"""

from __future__ import annotations

import atexit
import asyncio
import base64
import importlib.util
import inspect
import json
import linecache
import sys
import types
import zipfile
from dataclasses import dataclass

from coo_runner import failure, loop, refusals, sandbox, state
from coo_runner.archive import Archive, Files, Finder, Wheel

FORMAT = "coo-script/1"

#: Python frames. With less, CPython raises RecursionError before the sandbox's stack ends.
RECURSION_LIMIT = 1000


class Failed(Exception):
    """The run has failed; the argument is its reason, in one line."""


@dataclass(frozen=True)
class Envelope:
    """What the host passes to a runner."""

    main: str
    files: dict[str, str]
    wheels: list[Wheel]
    input: str

    @classmethod
    def parse(cls, text: str) -> Envelope:
        try:
            fields = json.loads(text)
            if fields["format"] != FORMAT:
                raise Failed(f"the runner reads {FORMAT}, not {fields['format']}")
            wheels = [_wheel(package) for package in fields.get("packages", [])]
            envelope = cls(fields["main"], fields["files"], wheels, fields.get("input", ""))
            envelope.files[envelope.main].encode()
            envelope.input.encode()
        except Failed:
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Failed(f"the runner's input is no {FORMAT}: {failure.one_line(error)}") from error
        return envelope


def _wheel(package: dict[str, str]) -> Wheel:
    try:
        return Wheel(package["name"], base64.b64decode(package["zip"], validate=True))
    except (ValueError, zipfile.BadZipFile) as error:
        raise Failed(f"package {package['name']}: is no wheel (a zip file): {error}") from error


def run(text: str, own_folder: str) -> str:
    """Runs the script of an envelope and returns its output; `""` if it gave none but what it printed."""
    envelope = Envelope.parse(text)
    state.begin(envelope.input)
    sandbox.begin(envelope.main, envelope.files, envelope.input)
    sys.setrecursionlimit(RECURSION_LIMIT)
    loop.install()
    try:
        for archive in reversed([Files(envelope.files), *envelope.wheels]):
            _make_importable(archive)
        _execute(envelope)
        output = state.output_text()
        reason = None
    except SystemExit as end:
        output, reason = _ended(end)
    except BaseException as error:
        output, reason = "", _reported(error, envelope, own_folder)
    finally:
        reason_at_exit = _finish(envelope, own_folder)
    if reason is None:
        reason = reason_at_exit
    if reason is not None:
        raise Failed(reason)
    return output


def _make_importable(archive: Archive) -> None:
    # After the modules of the interpreter itself, before refusals and the standard library.
    sys.meta_path.insert(2, Finder(archive))
    if isinstance(archive, Wheel):
        sys.path.insert(0, archive.name)


def _execute(envelope: Envelope) -> None:
    source = envelope.files[envelope.main]
    for name, content in envelope.files.items():
        lines = content.splitlines(keepends=True)
        linecache.cache[name] = (len(content), None, lines, name)
    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=envelope.main, __builtins__=__builtins__)
    sys.modules["__main__"] = module
    sys.path.insert(0, "")
    exec(compile(source, envelope.main, "exec", dont_inherit=True), module.__dict__)
    entry = state.entry
    if entry is not None:
        takes_input = any(
            parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD, parameter.VAR_POSITIONAL)
            for parameter in inspect.signature(entry).parameters.values()
        )
        value = entry(envelope.input) if takes_input else entry()
        if inspect.iscoroutine(value):
            value = asyncio.run(value)
        if value is not None:
            state.set_output(value)


def _ended(end: SystemExit) -> tuple[str, str | None]:
    """What `sys.exit` means: output and no reason, or a reason."""
    if end.code is None or end.code is False or end.code == 0:
        return state.output_text(), None
    if isinstance(end.code, int):
        return "", f"exit status {int(end.code)}"
    text = failure.text_of(end.code)
    sandbox.write_error(text + "\n")
    return "", failure.single(text)


def _reported(error: BaseException, envelope: Envelope, own_folder: str) -> str:
    """Writes the traceback to standard error and returns the reason."""
    try:
        refusals.explain_missing(error)
        report = failure.Report.of(error, frozenset(envelope.files), own_folder)
    except BaseException as second:
        # An exception whose text can't be made, or no stack left to make it.
        return f"{type(error).__name__}, and its traceback can't be shown: {type(second).__name__}"
    sandbox.write_error(report.traceback)
    return report.reason


def _finish(envelope: Envelope, own_folder: str) -> str | None:
    try:
        atexit._run_exitfuncs()
    except BaseException as error:
        return _reported(error, envelope, own_folder)
    return sandbox.flush()
