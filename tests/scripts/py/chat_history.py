"""A chat with a memory that is cut to a budget, and streamed answers."""
import sys
import textwrap
import uuid
from datetime import datetime, timedelta, timezone

from openai import OpenAI


class Conversation:
    def __init__(self, system: str, budget: int = 200):
        self.id = uuid.uuid4()
        self.client = OpenAI()
        self.system = {"role": "system", "content": system}
        self.turns: list[dict] = []
        self.budget = budget

    def _trim(self) -> None:
        while sum(len(turn["content"]) for turn in self.turns) > self.budget and len(self.turns) > 1:
            self.turns.pop(0)

    def say(self, text: str) -> str:
        self.turns.append({"role": "user", "content": text})
        self._trim()
        stream = self.client.chat.completions.create(
            model="gpt-4o", messages=[self.system, *self.turns], stream=True
        )
        parts = []
        for chunk in stream:
            delta = chunk.choices[0].delta.content
            if delta:
                parts.append(delta)
                sys.stdout.write(delta)
        sys.stdout.write("\n")
        answer = "".join(parts)
        self.turns.append({"role": "assistant", "content": answer})
        return answer


chat = Conversation("You answer briefly.")
started = datetime.now(timezone.utc)
for line in ["Hello, I am Ada.", "What is my name?", "Tell me something long about engines."]:
    print("> " + line)
    chat.say(line)
elapsed = datetime.now(timezone.utc) - started
assert elapsed < timedelta(minutes=1)
assert chat.id.version == 4
print(textwrap.shorten(" / ".join(turn["content"] for turn in chat.turns), 70))
