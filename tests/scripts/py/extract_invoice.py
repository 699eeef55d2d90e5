"""Structured extraction into a dataclass."""
from dataclasses import asdict, dataclass
from decimal import Decimal
import json

from openai import OpenAI


@dataclass
class Line:
    description: str
    quantity: int
    price: float


@dataclass
class Invoice:
    number: str
    customer: str
    lines: list[Line]
    note: str | None


TEXT = """INVOICE 2024-0042
Bill to: Ada Lovelace
3 x punched cards, 1.50 each
1 x analytical engine manual, 20.00"""

client = OpenAI()
completion = client.beta.chat.completions.parse(
    model="gpt-4o-2024-08-06",
    messages=[
        {"role": "system", "content": "Extract the invoice."},
        {"role": "user", "content": TEXT},
    ],
    response_format=Invoice,
)
invoice = completion.choices[0].message.parsed
assert isinstance(invoice, Invoice)
total = sum(Decimal(str(line.price)) * line.quantity for line in invoice.lines)
print(f"{invoice.number}: {invoice.customer}")
for line in invoice.lines:
    print(f"{line.quantity:>3} {line.description:<30} {line.price:>8.2f}")
print(f"{'total':<34} {total:>8.2f}")
print(json.dumps(asdict(invoice), indent=2))
