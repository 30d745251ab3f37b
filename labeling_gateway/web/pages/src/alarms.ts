// Signs that the reward model is being fooled: those that stand, in a banner; those that are over, below them.

import { short } from "./chart";
import type { AlarmView } from "./owner";
import { found, made } from "./page";

const SHOWN_OVER = 3; // the newest; all are in the API

let shown = "";

export function showAlarms(alarms: AlarmView[]): void {
  const written = JSON.stringify(alarms);
  if (written === shown) return; // screen readers repeat what changes
  shown = written;
  const banner = found("alarms");
  banner.hidden = alarms.length === 0;
  const standing = alarms.filter((alarm) => alarm.ended_at === null);
  const over = alarms.filter((alarm) => alarm.ended_at !== null).slice(0, SHOWN_OVER);
  const title = standing.length
    ? "The reward model may be fooled. Questions about it are asked first: turn the clips and look from every side."
    : "The reward model may have been fooled; that is over.";
  banner.replaceChildren(
    made("h2", {}, title),
    made("ul", {}, ...[...standing, ...over].map((alarm) => line(alarm))),
  );
}

function line(alarm: AlarmView): HTMLElement {
  const when = new Date(1000 * alarm.raised_at).toLocaleTimeString();
  const until = alarm.ended_at === null ? "" : `, until ${new Date(1000 * alarm.ended_at).toLocaleTimeString()}`;
  const where = `after ${short(alarm.env_steps)} steps, policy ${alarm.policy_version}, reward ${alarm.reward_version}`;
  return made("li", { className: alarm.ended_at === null ? "" : "over" }, `${alarm.words} (since ${when}${until}; ${where})`);
}
