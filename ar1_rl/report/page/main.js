// Theme, keys, and everything on its place.
const THEMES = ["light", "dark"];
const preferred = window.matchMedia("(prefers-color-scheme: dark)");

function theme() {
  return document.documentElement.dataset.theme || (preferred.matches ? "dark" : "light");
}
function showTheme() {
  const other = THEMES.find((name) => name !== theme());
  byId("theme").textContent = other === "dark" ? "Dark" : "Light";
  byId("theme").title = `switch to the ${other} theme`;
  recolourCurves();
}
function switchTheme() {
  document.documentElement.dataset.theme = THEMES.find((name) => name !== theme());
  showTheme();
}

const KEYS = {
  j: () => step(1), ArrowRight: () => step(1), k: () => step(-1), ArrowLeft: () => step(-1),
  m: () => chooseEverywhere(null), r: () => content.scenes.length && clear(), t: switchTheme,
  f: () => byId("filter-kind") && (byId("scenes").scrollIntoView(), byId("filter-kind").focus()),
  "?": () => byId("help").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  if (event.target.closest && event.target.closest("select, input, textarea")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const act = KEYS[event.key] || (/^[1-9]$/.test(event.key) ? () => chooseEverywhere(Number(event.key) - 1) : null);
  if (!act) return;
  event.preventDefault();
  act();
});
byId("theme").addEventListener("click", switchTheme);
byId("help-button").addEventListener("click", () => byId("help").showModal());
preferred.addEventListener("change", showTheme);

showRun();
showChange();
showLooking();
showFlags();
showCurves();
showScenes();
showTheme();
if (location.hash) document.querySelector(`[id="${CSS.escape(location.hash.slice(1))}"]`)?.scrollIntoView();
document.documentElement.dataset.ready = "yes";
