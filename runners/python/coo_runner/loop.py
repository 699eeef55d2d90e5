"""An event loop for asyncio without sockets and threads.

Ready callbacks run first, then due timers. When the loop has nothing else to do, all model calls that
tasks wait for go to the host together, in the order in which they were made. A wait for a timer moves
the sandbox's clock and takes no time. Work for an executor is done at once, in order.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from asyncio import events
from collections.abc import Callable
from typing import Any

from coo_runner import chat

DEADLOCK = "deadlock: every task waits, and nothing is left that could wake one (no timer, no model call)"


class Loop(asyncio.BaseEventLoop):
    def __init__(self) -> None:
        super().__init__()
        self._selector = _Idle(self)
        self._calls: list[tuple[chat.Request, asyncio.Future[chat.Outcome]]] = []

    def ask(self, request: chat.Request) -> asyncio.Future[chat.Outcome]:
        """Adds a model call to those that go to the host when nothing else is to do."""
        future = self.create_future()
        self._calls.append((request, future))
        return future

    def send_calls(self) -> bool:
        """Makes the calls that are still waited for. Returns whether there was one."""
        calls = [(request, future) for request, future in self._calls if not future.done()]
        self._calls.clear()
        outcomes = chat.send([request for request, _ in calls])
        for (_, future), outcome in zip(calls, outcomes):
            future.set_result(outcome)
        return bool(calls)

    def run_in_executor(self, executor: object, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        self._check_closed()
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except StopIteration as error:
            failure = RuntimeError("StopIteration in an executor's function")
            failure.__cause__ = error
            future.set_exception(failure)
        except Exception as error:
            future.set_exception(error)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        self._executor_shutdown_called = True

    def _process_events(self, event_list: list[object]) -> None:
        pass

    def _write_to_self(self) -> None:
        # Wakes a loop in another thread; there is none.
        pass


class _Idle:
    """Stands where a loop has its selector: it is asked when the loop would wait."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[object]:
        if timeout == 0 or self._loop.send_calls():
            return []
        if timeout is None:
            raise RuntimeError(DEADLOCK)
        time.sleep(timeout)
        return []


class _Policy(events._BaseDefaultEventLoopPolicy):
    _loop_factory = Loop


class Executor(concurrent.futures.Executor):
    """A pool that does its work at once: there are no threads, and the order is the order of submission."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        self._open = True
        initializer = kwargs.get("initializer")
        if callable(initializer):
            initializer(*kwargs.get("initargs", ()))

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        if not self._open:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._open = False


def install() -> None:
    events._set_event_loop_policy(_Policy())


def running() -> Loop:
    """The loop that runs now."""
    found = asyncio.get_running_loop()
    if not isinstance(found, Loop):
        raise RuntimeError(f"model calls need the runner's own event loop, not {type(found).__name__}")
    return found
