"""Fails as a person's script fails: the model leaves out a field."""
import json

from openai import OpenAI

client = OpenAI()


def total(rows):
    return sum(row["price"] * row["count"] for row in rows)


response = client.chat.completions.create(
    model="gpt-4o-mini",
    messages=[{"role": "user", "content": "List the goods as JSON rows with name, price and count."}],
)
rows = json.loads(response.choices[0].message.content)
print(f"{len(rows)} rows")
print(total(rows))
