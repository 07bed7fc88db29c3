import type { Client } from '../front/client.ts';
import { outcomeUnknown } from '../front/reports.ts';
import type { Report } from '../wire.ts';
import type { Item } from './group.ts';

/** The outcome for a client whose batch was in the group that the engine ended with. */
export type Fate =
  | { readonly kind: 'cut-off'; readonly client: Client; readonly report: Report }
  | { readonly kind: 'fail'; readonly client: Client; readonly report: Report }
  /** The client had the engine to itself: it is cut off as the holder after this answer. */
  | { readonly kind: 'answer'; readonly client: Client; readonly report: Report };

/**
 * Decides which client is told what after the engine has ended with `report` during the item at `position`.
 * Items that had their result lose nothing, and neither do items that had not begun: those get their turn with
 * the next engine.
 */
export function fatesOf(
  items: readonly Item[],
  position: number,
  holder: Client | null,
  report: Report,
): Fate[] {
  return items.flatMap((item, index): Fate[] => {
    if (item.ran || index > position || !('client' in item)) return [];
    const { client } = item;
    // The result of this item was on its way.
    if (index < position) return [{ kind: 'cut-off', client, report: outcomeUnknown }];
    // The client's settings ended the engine, so they are not tried again.
    if (item.purpose !== 'batch')
      return [{ kind: 'cut-off', client, report: { ...report, severity: 'FATAL' } }];
    return [{ kind: client === holder ? 'answer' : 'fail', client, report }];
  });
}
