"""Judge answers with several Claude calls in a task group."""
import asyncio
import statistics
from dataclasses import dataclass, field

from anthropic import AsyncAnthropic

client = AsyncAnthropic()


@dataclass(order=True)
class Verdict:
    score: int
    answer: str = field(compare=False)


async def judge(question: str, answer: str) -> Verdict:
    message = await client.messages.create(
        model="claude-3-5-haiku-latest",
        max_tokens=16,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": f"Question: {question}"},
                    {"type": "text", "text": f"Answer: {answer}\nScore from 1 to 10, the number only."},
                ],
            }
        ],
    )
    return Verdict(int(message.content[0].text), answer)


async def main():
    question = "Why is the sky blue?"
    answers = ["Rayleigh scattering.", "Because of the sea.", "Blue light scatters more in air."]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(judge(question, answer)) for answer in answers]
    verdicts = sorted((task.result() for task in tasks), reverse=True)
    for verdict in verdicts:
        print(f"{verdict.score:>2}  {verdict.answer}")
    print(f"mean {statistics.mean(v.score for v in verdicts):.2f}")


if __name__ == "__main__":
    asyncio.run(main())
