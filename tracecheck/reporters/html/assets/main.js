// Opens the page: its views, where its address leads, its keys, its theme, how it prints.

const VIEWS = [["findings", "Findings"], ["contexts", "Contexts"], ["live", "Over time"], ["capture", "Capture"], ["rules", "Rules"]];

class Page {
  constructor(model) {
    this.model = model;
    this.views = {};
    this.makers = {
      findings: (host) => new FindingsView(host, model, (where) => this.go(where)),
      contexts: (host) => new ContextsView(host, model, (where) => this.go(where)),
      live: (host) => new LiveView(host, model),
      capture: (host) => captureView(host, model),
      rules: (host) => rulesView(host, model),
    };
    this.heading();
    this.theme();
    window.addEventListener("hashchange", () => this.follow());
    document.addEventListener("keydown", (event) => this.key(event));
    window.addEventListener("beforeprint", () => this.print(true));
    window.addEventListener("afterprint", () => this.print(false));
  }

  heading() {
    const { meta, findings } = this.model;
    const severities = ["error", "warning", "note"].map((name) => [name, findings.severity.filter((each) => each === name).length]).filter(([, number]) => number);
    document.getElementById("summary").replaceChildren(
      el("span", { class: "verdict " + meta.verdict }, meta.verdict), " ",
      ...severities.map(([name, number]) => el("span", { class: "sum " + name }, count(number, name))),
      el("span", { class: "faint" }, count(meta.totals.contexts, "context") + ", " + count(meta.totals.operations, "operation") + ", " + duration(meta.span * meta.unit) + (meta.totals.losses ? ", " + count(meta.totals.losses, "gap") : "")));
    document.getElementById("tabs").replaceChildren(...VIEWS.map(([name, text]) => el("a", { href: "#view=" + name, id: "tab-" + name }, text)));
  }

  // Find a view, made when it is first shown.
  view(name) {
    for (const [each] of VIEWS) {
      document.getElementById("view-" + each).hidden = each !== name;
      const tab = document.getElementById("tab-" + each);
      if (each === name) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    }
    if (!(name in this.views)) this.views[name] = this.makers[name](document.getElementById("view-" + name)) || {};
    this.now = name;
    return this.views[name];
  }

  go(where) {
    if (location.hash === "#" + where) return this.follow();
    // A life that is passed on the way through a list is no place to come back to.
    history.replaceState(null, "", "#" + where);
    return this.follow();
  }

  // Show what the address names; resolves when it stands there.
  async follow() {
    const [kind, key] = split(location.hash);
    const { model } = this;
    if (kind === "finding") {
      const finding = model.findFinding(key);
      if (finding >= 0) return this.view("findings").show(finding);
      return this.missing("findings", "There is no finding " + key);
    }
    if (kind === "context") {
      const life = model.findLife(key);
      if (life >= 0) return this.view("contexts").show(life);
      return this.missing("contexts", "There is no context " + key);
    }
    if (kind === "rule" && model.rules.has(key)) {
      this.view("rules");
      const page = document.getElementById("rule-" + key);
      page.scrollIntoView();
      page.focus({ preventScroll: true });
      return null;
    }
    if (kind === "view" && this.makers[key]) {
      const view = this.view(key);
      return key === "findings" && view.current < 0 ? this.first() : null;
    }
    return this.first();
  }

  missing(name, text) {
    const view = this.view(name);
    view.detail.empty();
    view.pane.replaceChildren(el("p", { class: "notice" }, said(text + " in this page.")));
    return null;
  }

  // Show what matters most.
  async first() {
    const { findings } = this.model;
    if (!findings.rule.length) {
      this.view(this.model.contexts.rows ? "live" : "capture");
      return null;
    }
    return this.view("findings").show(0);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest("input, select, textarea");
    if (typing) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const detail = this.views[this.now].detail;
    const timeline = detail && detail.timeline;
    const chart = timeline || this.views[this.now].chart;
    const step = (by) => timeline && detail.choose(Math.min(Math.max(timeline.selected + by, 0), detail.steps.count - 1));
    const act = {
      j: () => this.view("findings").step(1),
      k: () => this.view("findings").step(-1),
      "/": () => this.now in { findings: 1, contexts: 1 } && document.getElementById("search-" + this.now).focus(),
      ArrowLeft: () => (timeline ? step(-1) : chart && chart.pan(-0.2)),
      ArrowRight: () => (timeline ? step(1) : chart && chart.pan(0.2)),
      "+": () => chart && chart.zoom(0.6, chart.focusPlace()),
      "=": () => chart && chart.zoom(0.6, chart.focusPlace()),
      "-": () => chart && chart.zoom(1 / 0.6, chart.focusPlace()),
      Escape: () => (help.open ? help.close() : chart && chart.reset()),
      t: () => timeline && detail.setMode(detail.mode === "steps" ? "time" : "steps"),
      "?": () => help.showModal(),
    }[event.key];
    const help = document.getElementById("help");
    if (!act) return;
    event.preventDefault();
    act();
  }

  // Follow the system's theme until the switch is used.
  theme() {
    const root = document.documentElement;
    const button = document.getElementById("theme");
    const system = matchMedia("(prefers-color-scheme: dark)");
    const set = (dark) => {
      root.dataset.theme = dark ? "dark" : "light";
      button.setAttribute("aria-pressed", String(dark));
      this.redraw();
    };
    button.addEventListener("click", () => {
      this.chosen = true;
      set(root.dataset.theme !== "dark");
    });
    system.addEventListener("change", () => this.chosen || set(system.matches));
    set(system.matches);
    document.getElementById("help-open").addEventListener("click", () => document.getElementById("help").showModal());
  }

  redraw(now) {
    for (const view of Object.values(this.views)) {
      for (const chart of [view.chart, view.detail && view.detail.timeline]) {
        if (!chart) continue;
        if (now) chart.paint();
        else chart.draw();
      }
    }
  }

  // Paper is white, does not scroll, and shows the capture and all causes whatever the screen shows.
  print(on) {
    const root = document.documentElement;
    if (on) this.before = root.dataset.theme;
    root.dataset.theme = on ? "light" : this.before;
    const paper = document.getElementById("paper");
    paper.replaceChildren(...(on ? this.paper() : []));
    root.classList.toggle("printing", on);
    for (const view of Object.values(this.views)) {
      if (view.detail && view.detail.list) view.detail.list.print(on);
    }
    this.redraw(true);
  }

  paper() {
    const { model } = this;
    const { findings, rules } = model;
    const most = 500;
    const rows = findings.groups.slice(0, most).map(([total, members]) => {
      const first = findings.cases[members[0]][0];
      const rule = rules.get(findings.rule[first]);
      return [el("b", null, findings.rule[first]), findings.severity[first] + ", " + findings.confidence[first], total, [el("div", null, rule ? rule.title : ""), el("div", { class: "faint" }, said(findings.blame[first]))]];
    });
    const capture = el("section");
    captureView(capture, model);
    return [el("h2", null, "Findings by cause"), rows.length ? table([["rule"], ["how sure"], ["cases", 1], ["what, and an example"]], rows) : el("p", null, "None."), capture];
  }
}

// Split an address into its kind and its key.
function split(hash) {
  const text = hash.slice(1);
  const at = text.indexOf("=");
  let key = text.slice(at + 1);
  try {
    key = decodeURIComponent(key);
  } catch {
    // What is no escape stands for itself.
  }
  return at < 0 ? [text, ""] : [text.slice(0, at), key];
}

async function main() {
  const notice = document.getElementById("notice");
  if (!("DecompressionStream" in window) || !("BigUint64Array" in window)) {
    notice.textContent = "This browser is too old to unpack the data of this page. Firefox 113, Chrome or Edge 103, Safari 16.4 and later can.";
    return;
  }
  try {
    const page = new Page(await Model.open());
    document.getElementById("page").hidden = false;
    notice.hidden = true;
    await page.follow();
    performance.mark("shown");
  } catch (error) {
    notice.hidden = false;
    notice.textContent = "This page can't be shown: " + harmless(error.message);
    console.error(error);
  }
}

main();
