import OpenAI from "openai";

interface Person {
  name: string;
  age: number | null;
  skills: string[];
}

type Result = { ok: true; person: Person } | { ok: false; error: string };

const client: OpenAI = new OpenAI({ apiKey: process.env.OPENAI_API_KEY! });

const schema = {
  type: "object",
  properties: {
    name: { type: "string" },
    age: { type: ["integer", "null"] },
    skills: { type: "array", items: { type: "string" } },
  },
  required: ["name", "age", "skills"],
  additionalProperties: false,
} as const;

const BIOS: readonly string[] = [
  "Ada Lovelace, 36, wrote about engines and algorithms.",
  "Grace Hopper built compilers and taught the Navy COBOL.",
  "Alan Turing was 41; he broke codes and ran marathons.",
];

async function extract(bio: string): Promise<Result> {
  try {
    const completion = await client.chat.completions.create({
      model: "gpt-4o-2024-08-06",
      messages: [
        { role: "system", content: "Extract the person from the text." },
        { role: "user", content: bio },
      ],
      response_format: { type: "json_schema", json_schema: { name: "person", strict: true, schema } },
    });
    return { ok: true, person: JSON.parse(completion.choices[0].message.content as string) as Person };
  } catch (error: unknown) {
    return { ok: false, error: error instanceof Error ? error.message : String(error) };
  }
}

function summarize<T extends { age: number | null }>(people: T[]): { known: number; average: number } {
  const ages = people.map((person) => person.age).filter((age): age is number => age !== null);
  return { known: ages.length, average: ages.reduce((sum, age) => sum + age, 0) / Math.max(1, ages.length) };
}

const results = await Promise.all(BIOS.map(extract));
const people: Person[] = [];
for (const [index, result] of results.entries()) {
  if (result.ok) people.push(result.person);
  else console.error(`bio ${index}: ${result.error}`);
}
console.table(people.map(({ name, age, skills }) => ({ name, age, skills: skills.join(", ") })));
console.log(summarize(people));
console.log(people);
