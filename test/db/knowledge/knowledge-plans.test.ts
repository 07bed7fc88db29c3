import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { noServer } from '../../support/server.ts';
import { makeTopicVectors, vectorText } from '../../support/topic-vectors.ts';
import { own, tryAs, twoTenants } from '../../support/two-tenants.ts';
import type { ActorName, TwoTenants } from '../../support/two-tenants.ts';

/** Rows with an embedding in each of two tenants: more than are compared one by one. */
const embedded = 700;
/** Further rows of each, without one. */
const bare = 3_000;

describe.skipIf(noServer)('the plan of a search', () => {
  let world: TwoTenants;
  let client: Client;
  const warnings: string[] = [];
  const query = vectorText(makeTopicVectors(4, 9).next(2));

  beforeAll(async () => {
    world = await twoTenants();
    client = new Client({ connectionString: world.database.adminUrl });
    client.on('notice', ({ message }) => warnings.push(message ?? ''));
    await client.connect();
    await client.query(
      'set session_replication_role to replica; drop index app_public.knowledge_embedding_idx',
    );
    const source = makeTopicVectors(4, 8);
    for (let from = 0; from < embedded; from += 100) {
      const some = Array.from({ length: 100 }, (_, i) => vectorText(source.next(i % 4)));
      // The same vectors in both tenants, in turns.
      await client.query(
        `insert into app_public.knowledge (tenant_id, id, content, metadata, embedding)
         select t, 'row-' || ($2::int + n), 'row ' || n, jsonb_build_object('n', $2::int + n), e::public.vector
         from unnest($1::text[]) with ordinality u(e, n), unnest(array['${own}', 'rival']) t`,
        [some, from],
      );
    }
    await client.query(`
      insert into app_public.knowledge (tenant_id, id, content, metadata)
      select t, 'bare-' || n, 'common words and word' || n || case when n % 600 = 0 then ' needle' else '' end,
        jsonb_build_object('n', n)
      from generate_series(1, ${bare}) n, unnest(array['${own}', 'rival']) t;
      insert into app_public.tenants (id, name) values ('tiny', 'Tiny');
      insert into app_public.knowledge (tenant_id, id, content, embedding)
      select 'tiny', id, content, embedding from app_public.knowledge where tenant_id = 'rival' and embedding is not null
      order by id limit 20;
      create index knowledge_embedding_idx on app_public.knowledge
        using hnsw ((embedding::public.halfvec(1536)) public.halfvec_cosine_ops);
      analyze app_public.knowledge;
      reset session_replication_role;
      load 'auto_explain';
      set auto_explain.log_min_duration = 0;
      set auto_explain.log_nested_statements = on;
      set auto_explain.log_analyze = on;
      set auto_explain.log_level = warning`);
  }, 120_000);
  afterAll(async () => {
    await client?.end();
    await world?.close();
  });

  /** Runs a call as a member of the tenant; the plans of every statement in it that touches knowledge. */
  async function plansOf(call: string, tenant: string = own): Promise<{ plans: string[]; rows: Row[] }> {
    await client.query(`begin; set local role lightning_member; set local app.tenant_id = '${tenant}'`);
    warnings.length = 0;
    const { rows } = await client.query<Row>(`select * from app_public.${call}`);
    await client.query('rollback');
    const plans = warnings.filter(
      (text) => /^duration: .* plan:/s.test(text) && / on (app_public\.)?knowledge\b/.test(text),
    );
    if (plans.length === 0) throw new Error('no statement that reads knowledge was seen');
    return { plans, rows };
  }

  interface Row {
    readonly id: string;
    readonly content: string;
    readonly similarity: number;
  }

  test('by meaning in a large tenant is a walk of the HNSW index, and every plan names the tenant', async () => {
    const { plans, rows } = await plansOf(`search_knowledge(query_embedding => '${query}')`);
    expect(rows).toHaveLength(10);
    const walk = plans.find((plan) => plan.includes('Index Scan using knowledge_embedding_idx'));
    expect(walk).toMatch(/Order By: /);
    expect(walk).toMatch(/Filter: .*tenant_id = 'acme'/);
    for (const plan of plans) expect(plan).toMatch(/tenant_id = ('acme'|\$\d+)/);
  });

  test('by meaning in a small tenant compares every row of it and no other', async () => {
    const { plans, rows } = await plansOf(
      `search_knowledge(query_embedding => '${query}', match_count => 15)`,
      'tiny',
    );
    expect(rows).toHaveLength(15);
    expect(plans.join()).not.toContain('knowledge_embedding_idx');
    const compared = plans.find((plan) => plan.includes('Sort Key: ((') || plan.includes('<=>'));
    expect(compared).toMatch(/Index Cond: .*tenant_id = 'tiny'/);
    expect(compared).not.toMatch(/Rows Removed by Filter: (?!0)/);
  });

  test('by meaning with a narrow filter compares what fits, found by its index', async () => {
    const { plans, rows } = await plansOf(
      `search_knowledge(query_embedding => '${query}', metadata => '{"n": 17}')`,
    );
    expect(rows.map(({ id }) => id)).toEqual(['row-17']);
    expect(plans.join()).not.toContain('knowledge_embedding_idx');
    expect(plans.some((plan) => plan.includes('Bitmap Index Scan on knowledge_metadata_idx'))).toBe(true);
  });

  test("by words reads the tenant's part of the index: nothing of another tenant is even looked at", async () => {
    const { plans, rows } = await plansOf("search_knowledge(query_text => 'needle')");
    expect(rows).toHaveLength(bare / 600);
    const scan = plans.find((plan) => plan.includes('Bitmap Index Scan on knowledge_content_idx'));
    expect(scan).toMatch(/Bitmap Index Scan on knowledge_content_idx .*rows=5 loops=1/);
    expect(scan).not.toContain('Rows Removed by Filter');
  });

  test('by words below the policy of a request would read every row of the tenant', async () => {
    await client.query(`begin; set local role lightning_member; set local app.tenant_id = '${own}'`);
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(
      `explain select from app_public.knowledge
       where (to_tsvector('pg_catalog.english', left(content, 200000)) || array_to_tsvector(array['tenant:' || tenant_id]))
         @@ 'needle'`,
    );
    await client.query('rollback');
    expect(rows.map((row) => row['QUERY PLAN']).join('\n')).not.toContain('knowledge_content_idx');
  });

  test('leads to no row of another tenant, though it has the same ones', async () => {
    const { rows } = await plansOf(
      `search_knowledge(query_embedding => '${query}', query_text => 'row', match_count => 1000)`,
    );
    // Each row once, and as many as the tenant has.
    expect(new Set(rows.map(({ id }) => id)).size).toBe(embedded);
    expect(rows).toHaveLength(embedded);
    const { rows: alike } = await plansOf("similar_knowledge('row-5', match_count => 3)");
    // A copy of the row in the other tenant would have a similarity of 1.
    expect(alike.every(({ similarity }) => similarity < 0.999_999)).toBe(true);
  });

  test('goes on to every row when the walk of the index ends early, and no row is missing', async () => {
    const { rows: expected } = await plansOf(`search_knowledge(query_embedding => '${query}')`);
    expect(expected).toHaveLength(10);
    await client.query('alter function app_private.nearest_knowledge set hnsw.iterative_scan to off');
    await client.query('alter function app_private.nearest_knowledge set hnsw.ef_search to 1');
    try {
      const { plans, rows } = await plansOf(`search_knowledge(query_embedding => '${query}')`);
      expect(rows.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
      // It was tried, and did end early.
      const walk = plans.find((plan) => plan.includes('Index Scan using knowledge_embedding_idx')) ?? '';
      const walked = /Index Scan using knowledge_embedding_idx .*actual .*rows=(\d+)/.exec(walk)?.[1];
      expect(Number(walked)).toBeLessThan(50);
    } finally {
      await client.query(
        'alter function app_private.nearest_knowledge set hnsw.iterative_scan to relaxed_order',
      );
      await client.query('alter function app_private.nearest_knowledge set hnsw.ef_search to 400');
    }
  });

  describe('who may search', () => {
    const found = (name: ActorName) =>
      tryAs(world.actor(name), async (transaction) => {
        const { rows } = await transaction.query<{ content: string }>({
          text: "select * from app_public.search_knowledge(query_text => 'known')",
        });
        return rows.map(({ content }) => content);
      });

    test.each(['member', 'service', 'admin', 'analyst'] as const)('%s, in their own tenant', async (name) => {
      expect(await found(name)).toEqual(['known']);
    });

    test.each(['suspended', 'unbound'] as const)('%s, who finds nothing', async (name) => {
      expect(await found(name)).toEqual([]);
    });

    test.each(['anon', 'operator', 'worker', 'api', 'owner'] as const)('not %s', async (name) => {
      await expect(found(name)).rejects.toMatchObject({ code: '42501' });
    });

    test.each(['member', 'service', 'admin', 'analyst', 'worker', 'api', 'operator'] as const)(
      'not %s by calling what runs inside, which takes a tenant',
      async (name) => {
        for (const call of [
          `app_private.knowledge_by_text('rival', 'known', null, null, null, 10)`,
          `app_private.nearest_knowledge('rival', '${query}', null, null, null, null, 10)`,
        ]) {
          const refused = tryAs(world.actor(name), (transaction) =>
            transaction.query({ text: `select * from ${call}` }),
          );
          await expect(refused).rejects.toMatchObject({ code: '42501' });
        }
      },
    );

    test('an analyst counts no uses', async () => {
      const touched = tryAs(world.actor('analyst'), (transaction) =>
        transaction.query({ text: "select app_public.touch_knowledge('{shared}')" }),
      );
      await expect(touched).rejects.toMatchObject({ code: '42501' });
    });
  });
});
