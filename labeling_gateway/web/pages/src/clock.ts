// One clock for all clips on a page, so that they are seen at the same moment of their course.

export const SPEEDS = [0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 8]; // of the keys 1 to 9
const REST = 0.35; // seconds on the last picture before the clips start over

export class Clock {
  at = 0; // seconds into the clips
  speed = 1;
  playing = true;
  private length = 1;
  private before: number | null = null;

  /** Starts over, for clips of so many seconds. */
  restart(length: number): void {
    this.length = Math.max(length, 1e-3);
    this.at = 0;
    this.before = null;
  }

  /** Goes on to the moment of a picture. `now` in milliseconds. */
  tick(now: number): void {
    const passed = this.before === null ? 0 : Math.min((now - this.before) / 1000, 0.25);
    this.before = now;
    if (!this.playing) return;
    this.at += passed * this.speed;
    if (this.at >= this.length + REST * this.speed) this.at = 0;
  }

  /** Jumps to a share of the clips, 0 to 1. */
  seek(share: number): void {
    this.at = Math.max(0, Math.min(1, share)) * this.length;
  }

  /** Goes by so many seconds, and stays within the clips. */
  step(seconds: number): void {
    this.seek((this.at + seconds) / this.length);
  }

  /** How much of the clips was shown, 0 to 1. */
  get share(): number {
    return Math.min(1, this.at / this.length);
  }
}
