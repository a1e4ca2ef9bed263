// The findings: by cause on the left, the chosen one on the right; filters above.

const GROUP_ROW = 62;
const CASE_ROW = 30;

class FindingsView {
  constructor(host, model, go) {
    this.model = model;
    this.go = go;
    this.open = new Set();
    this.texts = new Map();
    this.current = -1;
    const { findings } = model;
    const list = el("div", { class: "list" });
    this.pane = el("section", { class: "pane", "aria-label": "The chosen finding" });
    this.status = el("p", { class: "status", role: "status" });
    this.filters = this.makeFilters(findings);
    host.append(el("div", { class: "split" }, el("div", { class: "side" }, this.filters.bar, this.status, list), this.pane));
    this.detail = new Detail(this.pane, model);
    this.list = new VirtualList(list, { label: "Findings by cause", height: (i) => (this.items[i].finding < 0 ? GROUP_ROW : CASE_ROW), row: (i) => this.row(this.items[i]), choose: (i) => this.choose(this.items[i]) });
    if (findings.groups.length === 1) this.open.add(0);
    this.filter();
  }

  makeFilters(findings) {
    const { model } = this;
    const changed = () => this.filter();
    const search = el("input", { type: "search", placeholder: "Search text, site, pointer  ( / )", "aria-label": "Search findings", oninput: changed, id: "search-findings" });
    const choice = (label, values, name) => {
      const seen = [...new Set(values)];
      const order = { severity: ["error", "warning", "note"], confidence: ["definite", "probable", "possible"] }[label];
      seen.sort((a, b) => (order ? order.indexOf(a) - order.indexOf(b) : a < b ? -1 : a > b ? 1 : 0));
      return el("select", { "aria-label": "Filter by " + label, onchange: changed }, el("option", { value: "" }, "any " + label), seen.map((value) => el("option", { value }, name ? name(value) : value)));
    };
    const rule = choice("rule", findings.rule, (code) => code + (model.rules.has(code) ? " " + model.rules.get(code).title : ""));
    const type = choice("type", findings.context_type.filter((kind) => kind), (kind) => model.type(kind));
    const severity = choice("severity", findings.severity);
    const confidence = choice("confidence", findings.confidence);
    const clear = el("button", { type: "button", class: "link", onclick: () => this.clear() }, "Clear");
    return { search, rule, type, severity, confidence, clear, bar: el("div", { class: "filters", role: "search" }, search, severity, confidence, rule, type, clear) };
  }

  clear() {
    for (const name of ["search", "rule", "type", "severity", "confidence"]) this.filters[name].value = "";
    this.filter();
  }

  // All that can be searched of a finding, in lower case.
  text(finding) {
    const { model } = this;
    const { findings } = model;
    if (!this.texts.has(finding)) {
      const rule = model.rules.get(findings.rule[finding]);
      const life = findings.context_id[finding];
      const site = life === null ? "" : model.word(model.contexts.site[life]);
      this.texts.set(finding, [findings.rule[finding], rule ? rule.title : "", findings.message[finding], findings.blame[finding], findings.signature[finding], site, findings.context[finding] === null ? "" : "0x" + findings.context[finding] + " #" + findings.generation[finding], model.type(findings.context_type[finding]), ...findings.reasons[finding]].join("\n").toLowerCase());
    }
    return this.texts.get(finding);
  }

  filter() {
    const { findings } = this.model;
    const words = this.filters.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = ["rule", "severity", "confidence"].map((name) => [findings[name], this.filters[name].value]).filter(([, value]) => value);
    const type = this.filters.type.value;
    const fits = (finding) => wanted.every(([column, value]) => column[finding] === value) && (!type || String(findings.context_type[finding]) === type) && (!words.length || words.every((word) => this.text(finding).includes(word)));
    this.filtered = Boolean(words.length || wanted.length || type);
    this.groups = findings.groups.map(([total, members], place) => ({ place, total, members: members.filter((at) => findings.cases[at].some(fits)), all: members.length })).filter((group) => group.members.length);
    this.filters.clear.hidden = !this.filtered;
    this.lay();
  }

  // Make the rows of the list: causes, and below the open ones their cases.
  lay(keep) {
    const { findings } = this.model;
    this.items = [];
    this.order = [];
    for (const group of this.groups) {
      this.items.push({ group, finding: -1 });
      for (const at of group.members) {
        this.order.push(findings.cases[at][0]);
        if (this.open.has(group.place)) this.items.push({ group, finding: findings.cases[at][0] });
      }
    }
    this.list.resize(this.items.length, keep);
    const cases = this.order.length;
    const more = findings.total - findings.rule.length;
    this.status.textContent = findings.total ? (this.filtered ? count(cases, "case") + " of " + count(this.groups.length, "cause") + " match" : count(findings.total, "finding") + " in " + count(cases, "case") + ", " + count(this.groups.length, "cause")) + (more ? "; the page holds the first " + findings.rule.length.toLocaleString("en") : "") : "No findings.";
  }

  row({ group, finding }) {
    const { model } = this;
    const { findings } = model;
    const first = findings.cases[group.members[0]][0];
    if (finding < 0) {
      const rule = model.rules.get(findings.rule[first]);
      const number = group.members.length < group.all ? group.members.length + " of " + group.total : String(group.total.toLocaleString("en"));
      const open = this.open.has(group.place);
      return el("div", { class: "cause " + findings.severity[first], "aria-expanded": group.all > 1 ? String(open) : null },
        el("div", { class: "top" }, el("b", { class: "rule-code" }, findings.rule[first]), el("span", { class: "title" }, rule ? rule.title : ""), el("span", { class: "many", title: "cases" }, (group.all > 1 ? (open ? "\u25be " : "\u25b8 ") : "") + "\u00d7\u00a0" + number)),
        el("div", { class: "example" }, confidenceTag(findings.confidence[first]), findings.context_type[first] ? el("span", { class: "kind" }, model.type(findings.context_type[first])) : "", said(findings.blame[first])));
    }
    return el("div", { class: "case" + (finding === this.current ? " current" : "") }, el("code", null, findings.context[finding] === null ? "capture" : "0x" + findings.context[finding] + " #" + findings.generation[finding]), confidenceTag(findings.confidence[finding]), findings.time[finding] === null ? "" : el("span", { class: "faint" }, clock(BigInt(findings.time[finding]))));
  }

  // Open or close a cause, or show a case.
  choose({ group, finding }) {
    const { cases } = this.model.findings;
    if (finding < 0) {
      const shows = group.members.some((at) => cases[at].includes(this.current));
      if (!this.open.has(group.place)) this.open.add(group.place);
      else if (shows) this.open.delete(group.place);
      const row = this.list.active;
      this.lay(true);
      this.list.select(row);
      if (shows) return;
      finding = cases[group.members[0]][0];
    }
    this.go("finding=" + this.model.findingKey(finding));
  }

  // Show a finding; resolves when its timeline is drawn.
  async show(finding) {
    const { model } = this;
    const at = model.caseOfFinding[finding];
    this.current = model.findings.cases[at][0];
    if (!this.groups.some((group) => group.members.includes(at))) this.clear();
    const group = this.groups.find((each) => each.members.includes(at));
    if (group.all > 1 && !this.open.has(group.place)) {
      this.open.add(group.place);
      this.lay(true);
    }
    const row = this.items.findIndex((item) => item.finding === this.current);
    this.list.select(row >= 0 ? row : this.items.findIndex((item) => item.group === group));
    const life = model.findings.context_id[finding];
    await this.detail.show(life === null ? -1 : life, finding);
  }

  // Go to the next finding or the one before.
  step(by) {
    if (!this.order.length) return;
    const now = this.order.indexOf(this.current);
    const next = this.order[Math.min(Math.max(now + by, 0), this.order.length - 1)];
    this.go("finding=" + this.model.findingKey(next));
    announce(this.model.findings.blame[next]);
  }
}
