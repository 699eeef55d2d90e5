"""Summarise several documents concurrently, then combine them."""
import asyncio
import time

from openai import AsyncOpenAI

client = AsyncOpenAI()

DOCUMENTS = {
    "tides.txt": "The moon pulls on the oceans. The earth turns below the bulge.",
    "moon.txt": "The moon orbits the earth once every 27.3 days.",
    "sun.txt": "The sun also raises tides, about half as high.",
}


async def summarise(name: str, text: str, gate: asyncio.Semaphore) -> tuple[str, str]:
    async with gate:
        response = await client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": f"Summarise in five words:\n\n{text}"}],
            max_tokens=50,
        )
    return name, response.choices[0].message.content.strip()


async def main() -> None:
    start = time.perf_counter()
    gate = asyncio.Semaphore(2)
    results = await asyncio.gather(*(summarise(n, t, gate) for n, t in DOCUMENTS.items()))
    for name, summary in sorted(results):
        print(f"{name}: {summary}")
    joined = "\n".join(summary for _, summary in results)
    final = await client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": f"Write one sentence from:\n{joined}"}],
    )
    print("=>", final.choices[0].message.content)
    assert time.perf_counter() - start < 60


asyncio.run(main())
