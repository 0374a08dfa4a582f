// Before, after, and the paired difference with its interval; flags of the run.
const BAR = { width: 160, height: 18 };

function intervalBar(row) {
  const [low, high] = row.ci95;
  if (low === null) return null;
  const reach = Math.max(Math.abs(low), Math.abs(high), 1e-12);
  const at = (value) => BAR.width / 2 + (value / reach) * (BAR.width / 2 - 5);
  const middle = BAR.height / 2;
  return svg("svg", { class: `interval ${row.verdict}`, viewBox: `0 0 ${BAR.width} ${BAR.height}`, role: "img",
    "aria-label": `${figure(low, 3, true)} to ${figure(high, 3, true)}` },
    svg("line", { class: "zero", x1: BAR.width / 2, x2: BAR.width / 2, y1: 0, y2: BAR.height }),
    svg("line", { class: "reach", x1: at(low), x2: at(high), y1: middle, y2: middle }),
    svg("circle", { cx: at(row.mean), cy: middle, r: 4 }));
}

const VERDICTS = { better: "better", worse: "worse", same: "no difference shown", unknown: "not known" };

function showChange() {
  const place = byId("change");
  const { rows, told } = content.change;
  if (told) place.append(element("p", { class: "note" }, told));
  if (!rows.length) return;
  const some = rows.some((row) => row.grader);
  const heads = ["Metric", "Before", "After", "Difference", "95 % interval", "p", "", some ? "Grader" : null];
  const body = rows.map((row) =>
    element("tr", { class: row.verdict },
      element("th", { scope: "row", title: row.description }, row.label, " ",
        element("span", { class: "better" }, row.better === "up" ? "↑" : row.better === "down" ? "↓" : "")),
      element("td", {}, figure(row.before)),
      element("td", {}, figure(row.after)),
      element("td", {}, figure(row.mean, 3, true)),
      element("td", { class: "from-to" }, row.ci95[0] === null ? "–" :
        [figure(row.ci95[0], 3, true), " … ", figure(row.ci95[1], 3, true), intervalBar(row)]),
      element("td", {}, figure(row.p, 4)),
      element("td", { class: "verdict" }, VERDICTS[row.verdict]),
      some && element("td", {}, row.grader || "")));
  place.append(
    element("div", { class: "wide" }, element("table", { class: "figures" },
      element("thead", {}, element("tr", {}, heads.filter((head) => head !== null)
        .map((head) => element("th", { scope: "col" }, head)))),
      element("tbody", {}, body))),
    element("p", { class: "note" }, "Arrows say which way is better. Differences are paired by scene; intervals are ",
      "95 % bootstrap intervals over scenes, each drawn on a scale of its own with the line at 0."));
}

function showFlags() {
  if (content.flags === null) return;
  byId("flags").hidden = byId("flags-link").hidden = false;
  const place = byId("flags");
  if (!content.flags.length) {
    place.append(element("p", { class: "note" }, "Nothing is flagged: none of the signs of a hacked reward was found."));
    return;
  }
  for (const flag of content.flags) {
    place.append(element("article", { class: "flag" }, element("h3", {}, flag.title),
      element("p", {}, flag.told), flag.evidence.length > 0 && element("ul", {}, flag.evidence.map((line) => element("li", {}, line)))));
  }
}
