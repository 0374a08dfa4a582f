// What was trained, on what, with which rewards and versions; and what of it is missing.
function showRun() {
  byId("title").textContent = content.title;
  byId("subtitle").textContent = content.subtitle;
  const missing = byId("missing");
  missing.hidden = content.missing.length === 0;
  for (const told of content.missing) missing.append(element("li", {}, told));

  const facts = content.run.facts.map(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
  byId("run").append(element("dl", { class: "facts" }, facts));
  if (content.run.rewards.length) {
    const rows = content.run.rewards.map((reward) =>
      element("tr", {}, reward.map((cell, place) => element(place ? "td" : "th", place ? {} : { scope: "row" }, cell))));
    const heads = content.run.reward_columns.map((name) => element("th", { scope: "col" }, name));
    byId("run").append(
      element("h3", {}, "Rewards"),
      element("div", { class: "wide" },
        element("table", {}, element("thead", {}, element("tr", {}, heads)), element("tbody", {}, rows))));
  }
  for (const [name, whole] of content.run.files) {
    byId("run").append(element("details", {}, element("summary", {}, name), element("pre", {}, whole)));
  }
}
