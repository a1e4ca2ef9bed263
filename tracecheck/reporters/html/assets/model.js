"use strict";
// What the page knows: the blocks of data, unpacked when they are asked for, and what is computed of them.

// Undo base64.
function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

// Settles when the whole page is read: the blocks of steps stand behind the program.
const read = new Promise((done) => {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", done);
  else done();
});

// Unpack the block of a name.
async function unpack(name) {
  if (name.startsWith("steps-")) await read;
  const node = document.getElementById("data-" + name);
  if (!node) throw new Error("the page is cut off: its block " + name + " is missing");
  const packed = new Blob([bytesOf(node.textContent.trim())]);
  const stream = packed.stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function unpackJson(name) {
  return JSON.parse(new TextDecoder().decode(await unpack(name)));
}

// Unpack a table: an object of typed arrays, and its number of rows under "rows".
async function unpackTable(name) {
  const bytes = await unpack(name);
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const table = { rows: head.rows };
  let at = 4 + length;
  for (const [column, width, zigzag, differences] of head.columns) {
    const planes = bytes.subarray(at, (at += width * head.rows));
    table[column] = differences ? pointers(planes, width, head.rows) : numbers(planes, width, head.rows, zigzag);
  }
  return table;
}

// Join the planes of 64-bit numbers that are stored as differences; storing wraps them at 2^64.
function pointers(planes, width, rows) {
  const joined = new Uint8Array(8 * rows);
  for (let k = 0; k < width; k++) {
    for (let i = 0, from = k * rows; i < rows; i++) joined[8 * i + k] = planes[from + i];
  }
  const found = new BigUint64Array(joined.buffer);
  for (let i = 1; i < rows; i++) found[i] += found[i - 1];
  return found;
}

// Join the planes of numbers.
function numbers(planes, width, rows, zigzag) {
  if (width === 1 && !zigzag) return planes;
  const Kind = width > 4 ? Float64Array : zigzag ? (width === 4 ? Float64Array : Int32Array) : Uint32Array;
  const found = new Kind(rows);
  let scale = 1;
  for (let k = 0; k < width; k++, scale *= 256) {
    for (let i = 0, from = k * rows; i < rows; i++) found[i] += planes[from + i] * scale;
  }
  if (zigzag) {
    for (let i = 0; i < rows; i++) found[i] = found[i] % 2 ? -(found[i] + 1) / 2 : found[i] / 2;
  }
  return found;
}

// What the page knows; one of it, made by Model.open.
class Model {
  static async open() {
    const model = new Model();
    const names = ["contexts", "effects", "calls", "threads", "loose"];
    const tables = names.map((name) => unpackTable(name));
    [model.meta, model.findings] = await Promise.all([unpackJson("meta"), unpackJson("findings")]);
    for (const name of names) model[name] = await tables.shift();
    model.prepare();
    return model;
  }

  prepare() {
    const { contexts, findings } = this;
    this.base = BigInt(this.meta.base);
    this.unit = this.meta.unit;
    this.rules = new Map(this.meta.rules.map((rule) => [rule.code, rule]));
    this.stepStarts = new Float64Array(contexts.rows + 1);
    for (let i = 0; i < contexts.rows; i++) this.stepStarts[i + 1] = this.stepStarts[i] + contexts.steps[i];
    this.caseOfFinding = new Uint32Array(findings.rule.length);
    this.caseOfLife = new Map();
    findings.cases.forEach((members, at) => {
      for (const finding of members) this.caseOfFinding[finding] = at;
      const life = findings.context_id[members[0]];
      if (life !== null) this.caseOfLife.set(life, at);
    });
    this.unpacked = new Map();
  }

  // A word of the tables by its number; null for 0.
  word(number) {
    return number ? this.meta.words[number - 1] : null;
  }

  // The name of a context type.
  type(number) {
    return this.meta.types[number] || (number ? "type 0x" + number.toString(16) : "context");
  }

  statusName(status) {
    return this.meta.statuses[status] || "0x" + status.toString(16).padStart(8, "0");
  }

  pointer(life) {
    return "0x" + this.contexts.pointer[life].toString(16);
  }

  // What names a life: its pointer and generation.
  lifeName(life) {
    return this.pointer(life) + " #" + this.contexts.generation[life];
  }

  lifeKey(life) {
    return this.pointer(life) + "-" + this.contexts.generation[life];
  }

  // Find a life by "0x...-generation", or by a pointer alone; -1 where there is none.
  findLife(key) {
    const match = /^(?:0x)?([0-9a-f]{1,16})(?:[-#](\d{1,10}))?$/i.exec(key);
    if (!match) return -1;
    const wanted = BigInt("0x" + match[1]);
    const { pointer, generation, rows } = this.contexts;
    for (let i = 0; i < rows; i++) {
      if (pointer[i] === wanted && (match[2] === undefined || generation[i] === Number(match[2]))) return i;
    }
    return -1;
  }

  findingKey(finding) {
    const { rule, context_id, context, generation } = this.findings;
    if (context_id[finding] !== null) return rule[finding] + ":0x" + context[finding] + "-" + generation[finding];
    return rule[finding] + ":" + finding;
  }

  findFinding(key) {
    const rules = this.findings.rule;
    for (let i = 0; i < rules.length; i++) if (this.findingKey(i) === key) return i;
    return -1;
  }

  // When a life was freed, in units since the origin; -1 where it was not.
  when(column, life) {
    const at = this.contexts[column][life];
    return at === -1 ? -1 : this.contexts.first[life] + (at < 0 ? at + 1 : at);
  }

  // The steps of a life, columns of its own; null where the page does not hold them.
  async steps(life) {
    const count = this.contexts.steps[life];
    if (!count) return null;
    const start = this.stepStarts[life];
    const blocks = this.meta.blocks;
    let low = 0;
    for (let high = blocks.length; high - low > 1; ) {
      const middle = (low + high) >> 1;
      if (blocks[middle][0] <= start) low = middle;
      else high = middle;
    }
    if (!this.unpacked.has(low)) {
      // A few blocks are kept: who looks at one life soon looks at its neighbours.
      if (this.unpacked.size > 7) this.unpacked.delete(this.unpacked.keys().next().value);
      this.unpacked.set(low, unpackTable("steps-" + low));
    }
    return this.life(await this.unpacked.get(low), life, start - blocks[low][0], count);
  }

  // Cut a life out of a block of steps, and sum its times and counts.
  life(block, life, from, count) {
    const { effects } = this;
    const part = (column) => column.subarray(from, from + count);
    const found = {
      life,
      count,
      time: new Float64Array(count),
      owned: new Int32Array(count),
      link: new Int32Array(count),
      change: new Int32Array(count),
      cpu: part(block.cpu),
      thread: part(block.thread),
      call: part(block.call),
      effect: part(block.effect),
    };
    const waits = part(block.wait);
    let time = this.contexts.first[life];
    let owned = 0;
    let link = 0;
    for (let i = 0; i < count; i++) {
      const effect = found.effect[i];
      found.time[i] = time += waits[i];
      found.owned[i] = owned += effects.owned[effect];
      found.link[i] = link += effects.link[effect];
      found.change[i] = effects.delta_owned[effect] + effects.delta_link[effect];
    }
    return found;
  }

  // What a step did that no legal driver does, "" for nothing.
  fault(steps, i) {
    return this.word(this.effects.fault[steps.effect[i]]) || "";
  }

  // The call of a row of the table of calls, in words.
  call(row) {
    const { calls } = this;
    return {
      routine: this.word(calls.routine[row]) || "?",
      site: this.word(calls.site[row]) || "",
      function: this.word(calls.function[row]) || "",
      status: calls.status[row],
      failed: calls.status[row] >= this.meta.failure,
      irql: calls.irql[row],
      major: calls.major[row],
      phase: calls.phase[row],
    };
  }

  // Where a call was made, as one text.
  site(row) {
    const { site, function: name } = this.call(row);
    if (!name || site.includes(name)) return site;
    return site ? site + " " + name : name;
  }

  thread(row) {
    const { pid, tid, process } = this.threads;
    const known = (number) => (number === -1 ? "-" : String(number));
    const name = process ? this.word(process[row]) : null;
    return { ids: known(pid[row]) + ":" + known(tid[row]), process: name };
  }

  nanoseconds(units) {
    const whole = Math.floor(units);
    return this.base + BigInt(whole) * BigInt(this.unit) + BigInt(Math.round((units - whole) * this.unit));
  }
}
