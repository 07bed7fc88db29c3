import type { Client } from '../front/client.ts';
import { outcomeUnknown } from '../front/reports.ts';
import type { Report } from '../wire.ts';
import type { Item } from './group.ts';

/** What becomes of a client whose batch was in the group that the engine ended with. */
export type Fate =
  | { readonly kind: 'cut-off'; readonly client: Client; readonly report: Report }
  | { readonly kind: 'fail'; readonly client: Client; readonly report: Report }
  /** It had the engine to itself, and is cut off as its holder after this answer. */
  | { readonly kind: 'answer'; readonly client: Client; readonly report: Report };

/**
 * Decides who is told what when the engine has ended with `report` while it was at the item of this position. Items that had their
 * result, or had not begun, are nobody's loss: those waiting have their turn with the next engine.
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
    // Its result was on the way.
    if (index < position) return [{ kind: 'cut-off', client, report: outcomeUnknown }];
    // Its settings ended the engine: not to be tried again.
    if (item.purpose !== 'batch')
      return [{ kind: 'cut-off', client, report: { ...report, severity: 'FATAL' } }];
    return [{ kind: client === holder ? 'answer' : 'fail', client, report }];
  });
}
