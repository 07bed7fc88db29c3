import type { Lsn } from './wal-position.ts';
import { parseLsn } from './wal-position.ts';

/** A timeline and the position where it begins; the first one begins at 0. */
export interface TimelineStep {
  readonly timeline: number;
  readonly from: Lsn;
}

/**
 * The ancestry of a timeline, oldest step first, ending with the timeline itself. `history` is the content of its
 * `.history` file; null for a timeline that began with its cluster.
 */
export function timelinePath(timeline: number, history: string | null): TimelineStep[] {
  const path: TimelineStep[] = [];
  let from: Lsn = 0n;
  for (const line of (history ?? '').split('\n')) {
    const [, parent, end] = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/i.exec(line) ?? [];
    if (parent === undefined || end === undefined) continue;
    path.push({ timeline: Number(parent), from });
    from = parseLsn(end);
  }
  return [...path, { timeline, from }];
}

/** Whether a position on a timeline belongs to a path: it lies before the point where the path left that timeline. */
export function isOnPath(path: readonly TimelineStep[], timeline: number, lsn: Lsn): boolean {
  const index = path.findIndex((step) => step.timeline === timeline);
  if (index < 0) return false;
  const next = path[index + 1];
  return next === undefined || lsn <= next.from;
}
