// One rollout: the trace with the words that claims rest on, the claims, the meta-actions, every reward and its why.
const TICKS = 64;

function trace(rollout) {
  if (rollout.error !== null) {
    return [element("p", { class: "undecodable" }, "Undecodable: ", text(rollout.error)),
      element("pre", { class: "raw" }, text(rollout.text))];
  }
  const marked = content.marks[rollout.text];
  if (!marked) return element("p", { class: "trace" }, text(rollout.text) || "(no reasoning)");
  const pieces = marked.pieces.map(([words, on]) => {
    if (!on.length) return words;
    const marks = on.map((place) => marked.marks[place]);
    const kinds = marks.map((mark) => `mark-${mark.what}${mark.notes.length ? " not-counted" : ""}`).join(" ");
    return element("mark", { class: kinds, title: marks.map(claimed).join("; ") }, words);
  });
  const claims = marked.marks.map((mark) => element("li", { class: mark.notes.length ? "not-counted" : null },
    element("span", { class: `kind mark-${mark.what}` }, mark.what), " ", element("b", {}, spoken(mark.name)),
    " ← “", mark.words, "”", mark.notes.length > 0 && ` (${mark.notes.join(", ")}: does not count)`));
  return [element("p", { class: "trace" }, pieces),
    claims.length ? element("ul", { class: "claims" }, claims) : element("p", { class: "note" }, "No claim is read in it.")];
}
const claimed = (mark) => `${mark.what}: ${spoken(mark.name)}${mark.notes.length ? ` (${mark.notes.join(", ")})` : ""}`;

function actionBars(rollout) {
  if (!rollout.actions) return null;
  const rows = [["longitudinal", rollout.actions[0]], ["lateral", rollout.actions[1]]].map(([axis, segments]) =>
    element("div", { class: "actions" }, element("span", { class: "axis" }, axis),
      element("div", { class: "bar" }, segments.map(([start, end, name]) =>
        element("span", { class: `action ${name.replaceAll("_", "-")}`, style: `flex: ${end - start}`,
          title: `${spoken(name)}, ${(start / 10).toFixed(1)} to ${(end / 10).toFixed(1)} s` }, spoken(name))))));
  return [rows, element("div", { class: "actions scale" }, element("span", { class: "axis" }),
    element("div", { class: "seconds" }, element("span", {}, "0 s"), element("span", {}, `${TICKS / 10} s`)))];
}

function rewardRows(rollout) {
  if (!rollout.scores.length) return element("p", { class: "note" }, "No reward is recorded.");
  const rows = rollout.scores.map((score) => {
    const parts = Object.entries(score.parts).map(([name, value]) => `${spoken(name)} ${figure(value)}`).join(", ");
    return element("tr", {}, element("th", { scope: "row" }, spoken(score.name), score.later && element("sup", {}, "*")),
      element("td", { class: score.value === null ? "unjudged" : null }, score.value === null ? "not judged" : figure(score.value)),
      element("td", { class: "why" }, text(score.why) || "", parts && element("span", { class: "parts" }, parts)));
  });
  return [element("table", { class: "rewards" }, element("tbody", {}, rows)),
    rollout.scores.some((score) => score.later) &&
      element("p", { class: "note" }, "* graded for this page; the evaluation did not ask for it.")];
}

function criticWords(rollout) {
  return rollout.scores.filter((score) => score.record).map((score) =>
    element("details", { class: "critic", open: true }, element("summary", {}, `In the words of the grader: ${spoken(score.name)}`),
      score.record.reply !== null && element("blockquote", {}, text(score.record.reply)),
      element("p", { class: "note" }, score.record.about)));
}

function answer(rollout) {
  return element("div", { class: "answer" }, trace(rollout), actionBars(rollout), rewardRows(rollout), criticWords(rollout));
}
