// What the dashboard asks the API for, as its answers come.

import type { ClipRef } from "./api";

export interface RunView {
  run: string;
  task: string;
  question: string;
  report: Record<string, number | string | null> | null;
  reported_at: number | null;
  curves: Curves;
  doing: Record<string, string>;
  troubles: string[];
  asked: number;
  open: number;
  leased: number;
  used: number;
  later: number;
  candidates: number;
  waiting: string;
  paused: boolean;
  budget: number;
  answers_per_minute: number;
  agreement: number | null;
  agreement_of: number;
  alpha: number | null; // Krippendorff's
  held_out_accuracy: number | null;
  held_out_accuracy_of: number;
  alarms: AlarmView[]; // newest first
  newest: string;
}

export interface AlarmView {
  sign: string;
  words: string;
  raised_at: number;
  ended_at: number | null; // while it stands
  env_steps: number;
  policy_version: number;
  reward_version: number;
}

export interface Curves {
  env_steps: number[];
  wall_seconds: number[];
  labels_used: number[];
  true_return: (number | null)[];
  predicted_return: (number | null)[];
  accuracy: (number | null)[];
}

export interface LabelView {
  offset: string;
  query: string;
  rater: string;
  choice: "left" | "right" | "equal" | "cant_tell" | "withdrawn";
  opinion: "first" | "later" | "imported" | "gold" | "repeat";
  standing: boolean;
  answered_at: number;
  seconds: number;
  left: ClipRef;
  right: ClipRef;
}

export interface RaterView {
  name: string;
  standing: number;
  withdrawn: number;
  last_answer_at: number | null;
  median_seconds: number | null;
  agreement: number | null;
  gold_right: number | null;
  golds: number;
  self_consistency: number | null;
  repeats: number;
  left_share: number | null;
  left_p: number | null; // of a share this far from one half by chance
  paused_reason: string | null;
  error: number | null; // estimated share of answers that name the wrong clip
  error_deviation: number | null;
}

export interface InvitationView {
  id: string;
  rater: string;
  created_at: number;
  expires_at: number;
  revoked: boolean;
}

export interface PolicyView {
  clip: ClipRef;
  reward: number[]; // predicted, of each step
  policy_version: number;
  reward_version: number;
}
