"""Classify support tickets with an LLM and print a small report."""
import json
import os
from collections import Counter

from dotenv import load_dotenv
from openai import OpenAI

load_dotenv()
client = OpenAI(api_key=os.environ["OPENAI_API_KEY"])

TICKETS = [
    {"id": 1, "text": "I was charged twice this month."},
    {"id": 2, "text": "The app crashes when I open settings."},
    {"id": 3, "text": "How do I change my password?"},
]

SYSTEM = """You classify support tickets. Answer with JSON:
{"category": "billing" | "bug" | "question", "urgent": true | false}"""


def classify(ticket):
    response = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": ticket["text"]},
        ],
        response_format={"type": "json_object"},
        temperature=0,
    )
    return json.loads(response.choices[0].message.content)


def main():
    counts = Counter()
    for ticket in TICKETS:
        result = classify(ticket)
        counts[result["category"]] += 1
        flag = "!" if result["urgent"] else " "
        print(f"{flag} #{ticket['id']} {result['category']:<9} {ticket['text']}")
    print(dict(counts))


if __name__ == "__main__":
    main()
