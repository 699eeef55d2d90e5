import { createHash, randomUUID } from "node:crypto";
import { EventEmitter } from "node:events";
import path from "node:path";
import { inspect, promisify } from "node:util";
import { db, llm } from "coo";

const sha = (text) => createHash("sha256").update(text.normalize("NFC").trim().toLowerCase()).digest("hex");
const digestOf = async (text) => Buffer.from(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))).toString("base64url");

class Store extends EventEmitter {
  constructor() {
    super();
    db.execute("CREATE TABLE note (id TEXT PRIMARY KEY, digest TEXT UNIQUE, text TEXT, tag TEXT)");
  }

  add(text) {
    const digest = sha(text);
    const [known] = db.query("SELECT id FROM note WHERE digest = ?1", [digest]);
    if (known) {
      this.emit("duplicate", text, known.id);
      return known.id;
    }
    const id = randomUUID();
    db.execute("INSERT INTO note VALUES (?1, ?2, ?3, NULL)", [id, digest, text]);
    this.emit("added", id);
    return id;
  }

  async tag() {
    const notes = db.query("SELECT id, text FROM note WHERE tag IS NULL ORDER BY rowid");
    const answers = await llm.completeMany(notes.map(({ text }) => ({ system: "Answer with one tag.", prompt: text, maxTokens: 5 })));
    answers.forEach((answer, i) => db.execute("UPDATE note SET tag = ?1 WHERE id = ?2", [answer.text, notes[i].id]));
    return answers.length;
  }
}

const store = new Store();
let duplicates = 0;
store.on("duplicate", () => duplicates++);
store.once("added", (id) => console.log("first id has", id.length, "characters:", /^[0-9a-f]{8}-[0-9a-f]{4}-4/.test(id)));

const ids = ["Buy milk", "Call Ann", "  buy MILK ", "Café", "Cafe\u0301"].map((text) => store.add(text));
console.log(new Set(ids).size, "of", ids.length, "are new;", duplicates, "duplicates");
console.log(await store.tag(), "tagged");
console.log(db.query("SELECT text, tag FROM note ORDER BY text"));
console.log(await digestOf("abc"), path.join("notes", "..", "x", path.basename("/a/b.txt", ".txt") + ".md"));
console.log(inspect({ deep: { er: { and: { deeper: [1] } } } }, { depth: 1 }), await promisify((x, done) => done(null, x * 2))(21));
try {
  db.execute("INSERT INTO note SELECT id, digest || 'x', text, tag FROM note");
} catch (error) {
  console.log(error.name, error.kind, error.message);
}
export default () => ({ ids: ids.map((id) => ids.indexOf(id)), duplicates });
