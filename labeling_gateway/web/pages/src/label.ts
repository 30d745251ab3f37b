// The labeling page: a question, two clips, an answer, the next question at once.

import { ask, type Answer, type Choice, logIn, type Pair, Refused, type Saved, type Session, type Task } from "./api";
import { listen } from "./keys";
import { Outbox } from "./outbox";
import { count, found, say } from "./page";
import { Patience } from "./patience";
import { Stint } from "./rest";
import { type Question, Supply } from "./supply";
import { Theatre } from "./theatre";
import { explain } from "./waiting";

const SHORTEST_LOOK = 300; // milliseconds; a second press of a key is no answer to clips that nobody has seen
const TASK_EVERY = 5_000; // milliseconds between two looks at the task
const TASK_FRESH = 30_000; // milliseconds; while there are questions, receipts tell the most of it
const UNDOABLE = 20; // answers
const SAID: Record<Choice, string> = {
  left: "Left is better",
  right: "Right is better",
  equal: "About equal",
  cant_tell: "Can’t tell",
};

/** An answer that can be taken back. */
interface Undoable {
  query: string;
  offset: string; // of the answer in the label log, once it is saved
}

class LabelPage {
  private readonly theatre = new Theatre();
  private readonly supply = new Supply(
    () => this.refresh(),
    () => this.outbox.delivery === "sending",
  );
  private readonly outbox: Outbox;
  private readonly stint = new Stint();
  private readonly patience = new Patience(Object.keys(SAID).map((choice) => found(`answer-${choice}`)));
  private readonly answered = new Map<string, Question>(); // that can be shown again without asking
  private readonly undoable: Undoable[]; // the newest last
  private question: Question | null = null;
  private shownAt: number | null = null; // null until both clips are on the screen
  private undoing = false;
  private task: Task | null = null;
  private taskAt = -TASK_FRESH; // when it was last asked for
  private said = "";

  constructor(private readonly session: Session) {
    this.undoable = JSON.parse(sessionStorage.getItem(this.undoName) ?? "[]") as Undoable[];
    this.outbox = new Outbox(
      `answers of ${session.rater} in ${session.run}`,
      () => this.supply.asking(),
      (answer, receipt) => this.saved(answer, receipt),
      (answer, reason) => this.lost(answer, reason),
      () => this.report(),
    );
    if (this.outbox.size) this.said = "Your last answer"; // which a reload interrupted
    for (const choice of Object.keys(SAID) as Choice[]) {
      found(`answer-${choice}`).addEventListener("click", () => this.answer(choice));
    }
    for (const name of ["undo", "waiting-undo"]) found(name).addEventListener("click", () => void this.undo());
    found("rest-close").addEventListener("click", () => (found("rest").hidden = true));
    listen({
      answer: (choice) => this.answer(choice),
      undo: () => void this.undo(),
      play: () => this.theatre.play(),
      speed: (key) => this.theatre.speed(key),
      step: (direction) => this.theatre.step(direction),
      turn: (azimuth, elevation) => this.theatre.turn(azimuth, elevation),
      zoom: (factor) => this.theatre.view.scale(factor),
      resetView: () => this.theatre.view.reset(),
      help,
    });
    this.outbox.start();
    setInterval(() => void this.readTask(), TASK_EVERY);
    void this.readTask();
    void this.supply.fill();
  }

  private get undoName(): string {
    return `undoable answers of ${this.session.rater} in ${this.session.run}`;
  }

  /** Shows what there is to be shown now. */
  private refresh(): void {
    if (this.question && !this.supply.holds(this.question.pair.query)) this.question = null; // its lease has ended
    if (!this.question && !this.undoing) {
      this.question = this.supply.take();
      this.shownAt = null;
      this.bePatient();
      const shown = this.question;
      this.theatre.show(shown, () => {
        this.shownAt = performance.now();
        this.bePatient();
        performance.mark("backflip:shown", { detail: shown?.pair.query });
      });
    }
    const waiting = !this.question && !this.undoing;
    found("stage").hidden = found("answers").hidden = waiting;
    found("waiting").hidden = !waiting;
    const why = explain(this.supply, this.task);
    const heading = this.question?.pair.question ?? (waiting ? this.task?.question : null);
    if (heading) say(found("question"), heading);
    if (waiting) {
      say(found("waiting-what"), why.what);
      say(found("waiting-why"), why.why);
    }
    found("waiting-undo").hidden = !this.undoable.length;
    found<HTMLButtonElement>("undo").disabled = !this.undoable.length;
  }

  /** Counts from when both clips were on the screen; the task may come later than they do. */
  private bePatient(): void {
    const looked = this.shownAt === null ? 0 : (performance.now() - this.shownAt) / 1000;
    this.patience.begin(Math.max(0, (this.task?.minimum_seconds ?? 0) - looked));
  }

  private answer(choice: Choice): void {
    const now = performance.now();
    if (!this.question || this.undoing || this.shownAt === null || now - this.shownAt < SHORTEST_LOOK) return;
    if (!this.patience.over) return;
    performance.mark("backflip:answered");
    const { pair } = this.question;
    const seconds = Math.min((now - this.shownAt) / 1000, 86_400);
    this.answered.set(pair.query, this.question);
    this.undoable.push({ query: pair.query, offset: "" });
    for (const old of this.undoable.splice(0, this.undoable.length - UNDOABLE)) this.answered.delete(old.query);
    this.keepUndoable();
    this.supply.done(pair.query);
    this.question = null;
    this.said = SAID[choice];
    say(found("notice"), "");
    found("notice").hidden = true;
    this.refresh();
    this.outbox.post({ query: pair.query, fence: pair.fence, choice, seconds: Math.round(1000 * seconds) / 1000 });
    const minutes = this.stint.answered(Date.now());
    if (minutes !== null) {
      say(found("rest-minutes"), String(minutes));
      found("rest").hidden = false;
    }
  }

  /** Takes the newest answer back and shows its question again. */
  private async undo(): Promise<void> {
    const last = this.undoable.at(-1);
    if (!last || this.undoing) return;
    const { query } = last;
    const before = this.answered.get(query);
    if (before && this.outbox.recall(query)) {
      this.again(before);
      return;
    }
    if (this.outbox.delivery === "waiting" || this.outbox.delivery === "logged-out") {
      this.notify("There is no connection just now; that answer can be taken back once it was sent.");
      return;
    }
    this.undoing = true;
    say(found("delivery"), "Taking your last answer back…");
    try {
      await this.outbox.emptied();
      this.again(await this.supply.prepare(await ask<Pair>("POST", "undo", last)));
    } catch (error) {
      if (error instanceof Refused && error.status === 404) this.forget(query);
      this.notify(`That answer stands: ${(error as Error).message}.`);
    } finally {
      this.undoing = false;
      this.refresh();
    }
  }

  private again(question: Question): void {
    this.forget(question.pair.query);
    if (this.question) this.supply.putFirst(this.question);
    this.supply.putFirst(question);
    this.question = null;
    this.undoing = false;
    this.said = "";
    this.refresh();
    say(found("delivery"), "Your last answer is taken back; here are its clips again.");
    this.taskAt = -TASK_FRESH;
    void this.readTask();
  }

  private saved(answer: Answer, receipt: Saved): void {
    for (const one of this.undoable) if (one.query === answer.query) one.offset = receipt.offset;
    this.keepUndoable();
    void (receipt.next.length ? this.supply.add(receipt.next) : this.supply.fill());
    if (this.task) {
      this.task = { ...this.task, mine: receipt.mine, used: receipt.used };
      this.showFigures(this.task);
    }
  }

  private lost(answer: Answer, reason: string): void {
    this.forget(answer.query);
    this.notify(`One answer was not taken: ${reason}.`);
  }

  private forget(query: string): void {
    this.answered.delete(query);
    this.undoable.splice(0, this.undoable.length, ...this.undoable.filter((one) => one.query !== query));
    this.keepUndoable();
  }

  private keepUndoable(): void {
    sessionStorage.setItem(this.undoName, JSON.stringify(this.undoable));
  }

  /** What became of the answers, in the page's head. */
  private report(): void {
    const waiting = this.outbox.size;
    const line = found("delivery");
    const kept = `${waiting} ${waiting === 1 ? "answer is" : "answers are"} kept on this page`;
    const { delivery } = this.outbox;
    line.classList.toggle("trouble", delivery === "waiting" || delivery === "logged-out");
    if (delivery === "waiting") say(line, `No connection. ${kept} and will be sent by itself.`);
    else if (delivery === "logged-out") say(line, `Your invitation is over. ${kept}: open a new one in this tab.`);
    else if (waiting) say(line, `${this.said} – saving…`);
    else if (this.said) say(line, `${this.said} – saved`);
  }

  private notify(text: string): void {
    found("notice").hidden = false;
    say(found("notice"), text);
  }

  private async readTask(): Promise<void> {
    const now = performance.now();
    if (document.hidden || (this.question && now - this.taskAt < TASK_FRESH)) return;
    this.taskAt = now;
    try {
      this.task = await ask<Task>("GET", "task");
      this.bePatient();
      this.showFigures(this.task);
    } catch (error) {
      this.supply.trouble = error as Error;
    }
    this.refresh();
  }

  private showFigures(task: Task): void {
    found("figures").hidden = false;
    found<HTMLProgressElement>("progress").value = task.budget ? Math.min(1, task.used / task.budget) : 1;
    say(found("progress-text"), `${count(task.used)} of ${count(task.budget)} answers`);
    const hourly = task.mine_per_hour >= 1 ? ` · ${count(Math.round(task.mine_per_hour))} an hour` : "";
    say(found("mine"), `${count(task.mine)} by you${hourly}`);
    document.title = `${task.question} – Backflip`;
  }
}

function help(): void {
  found<HTMLDialogElement>("help").showModal();
}

function refuse(what: string, why: string): void {
  say(found("question"), "Which clip is better?");
  found("waiting").hidden = false;
  found("waiting-undo").hidden = true;
  say(found("waiting-what"), what);
  say(found("waiting-why"), why);
}

async function open(): Promise<void> {
  found("help-open").addEventListener("click", help);
  // A page that comes back from the browser's memory has given its questions back.
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());
  try {
    new LabelPage(await logIn());
  } catch (error) {
    const asked = error instanceof Refused && error.status === 401;
    if (asked) refuse("You need an invitation", `Open the link that you were sent, once more. (${error.message})`);
    else refuse("The page cannot be opened just now", `${(error as Error).message}. Reload it in a moment.`);
  }
}

void open();
