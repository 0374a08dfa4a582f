// A scene from above: forward is to the right, left is up. Lengths in the content are centimetres.
const MARGIN_M = 7;
const LIGHTS = { red: "--red", yellow: "--yellow", green: "--green" };

function pointsOf(flat) {
  const points = [];
  for (let i = 0; i + 1 < flat.length; i += 2) points.push([flat[i] / 100, -flat[i + 1] / 100]);
  return points;
}
const drawnLine = (flat) => pointsOf(flat).map(([x, y]) => `${x},${y}`).join(" ");

// The same view for before and after: everything that was driven, and no more road than that.
function viewOf(scene) {
  const points = [[0, 0]];
  for (const path of [scene.road.expert || [], scene.road.history]) points.push(...pointsOf(path));
  for (const side of SIDES.filter((name) => scene[name])) {
    for (const rollout of scene[side].rollouts) if (rollout.path) points.push(...pointsOf(rollout.path));
  }
  const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]));
  const view = { x: Math.min(...xs) - MARGIN_M, y: Math.min(...ys) - MARGIN_M };
  view.width = Math.max(...xs) + MARGIN_M - view.x;
  view.height = Math.max(...ys) + MARGIN_M - view.y;
  const wanted = { width: Math.max(view.width, 40), height: Math.max(view.height, view.width * 0.3, 18) };
  view.y -= (wanted.height - view.height) / 2;
  return { ...view, ...wanted };
}

function box(at, yaw, [length, width], attributes, told) {
  const [x, y] = pointsOf(at)[0];
  const shape = svg("rect", { ...attributes, x: -length / 200, y: -width / 200, width: length / 100, height: width / 100,
    rx: 0.4, transform: `translate(${x} ${y}) rotate(${(-yaw * 180) / Math.PI})` });
  return told ? fill(shape, {}, [svg("title", {}, told)]) : shape;
}

function roadLayer(road) {
  const layer = svg("g", { class: "road" });
  for (const polygon of road.area || []) layer.append(svg("polygon", { class: "area", points: drawnLine(polygon) }));
  for (const lane of road.lanes || []) layer.append(svg("polyline", { class: "lane", points: drawnLine(lane) }));
  for (const agent of road.agents || []) {
    layer.append(svg("polyline", { class: "agent-path", points: drawnLine(agent.path) }));
    if (agent.now) layer.append(box(agent.now, agent.now[2], agent.size, { class: "agent" }, spoken(agent.kind)));
  }
  for (const control of road.controls || []) {
    const [x, y] = pointsOf(control.at)[0];
    const shade = LIGHTS[control.state];
    const told = [spoken(control.kind), control.state].filter(Boolean).join(", ");
    layer.append(svg("circle", { class: "control", cx: x, cy: y, r: 1.1, style: shade && `fill: var(${shade})` },
      svg("title", {}, told)));
  }
  layer.append(svg("polyline", { class: "history", points: drawnLine(road.history) }));
  const [length, width, ahead] = road.ego;
  layer.append(box([ahead, 0], 0, [length, width], { class: "ego" }, "ego at t0"));
  if (road.expert) layer.append(svg("polyline", { class: "expert", points: drawnLine(road.expert) }, svg("title", {}, "expert")));
  return layer;
}

function ruler(view) {
  const size = view.width > 70 ? 20 : 10;
  const x = view.x + view.width * 0.02, y = view.y + view.height - view.width * 0.02;
  return svg("g", { class: "ruler" }, svg("line", { x1: x, x2: x + size, y1: y, y2: y }),
    svg("text", { x, y: y - view.width * 0.012, "font-size": view.width / 40 }, `${size} m`));
}

function fromAbove(scene, side, chosen, choose) {
  const view = viewOf(scene);
  const { x, y, width, height } = view;
  const picture = svg("svg", { class: "above", viewBox: `${x} ${y} ${width} ${height}`, role: "img",
    style: `aspect-ratio: ${width} / ${height}`, "aria-label": `${side}: scene from above` }, roadLayer(scene.road));
  const rollouts = [...scene[side].rollouts].sort((a, b) => (a.sample === chosen) - (b.sample === chosen));
  for (const rollout of rollouts.filter((one) => one.path)) {
    const own = rollout.sample === chosen;
    const style = `stroke: ${sampleColour(rollout.sample)}`;
    const points = drawnLine(rollout.path);
    const end = pointsOf(rollout.path.slice(-2))[0];
    picture.append(svg("g", { class: own ? "driven chosen" : "driven", onclick: () => choose(rollout.sample) },
      svg("polyline", { class: "halo", points }),
      svg("polyline", { points, style }, svg("title", {}, `sample ${rollout.sample + 1}`)),
      svg("circle", { cx: end[0], cy: end[1], r: own ? 1.1 : 0.7, style: `fill: ${sampleColour(rollout.sample)}` })));
  }
  picture.append(ruler(view));
  return picture;
}
