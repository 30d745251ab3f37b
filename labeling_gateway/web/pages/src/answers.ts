// The newest answers with what was shown, as small clips.

import { ask } from "./api";
import { Clock } from "./clock";
import { lengthOf, loadClip } from "./clips";
import type { LabelView } from "./owner";
import { ago, found, made } from "./page";
import { Pane } from "./pane";
import { View } from "./view";

const SHOWN = 8;
const SAID: Record<LabelView["choice"], string> = {
  left: "Left is better",
  right: "Right is better",
  equal: "About equal",
  cant_tell: "Can’t tell",
  withdrawn: "Taken back",
};

const BESIDE: Partial<Record<LabelView["opinion"], string>> = {
  later: " · a later opinion",
  gold: " · a gold question",
  repeat: " · asked again",
};

interface Card {
  label: LabelView;
  element: HTMLElement;
  about: HTMLElement;
  panes: Pane[];
  clock: Clock;
  fresh: boolean; // a clip has come that was not drawn yet
}

export class Answers {
  private readonly view = new View();
  private cards = new Map<string, Card>();
  private turn = 0;
  private newest: string | null = null;

  /** Fetches again where the log has grown. */
  async update(newest: string): Promise<void> {
    if (newest === this.newest) return;
    this.newest = newest;
    const { labels } = await ask<{ labels: LabelView[] }>("GET", `labels?limit=${SHOWN}`);
    const kept = new Map<string, Card>();
    for (const label of labels) kept.set(label.offset, this.cards.get(label.offset) ?? this.card(label));
    for (const label of labels) this.describe(kept.get(label.offset) as Card, label);
    this.cards = kept;
    found("labels").replaceChildren(...[...kept.values()].map((card) => card.element));
    found("labels-none").hidden = labels.length > 0;
  }

  /** Draws one card a picture, fresh ones first, then each in its turn: nobody looks at all of them. */
  draw(now: number): void {
    const cards = [...this.cards.values()];
    for (const card of cards) card.clock.tick(now);
    const card = cards.find(({ fresh }) => fresh) ?? cards[this.turn++ % Math.max(cards.length, 1)];
    if (!card) return;
    card.fresh = false;
    for (const pane of card.panes) pane.draw(card.clock, this.view);
  }

  private card(label: LabelView): Card {
    const sides = [label.left, label.right];
    const boxes = sides.map(() => made("div", { className: "pane" }));
    const about = made("p");
    const element = made("article", { className: "label" }, ...boxes, about);
    const panes = boxes.map((box) => new Pane(box));
    const card: Card = { label, element, about, panes, clock: new Clock(), fresh: false };
    card.clock.playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    card.clock.restart(Math.max(...sides.map((ref) => ref.steps * ref.timestep)));
    sides.forEach((ref, index) => {
      loadClip(ref)
        .then((clip) => {
          card.panes[index]?.show(clip);
          card.clock.restart(lengthOf(clip));
          card.fresh = true;
        })
        .catch(() => boxes[index]?.append("cannot be drawn"));
    });
    return card;
  }

  private describe(card: Card, label: LabelView): void {
    card.element.classList.toggle("superseded", !label.standing || label.choice === "withdrawn");
    card.panes[0]?.element.classList.toggle("better", label.choice === "left");
    card.panes[1]?.element.classList.toggle("better", label.choice === "right");
    const beside = BESIDE[label.opinion] ?? "";
    const over = label.standing ? "" : " · superseded";
    const took = label.choice === "withdrawn" ? "" : ` · ${label.seconds.toFixed(1)} s`;
    card.about.replaceChildren(
      made("strong", { textContent: SAID[label.choice] }),
      ` · ${label.rater}${took} · ${ago(label.answered_at).replaceAll(" ", "\u00a0")}${beside}${over}`,
    );
  }
}
