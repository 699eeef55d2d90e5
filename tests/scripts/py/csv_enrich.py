"""Read CSV from standard input, enrich each row with a model, write CSV to standard output."""
import csv
import sys

from openai import OpenAI

client = OpenAI()
PROMPT = "Which country is {city} in? Answer with the country's name only."


def country_of(city: str, cache: dict[str, str] = {}) -> str:
    if city not in cache:
        response = client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": PROMPT.format(city=city)}],
            max_tokens=10,
            stop=["\n"],
        )
        cache[city] = response.choices[0].message.content.strip().rstrip(".")
    return cache[city]


reader = csv.DictReader(sys.stdin)
writer = csv.DictWriter(sys.stdout, fieldnames=[*reader.fieldnames, "country"], lineterminator="\n")
writer.writeheader()
rows = 0
for row in reader:
    row["country"] = country_of(row["city"])
    writer.writerow(row)
    rows += 1
print(f"{rows} rows", file=sys.stderr)
