// Small charts, drawn as SVG.

export interface Line {
  name: string;
  className: "a" | "b";
  values: (number | null)[];
}

const WIDTH = 480;
const HEIGHT = 170;
const [LEFT, RIGHT, TOP, BOTTOM] = [44, 8, 20, 22];
const SVG = "http://www.w3.org/2000/svg";

/** Lines over common x values; `range` fixes the y axis. Says so where nothing is known yet. */
export function chart(
  into: HTMLElement,
  x: number[],
  lines: Line[],
  written: (value: number) => string,
  range?: [number, number],
): void {
  const known = lines.flatMap((line) => line.values).filter((value): value is number => value !== null);
  if (!known.length) {
    into.textContent = "Nothing measured yet.";
    return;
  }
  let [low, high] = range ?? [Math.min(...known), Math.max(...known)];
  if (low === high) [low, high] = [low - 1, high + 1];
  const last = Math.max(x.at(-1) ?? 1, 1);
  const across = (value: number) => LEFT + (value / last) * (WIDTH - LEFT - RIGHT);
  const up = (value: number) => HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);

  const svg = node("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  svg.append(node("title", {}, lines.map((line) => `${line.name}: ${now(line, written)}`).join(", ")));
  for (const value of [low, (low + high) / 2, high]) {
    svg.append(
      node("line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: up(value), y2: up(value) }),
      node("text", { x: LEFT - 6, y: up(value) + 4, "text-anchor": "end" }, written(value)),
    );
  }
  svg.append(
    node("text", { x: LEFT, y: HEIGHT - 4 }, "0"),
    node("text", { x: WIDTH - RIGHT, y: HEIGHT - 4, "text-anchor": "end" }, `${short(last)} steps`),
  );
  lines.forEach((line, index) => {
    svg.append(node("path", { class: line.className, d: path(x, line.values, across, up) }));
    const title = `${line.name} ${now(line, written)}`;
    svg.append(node("text", { class: line.className, x: LEFT + index * 190, y: 11 }, title));
  });
  into.replaceChildren(svg);
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
