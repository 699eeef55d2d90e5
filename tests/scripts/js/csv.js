import fs from "node:fs";
import OpenAI from "openai";
import { gateway, output } from "coo";

// Usage: node csv.js < tickets.csv
const openai = new OpenAI();

function parseCsv(text) {
  const rows = [];
  let row = [];
  let field = "";
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c === '"' && text[i + 1] === '"') {
        field += '"';
        i++;
      } else if (c === '"') quoted = false;
      else field += c;
    } else if (c === '"') quoted = true;
    else if (c === ",") {
      row.push(field);
      field = "";
    } else if (c === "\n") {
      row.push(field.replace(/\r$/, ""));
      rows.push(row);
      row = [];
      field = "";
    } else field += c;
  }
  if (field || row.length) rows.push([...row, field]);
  const [header, ...body] = rows;
  return body.map((values) => Object.fromEntries(header.map((name, i) => [name.trim(), values[i] ?? ""])));
}

const toCsv = (rows) => {
  const quote = (value) => (/[",\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value);
  const header = Object.keys(rows[0]);
  return [header, ...rows.map((row) => header.map((name) => quote(row[name])))].map((row) => row.join(",")).join("\n") + "\n";
};

const tickets = parseCsv(fs.readFileSync(0, "utf8"));
console.error(`${tickets.length} tickets`);

async function classify(ticket) {
  const { choices } = await openai.chat.completions.create({
    model: "gpt-4o-mini",
    temperature: 0,
    messages: [{ role: "user", content: `Classify as bug, question or praise. Answer with one word.\n\n${ticket.text}` }],
  });
  const label = choices[0].message.content.toLowerCase().match(/bug|question|praise/)?.[0] ?? "unknown";
  return { id: ticket.id, label, text: ticket.text };
}

const labelled = await Promise.all(tickets.map(classify));
const counts = labelled.reduce((sum, { label }) => ({ ...sum, [label]: (sum[label] ?? 0) + 1 }), {});
const receipt = gateway.write("tickets/Labelled_v1.0.csv", toCsv(labelled));
console.log(`${receipt.bytes} bytes written to ${receipt.path}`);
output(counts);
