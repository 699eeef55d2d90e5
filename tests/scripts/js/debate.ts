// Two models argue, a third judges: an orchestration with abstract classes, generics and enums of literals.
import OpenAI from "openai";
import type { ChatCompletionMessageParam } from "openai/resources/chat/completions";

type Side = "pro" | "con";
interface Turn {
  side: Side;
  text: string;
}

abstract class Agent {
  protected readonly client = new OpenAI();
  public readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  protected abstract prompt(turns: ReadonlyArray<Turn>): ChatCompletionMessageParam[];

  async act(turns: ReadonlyArray<Turn>): Promise<string> {
    const stream = await this.client.chat.completions.create({ model: "gpt-4o", messages: this.prompt(turns), stream: true });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
    return text;
  }
}

class Debater extends Agent {
  private side: Side;

  constructor(name: string, side: Side) {
    super(name);
    this.side = side;
  }

  protected override prompt(turns: ReadonlyArray<Turn>): ChatCompletionMessageParam[] {
    return [
      { role: "system", content: `Argue ${this.side} in one sentence.` },
      ...turns.map((turn): ChatCompletionMessageParam => ({ role: turn.side === this.side ? "assistant" : "user", content: turn.text })),
      { role: "user", content: `Round ${Math.floor(turns.length / 2) + 1}, ${this.side}: your turn.` },
    ];
  }
}

class Judge extends Agent {
  protected override prompt(turns: ReadonlyArray<Turn>): ChatCompletionMessageParam[] {
    const transcript = turns.map(({ side, text }) => `${side.toUpperCase()}: ${text}`).join("\n");
    return [{ role: "user", content: `Who won?\n${transcript}` }];
  }
}

async function debate(rounds: number): Promise<{ turns: Turn[]; verdict: string }> {
  const sides = new Map<Side, Debater>([
    ["pro", new Debater("Pia", "pro")],
    ["con", new Debater("Con", "con")],
  ]);
  const turns: Turn[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const [side, agent] of sides) {
      const text = await agent.act(turns);
      console.log(`${agent.name.padEnd(4)}| ${text}`);
      turns.push({ side, text });
    }
  }
  return { turns, verdict: await new Judge("Jo").act(turns) };
}

const { turns, verdict } = await debate(2);
console.log(verdict satisfies string, turns.length);
