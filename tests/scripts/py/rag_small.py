"""A tiny retrieval pipeline: chunks, a bag-of-words index, a grounded answer with citations."""
import hashlib
import math
import re
from collections import Counter

from openai import OpenAI

DOCUMENTS = {
    "solar.md": "# Solar\nPanels turn sunlight into current. Output drops in winter.\n\nClean them twice a year.",
    "wind.md": "# Wind\nTurbines need wind above 4 m/s.\n\nStorms above 25 m/s stop them.",
}


def chunks():
    for name, text in DOCUMENTS.items():
        for part in text.split("\n\n"):
            digest = hashlib.sha256(part.encode()).hexdigest()[:8]
            yield {"id": digest, "source": name, "text": part.strip()}


def vector(text):
    return Counter(re.findall(r"[a-z0-9]+", text.lower()))


def cosine(a, b):
    dot = sum(a[word] * b[word] for word in a)
    size = math.sqrt(sum(n * n for n in a.values())) * math.sqrt(sum(n * n for n in b.values()))
    return dot / size if size else 0.0


INDEX = [(chunk, vector(chunk["text"])) for chunk in chunks()]


def search(question, k=2):
    query = vector(question)
    ranked = sorted(INDEX, key=lambda pair: cosine(query, pair[1]), reverse=True)
    return [chunk for chunk, _ in ranked[:k]]


question = "When do storms stop turbines?"
found = search(question)
context = "\n".join(f"[{chunk['id']}] {chunk['text']}" for chunk in found)
response = OpenAI().responses.create(
    model="gpt-4.1",
    instructions="Answer from the context and cite ids in brackets.",
    input=f"Context:\n{context}\n\nQuestion: {question}",
)
answer = response.output_text
print(answer)
cited = set(re.findall(r"\[([0-9a-f]{8})\]", answer))
unknown = cited - {chunk["id"] for chunk in found}
print("sources:", sorted({chunk["source"] for chunk in found if chunk["id"] in cited}), "unknown:", sorted(unknown))
