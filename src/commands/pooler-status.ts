import type { Link } from '../db/pooler.ts';
import type { Connections } from '../open-database.ts';
import { poolerSentence, whereItLeads } from '../own-session.ts';
import type { SessionNeed } from '../own-session.ts';
import { line } from '../status-line.ts';
import type { StatusLine } from '../status-line.ts';

/**
 * Where the URLs of a server lead, found with one connection each. Empty for URLs that are not set or do not
 * answer.
 */
export async function poolerLines(connections: Connections): Promise<StatusLine[]> {
  const { kind, api, listen, migrate, worker, pooler, tls } = connections;
  if (kind === 'embedded' || pooler === 'off') return [];
  const follow = (url: string | null) => (url === null ? null : whereItLeads(url, tls(url)));
  const [toApi, toListen, toMigrate, toWorker] = await Promise.all(
    [api, listen, migrate, worker].map(follow),
  );
  const lines: StatusLine[] = [];
  if (isPooler(toApi)) {
    lines.push(
      line('pooler', true, `DATABASE_URL leads to a pooler ${described[toApi]} (DB_POOLER=${pooler})`),
    );
    lines.push(
      line(
        'listen',
        pooler === 'session' || toListen === 'session' || (listen !== null && pooler === 'transaction'),
        listen === null ? 'LISTEN does not work behind a pooler' : 'LISTEN_DATABASE_URL is set',
        'set LISTEN_DATABASE_URL to the login of DATABASE_URL at the address of the server itself',
      ),
    );
  }
  const direct = (need: SessionNeed, link: Link | null | undefined): void => {
    if (isPooler(link)) lines.push(line(need, false, 'behind a pooler', poolerSentence(need)));
  };
  direct('migrations', toMigrate);
  direct('worker', toWorker);
  return lines;
}

const described = {
  transaction: 'that does not track prepared statements',
  tracked: 'that tracks prepared statements',
} as const;

function isPooler(link: Link | null | undefined): link is keyof typeof described {
  return link === 'transaction' || link === 'tracked';
}
