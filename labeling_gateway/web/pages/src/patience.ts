// Keeps the answers shut until a question has been looked at for as long as the owner wants.

import { found, say } from "./page";

export class Patience {
  private until = 0; // on the page's clock
  private timer: number | undefined;

  constructor(private readonly buttons: HTMLElement[]) {}

  get over(): boolean {
    return performance.now() >= this.until;
  }

  /** From now on, for ``seconds``. */
  begin(seconds: number): void {
    this.until = performance.now() + 1000 * seconds;
    this.show();
  }

  private show(): void {
    clearTimeout(this.timer);
    const left = this.until - performance.now();
    // Not disabled: a button that loses the focus would be hard to find again by keyboard.
    for (const button of this.buttons) button.setAttribute("aria-disabled", String(left > 0));
    found("patience").hidden = left <= 0;
    if (left <= 0) return;
    say(found("patience"), `Look at both clips: ${Math.ceil(left / 1000)} s`);
    this.timer = window.setTimeout(() => this.show(), Math.min(left, 200));
  }
}
