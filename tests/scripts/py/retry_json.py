"""Ask for JSON in plain text, and retry with backoff until it parses."""
import json
import logging
import random
import re
import time

from openai import APIError, OpenAI, RateLimitError

logging.basicConfig(level=logging.INFO, format="%(levelname)s:%(message)s")
logger = logging.getLogger(__name__)
client = OpenAI(max_retries=3, timeout=20.0)


def parse(text: str) -> dict:
    match = re.search(r"```(?:json)?\s*(\{.*?\})\s*```", text, re.DOTALL)
    return json.loads(match.group(1) if match else text)


def ask(prompt: str, retries: int = 4) -> dict:
    delay = 1.0
    for attempt in range(1, retries + 1):
        try:
            response = client.chat.completions.create(
                model="gpt-4o-mini",
                messages=[{"role": "user", "content": f"{prompt} (attempt {attempt})"}],
            )
            return parse(response.choices[0].message.content)
        except (RateLimitError, APIError, json.JSONDecodeError) as error:
            logger.warning("attempt %d failed: %s", attempt, type(error).__name__)
            time.sleep(delay + random.random())
            delay *= 2
    raise SystemExit("giving up")


answer = ask("Name three primes as JSON with key 'primes'.")
print("primes:", ", ".join(map(str, answer["primes"])))
