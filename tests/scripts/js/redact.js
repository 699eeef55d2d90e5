import Anthropic from "@anthropic-ai/sdk";

const anthropic = new Anthropic({ apiKey: process.env.ANTHROPIC_API_KEY });

const PATTERNS = {
  email: /\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b/giu,
  phone: /(?<!\d)(?:\+\d{1,3}[ -]?)?(?:\(\d{2,4}\)[ -]?)?\d{3}[ -]?\d{3,4}(?:[ -]?\d{2,4})?(?!\d)/g,
  date: /\b(?<year>\d{4})-(?<month>0[1-9]|1[0-2])-(?<day>[0-2]\d|3[01])\b/g,
  money: /[€$£]\s?\d{1,3}(?:,\d{3})*(?:\.\d{2})?/gu,
};

function redact(text) {
  const found = [];
  for (const [kind, pattern] of Object.entries(PATTERNS)) {
    text = text.replace(pattern, (match, ...rest) => {
      const groups = typeof rest.at(-1) === "object" ? rest.at(-1) : undefined;
      found.push({ kind, match, ...(groups ? { year: groups.year } : {}) });
      return `[${kind} ${found.length}]`;
    });
  }
  return { text, found };
}

function restore(text, found) {
  return text.replace(/\[(\w+) (\d+)\]/g, (whole, kind, number) => found[number - 1]?.match ?? whole);
}

const letter = `Dear Zoë,
write to zoe.o'neil@example.co.uk or call +44 207 946 0958 before 2025-02-28.
The invoice over €1,250.00 is due. 日本 greets.`;

const { text, found } = redact(letter);
console.log(text);
console.log(found);

const message = await anthropic.messages.create({
  model: "claude-3-5-sonnet-latest",
  max_tokens: 300,
  system: "You rewrite letters politely and keep the placeholders in brackets.",
  messages: [{ role: "user", content: [{ type: "text", text }] }],
});
const [block] = message.content;
if (block.type !== "text") throw new Error(`unexpected ${block.type}`);
console.log(restore(block.text, found));
console.log(message.stop_reason, message.usage);
