// Places the cards of a graph: layer by layer from the sources, with few crossings and short edges.
//
// A card holds a line of steps that run one after the other without a queue between them.

export const ROW = 42;
export const HEAD = 10;
export const WIDTH = 236;

// The cards of a flow: a step joins the card of the step it reads if nothing else reads that, and no queue is between.
export function cards(steps, isBehindQueue) {
  const byStep = new Map();
  const cards = [];
  for (const step of steps) {
    const only = step.reads.length === 1 ? step.reads[0].step : null;
    const before = only ? byStep.get(only) : null;
    const joins = before && !isBehindQueue(step.id) && before.steps.at(-1).id === only && before.steps.at(-1).readers === 1;
    const card = joins ? before : { id: step.id, steps: [] };
    if (!joins) cards.push(card);
    card.steps.push(step);
    byStep.set(step.id, card);
  }
  for (const card of cards) card.height = card.steps.length * ROW + HEAD;
  return { cards, byStep };
}

// Gives each card `x` and `y`, and each arc the points it passes; returns the size of all.
export function place(cards, arcs, isVertical) {
  const nodes = new Map(cards.map((card) => [card.id, { card, layer: 0, up: [], down: [], ...sizes(card, isVertical) }]));
  for (const arc of arcs) {
    const [from, to] = [nodes.get(arc.fromCard), nodes.get(arc.toCard)];
    to.layer = Math.max(to.layer, from.layer + 1);
    from.readers = [...(from.readers ?? []), to];
  }
  // Cards are in an order in which each follows what it reads, so one more pass settles layers.
  for (const card of cards) {
    const node = nodes.get(card.id);
    for (const reader of node.readers ?? []) reader.layer = Math.max(reader.layer, node.layer + 1);
  }
  const isRead = new Set(arcs.map((arc) => arc.toCard));
  for (const card of cards) {
    const node = nodes.get(card.id);
    if (!isRead.has(card.id) && node.readers) node.layer = Math.min(...node.readers.map((it) => it.layer)) - 1;
  }
  const layers = [];
  const add = (node) => (layers[node.layer] ??= []).push(node);
  for (const card of cards) add(nodes.get(card.id));
  // An edge over several layers passes a point in each of those between.
  const links = arcs.map((arc) => {
    const [from, to] = [nodes.get(arc.fromCard), nodes.get(arc.toCard)];
    const passed = [from];
    for (let layer = from.layer + 1; layer < to.layer; layer += 1) {
      const point = { layer, up: [], down: [], across: 14, along: 0 };
      add(point);
      passed.push(point);
    }
    passed.push(to);
    for (let at = 1; at < passed.length; at += 1) {
      passed[at - 1].down.push(passed[at]);
      passed[at].up.push(passed[at - 1]);
    }
    return { arc, passed };
  });
  for (let at = 0; at < layers.length; at += 1) layers[at] ??= [];
  order(layers);
  spread(layers);
  let along = 0;
  for (const layer of layers) {
    const depth = Math.max(0, ...layer.map((node) => node.along));
    for (const node of layer) {
      node.start = along;
      node.end = along + (node.card ? node.along : depth);
    }
    along += depth + (isVertical ? 60 : 140);
  }
  const least = Math.min(...layers.flat().map((node) => node.at - node.across / 2));
  let [width, height] = [0, 0];
  for (const { card, start, at, across } of nodes.values()) {
    const side = at - across / 2 - least;
    [card.x, card.y] = isVertical ? [side, start] : [start, side];
    width = Math.max(width, card.x + WIDTH);
    height = Math.max(height, card.y + card.height);
  }
  for (const { arc, passed } of links) {
    const points = [];
    for (const [place, node] of passed.entries()) {
      const side = node.at - least;
      if (!node.card) points.push([node.start, side], [node.end, side]);
      else if (place === 0) points.push([node.end, isVertical ? side : node.card.y + node.card.height - HEAD / 2 - ROW / 2]);
      else points.push([node.start, isVertical ? side : node.card.y + HEAD / 2 + ROW / 2]);
    }
    arc.points = points.map(([along, across]) => (isVertical ? [across, along] : [along, across]));
    for (const [x, y] of arc.points) [width, height] = [Math.max(width, x), Math.max(height, y)];
  }
  return { width, height };
}

const sizes = (card, isVertical) =>
  isVertical ? { across: WIDTH + 22, along: card.height } : { across: card.height + 22, along: WIDTH };

// Orders each layer by the middle of its neighbours, down and up again.
function order(layers) {
  for (const layer of layers) layer.forEach((node, place) => (node.place = place));
  const middle = (near, node) => (near.length ? near.reduce((all, it) => all + it.place, 0) / near.length : node.place);
  for (let round = 0; round < 12; round += 1) {
    const down = round % 2 === 0;
    const sweep = down ? layers : [...layers].reverse();
    for (const layer of sweep) {
      for (const node of layer) node.middle = middle(down ? node.up : node.down, node);
      layer.sort((a, b) => a.middle - b.middle || a.place - b.place);
      layer.forEach((node, place) => (node.place = place));
    }
  }
}

// Moves nodes towards their neighbours, without overlaps.
function spread(layers) {
  for (const layer of layers) {
    let at = 0;
    for (const node of layer) {
      node.at = at + node.across / 2;
      at += node.across;
    }
    for (const node of layer) node.at -= at / 2;
  }
  for (let round = 0; round < 24; round += 1) {
    const sweep = round % 2 === 0 ? layers : [...layers].reverse();
    for (const layer of sweep) {
      const wish = layer.map((node) => {
        const near = round < 20 ? (round % 2 === 0 ? node.up : node.down) : [...node.up, ...node.down];
        return near.length ? near.reduce((all, it) => all + it.at, 0) / near.length : node.at;
      });
      const apart = (one, other) => (layer[one].across + layer[other].across) / 2;
      const right = [...wish];
      for (let at = 1; at < layer.length; at += 1) right[at] = Math.max(wish[at], right[at - 1] + apart(at - 1, at));
      const left = [...wish];
      for (let at = layer.length - 2; at >= 0; at -= 1) left[at] = Math.min(wish[at], left[at + 1] - apart(at, at + 1));
      layer.forEach((node, at) => (node.at = (right[at] + left[at]) / 2));
    }
  }
}

// A smooth line through points, which leaves and enters along the layers.
export function curve(points, isVertical) {
  const [first, ...rest] = points;
  let path = `M${first[0].toFixed(1)} ${first[1].toFixed(1)}`;
  let last = first;
  for (const point of rest) {
    const [x, y] = point;
    if (isVertical) {
      const half = (last[1] + y) / 2;
      path += `C${last[0].toFixed(1)} ${half.toFixed(1)} ${x.toFixed(1)} ${half.toFixed(1)} ${x.toFixed(1)} ${y.toFixed(1)}`;
    } else {
      const half = (last[0] + x) / 2;
      path += `C${half.toFixed(1)} ${last[1].toFixed(1)} ${half.toFixed(1)} ${y.toFixed(1)} ${x.toFixed(1)} ${y.toFixed(1)}`;
    }
    last = point;
  }
  return path;
}
