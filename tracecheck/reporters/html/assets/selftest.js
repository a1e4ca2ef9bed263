// What the tests of the page ask it: with the address #selftest it looks at itself and writes down what it sees.

/** Note what goes wrong from now on. */
function watch() {
  const problems = [];
  window.addEventListener("error", (event) => problems.push("error: " + event.message));
  window.addEventListener("unhandledrejection", (event) => problems.push("rejected: " + event.reason));
  document.addEventListener("securitypolicyviolation", (event) => problems.push("policy: " + event.violatedDirective + " " + event.blockedURI));
  return problems;
}

function report(result) {
  document.getElementById("selftest").textContent = JSON.stringify(result);
  document.title = result.problems.length ? "selftest failed" : "selftest done";
}

/** How many different colours a canvas shows. */
function inks(canvas) {
  const seen = new Set();
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const words = new Uint32Array(data.buffer);
  for (let i = 0; i < words.length; i += 3) seen.add(words[i]);
  return seen.size;
}

/** Visit every view and report; "#selftest=finding=..." then goes to that address. */
async function selftest(page, problems) {
  const { model } = page;
  const { findings, contexts } = model;
  const opened = performance.now();
  const asked = location.hash.slice("#selftest=".length);
  const result = { problems, opened, contexts: contexts.rows, findings: findings.rule.length, elements: {} };
  const visit = async (where) => {
    history.replaceState(null, "", "#" + where);
    const start = performance.now();
    await page.follow();
    page.redraw(true);
    return performance.now() - start;
  };
  await visit("");
  result.first = performance.now();
  for (const [name] of VIEWS) {
    result.elements[name + " took"] = await visit("view=" + name);
    result.elements[name] = document.getElementById("view-" + name).querySelectorAll("*").length;
  }
  if (findings.rule.length) {
    const view = page.view("findings");
    const last = findings.rule.length - 1;
    await visit("finding=" + model.findingKey(last));
    result.rows = view.list.host.querySelectorAll(".row").length;
    result.current = model.findingKey(view.current);
    view.filters.rule.value = findings.rule[0];
    view.filter();
    result.ofRule = view.order.length;
    view.clear();
    view.filters.search.value = "no such text anywhere";
    view.filter();
    result.ofNothing = view.order.length;
    view.clear();
    result.ofAll = view.order.length;
    view.step(-findings.rule.length);
    result.stepped = location.hash;
  }
  if (contexts.rows) {
    const longest = contexts.steps.indexOf(contexts.steps.reduce((a, b) => Math.max(a, b), 0));
    result.longest = { steps: contexts.steps[longest], took: await visit("context=" + model.lifeKey(longest)) };
    const { timeline, list } = page.view("contexts").detail;
    result.timeline = timeline ? inks(timeline.canvas) : 0;
    if (timeline) {
      const start = performance.now();
      timeline.zoom(0.3, 0.5);
      timeline.paint();
      result.longest.zoom = performance.now() - start;
      list.key(new KeyboardEvent("keydown", { key: "ArrowDown" }));
      result.selected = timeline.selected;
    }
    page.view("live").group("site");
    page.redraw(true);
    result.live = inks(page.view("live").chart.canvas);
  }
  if (asked) {
    await visit(asked);
    result.asked = { hash: location.hash, view: page.now, text: document.getElementById("view-" + page.now).textContent };
  }
  page.print(true);
  result.paper = document.getElementById("paper").querySelectorAll("tr").length;
  page.print(false);
  result.requests = performance.getEntriesByType("resource").map((entry) => entry.name);
  result.tags = [...new Set([...document.body.querySelectorAll("*")].map((node) => node.localName))].sort();
  result.attributes = [...new Set([...document.body.querySelectorAll("*")].flatMap((node) => node.getAttributeNames()))].sort();
  result.wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
  report(result);
}
