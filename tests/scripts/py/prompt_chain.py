#!/usr/bin/env python3
"""Outline, draft and critique: a prompt chain with a command line."""
import argparse
import enum
import json
import string
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import Literal, TypedDict

from openai import OpenAI

client = OpenAI()


class Critique(TypedDict):
    verdict: Literal["accept", "revise"]
    reasons: list[str]


class Tone(enum.Enum):
    PLAIN = "plain"
    LIVELY = "lively"


TEMPLATE = string.Template("Write one $tone sentence about: $topic")


def complete(prompt: str) -> str:
    response = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": prompt}], max_completion_tokens=100
    )
    return response.choices[0].message.content


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--topic", default="lighthouses")
parser.add_argument("--tone", type=Tone, default=Tone.PLAIN)
args = parser.parse_args()

outline = complete(f"List two points about {args.topic}, one a line.").splitlines()
with ThreadPoolExecutor(max_workers=4) as pool:
    drafts = list(pool.map(lambda point: complete(TEMPLATE.substitute(tone=args.tone.value, topic=point)), outline))
text = " ".join(drafts)
critique: Critique = (
    client.chat.completions.parse(
        model="gpt-4o",
        messages=[{"role": "user", "content": f"Critique: {text}"}],
        response_format=Critique,
    )
    .choices[0]
    .message.parsed
)
print(text)
print(critique["verdict"], json.dumps(critique["reasons"]))
print(PurePosixPath("out") / f"{args.topic}.md")
