// Why there is no question to answer, in plain words.

import { Refused, type Task } from "./api";
import type { Supply } from "./supply";

export interface Explanation {
  what: string;
  why: string;
}

export function explain(supply: Supply, task: Task | null): Explanation {
  const { trouble } = supply;
  if (trouble instanceof Refused && trouble.status === 401) {
    return { what: "Your invitation is over", why: `Ask for another link to go on. (${trouble.message})` };
  }
  if (task && task.budget > 0 && task.used >= task.budget) {
    // Soon after, the run and its page end: that is no trouble any more.
    return { what: "All done – thank you!", why: "Every answer that was wanted is given. You can close this page." };
  }
  if (trouble) {
    return { what: "No questions can be had just now", why: `${trouble.message}. This page goes on trying by itself.` };
  }
  if (!supply.empty || !task) return { what: "One moment…", why: "The next clips are on their way." };
  if (task.paused_reason !== null) {
    return { what: "You are given no questions just now", why: `The reason: ${task.paused_reason}. What you answered is kept.` };
  }
  if (task.paused) {
    return { what: "A break for everybody", why: "Asking is paused. Keep this page open: it goes on by itself." };
  }
  const waiting = task.waiting ? ` It waits for ${task.waiting}.` : "";
  return {
    what: "No question just now",
    why: `The robot is practising with what it learnt from you so far; new clips come soon.${waiting} Keep this page open: it goes on by itself.`,
  };
}
