// The list of scenes with its filters, and the scene that is open. Only that one is drawn.
const SIDES = ["before", "after"].filter((side) => content.scenes.some((scene) => scene[side]));
const TAGS = { repaired: "repaired", broken: "broken", flagged: "flagged" };
const CHANGED = 0.1; // of the scenes shown: those of the biggest change
const filters = { kind: "", longitudinal: "", lateral: "", tag: "", order: "change" };
let listed = [];
let open = null;
let chosen = {}; // side → sample; unset: the most likely one

function selector(name, label, options) {
  const choices = options.map(([value, told]) => element("option", { value }, told));
  return element("label", {}, label, element("select", { id: `filter-${name}`,
    onchange: (event) => { filters[name] = event.target.value; list(); } }, choices));
}

function values(of) {
  const counts = new Map();
  for (const scene of content.scenes) {
    const value = of(scene);
    if (value) counts.set(value, (counts.get(value) || 0) + 1);
  }
  return [["", "all"], ...[...counts].sort().map(([value, count]) => [value, `${spoken(value)} (${count})`])];
}

const biggest = new Set([...content.scenes].filter((scene) => scene.change > 0).sort((a, b) => b.change - a.change)
  .slice(0, Math.ceil(CHANGED * content.scenes.length)));
const tagged = (scene, tag) => (tag === "changed" ? biggest.has(scene) : scene.tags.includes(tag));

function showScenes() {
  const place = byId("scenes");
  place.append(element("p", { class: "note", id: "shown" }, content.scenes_told));
  if (!content.scenes.length) return;
  const tags = Object.entries({ ...TAGS, changed: "biggest change" }).map(([tag, told]) =>
    [tag, `${told} (${content.scenes.filter((scene) => tagged(scene, tag)).length})`]);
  place.append(
    element("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
      selector("kind", "Scenario", values((scene) => scene.kind)),
      selector("longitudinal", "Decision, longitudinal", values((scene) => scene.decision && scene.decision.longitudinal)),
      selector("lateral", "Decision, lateral", values((scene) => scene.decision && scene.decision.lateral)),
      selector("tag", "Consistency, change, flags", [["", "all"], ...tags]),
      selector("order", "Order", [["change", "biggest change first"], ["worse", "worse first"], ["better", "better first"], ["given", "as evaluated"]]),
      element("button", { type: "button", id: "clear", onclick: clear }, "Clear"),
      element("output", { id: "count", "aria-live": "polite" })),
    element("div", { class: "browser" },
      element("ol", { id: "list", "aria-label": "Scenes" }),
      element("article", { id: "scene" })));
  list();
}

const ORDERS = {
  change: (a, b) => b.change - a.change,
  worse: (a, b) => a.gain - b.gain,
  better: (a, b) => b.gain - a.gain,
  given: () => 0,
};

function fits(scene) {
  const decision = scene.decision || {};
  return (!filters.kind || scene.kind === filters.kind)
    && (!filters.longitudinal || decision.longitudinal === filters.longitudinal)
    && (!filters.lateral || decision.lateral === filters.lateral)
    && (!filters.tag || tagged(scene, filters.tag));
}

function list() {
  listed = content.scenes.filter(fits).sort(ORDERS[filters.order]);
  byId("count").textContent = `${listed.length} of ${content.scenes.length}`;
  byId("list").replaceChildren(...listed.map((scene) => {
    const badges = scene.tags.map((tag) => element("span", { class: `tag ${tag}` }, TAGS[tag] || tag));
    return element("li", {}, element("button", { type: "button", "data-id": scene.id, onclick: () => show(scene) },
      element("b", {}, spoken(scene.kind)), badges, element("small", {}, scene.id)));
  }));
  if (!listed.includes(open)) open = null;
  if (listed.length) show(open || listed[0]);
  else byId("scene").replaceChildren(element("p", { class: "note" }, "No scene fits these filters. ",
    element("button", { type: "button", onclick: clear }, "Clear them")));
}

function clear() {
  for (const name of ["kind", "longitudinal", "lateral", "tag"]) {
    filters[name] = "";
    byId(`filter-${name}`).value = "";
  }
  list();
}

function show(scene) {
  if (scene !== open) chosen = {};
  open = scene;
  for (const button of byId("list").querySelectorAll("button")) {
    const current = button.dataset.id === scene.id;
    if (current) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
    if (current) reveal(button);
  }
  byId("scene").replaceChildren(...sceneParts(scene));
}

// Scrolls the list and nothing else.
function reveal(button) {
  const list = byId("list"), top = button.offsetTop, bottom = top + button.offsetHeight;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
}

function sceneParts(scene) {
  const decision = scene.decision && ["longitudinal", "lateral", "side"].map((axis) => scene.decision[axis]).filter(Boolean).map(spoken).join(", ");
  const unknown = ["lanes", "agents", "controls"].filter((part) => scene.road && scene.road[part] === null);
  return [
    element("header", { class: "scene-head" },
      element("h3", {}, spoken(scene.kind), " ", scene.tags.map((tag) => element("span", { class: `tag ${tag}` }, TAGS[tag] || tag))),
      element("small", {}, scene.id),
      scene.reference !== null && element("p", {}, element("b", {}, "Reference: "), text(scene.reference)),
      decision && element("p", { class: "note" }, "Decision: ", decision,
        scene.causes.length > 0 && [". Causes: ", scene.causes.map(spoken).join(", ")])),
    scene.pictures.length > 0 && element("div", { class: "pictures" }, scene.pictures.map(([told, source]) =>
      element("figure", {}, element("img", { src: source, alt: told }), element("figcaption", {}, told)))),
    scene.road === null && element("p", { class: "note" }, "The scene itself is not at hand, so it cannot be drawn."),
    unknown.length > 0 && element("p", { class: "note" }, `The source of this scene does not know its ${unknown.join(" and ")}.`),
    element("div", { class: "sides" }, SIDES.filter((side) => scene[side]).map((side) => sidePart(scene, side))),
    scene.road !== null && element("ul", { class: "legend" },
      ["expert", "ego", "agent", "lane", "history"].map((name) => element("li", { class: `key-${name}` }, name === "agent" ? "others, and where they go" : name))),
    scene.prompt !== null && element("details", {}, element("summary", {}, "What the policy was shown"), element("pre", {}, text(scene.prompt))),
  ].filter(Boolean);
}

function sidePart(scene, side) {
  const { rollouts, likely } = scene[side];
  const sample = rollouts.some((one) => one.sample === chosen[side]) ? chosen[side] : likely;
  const choose = (number) => { chosen[side] = number; show(scene); };
  const chips = rollouts.map((rollout) => element("button", { type: "button", class: "chip", "aria-pressed": String(rollout.sample === sample),
    style: `--shade: ${sampleColour(rollout.sample)}`, "data-sample": rollout.sample, onclick: () => choose(rollout.sample),
    title: rollout.sample === likely ? "the most likely" : null }, `${rollout.sample + 1}${rollout.sample === likely ? " ★" : ""}`));
  const told = scene.measures.map(([name, values]) => values[side] === undefined ? null : `${name} ${figure(values[side], 2)}`).filter(Boolean).join(" · ");
  return element("section", { class: `side ${side}` },
    element("h4", {}, content.side_names[side], told && element("small", {}, told)),
    scene.road !== null && fromAbove(scene, side, sample, choose),
    element("div", { class: "chips", role: "group", "aria-label": `samples ${side}` }, chips),
    answer(rollouts.find((one) => one.sample === sample)));
}

function step(by) {
  if (!listed.length) return;
  const place = (listed.indexOf(open) + by + listed.length) % listed.length;
  show(listed[place]);
  const top = byId("scenes").getBoundingClientRect();
  if (top.top > window.innerHeight * 0.6 || top.bottom < window.innerHeight * 0.3) byId("scenes").scrollIntoView();
}

function chooseEverywhere(number) {
  if (!open) return;
  chosen = number === null ? {} : Object.fromEntries(SIDES.map((side) => [side, number]));
  show(open);
}
