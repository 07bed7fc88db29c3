import { Client } from 'pg';
import { claimsOf } from '../../src/auth/claims.ts';
import { asRequester } from '../../src/auth/requester.ts';
import { makeTopicVectors, randomNumbers, vectorText } from '../support/topic-vectors.ts';
import { serverDatabase } from '../support/server-database.ts';
import { topicCount } from './knowledge-database.ts';
import type { KnowledgeDatabase, KnowledgeTenant } from './knowledge-database.ts';

/** Ways to find the ten nearest items of a tenant. */
export const contenders = ['search_knowledge', 'hybrid', 'bare', 'naive'] as const;
export type Contender = (typeof contenders)[number];

/** The results of a tenant's queries. */
export interface TenantResult {
  readonly tenant: string;
  readonly rows: number;
  readonly queries: number;
  /** The share of the exact search's ten results that was found, from 0 to 1. */
  readonly recall: Readonly<Record<Contender, number>>;
  /** The smallest number of rows that a query returned. */
  readonly fewestRows: Readonly<Record<Contender, number>>;
  readonly medianMs: Readonly<Record<Contender | 'exact', number>>;
}

/** The number of results that a search asks for. */
export const matchCount = 10;

/**
 * Runs each tenant's queries in every way, in turns, after a round of warm-up. Three quarters of the queries are about
 * what the tenant knows, the others about anything.
 *
 * - `search_knowledge`: the function, by embedding, as a member through the API's login.
 * - `hybrid`: the same with two words beside the embedding. That is another question, so its recall says nothing.
 * - `bare`: a superuser, so no row-level security; the tenant in the condition, the same ef_search and iterative scan.
 * - `naive`: `order by embedding <=> ... limit 10` as a member, below the policy, with pgvector's default settings.
 */
export async function measureKnowledge(
  { apiUrl, adminUrl, rolePrefix }: KnowledgeDatabase,
  tenants: readonly KnowledgeTenant[],
  queriesPerTenant: number,
  say: (line: string) => void,
): Promise<readonly TenantResult[]> {
  const database = serverDatabase(apiUrl, { size: 1, overflow: 0, statementTimeoutMs: 600_000 });
  const admin = new Client({ connectionString: adminUrl });
  const bare = new Client({ connectionString: adminUrl });
  await Promise.all([admin.connect(), bare.connect()]);
  try {
    await bare.query("select '[1]'::vector");
    await bare.query('set hnsw.iterative_scan to relaxed_order; set hnsw.ef_search to 400');
    const vectors = makeTopicVectors(topicCount, 14);
    const random = randomNumbers(15);
    const results: TenantResult[] = [];
    for (const tenant of tenants) {
      const session = asRequester({ database, rolePrefix }, claimsOf('member', tenant.id, 'bench'));
      const ask = async (contender: Contender, { embedding, text }: Query): Promise<string[]> => {
        switch (contender) {
          case 'search_knowledge':
          case 'hybrid': {
            const words = contender === 'hybrid' ? text : null;
            const { rows } = await session.query<{ id: string }>({
              text: `select id from search_knowledge($1, $2, match_count => ${matchCount})`,
              values: [embedding, words],
              prepare: true,
            });
            return rows.map(({ id }) => id);
          }
          case 'bare': {
            const { rows } = await bare.query<{ id: string }>({
              name: 'bare',
              text: `select id from app_public.knowledge where tenant_id = $1
                     order by embedding::halfvec(1536) <=> $2::halfvec(1536) limit ${matchCount}`,
              values: [tenant.id, embedding],
            });
            return rows.map(({ id }) => id);
          }
          case 'naive': {
            const { rows } = await session.query<{ id: string }>({
              text: `select id from knowledge order by embedding::halfvec(1536) <=> $1::halfvec(1536) limit ${matchCount}`,
              values: [embedding],
              prepare: true,
            });
            return rows.map(({ id }) => id);
          }
          default:
            return contender satisfies never;
        }
      };
      const tally = Object.fromEntries(
        contenders.map((name) => [name, { hits: 0, fewest: Infinity, times: [] as number[] }]),
      ) as Record<Contender, { hits: number; fewest: number; times: number[] }>;
      const exactTimes: number[] = [];
      let wanted = 0;
      for (let q = -3; q < queriesPerTenant; q++) {
        const known = q % 4 !== 3;
        const topic = known
          ? (tenant.topics[Math.floor(random() * tenant.topics.length)] ?? 0)
          : Math.floor(random() * topicCount);
        const query: Query = { embedding: vectorText(vectors.next(topic)), text: `topic${topic} or word77` };
        const began = performance.now();
        const truth =
          q < 0
            ? []
            : (
                await admin.query<{ id: string }>(
                  `select id from app_public.knowledge where tenant_id = $1 order by embedding <=> $2 limit ${matchCount}`,
                  [tenant.id, query.embedding],
                )
              ).rows.map(({ id }) => id);
        if (q >= 0) exactTimes.push(performance.now() - began);
        wanted += truth.length;
        for (const contender of contenders) {
          const start = performance.now();
          const found = await ask(contender, query);
          const ms = performance.now() - start;
          if (q < 0) continue;
          const one = tally[contender];
          one.times.push(ms);
          one.fewest = Math.min(one.fewest, found.length);
          one.hits += truth.filter((id) => found.includes(id)).length;
        }
      }
      const each = <T>(of: (one: { hits: number; fewest: number; times: number[] }) => T) =>
        Object.fromEntries(contenders.map((name) => [name, of(tally[name])])) as Record<Contender, T>;
      const result: TenantResult = {
        tenant: tenant.id,
        rows: tenant.rows,
        queries: queriesPerTenant,
        recall: each(({ hits }) => hits / wanted),
        fewestRows: each(({ fewest }) => fewest),
        medianMs: { ...each(({ times }) => median(times)), exact: median(exactTimes) },
      };
      results.push(result);
      say(
        `${tenant.id.padEnd(10)} ${String(tenant.rows).padStart(6)} rows  recall ${result.recall.search_knowledge.toFixed(3)}  ` +
          `${result.medianMs.search_knowledge.toFixed(1)} ms (bare ${result.medianMs.bare.toFixed(1)} ms)`,
      );
    }
    return results;
  } finally {
    await database.close();
    await Promise.all([admin.end(), bare.end()]);
  }
}

interface Query {
  readonly embedding: string;
  readonly text: string;
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}
