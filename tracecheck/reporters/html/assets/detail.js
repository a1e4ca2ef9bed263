// What is known of one finding or one context: in words, as a timeline, step by step.

const MOST_LOOSE = 100;

class Detail {
  constructor(host, model) {
    this.host = host;
    this.model = model;
    this.turn = 0;
    this.mode = "steps";
    this.empty();
  }

  empty() {
    this.shown = null;
    this.timeline = this.list = null;
    this.host.replaceChildren(el("p", { class: "empty" }, "Choose one from the list."));
  }

  // Show a finding, or a life alone where finding is -1; resolves when it stands there.
  async show(life, finding) {
    const turn = ++this.turn;
    const { model } = this;
    this.timeline = this.list = null;
    this.shown = { life, finding };
    const parts = finding >= 0 ? this.ofFinding(finding) : [el("h2", { class: "headline" }, this.lifeTitle(life))];
    const chart = el("div", { class: "life" });
    this.host.replaceChildren(...parts, life >= 0 ? this.ofLife(life, finding) : "", chart, ...this.afterwards(life, finding));
    this.host.scrollTop = 0;
    if (life < 0) return;
    const steps = await model.steps(life);
    if (turn !== this.turn) return;
    if (steps) this.draw(chart, steps, finding);
    else chart.replaceChildren(el("p", { class: "notice" }, "The steps of this context are not in the page, which holds " + count(model.meta.most_steps, "step") + " of healthy lives at most. They are in: ", el("code", null, this.command(life))));
  }

  lifeTitle(life) {
    const { model } = this;
    return [el("span", { class: "kind" }, model.type(model.contexts.context_type[life]) + (model.contexts.context_type[life] ? " context " : " ")), el("code", null, model.lifeName(life))];
  }

  ofFinding(finding) {
    const { findings, rules } = this.model;
    const code = findings.rule[finding];
    const rule = rules.get(code);
    const reasons = findings.reasons[finding];
    return [
      el("div", { class: "crumbs" }, severityBadge(findings.severity[finding]), confidenceTag(findings.confidence[finding]), el("a", { href: "#rule=" + code }, el("b", null, code), " ", rule ? el("span", null, rule.title) : "")),
      el("h2", { class: "headline" }, said(findings.blame[finding])),
      findings.blame[finding] === findings.message[finding] ? "" : el("p", null, said(findings.message[finding])),
      reasons.length ? el("div", { class: "reasons" }, el("span", null, findings.confidence[finding] + " because"), el("ul", null, reasons.map((reason) => el("li", null, said(reason))))) : "",
    ];
  }

  ofLife(life, finding) {
    const { model } = this;
    const { contexts } = model;
    const at = (units) => clock(model.nanoseconds(units));
    const site = model.word(contexts.site[life]);
    const freed = model.when("freed", life);
    const gone = model.when("object_gone", life);
    const known = model.word(contexts.birth[life]) === "allocated";
    const last = contexts.first[life] + contexts.length[life];
    const end = {
      freed: () => ["freed " + at(freed < 0 ? last : freed)],
      reused: () => ["freed unseen: the pointer was allocated again; last seen " + at(last)],
      attached: () => ["still attached to its object; last seen " + at(last)],
      held: () => [el("b", { class: "bad" }, count(contexts.owned[life], "reference") + " never released"), "; last seen " + at(last)],
    }[model.word(contexts.end[life])];
    const hex = (column) => (contexts[column][life] ? el("code", null, "0x" + contexts[column][life].toString(16)) : null);
    return facts([
      finding >= 0 ? ["context", el("a", { href: "#context=" + model.lifeKey(life) }, this.lifeTitle(life))] : ["first seen", stamp(model.nanoseconds(contexts.first[life]))],
      ["born", known ? [at(contexts.first[life]), site ? [" at ", said(site, "code")] : ""] : "before the capture began; first seen " + at(contexts.first[life])],
      ["ended", end ? end() : "unknown"],
      ["lived", duration(contexts.length[life] * model.unit) + ", " + count(contexts.operations[life], "operation") + ", peak count " + contexts.peak[life]],
      ["object", hex("object") && [hex("object"), hex("instance") ? [" of instance ", hex("instance")] : "", gone >= 0 ? ", gone " + at(gone) : ""]],
      ["filter", hex("filter")],
      ["order", contexts.ordered[life] ? null : "overlapping calls: the log's own order has a fault that this order has not"],
    ]);
  }

  // What stands below the timeline: other findings, operations of other contexts, the rule.
  afterwards(life, finding) {
    const { model } = this;
    const { findings } = model;
    const at = life >= 0 ? model.caseOfLife.get(life) : undefined;
    const members = at === undefined ? [] : findings.cases[at].filter((each) => each !== finding);
    const parts = [];
    if (members.length) {
      parts.push(el("h3", null, finding >= 0 ? "Also found on this context" : "Findings on this context"), el("ul", { class: "also" }, members.map((each) =>
        el("li", null, severityBadge(findings.severity[each]), confidenceTag(findings.confidence[each]), el("a", { href: "#finding=" + model.findingKey(each) }, findings.rule[each]), " ", said(findings.message[each])))));
    }
    if (finding >= 0) parts.push(...this.proof(finding), this.rule(findings.rule[finding]), facts([["signature", said(findings.signature[finding], "code")]]));
    if (life >= 0) parts.push(el("p", { class: "command" }, "In the terminal: ", el("code", null, this.command(life))));
    return parts;
  }

  command(life) {
    const paths = this.model.meta.paths.map((path) => "'" + harmless(path).replaceAll("'", "'\\''") + "'");
    return "tracecheck timeline " + paths.join(" ") + " '" + this.model.pointer(life) + "#" + this.model.contexts.generation[life] + "'";
  }

  // The operations that prove a finding and are no steps of its context.
  proof(finding) {
    const { model } = this;
    const { loose } = model;
    const places = model.findings.proof[finding].filter((place) => place < 0).map((place) => -1 - place);
    if (!places.length) return [];
    const rows = places.slice(0, MOST_LOOSE).map((i) => {
      const call = model.call(loose.call[i]);
      return [moment(model, loose.time[i]), said(model.thread(loose.thread[i]).ids), said(call.routine), loose.pointer[i] ? el("code", null, "0x" + loose.pointer[i].toString(16)) : "", said(model.site(loose.call[i]))];
    });
    return [el("h3", null, "What proves it besides"), table([["time (UTC)"], ["pid:tid"], ["routine"], ["context"], ["call site"]], rows)];
  }

  rule(code) {
    const rule = this.model.rules.get(code);
    if (!rule || !rule.parts) return "";
    return el("details", { class: "rule" }, el("summary", null, "What " + code + " means, and how to fix it"), ruleBody(rule));
  }

  draw(host, steps, finding) {
    const { model } = this;
    const marks = finding >= 0 ? model.findings.proof[finding].filter((place) => place >= 0) : [];
    const plot = el("div");
    const grid = el("div", { class: "steps" });
    const chosen = el("p", { class: "chosen" });
    this.timeline = new Timeline(plot, model, (i) => this.choose(i));
    const mode = (name, text) => el("button", { type: "button", "aria-pressed": String(this.mode === name), onclick: () => this.setMode(name) }, text);
    this.modes = { steps: mode("steps", "Steps"), time: mode("time", "Time") };
    const tool = (text, label, act) => el("button", { type: "button", "aria-label": label, title: label, onclick: act }, text);
    const toolbar = el("div", { class: "toolbar" },
      el("h3", null, "Reference count"),
      el("div", { class: "segmented", role: "group", "aria-label": "Axis" }, this.modes.steps, this.modes.time),
      el("div", { class: "segmented", role: "group", "aria-label": "Zoom" }, tool("\u2212", "Zoom out", () => this.timeline.zoom(1 / 0.6, this.timeline.focusPlace())), tool("+", "Zoom in", () => this.timeline.zoom(0.6, this.timeline.focusPlace())), tool("All", "Show all steps", () => this.timeline.reset())),
      marks.length || this.hasFaults(steps) ? tool("To the fault", "Show the step at fault", () => this.toFault()) : "",
      legend(),
    );
    plot.addEventListener("mode", () => this.setMode(this.mode === "steps" ? "time" : "steps"));
    const head = el("div", { class: "step head", "aria-hidden": "true" }, ["#", "time (UTC)", "thread", "cpu", "routine", "change", "owned", "link", "count", "call site"].map((text) => el("span", null, text)));
    host.replaceChildren(toolbar, plot, chosen, el("div", { class: "steps-frame" }, head, grid));
    this.steps = steps;
    this.chosen = chosen;
    this.timeline.mode = this.mode;
    this.timeline.set(steps, marks, finding >= 0 ? model.findings.rule[finding] : "");
    this.list = new VirtualList(grid, { label: "Steps of the context", height: 26, row: (i) => this.row(i), choose: (i) => this.choose(i) });
    grid.style.height = Math.min(steps.count, 16) * 26 + 2 + "px";
    this.list.resize(steps.count);
    if (marks.length) this.choose(marks[0], true);
    this.timeline.paint();
  }

  hasFaults(steps) {
    for (let i = 0; i < steps.count; i++) if (this.model.fault(steps, i)) return true;
    return false;
  }

  toFault() {
    const { timeline } = this;
    const i = timeline.fault >= 0 ? timeline.fault : timeline.faults[0];
    const half = this.mode === "steps" ? 8 : Math.max((timeline.to - timeline.from) / 40, timeline.least);
    timeline.show(timeline.at[i] - half, timeline.at[i] + half);
    this.choose(i);
  }

  setMode(mode) {
    this.mode = mode;
    for (const [name, button] of Object.entries(this.modes)) button.setAttribute("aria-pressed", String(name === mode));
    this.timeline.setMode(mode);
  }

  // Choose a step: in the chart, in the table, and in words.
  choose(i, quiet) {
    this.timeline.select(i);
    this.list.select(i);
    const { model, steps } = this;
    const call = model.call(steps.call[i]);
    const fault = model.fault(steps, i);
    const site = model.site(steps.call[i]);
    const words = ["Step " + (i + 1) + " of " + steps.count.toLocaleString("en") + ": ", said(call.routine), call.failed ? [" = ", model.statusName(call.status)] : "", site ? [" at ", said(site)] : "", ", count " + (steps.owned[i] + steps.link[i]), fault ? [", ", el("b", { class: "bad" }, said(fault))] : "", i ? ", " + duration((steps.time[i] - steps.time[i - 1]) * model.unit) + " after the step before" : ""];
    this.chosen.replaceChildren(...words.flat().filter((word) => word !== ""));
    if (!quiet) announce(this.chosen.textContent);
  }

  row(i) {
    const { model, steps } = this;
    const call = model.call(steps.call[i]);
    const thread = model.thread(steps.thread[i]);
    const effect = steps.effect[i];
    const change = steps.change[i];
    const fault = model.fault(steps, i) || (i === this.timeline.fault ? this.timeline.label : "");
    const part = ["", " (old context)", ""][model.effects.part[effect]];
    const cpu = steps.cpu[i];
    const cell = (...content) => el("span", null, content);
    const right = (text) => el("span", { class: "number" }, text);
    return el("div", { class: "step" + (fault ? " fault" : this.timeline.marks.has(i) ? " marked" : "") },
      right((i + 1).toLocaleString("en")),
      cell(clock(model.nanoseconds(steps.time[i]))),
      cell(said(thread.ids), thread.process ? [" ", said(thread.process, "faint")] : ""),
      right(cpu === -1 ? "" : String(cpu)),
      cell(said(call.routine), part, call.failed ? [" = ", el("span", { class: "bad" }, model.statusName(call.status))] : ""),
      el("span", { class: "number " + (change > 0 ? "take" : change < 0 ? "drop" : "") }, change > 0 ? "+" + change : change < 0 ? "\u2212" + -change : "0"),
      right(String(steps.owned[i])),
      right(String(steps.link[i])),
      right(String(steps.owned[i] + steps.link[i])),
      cell(fault ? [el("b", { class: "bad" }, said(fault)), " \u00b7 "] : "", said(model.site(steps.call[i]))),
    );
  }
}

function legend() {
  const item = (name, text) => el("span", null, el("span", { class: "key " + name, "aria-hidden": "true" }), text);
  return el("div", { class: "legend" }, item("take", "reference taken"), item("drop", "dropped"), item("use", "use"), item("owned", "owned"), item("link", "object\u2019s link"), item("gap", "lost events"));
}

// What the book says of a rule.
function ruleBody(rule) {
  const part = (head, text) => (text ? [el("h4", null, head), el("p", null, prose(text))] : []);
  const code = (head, text) => el("div", null, el("h4", null, head), el("pre", null, el("code", null, text)));
  const [means, bug, fix, ...rest] = rule.parts.map(([head, text]) => part(head, text));
  const source = ([text, url]) => el("li", null, url && url.startsWith("https://") ? el("a", { href: url, rel: "noreferrer noopener", target: "_blank" }, text) : text);
  return el("div", { class: "book" }, means, bug, el("div", { class: "pair" }, code("Wrong", rule.wrong), code("Right", rule.right)), fix, rest, el("h4", null, "Where it is said"), el("ul", { class: "sources" }, rule.sources.map(source)));
}
