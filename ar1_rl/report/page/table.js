// Before, after, and the paired difference with its interval; flags of the run.
const BAR = { width: 160, height: 18 };

function intervalBar(row) {
  const [low, high] = row.ci95;
  if (low === null) return null;
  const reach = Math.max(Math.abs(low), Math.abs(high), 1e-12);
  const at = (value) => BAR.width / 2 + (value / reach) * (BAR.width / 2 - 5);
  const middle = BAR.height / 2;
  return svg("svg", { class: `interval ${row.shade}`, viewBox: `0 0 ${BAR.width} ${BAR.height}`, role: "img",
    "aria-label": `${figure(low, 3, true)} to ${figure(high, 3, true)}` },
    svg("line", { class: "zero", x1: BAR.width / 2, x2: BAR.width / 2, y1: 0, y2: BAR.height }),
    svg("line", { class: "reach", x1: at(low), x2: at(high), y1: middle, y2: middle }),
    svg("circle", { cx: at(row.mean), cy: middle, r: 4 }));
}

function showChange() {
  const place = byId("change");
  const { rows: all, told } = content.change;
  const rows = all.filter((row) => !row.looking);
  const headline = rows.filter((row) => row.headline), others = rows.filter((row) => !row.headline);
  if (headline.length) place.append(changeTable(headline));
  if (others.length) {
    place.append(element("details", {}, element("summary", {}, `${others.length} more metrics`), changeTable(others)));
  }
  place.append(element("p", { class: "note" }, told));
}

function changeTable(rows) {
  const some = rows.some((row) => row.grader);
  const heads = ["Metric", "Before", "After", "Difference", "95 % interval", "p", "", ...(some ? ["Grader"] : [])];
  const body = rows.map((row) =>
    element("tr", { class: row.shade },
      element("th", { scope: "row", title: row.name }, row.label, " ",
        element("span", { class: "better" }, { up: "↑", down: "↓" }[row.better] || "")),
      element("td", {}, figure(row.before)),
      element("td", {}, figure(row.after)),
      element("td", {}, figure(row.mean, 3, true)),
      element("td", { class: "from-to" }, row.ci95[0] === null ? "–" :
        [figure(row.ci95[0], 3, true), " … ", figure(row.ci95[1], 3, true), intervalBar(row)]),
      element("td", {}, figure(row.p, 4)),
      element("td", { class: "verdict" }, row.verdict),
      some && element("td", {}, row.grader)));
  return element("div", { class: "wide" }, element("table", { class: "figures" },
    element("thead", {}, element("tr", {}, heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, body)));
}

// Raised flags with the rollouts that show them, then what could not be measured and what was not found.
function showFlags() {
  if (content.flags === null) return;
  byId("flags").hidden = byId("flags-link").hidden = false;
  const place = byId("flags");
  const [raised, unknown, calm] = [true, null, false].map((state) => content.flags.filter((flag) => flag.raised === state));
  place.append(element("p", { class: "note" },
    `${raised.length} of ${content.flags.length} signs of a hacked reward are raised, ${unknown.length} could not be measured. `,
    "A raised flag is a question to look into, not a verdict."));
  for (const flag of raised) {
    const named = flag.rollouts.map(([id, told]) => element("li", {}, linked(id, told)));
    place.append(element("article", { class: "flag" },
      element("h3", {}, spoken(flag.name), element("small", {}, ` score ${figure(flag.score)}, raised above ${flag.threshold}`)),
      element("p", {}, flag.evidence),
      named.length > 0 && element("details", {}, element("summary", {}, "Rollouts that show it"), element("ul", {}, named))));
  }
  const others = [...unknown, ...calm].map((flag) => element("li", {}, element("b", {}, spoken(flag.name)), ": ", flag.evidence));
  if (others.length) place.append(element("details", {}, element("summary", {}, "Not raised"), element("ul", {}, others)));
}

// A scene that is shown can be opened from here.
function linked(id, told) {
  const scene = content.scenes.find((one) => one.id === id);
  return scene ? element("a", { href: "#scenes", onclick: () => { clear(); show(scene); } }, told) : told;
}
