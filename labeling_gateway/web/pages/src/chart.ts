// Small charts, drawn as SVG.

export interface Line {
  name: string;
  className: "a" | "b";
  values: (number | null)[];
}

const WIDTH = 480;
const HEIGHT = 170;
const [LEFT, TOP, BOTTOM] = [44, 20, 22];
const SVG = "http://www.w3.org/2000/svg";

/**
 * One line or two over common x values. Each has a scale of its own, the first on the left, the second on the right,
 * since they need not measure the same; `range` fixes both. Says so where nothing is known yet.
 */
export function chart(
  into: HTMLElement,
  x: number[],
  lines: [Line] | [Line, Line],
  written: (value: number) => string,
  range?: [number, number],
): void {
  if (lines.every((line) => line.values.every((value) => value === null))) {
    into.textContent = "Nothing measured yet.";
    return;
  }
  const right = WIDTH - (lines.length > 1 ? LEFT : 8);
  const last = Math.max(x.at(-1) ?? 1, 1);
  const across = (value: number) => LEFT + (value / last) * (right - LEFT);
  const up = (share: number) => HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);

  const svg = node("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  svg.append(node("title", {}, lines.map((line) => `${line.name}: ${now(line, written)}`).join(", ")));
  for (const share of [0, 0.5, 1]) {
    svg.append(node("line", { class: "axis", x1: LEFT, x2: right, y1: up(share), y2: up(share) }));
  }
  svg.append(
    node("text", { x: LEFT, y: HEIGHT - 4 }, "0"),
    node("text", { x: right, y: HEIGHT - 4, "text-anchor": "end" }, `${short(last)} steps`),
  );
  lines.forEach((line, index) => {
    const scale = range ?? extent(line.values);
    if (!scale) return;
    const [low, high] = scale;
    const [edge, anchor] = index ? [right + 6, "start"] : [LEFT - 6, "end"];
    for (const share of [0, 0.5, 1]) {
      const place = { class: line.className, x: edge, y: up(share) + 4, "text-anchor": anchor };
      svg.append(node("text", place, written(low + share * (high - low))));
    }
    svg.append(node("path", { class: line.className, d: path(x, line.values, across, (v) => up((v - low) / (high - low))) }));
    const place = { class: `${line.className} name`, x: index ? right : LEFT, y: 11, "text-anchor": index ? "end" : "start" };
    svg.append(node("text", place, `${line.name} ${now(line, written)}`));
  });
  into.replaceChildren(svg);
}

/** Least and greatest of what is known, never equal; null where nothing is. */
function extent(values: (number | null)[]): [number, number] | null {
  const known = values.filter((value): value is number => value !== null);
  if (!known.length) return null;
  const [low, high] = [Math.min(...known), Math.max(...known)];
  return low === high ? [low - 1, high + 1] : [low, high];
}

export function short(number: number): string {
  const size = Math.abs(number);
  if (size >= 1e6) return `${(number / 1e6).toFixed(1)}M`;
  if (size >= 1e4) return `${Math.round(number / 1e3)}k`;
  if (size >= 100 || Number.isInteger(number)) return String(Math.round(number));
  return number.toFixed(1);
}

function now(line: Line, written: (value: number) => string): string {
  const value = line.values.findLast((one) => one !== null);
  return value === undefined || value === null ? "–" : written(value);
}

function path(
  x: number[],
  values: (number | null)[],
  across: (value: number) => number,
  up: (value: number) => number,
): string {
  let drawn = "";
  let pen = "M";
  values.forEach((value, index) => {
    if (value === null) {
      pen = "M";
      return;
    }
    drawn += `${pen}${across(x[index] ?? 0).toFixed(1)} ${up(value).toFixed(1)}`;
    pen = "L";
  });
  return drawn;
}

function node(tag: string, attributes: Record<string, string | number>, text = ""): SVGElement {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.textContent = text;
  return made;
}
