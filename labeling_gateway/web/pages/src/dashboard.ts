// The owner's page: how the run is, as it happens.

import { showAlarms } from "./alarms";
import { Answers } from "./answers";
import { logIn, pause, Refused, send } from "./api";
import { chart, short } from "./chart";
import type { RunView } from "./owner";
import { count, duration, found, made, percent, say } from "./page";
import { listenToPeople, showInvitations, showRaters } from "./people";
import { Policy } from "./policy";

const RATERS_EVERY = 10_000; // milliseconds

class Dashboard {
  private readonly answers = new Answers();
  private readonly policy = new Policy();
  private view: RunView | null = null;
  private next = 0; // earliest moment of the next picture

  constructor() {
    found("all").hidden = false;
    listenToPeople((error) => this.failed(error));
    found("pause").addEventListener("click", () => this.change("run/paused", { paused: !this.view?.paused }));
    found("budget-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.change("run/budget", { budget: Number(found<HTMLInputElement>("budget").value) });
    });
    void this.people();
    setInterval(() => void this.people(), RATERS_EVERY);
    this.follow();
    requestAnimationFrame((now) => this.draw(now));
  }

  private follow(): void {
    const events = new EventSource("/api/v1/events");
    const live = found("live");
    events.addEventListener("open", () => {
      live.classList.add("on");
      say(live, "live");
    });
    events.addEventListener("error", () => {
      live.classList.remove("on");
      say(live, "connection lost, trying again");
      if (events.readyState === EventSource.CLOSED) void pause(3000).then(() => this.follow());
    });
    events.addEventListener("message", (event) => this.show(JSON.parse(event.data as string) as RunView));
  }

  private show(view: RunView): void {
    const first = this.view === null;
    this.view = view;
    document.title = `${view.run} – Backflip`;
    say(found("run"), `${view.run} · ${view.task}`);
    say(found("question"), view.question);
    found<HTMLProgressElement>("budget-progress").value = view.budget ? Math.min(1, view.used / view.budget) : 1;
    say(found("budget-text"), `${count(view.used)} of ${count(view.budget)} answers`);
    const budget = found<HTMLInputElement>("budget");
    if (first || document.activeElement !== budget) budget.value = String(view.budget);
    say(found("pause"), view.paused ? "Go on asking" : "Pause asking");
    this.showTiles(view);
    this.showDoing(view);
    this.showTroubles(view);
    showAlarms(view.alarms);
    const { env_steps, true_return, predicted_return, accuracy } = view.curves;
    chart(
      found("return-chart"),
      env_steps,
      [
        { name: "predicted", className: "a", values: predicted_return },
        { name: "true", className: "b", values: true_return },
      ],
      short,
    );
    chart(
      found("accuracy-chart"),
      env_steps,
      [{ name: "accuracy", className: "a", values: accuracy }],
      percent,
      [0, 1],
    );
    this.answers.update(view.newest).catch((error: Error) => this.failed(error));
  }

  private showTiles(view: RunView): void {
    const { report } = view;
    const figure = (name: string) => (typeof report?.[name] === "number" ? (report[name] as number) : null);
    const steps = figure("env_steps");
    const faster = figure("times_real_time");
    const tiles: [string, string, string][] = [
      ["Answers", count(view.used), `of ${count(view.budget)}${view.later ? `, ${count(view.later)} later opinions` : ""}`],
      ["In the queue", count(view.open), `${count(view.leased)} being looked at`],
      ["Answers a minute", view.answers_per_minute.toFixed(1), "over the last minutes"],
      ["Agreement", percent(view.agreement), agreement(view)],
      ["Held-out accuracy", percent(view.held_out_accuracy), heldOut(view)],
      ["Steps", steps === null ? "–" : short(steps), report ? `${short(figure("steps_per_second") ?? 0)} a second` : "not training now"],
      ["Simulated", duration(figure("simulated_seconds") ?? 0), faster === null ? "–" : `${short(Math.round(faster))} times real time`],
    ];
    found("tiles").replaceChildren(
      ...tiles.map(([name, value, more]) =>
        made("dl", { className: "tile" }, made("dt", {}, name), made("dd", {}, value), made("small", {}, more)),
      ),
    );
  }

  private showDoing(view: RunView): void {
    const asking = view.waiting ? `waits for ${view.waiting}` : `${count(view.candidates)} candidates to choose from`;
    const parts: [string, string][] = Object.entries(view.doing);
    if (!("labeling gateway" in view.doing)) parts.push(["questions", asking]);
    found("doing").replaceChildren(
      ...parts.map(([part, what]) => made("div", {}, made("dt", {}, part), made("dd", {}, what))),
    );
  }

  private showTroubles({ troubles }: RunView): void {
    found("troubles-title").hidden = found("troubles").hidden = troubles.length === 0;
    found("troubles").replaceChildren(...troubles.map((line) => made("li", {}, line)));
  }

  private change(path: string, body: object): void {
    send("PUT", path, body).catch((error: Error) => this.failed(error));
    found("budget").blur();
  }

  private async people(): Promise<void> {
    if (document.hidden) return;
    try {
      const failed = (error: Error) => this.failed(error);
      await Promise.all([showRaters(failed), showInvitations(failed)]);
    } catch (error) {
      this.failed(error as Error);
    }
  }

  private draw(now: number): void {
    requestAnimationFrame((later) => this.draw(later));
    if (now < this.next) return;
    const began = performance.now();
    this.policy.draw(now);
    this.answers.draw(now);
    // Training may run on the same cores: without a graphics card pictures take few of them.
    const took = performance.now() - began;
    if (took > 10) this.next = now + 4 * took;
  }

  private failed(error: Error): void {
    found("notice").hidden = false;
    say(found("notice"), `${error.message}.`);
    setTimeout(() => (found("notice").hidden = true), 10_000);
  }
}

/** Between the model and people, and among people beyond chance. */
function agreement(view: RunView): string {
  const newest = view.agreement_of ? `, newest ${view.agreement_of}` : "";
  const among = view.alpha === null ? "" : `; among people α = ${view.alpha.toFixed(2)}`;
  return `model and people${newest}${among}`;
}

function heldOut(view: RunView): string {
  const of = view.held_out_accuracy_of ? `of ${count(view.held_out_accuracy_of)} ` : "";
  return `${of}answers it was not fitted on`;
}

async function open(): Promise<void> {
  let reason: string;
  try {
    const session = await logIn();
    if (session.role === "owner") {
      new Dashboard();
      return;
    }
    reason = "This page is for the run's owner. Open the dashboard's address as the run printed it.";
  } catch (error) {
    const asked = error instanceof Refused && error.status === 401;
    reason = asked ? `Open the dashboard's address as the run printed it. (${error.message})` : (error as Error).message;
  }
  say(found("run"), "");
  found("notice").hidden = false;
  say(found("notice"), reason);
}

void open();
