"""Tests of the Python side that need no component: `python3 -m unittest discover -s runners/python/tests`.

What needs CPython for WebAssembly (the event loop, imports, refusals) is tested by scripts that run.
"""

from __future__ import annotations

import io
import pathlib
import sys
import unittest
import zipfile
from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypedDict

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import host
from coo_runner import archive, chat, failure, schema, state

PNG = "data:image/png;base64,iVBORw=="


def request(*messages: object, **options: object) -> chat.Request:
    return chat.request(chat.Call(list(messages), **options))


class Requests(unittest.TestCase):
    def test_messages_become_records(self) -> None:
        call = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
        parts = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": PNG}}]
        made = request(
            {"role": "developer", "content": "s"},
            {"role": "user", "content": parts},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "4"},
        )
        llm = host.llm
        self.assertEqual(
            made.messages,
            [
                llm.ChatMessage_System("s"),
                llm.ChatMessage_User(llm.UserMessage("see", [llm.Image("image/png", b"\x89PNG")])),
                llm.ChatMessage_Assistant(llm.AssistantMessage("", [llm.ToolCall("c", "f", "{}")])),
                llm.ChatMessage_Tool(llm.ToolMessage("c", "4")),
            ],
        )

    def test_what_the_host_could_not_take_is_an_exception(self) -> None:
        user = {"role": "user", "content": "x"}
        for error, messages, options in [
            (UnicodeEncodeError, [{"role": "user", "content": "\ud800"}], {}),
            (ValueError, [user], {"max_tokens": -1}),
            (ValueError, [user], {"max_tokens": 2**32}),
            (TypeError, [user], {"temperature": "warm"}),
            (TypeError, [user], {"model": 4}),
            (ValueError, [{"role": "judge", "content": "x"}], {}),
            (ValueError, [{"role": "user", "content": [{"type": "audio"}]}], {}),
            (ValueError, [user], {"tool_choice": "some"}),
            (ValueError, [user], {"response_format": {"type": "xml"}}),
            (TypeError, ["x"], {}),
        ]:
            with self.subTest(messages=messages, options=options), self.assertRaises(error):
                request(*messages, **options)

    def test_a_model_that_is_not_known_is_asked_for_once(self) -> None:
        def answer(one: chat.Request) -> object:
            if one.model is None:
                return host.completion("yes")
            text = f"model '{one.model}' asked, but the descriptor lists none under llm.models"
            return host.Err(host.llm.ChatError_Refused(text))

        host.answer = answer
        host.asked.clear()
        user = {"role": "user", "content": "x"}
        stderr, sys.stderr = sys.stderr, io.StringIO()
        try:
            first = chat.send([request(user, model="gpt-9"), request(user, model="gpt-9")])
            second = chat.send_one(request(user, model="gpt-9"))
            said = sys.stderr.getvalue()
        finally:
            sys.stderr = stderr
        self.assertEqual([outcome.text for outcome in [*first, second]], ["yes"] * 3)
        self.assertEqual([len(asked) for asked in host.asked], [2, 2, 1])
        self.assertEqual(said.count("gpt-9"), 1)

    def test_another_refusal_stays_a_refusal(self) -> None:
        host.answer = lambda one: host.Err(host.llm.ChatError_Refused("temperature 0.7 asked; the descriptor fixes 0"))
        outcome = chat.send_one(request({"role": "user", "content": "x"}, model="a"))
        self.assertIsInstance(outcome, chat.Refused)


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


@dataclass
class Inner:
    mood: Mood
    note: str | None


class Outer(TypedDict):
    kind: Literal["a", "b"]
    inner: list[Inner]


class Schemas(unittest.TestCase):
    def test_a_type_has_a_closed_schema(self) -> None:
        made = schema.of(Outer)
        self.assertEqual(made["required"], ["kind", "inner"])
        self.assertFalse(made["additionalProperties"])
        inner = made["properties"]["inner"]["items"]
        self.assertEqual(inner["properties"]["mood"], {"enum": ["good", "bad"]})
        self.assertEqual(inner["properties"]["note"], {"anyOf": [{"type": "string"}, {"type": "null"}]})

    def test_json_becomes_values_of_the_type(self) -> None:
        built = schema.build(Outer, {"kind": "a", "inner": [{"mood": "bad", "note": None}]})
        self.assertEqual(built, {"kind": "a", "inner": [Inner(Mood.BAD, None)]})

    def test_a_type_without_a_schema_is_named(self) -> None:
        with self.assertRaisesRegex(TypeError, "no JSON Schema"):
            schema.of(Requests)


class Failures(unittest.TestCase):
    def report(self, source: str) -> failure.Report:
        try:
            exec(compile(source, "a.py", "exec"), {})
        except BaseException as error:
            return failure.Report.of(error, frozenset(["a.py"]), str(pathlib.Path(__file__).parent) + "/")
        self.fail("nothing was raised")

    def test_the_reason_names_the_authors_line(self) -> None:
        report = self.report("def f(row):\n    return row['price']\nf({})")
        self.assertTrue(report.reason.startswith("KeyError: 'price', at a.py:2 in f"), report.reason)
        self.assertNotIn(__file__, report.traceback)

    def test_a_syntax_error_names_its_line(self) -> None:
        report = self.report("x = (\n")
        self.assertEqual(report.reason, "SyntaxError: '(' was never closed, at a.py:1: x = (")

    def test_a_reason_is_one_short_line(self) -> None:
        report = self.report("raise ValueError('a\\nb' + 'x' * 10_000 + '\\ud800')")
        self.assertNotIn("\n", report.reason)
        self.assertLessEqual(len(report.reason), failure.REASON_CHARACTERS_MAX)
        report.traceback.encode()


class Outputs(unittest.TestCase):
    def test_text_stays_and_values_are_canonical_json(self) -> None:
        for value, text in [("a\n", "a\n"), ({"b": 1, "a": [None, "ü"]}, '{"a":[null,"ü"],"b":1}'), (3, "3")]:
            self.assertEqual(state.text_of(value), text)
        self.assertEqual(state.text_of(Inner(None, "x")), '{"mood":null,"note":"x"}')

    def test_what_is_no_json_is_refused(self) -> None:
        for value in [float("nan"), object(), "\ud800"]:
            with self.subTest(value=value), self.assertRaises((ValueError, TypeError)):
                state.text_of(value)


class Archives(unittest.TestCase):
    def test_a_wheel_gives_modules_versions_and_refuses_native_code(self) -> None:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as wheel:
            wheel.writestr("some_pkg/__init__.py", "X = 1")
            wheel.writestr("some_pkg/fast.cpython-314-wasm32-wasi.so", b"")
            wheel.writestr("some_pkg-1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: some-pkg\nVersion: 1.2\n")
        finder = archive.Finder(archive.Wheel("some_pkg.whl", content.getvalue()))
        sys.meta_path.insert(0, finder)
        try:
            import importlib.metadata

            import some_pkg

            self.assertEqual((some_pkg.X, some_pkg.__file__), (1, "some_pkg.whl/some_pkg/__init__.py"))
            self.assertEqual(importlib.metadata.version("Some.Pkg"), "1.2")
            with self.assertRaisesRegex(ImportError, "native extension"):
                import some_pkg.fast
        finally:
            sys.meta_path.remove(finder)


if __name__ == "__main__":
    unittest.main()
