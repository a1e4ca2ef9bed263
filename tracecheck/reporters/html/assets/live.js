// All contexts over time: how many live, by type or by the site that allocated them.

const LIVE_TOP = 14;
const LIVE_HEIGHT = 260;
const MOST_SITES = 11;

class LiveChart extends Chart {
  constructor(host, model) {
    super(host, "Live contexts over time. Left and right move, plus and minus zoom, Escape shows all.");
    this.model = model;
    this.reach(0, Math.max(model.meta.span, 1));
    this.spans = model.meta.losses.map((loss) => [loss.start === null ? 0 : loss.start, loss.end === null ? model.meta.span : loss.end]);
    this.measure();
    this.group("type");
  }

  // Find from when to when each context lived; one that was born unseen lived from the beginning.
  measure() {
    const { contexts, meta } = this.model;
    const size = contexts.rows;
    const born = (this.born = new Float64Array(size));
    const gone = (this.gone = new Float64Array(size));
    for (let i = 0; i < size; i++) {
      const end = this.model.word(contexts.end[i]);
      born[i] = this.model.word(contexts.birth[i]) === "allocated" ? contexts.first[i] : 0;
      const freed = this.model.when("freed", i);
      gone[i] = freed >= 0 ? freed : end === "held" || end === "attached" ? Infinity : contexts.first[i] + contexts.length[i];
      if (gone[i] !== Infinity && gone[i] > meta.span) gone[i] = meta.span;
    }
  }

  // Choose what a line is of: "type" or "site".
  group(by) {
    this.by = by;
    const { contexts } = this.model;
    const column = by === "type" ? contexts.context_type : contexts.site;
    const groups = new Map();
    this.serial = new Uint32Array(contexts.rows);
    for (let i = 0; i < contexts.rows; i++) {
      let group = groups.get(column[i]);
      if (!group) groups.set(column[i], (group = { key: column[i], place: groups.size, lives: 0, freed: 0, reused: 0, live: 0, peak: 0 }));
      this.serial[i] = group.place;
      group.lives++;
      if (this.gone[i] === Infinity) group.live++;
      else if (this.model.when("freed", i) >= 0) group.freed++;
      else group.reused++;
    }
    const order = [...groups.values()].sort((a, b) => b.live - a.live || b.lives - a.lives || a.place - b.place);
    this.slot = new Uint32Array(groups.size);
    this.shown = Math.min(order.length, by === "type" ? 8 : MOST_SITES);
    order.forEach((group, i) => {
      this.slot[group.place] = Math.min(i, this.shown);
      group.name = by === "type" ? this.model.type(group.key) : this.model.word(group.key) || (group.key ? "" : "no call site");
    });
    this.groups = order;
    this.names = order.slice(0, this.shown).map((group) => group.name);
    if (order.length > this.shown) this.names.push(order.length - this.shown + " others");
    this.only = null;
    this.peaks();
    this.draw();
  }

  // Find the most that lived at once, of each group.
  peaks() {
    const { born, gone, serial } = this;
    const starts = sortedPlaces(born);
    const ends = sortedPlaces(gone);
    const now = new Int32Array(this.groups.length);
    const most = new Int32Array(this.groups.length);
    let end = 0;
    for (const i of starts) {
      for (; end < ends.length && gone[ends[end]] < born[i]; end++) now[serial[ends[end]]]--;
      const group = serial[i];
      if (++now[group] > most[group]) most[group] = now[group];
    }
    for (const group of this.groups) group.peak = most[group.place];
  }

  height() {
    return LIVE_TOP + LIVE_HEIGHT + 28;
  }

  // Count the living at as many moments of the view as it has pixels, the most of each pixel.
  sample() {
    const bins = Math.min(Math.max(Math.floor(this.plot), 2), 2000);
    const lines = this.names.map(() => new Int32Array(bins + 1));
    const base = new Int32Array(this.names.length);
    const { born, gone, serial, slot, a, b } = this;
    const scale = bins / (b - a);
    for (let i = 0; i < born.length; i++) {
      if (born[i] > b || gone[i] < a) continue;
      const line = slot[serial[i]];
      if (born[i] <= a) base[line]++;
      else lines[line][Math.floor((born[i] - a) * scale)]++;
      if (gone[i] <= b) lines[line][Math.min(Math.floor((gone[i] - a) * scale) + 1, bins)]--;
    }
    lines.forEach((line, i) => {
      let sum = base[i];
      for (let bin = 0; bin < bins; bin++) line[bin] = sum += line[bin];
    });
    return { bins, lines };
  }

  render(pen, width, height, ink) {
    const { bins, lines } = (this.samples = this.sample());
    const bottom = LIVE_TOP + LIVE_HEIGHT;
    const right = LEFT + this.plot;
    const shown = lines.map((_, i) => i).filter((i) => this.only === null || this.only === i);
    const stack = new Int32Array(bins);
    let high = 1;
    for (let bin = 0; bin < bins; bin++) {
      let sum = 0;
      for (const i of shown) sum += lines[i][bin];
      if (sum > high) high = sum;
    }
    this.gaps(pen, this.spans, LIVE_TOP, bottom, ink);
    const y = this.scale(pen, 0, high, LIVE_TOP, bottom, right, ink);
    for (const i of [...shown].reverse()) this.layer(pen, stack, lines[i], y, ink["series" + i]);
    pen.fillStyle = ink.axis;
    pen.fillRect(LEFT, bottom, this.plot, 1);
    this.times(pen, bottom, ink, this.model.unit);
    if (this.cursor) {
      pen.fillStyle = ink.axis;
      pen.fillRect(Math.round(this.cursor), LIVE_TOP, 1, LIVE_HEIGHT);
    }
  }

  // Lay one line on top of those that are drawn.
  layer(pen, stack, line, y, colour) {
    const x = (bin) => LEFT + (bin / stack.length) * this.plot;
    pen.fillStyle = colour;
    pen.beginPath();
    pen.moveTo(x(0), y(stack[0]));
    for (let bin = 0; bin < stack.length; bin++) {
      pen.lineTo(x(bin), y(stack[bin] + line[bin]));
      pen.lineTo(x(bin + 1), y(stack[bin] + line[bin]));
    }
    for (let bin = stack.length - 1; bin >= 0; bin--) {
      pen.lineTo(x(bin + 1), y(stack[bin]));
      pen.lineTo(x(bin), y(stack[bin]));
      stack[bin] += line[bin];
    }
    pen.fill();
  }

  hover(x, y) {
    if (!this.samples || x < LEFT || x > LEFT + this.plot) return;
    this.cursor = x;
    const { bins, lines } = this.samples;
    const bin = Math.min(Math.floor(((x - LEFT) / this.plot) * bins), bins - 1);
    const rows = this.names.map((name, i) => [name, lines[i][bin], i]).filter(([, live, i]) => live && (this.only === null || this.only === i));
    this.say(x, y, [
      el("b", null, count(rows.reduce((sum, [, live]) => sum + live, 0), "live context")),
      el("div", { class: "faint" }, duration(this.value(x) * this.model.unit) + " after the first operation"),
      ...rows.map(([name, live, i]) => el("div", null, swatch(i), said(name), " " + live.toLocaleString("en"))),
    ]);
    this.draw();
  }

  leave() {
    this.cursor = null;
    super.leave();
  }

  click() {}
}

// The places of numbers in the order of the numbers.
function sortedPlaces(values) {
  const places = Uint32Array.from(values, (_, i) => i);
  return places.sort((a, b) => values[a] - values[b] || a - b);
}

function swatch(i) {
  return el("span", { class: "swatch series" + i, "aria-hidden": "true" });
}

// The view of all contexts over time: the chart, and its numbers as a table.
class LiveView {
  constructor(host, model) {
    this.model = model;
    const plot = el("div");
    this.table = el("div");
    const choose = (by) => el("button", { type: "button", "aria-pressed": String(by === "type"), onclick: () => this.group(by) }, by === "type" ? "By type" : "By allocation site");
    this.buttons = { type: choose("type"), site: choose("site") };
    const all = el("button", { type: "button", onclick: () => this.chart.reset() }, "Show all time");
    host.append(
      el("h2", null, "Live contexts over time"),
      el("p", { class: "about" }, "Contexts that were allocated and not yet freed. A line that only rises is a leak. Drag to zoom, turn the wheel, or use + and \u2212; hatched stretches have lost events."),
      el("div", { class: "toolbar" }, el("div", { class: "segmented", role: "group", "aria-label": "Group by" }, this.buttons.type, this.buttons.site), all),
      plot,
      this.table,
    );
    this.chart = new LiveChart(plot, model);
    this.list();
  }

  group(by) {
    for (const [name, button] of Object.entries(this.buttons)) button.setAttribute("aria-pressed", String(name === by));
    this.chart.group(by);
    this.list();
  }

  list() {
    const { chart } = this;
    const most = 500;
    const rows = chart.groups.slice(0, most).map((group, i) => {
      const line = Math.min(i, chart.shown);
      const name = el("button", { type: "button", class: "link", "aria-pressed": String(chart.only === line), title: "Show only this one", onclick: () => this.single(line) }, swatch(line), said(group.name));
      return [name, group.lives, group.freed, group.reused, group.live, group.peak, el("span", { class: "share" }, ((100 * (group.lives - group.live)) / group.lives).toFixed(1) + "\u00a0%")];
    });
    const heads = [[chart.by === "type" ? "context type" : "allocated at"], ["lives", 1], ["freed", 1], ["freed unseen", 1], ["live at the end", 1], ["most at once", 1], ["gone", 1]];
    this.table.replaceChildren(table(heads, rows, "numbers"), chart.groups.length > most ? el("p", { class: "about" }, most + " of " + chart.groups.length.toLocaleString("en") + " shown") : "");
  }

  single(line) {
    this.chart.only = this.chart.only === line ? null : line;
    this.chart.draw();
    this.list();
  }
}
