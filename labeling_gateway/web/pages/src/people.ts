// Raters and invitations: who answered, whose answers are taken back, who may come.

import { ask, send } from "./api";
import type { InvitationView, RaterView } from "./owner";
import { ago, count, duration, found, made, percent } from "./page";

export async function showRaters(): Promise<void> {
  const { raters } = await ask<{ raters: RaterView[] }>("GET", "raters");
  const rows = raters.map((rater) => {
    const withdraw = made("button", { type: "button", textContent: "Withdraw…", disabled: !rater.standing });
    withdraw.addEventListener("click", () => void withdrawAll(rater));
    const taken = rater.withdrawn ? ` (${count(rater.withdrawn)} taken back)` : "";
    return row(
      rater.name,
      count(rater.standing) + taken,
      percent(rater.agreement),
      rater.median_seconds === null ? "–" : `${rater.median_seconds.toFixed(1)} s`,
      rater.last_answer_at === null ? "–" : ago(rater.last_answer_at),
      withdraw,
    );
  });
  found("raters").replaceChildren(...(rows.length ? rows : [row("Nobody yet.")]));
}

export async function showInvitations(): Promise<void> {
  const { invitations } = await ask<{ invitations: InvitationView[] }>("GET", "invitations");
  const rows = invitations.slice(0, 12).map((invitation) => {
    const left = invitation.expires_at - Date.now() / 1000;
    const state = invitation.revoked ? "revoked" : left > 0 ? `for ${duration(left)} more` : "over";
    const revoke = made("button", { type: "button", textContent: "Revoke…", disabled: invitation.revoked || left <= 0 });
    revoke.addEventListener("click", () => void revokeOne(invitation));
    return row(invitation.rater, state, `made ${ago(invitation.created_at)}`, revoke);
  });
  found("invitations").replaceChildren(...rows);
}

/** Makes the form work. `failed` hears of what the server refused. */
export function listenToPeople(failed: (error: Error) => void): void {
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
        return showInvitations();
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
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((answered) => {
    dialog.addEventListener("close", () => answered(dialog.returnValue === "yes"), { once: true });
  });
}

async function withdrawAll(rater: RaterView): Promise<void> {
  const many = `${count(rater.standing)} ${rater.standing === 1 ? "answer" : "answers"}`;
  const why = "The reward model forgets them at its next fit, and their questions are asked again. The log keeps both.";
  if (await confirmed(`Withdraw ${many} of ${rater.name}?`, why, "Withdraw")) {
    await send("POST", `raters/${encodeURIComponent(rater.name)}/withdrawal`, {});
    await showRaters();
  }
}

async function revokeOne(invitation: InvitationView): Promise<void> {
  const why = "Whoever has the link is logged out and cannot answer any more. Answers that were given stay.";
  if (await confirmed(`Revoke the invitation of ${invitation.rater}?`, why, "Revoke")) {
    await send("DELETE", `invitations/${invitation.id}`);
    await showInvitations();
  }
}

function row(...cells: (Node | string)[]): HTMLTableRowElement {
  return made("tr", {}, ...cells.map((cell) => made("td", {}, cell)));
}
