// What is known of the capture itself, and what the rules mean.

// The verdict, why, and what the capture holds.
function captureView(host, model) {
  const { meta } = model;
  const list = (title, lines, name) => (lines.length ? [el("h3", null, title), el("ul", { class: name || null }, lines.map((line) => el("li", null, said(line))))] : []);
  const coverage = meta.coverage;
  const totals = meta.totals;
  host.append(
    el("h2", null, "Verdict: ", el("span", { class: "verdict " + meta.verdict }, meta.verdict)),
    ...list(meta.verdict === "findings" ? "What could not be judged in full" : "Why", meta.reasons),
    ...list("What keeps it from being sure", meta.weaknesses),
    ...list("What to do next time", meta.advice),
    el("h3", null, "What the capture holds"),
    facts([
      ["files", meta.paths.map((path) => el("div", null, said(path, "code")))],
      ["from", stamp(model.nanoseconds(0))],
      ["to", stamp(model.nanoseconds(meta.span))],
      ["length", duration(meta.span * meta.unit)],
      ["records", totals.records.toLocaleString("en")],
      ["operations", totals.operations.toLocaleString("en")],
      ["contexts", totals.contexts.toLocaleString("en")],
      ["profiles", meta.profiles.length ? said(meta.profiles.join(", ")) : null],
      ["in this page", "every context, every finding" + (model.findings.total > model.findings.rule.length ? " up to the " + model.findings.rule.length.toLocaleString("en") + "th" : "") + "; the steps of " + (meta.whole === totals.contexts ? "all contexts" : meta.whole.toLocaleString("en") + " contexts: all that have findings, and of healthy ones up to " + count(meta.most_steps, "step"))],
      ["written by", ("tracecheck " + meta.version).trim()],
    ]),
    el("h3", null, "What is missing"),
    meta.losses.length ? table([["lost"], ["cpu"], ["from"], ["to"], ["known by"], ["detail"]], meta.losses.map((loss) => [loss.lost, loss.cpu === null ? "all" : String(loss.cpu), loss.start === null ? "" : moment(model, loss.start), loss.end === null ? "" : moment(model, loss.end), said(loss.sign), said(loss.detail || "")])) : el("p", null, "No loss of events is known."),
    meta.totals.losses > meta.losses.length ? el("p", null, meta.losses.length + " of " + meta.totals.losses + " shown") : "",
    el("h3", null, "What is logged"),
    el("p", null, coverage.declared ? (coverage.routines === null ? "The driver declares that it logs every call it makes." : "Declared to be logged completely:") : "The capture declares nothing: that every call is logged is inferred."),
    coverage.routines === null ? "" : el("p", null, said(coverage.routines.join(", ") || "nothing", "code")),
    facts([["logged in part", said(coverage.partial.join(", "))], ["not logged", said(coverage.silent.join(", "))], ["note", coverage.note ? said(coverage.note) : null]].filter(([, node]) => node && node.textContent)),
    ...list("", coverage.inferred),
    meta.routines.length ? table([["routine"], ["operations", 1]], meta.routines.map(([name, number]) => [said(name), number]), "numbers narrow") : "",
    ...meta.files.flatMap((file) => [
      el("h3", null, "File ", said(file.path, "code")),
      facts(file.facts.map(([name, value]) => [name, said(value)])),
      file.providers.length ? table([["provider"], ["id"], ["events", 1]], file.providers.map(([name, guid, number]) => [said(name || "unknown"), el("code", null, harmless(guid)), number]), "numbers") : "",
    ]),
    ...(meta.marks.length ? [el("h3", null, "What the filter manager said"), table([["time (UTC)"], ["what"], ["name"], ["status"]], meta.marks.map((mark) => [moment(model, mark.time), said(mark.routine), said(mark.name || ""), mark.status ? model.statusName(mark.status) : ""]))] : []),
    ...list("What could not be read", meta.warnings),
    ...list("How it was read", meta.notes),
  );
}

// The pages of the book of the rules that have findings.
function rulesView(host, model) {
  const { meta, findings } = model;
  const numbers = new Map();
  for (const code of findings.rule) numbers.set(code, (numbers.get(code) || 0) + 1);
  host.append(el("h2", null, "Rules"), el("p", { class: "about" }, meta.rules.length ? "What the rules that have findings here mean. " : "No rule has findings here. ", "All rules: ", el("code", null, "tracecheck explain")));
  for (const rule of meta.rules) {
    const body = rule.parts ? ruleBody(rule) : "";
    host.append(el("article", { id: "rule-" + rule.code, tabindex: "-1", class: "rule-page" }, el("h3", null, el("b", null, rule.code), " ", el("span", null, rule.title)), el("p", { class: "about" }, rule.severity ? [severityBadge(rule.severity), " ", rule.kind, ", ", rule.family, ", "] : "", count(numbers.get(rule.code), "finding")), body));
  }
}
