"""The interface of coo itself: a database, several calls at once, an artefact, a typed output."""
from dataclasses import dataclass

import coo


@dataclass
class Result:
    reviewed: int
    negative: list[str]
    artefact: str


@coo.mission
def main(text: str) -> Result:
    coo.db.execute("CREATE TABLE reviews (id INTEGER PRIMARY KEY, text TEXT, mood TEXT)")
    for line in text.splitlines():
        coo.db.execute("INSERT INTO reviews (text) VALUES (?1)", (line,))
    rows = coo.db.query("SELECT id, text FROM reviews ORDER BY id")
    answers = coo.llm.complete_many(
        {"prompt": review, "system": "Answer 'good' or 'bad'.", "max_tokens": 5} for _, review in rows
    )
    for (number, _), answer in zip(rows, answers):
        coo.db.execute("UPDATE reviews SET mood = ?1 WHERE id = ?2", (answer.text, number))
    negative = [row["text"] for row in coo.db.query_dicts("SELECT text FROM reviews WHERE mood = 'bad' ORDER BY id")]
    receipt = coo.gateway.write("reviews/Negative_v1.0.md", "".join(f"- {text}\n" for text in negative))
    return Result(len(rows), negative, receipt.path)
