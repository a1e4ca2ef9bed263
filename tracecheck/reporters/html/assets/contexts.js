// All contexts of the capture as a table that sorts and filters, and the chosen one below it.

const COLUMNS = [
  ["context", "pointer"],
  ["type", "context_type"],
  ["allocated at", "site"],
  ["first seen", "first"],
  ["lived", "length"],
  ["operations", "operations"],
  ["peak", "peak"],
  ["owned", "owned"],
  ["ended", "end"],
  ["findings", "findings"],
];

class ContextsView {
  constructor(host, model, go) {
    this.model = model;
    this.go = go;
    const { contexts } = model;
    this.order = Uint32Array.from({ length: contexts.rows }, (_, i) => i);
    this.sorted = { column: "first", down: false };
    this.found = new Uint8Array(contexts.rows);
    for (const [life, at] of model.caseOfLife) this.found[life] = Math.min(model.findings.cases[at].length, 255);
    const changed = () => this.filter();
    const option = (value, text) => el("option", { value }, text);
    const present = (column) => [...new Set(contexts[column])].sort((a, b) => a - b);
    this.search = el("input", { type: "search", placeholder: "Pointer or call site  ( / )", "aria-label": "Search contexts", oninput: changed, id: "search-contexts" });
    this.type = el("select", { "aria-label": "Filter by type", onchange: changed }, option("", "any type"), present("context_type").map((kind) => option(kind, model.type(kind))));
    this.end = el("select", { "aria-label": "Filter by end", onchange: changed }, option("", "any end"), present("end").map((end) => option(end, model.word(end))));
    this.only = el("select", { "aria-label": "Filter by findings", onchange: changed }, option("", "with and without findings"), option("1", "with findings"));
    this.status = el("p", { class: "status", role: "status" });
    const rows = el("div", { class: "list" });
    this.heads = COLUMNS.map(([text, column]) => el("button", { type: "button", onclick: () => this.sort(column) }, text));
    this.pane = el("section", { class: "pane", "aria-label": "The chosen context" });
    host.append(el("div", { class: "filters", role: "search" }, this.search, this.type, this.end, this.only), this.status, el("div", { class: "grid-frame" }, el("div", { class: "context head" }, this.heads), rows), this.pane);
    this.list = new VirtualList(rows, { label: "Contexts", height: 28, row: (i) => this.row(this.order[i]), choose: (i) => this.go("context=" + model.lifeKey(this.order[i])) });
    this.detail = new Detail(this.pane, model);
    this.filter();
  }

  filter() {
    const { model } = this;
    const { contexts } = model;
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    // A site is looked at once, however many contexts it allocated.
    const sites = new Map();
    const site = (number) => {
      if (!sites.has(number)) sites.set(number, (model.word(number) || "").toLowerCase());
      return sites.get(number);
    };
    const type = this.type.value;
    const end = this.end.value;
    const chosen = [];
    for (let i = 0; i < contexts.rows; i++) {
      if (type && contexts.context_type[i] !== Number(type)) continue;
      if (end && contexts.end[i] !== Number(end)) continue;
      if (this.only.value && !this.found[i]) continue;
      if (words.every((word) => site(contexts.site[i]).includes(word) || model.lifeName(i).includes(word) || model.lifeKey(i).includes(word))) chosen.push(i);
    }
    this.order = Uint32Array.from(chosen);
    this.lay();
  }

  sort(column) {
    this.sorted = { column, down: this.sorted.column === column ? !this.sorted.down : ["length", "operations", "peak", "owned", "findings"].includes(column) };
    this.lay();
  }

  lay() {
    const { contexts } = this.model;
    const { column, down } = this.sorted;
    const values = column === "findings" ? this.found : contexts[column];
    const sign = down ? -1 : 1;
    const words = column === "site" || column === "end" ? this.ranks() : null;
    const key = (i) => (words ? words[values[i]] : values[i]);
    this.order.sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      return x < y ? -sign : x > y ? sign : a - b;
    });
    COLUMNS.forEach(([, name], i) => {
      this.heads[i].dataset.sorted = name === column ? (down ? "down" : "up") : "";
      this.heads[i].setAttribute("aria-label", COLUMNS[i][0] + (name === column ? ", sorted " + (down ? "down" : "up") : ""));
    });
    this.list.resize(this.order.length);
    this.status.textContent = this.order.length.toLocaleString("en") + " of " + count(contexts.rows, "context") + ". The steps of " + (this.model.meta.whole === contexts.rows ? "all of them are" : this.model.meta.whole.toLocaleString("en") + " are") + " in this page.";
  }

  // The places of the words in the order of the alphabet, by number.
  ranks() {
    const words = ["", ...this.model.meta.words];
    const places = words.map((_, i) => i).sort((a, b) => (words[a] < words[b] ? -1 : words[a] > words[b] ? 1 : 0));
    const ranks = new Uint32Array(words.length);
    places.forEach((place, rank) => (ranks[place] = rank));
    return ranks;
  }

  row(life) {
    const { model } = this;
    const { contexts } = model;
    const number = (value) => el("span", { class: "number" }, value.toLocaleString("en"));
    const end = model.word(contexts.end[life]);
    return el("div", { class: "context" },
      el("code", null, model.lifeName(life)),
      el("span", null, model.type(contexts.context_type[life])),
      el("span", null, said(model.word(contexts.site[life]) || "unknown")),
      el("span", null, clock(model.nanoseconds(contexts.first[life]))),
      el("span", { class: "number" }, duration(contexts.length[life] * model.unit)),
      number(contexts.operations[life]),
      number(contexts.peak[life]),
      number(contexts.owned[life]),
      el("span", { class: end === "held" ? "bad" : null }, end),
      this.found[life] ? el("b", { class: "number bad" }, String(this.found[life])) : el("span", null));
  }

  async show(life) {
    let row = this.order.indexOf(life);
    if (row < 0) {
      this.search.value = this.type.value = this.end.value = this.only.value = "";
      this.filter();
      row = this.order.indexOf(life);
    }
    this.list.select(row);
    await this.detail.show(life, -1);
  }
}
