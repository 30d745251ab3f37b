// The labeling page's keys.

import type { Choice } from "./api";

export interface Commands {
  answer(choice: Choice): void;
  undo(): void;
  play(): void;
  speed(key: number): void; // 1 to 9
  step(direction: number): void;
  turn(azimuth: number, elevation: number): void;
  zoom(factor: number): void;
  resetView(): void;
  help(): void;
}

const ANSWERS: Record<string, Choice> = {
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowDown: "equal",
  s: "cant_tell",
};
const TURNS: Record<string, [number, number]> = { j: [-6, 0], l: [6, 0], i: [0, -4], k: [0, 4] };
const ZOOMS: Record<string, number> = { "+": 0.9, "=": 0.9, "-": 1.1, "−": 1.1 };

export function listen(commands: Commands): void {
  document.addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    const pressing = event.key === "Enter" || event.key === " ";
    if (pressing && event.repeat) event.preventDefault(); // a key that is held down presses no button again
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]") || target.closest("input, select, textarea")) return;
    if (event.key === " " && target.closest("button, a")) return; // it presses what has the focus
    if (obey(event, commands)) event.preventDefault();
  });
  // A button that was clicked keeps the focus, and the space bar would press it again.
  document.addEventListener("click", (event) => {
    if (event.detail > 0) (event.target as HTMLElement).closest("button")?.blur();
  });
}

/** Whether the key means anything here. */
function obey(event: KeyboardEvent, commands: Commands): boolean {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const choice = ANSWERS[key];
  const turn = TURNS[key];
  const zoom = ZOOMS[key];
  if (choice) {
    if (!event.repeat) commands.answer(choice);
  } else if (key === "z") {
    if (!event.repeat) commands.undo();
  } else if (key === " ") {
    if (!event.repeat) commands.play();
  } else if (turn) commands.turn(...turn);
  else if (zoom) commands.zoom(zoom);
  else if (key >= "1" && key <= "9") commands.speed(Number(key));
  else if (key === "0") commands.resetView();
  else if (key === "," || key === ".") commands.step(key === "." ? 1 : -1);
  else if (key === "?") commands.help();
  else return false;
  return true;
}
