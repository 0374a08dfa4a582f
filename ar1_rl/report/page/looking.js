// Does the policy look: one sentence a side, its answers against those with other frames, and what changed of it.
function showLooking() {
  if (!content.looking) return;
  byId("looking").hidden = byId("looking-link").hidden = false;
  const { told, sides, claims, how } = content.looking;
  const place = byId("looking");
  for (const [side, sentence] of told) place.append(element("p", { class: "told" }, element("b", {}, named(side)), ": ", sentence));
  const heads = ["Metric", "Answered with", ...sides.flatMap((side) => [named(side), "95 % interval"])];
  const body = claims.map((row) =>
    element("tr", {},
      element("th", { scope: "row", title: row.name }, row.label),
      element("td", {}, row.told),
      sides.map((side) => claimCells(row[side]))));
  place.append(element("div", { class: "wide" }, element("table", { class: "figures looks" },
    element("thead", {}, element("tr", {}, heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, body))));
  place.append(element("p", { class: "note" }, how));
  const rows = content.change.rows.filter((row) => row.looking);
  if (rows.length) {
    place.append(element("h3", {}, "What changed of it"), changeTable(rows),
      element("p", { class: "note" }, "p is corrected by Holm over the metrics of this table."));
  }
}

const named = (side) => side[0].toUpperCase() + side.slice(1);

function claimCells(claim) {
  if (!claim) return [element("td", {}, "–"), element("td", {}, "–")];
  const [low, high] = claim.ci95;
  const levels = claim.value === null ? null : element("small", {}, ` ${figure(claim.value)} − ${figure(claim.against)}`);
  return [
    element("td", {}, figure(claim.difference, 3, true), levels),
    element("td", { class: "from-to" }, low === null ? "–" :
      `${figure(low, 3, true)} … ${figure(high, 3, true)}`),
  ];
}
