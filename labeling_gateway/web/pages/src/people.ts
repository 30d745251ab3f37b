// Raters and invitations: who answered, whose answers are taken back, who may come.

import { ask, send } from "./api";
import type { InvitationView, RaterView } from "./owner";
import { ago, count, duration, found, made, percent } from "./page";

const UNLIKELY = 0.001; // of many raters, some are beyond 0.05 by chance

/** Hears of what the server refused. */
type Failed = (error: Error) => void;

export async function showRaters(failed: Failed): Promise<void> {
  const { raters } = await ask<{ raters: RaterView[] }>("GET", "raters");
  const rows = raters.map((rater) => {
    const withdraw = made("button", { type: "button", textContent: "Withdraw…", disabled: !rater.standing });
    withdraw.addEventListener("click", () => withdrawAll(rater, failed).catch(failed));
    const does = made("span", {}, withdraw);
    if (rater.paused_reason !== null) {
      const resume = made("button", { type: "button", textContent: "Resume", title: `Paused: ${rater.paused_reason}` });
      resume.addEventListener("click", () => goOn(rater, failed).catch(failed));
      does.prepend(resume, " ");
    }
    const taken = rater.withdrawn ? ` (${count(rater.withdrawn)} taken back)` : "";
    return row(
      rater.paused_reason === null ? rater.name : `${rater.name} – paused: ${rater.paused_reason}`,
      count(rater.standing) + taken,
      percent(rater.agreement),
      share(rater.gold_right, rater.golds),
      share(rater.self_consistency, rater.repeats),
      left(rater),
      rater.error === null ? "–" : `${percent(rater.error)} ± ${percent(rater.error_deviation)}`,
      rater.median_seconds === null ? "–" : `${rater.median_seconds.toFixed(1)} s`,
      rater.last_answer_at === null ? "–" : ago(rater.last_answer_at),
      does,
    );
  });
  found("raters").replaceChildren(...(rows.length ? rows : [row("Nobody yet.")]));
}

export async function showInvitations(failed: Failed): Promise<void> {
  const { invitations } = await ask<{ invitations: InvitationView[] }>("GET", "invitations");
  const rows = invitations.slice(0, 12).map((invitation) => {
    const left = invitation.expires_at - Date.now() / 1000;
    const state = invitation.revoked ? "revoked" : left > 0 ? `for ${duration(left)} more` : "over";
    const revoke = made("button", { type: "button", textContent: "Revoke…", disabled: invitation.revoked || left <= 0 });
    revoke.addEventListener("click", () => revokeOne(invitation, failed).catch(failed));
    return row(invitation.rater, state, `made ${ago(invitation.created_at)}`, revoke);
  });
  found("invitations").replaceChildren(...rows);
}

/** Makes the form work. */
export function listenToPeople(failed: Failed): void {
  const link = found<HTMLInputElement>("invited-link");
  found("invite").addEventListener("submit", (event) => {
    event.preventDefault();
    const rater = found<HTMLInputElement>("invite-rater");
    const hours = Number(found<HTMLInputElement>("invite-hours").value);
    ask<{ link: string }>("POST", "invitations", { rater: rater.value, hours })
      .then((made) => {
        found("invited").hidden = false;
        link.value = made.link;
        link.select();
        rater.value = "";
        return showInvitations(failed);
      })
      .catch(failed);
  });
  found("invited-copy").addEventListener("click", () => {
    link.select();
    // Without TLS browsers give the clipboard only to pages of this machine; the link is selected all the same.
    navigator.clipboard?.writeText(link.value).catch(failed);
  });
}

/** Asks before something that cannot be taken back. */
function confirmed(what: string, why: string, yes: string): Promise<boolean> {
  const dialog = found<HTMLDialogElement>("confirm");
  found("confirm-what").textContent = what;
  found("confirm-why").textContent = why;
  found("confirm-yes").textContent = yes;
  dialog.showModal();
  return new Promise((answered) => {
    const end = (yes: boolean) => {
      dialog.close();
      answered(yes);
    };
    // Not the dialog's close event: it comes late, when the next question may be open already.
    found("confirm-yes").onclick = () => end(true);
    found("confirm-no").onclick = () => end(false);
    dialog.oncancel = () => answered(false);
  });
}

async function withdrawAll(rater: RaterView, failed: Failed): Promise<void> {
  const many = `${count(rater.standing)} ${rater.standing === 1 ? "answer" : "answers"}`;
  const why = "The reward model forgets them at its next fit, and their questions are asked again. The log keeps both.";
  if (await confirmed(`Withdraw ${many} of ${rater.name}?`, why, "Withdraw")) {
    await send("POST", `raters/${encodeURIComponent(rater.name)}/withdrawal`, {});
    await showRaters(failed);
  }
}

async function goOn(rater: RaterView, failed: Failed): Promise<void> {
  await send("PUT", `raters/${encodeURIComponent(rater.name)}/paused`, { paused: false });
  await showRaters(failed);
}

/** A share, and of how many. */
function share(of: number | null, count: number): string {
  return of === null ? "–" : `${percent(of)} of ${count}`;
}

/** How often the left clip is named; marked where chance would hardly do that. */
function left(rater: RaterView): HTMLElement {
  const biased = rater.left_p !== null && rater.left_p < UNLIKELY;
  const cell = made("span", { textContent: percent(rater.left_share), className: biased ? "trouble" : "" });
  if (rater.left_p !== null) cell.title = `p = ${rater.left_p.toPrecision(2)} (two-sided binomial test against one half)`;
  return cell;
}

async function revokeOne(invitation: InvitationView, failed: Failed): Promise<void> {
  const why = "Whoever has the link is logged out and cannot answer any more. Answers that were given stay.";
  if (await confirmed(`Revoke the invitation of ${invitation.rater}?`, why, "Revoke")) {
    await send("DELETE", `invitations/${invitation.id}`);
    await showInvitations(failed);
  }
}

function row(...cells: (Node | string)[]): HTMLTableRowElement {
  return made("tr", {}, ...cells.map((cell) => made("td", {}, cell)));
}
