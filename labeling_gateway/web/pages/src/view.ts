// Where all clips on a page are looked at from. Angles in degrees, as MuJoCo's free camera has them.

import type { SceneView } from "./api";

const LOWEST = -89;
const HIGHEST = 20; // a little below the floor's plane, to see what touches it
const DEGREES_PER_PIXEL = 0.4;

export class View {
  turned = 0; // added to the scene's azimuth
  raised = 0; // added to its elevation
  zoom = 1; // times its distance

  reset(): void {
    this.turned = this.raised = 0;
    this.zoom = 1;
  }

  turn(azimuth: number, elevation: number, camera?: SceneView["camera"]): void {
    this.turned += azimuth;
    const from = camera?.elevation ?? -10;
    this.raised = Math.max(LOWEST - from, Math.min(HIGHEST - from, this.raised + elevation));
  }

  scale(factor: number): void {
    this.zoom = Math.max(0.3, Math.min(4, this.zoom * factor));
  }
}

/** Lets one finger or the mouse turn the view, two fingers or the wheel come closer, a double click start over. */
export function steer(element: HTMLElement, view: View): void {
  const fingers = new Map<number, PointerEvent>();
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, event);
  });
  element.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    if (fingers.size === 1) {
      const x = event.clientX - before.clientX;
      const y = event.clientY - before.clientY;
      view.turn(-x * DEGREES_PER_PIXEL, -y * DEGREES_PER_PIXEL);
    } else {
      const apart = spread(fingers);
      fingers.set(event.pointerId, event);
      view.scale(apart / Math.max(spread(fingers), 1));
    }
    fingers.set(event.pointerId, event);
  });
  for (const end of ["pointerup", "pointercancel"] as const) {
    element.addEventListener(end, (event) => fingers.delete(event.pointerId));
  }
  element.addEventListener("dblclick", () => view.reset());
  element.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      view.scale(Math.exp(event.deltaY * 0.001));
    },
    { passive: false },
  );
}

function spread(fingers: Map<number, PointerEvent>): number {
  const [one, two] = [...fingers.values()];
  return one && two ? Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY) : 1;
}
