import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claimsOf } from '../../../src/auth/claims.ts';
import type { RequestRole } from '../../../src/auth/claims.ts';
import { asRequester } from '../../../src/auth/requester.ts';
import type { ScopedDatabase } from '../../../src/db/scoped-database.ts';
import { sql } from '../../../src/db/statement.ts';
import { apiTargets } from '../../support/api-targets.ts';
import type { ApiTarget } from '../../support/api-targets.ts';
import { installationIn } from '../../support/installation.ts';
import { dimensions, makeTopicVectors, vectorText } from '../../support/topic-vectors.ts';

interface Match {
  readonly id: string;
  readonly agent_id: string | null;
  readonly category: string | null;
  readonly content: string;
  readonly score: number;
  readonly similarity: number | null;
  readonly vector_rank: number | null;
  readonly text_relevance: number | null;
  readonly text_rank: number | null;
}

interface Item {
  readonly id: string;
  readonly agent_id: string | null;
  readonly category: string;
  readonly content: string;
  readonly metadata: object;
  readonly embedding: readonly number[] | null;
}

const words = ['alpha', 'beta', 'gamma', 'delta', 'omega'];
const vectors = makeTopicVectors(5, 1);

/** Sixty items of five topics; a topic has its own word, vector and category. The last five have no embedding. */
const items: readonly Item[] = Array.from({ length: 60 }, (_, i) => ({
  id: `item-${i}`,
  agent_id: i % 2 === 0 ? 'writer' : null,
  category: `topic ${i % 5}`,
  content: `Paragraph ${i} explains ${words[i % 5]} to engineers`,
  metadata: { topic: i % 5, number: i },
  embedding: i < 55 ? Array.from(vectors.next(i % 5)) : null,
}));

const query = makeTopicVectors(5, 2).next(3);
/** What is nearest to the query, by a comparison with every item. */
const nearest = items
  .flatMap(({ id, embedding }) => (embedding ? [{ id, similarity: cosine(query, embedding) }] : []))
  .toSorted((a, b) => b.similarity - a.similarity);

describe.each(apiTargets)('knowledge on %s', (kind, open) => {
  let target: ApiTarget;
  let added: readonly unknown[];
  const as = (role: RequestRole, tenant = 'acme'): ScopedDatabase =>
    asRequester(installationIn(target.database), claimsOf(role, tenant, `test ${role}`));

  const search = async (more: Record<string, unknown>, session = as('member')): Promise<Match[]> => {
    const names = Object.keys(more);
    const { rows } = await session.query<Match>({
      text: `select * from search_knowledge(${names.map((name, i) => `${name} => $${i + 1}`).join(', ')})`,
      values: Object.values(more),
    });
    return rows;
  };

  beforeAll(async () => {
    target = await open();
    await target.admin.query("select ops.create_tenant('acme', 'Acme'), ops.create_tenant('rival', 'Rival')");
    for (const tenant of ['acme', 'rival']) {
      await as('service', tenant).query(
        sql`insert into agents (id, name, model) values ('writer', 'Writer', 'gpt-4o')`,
      );
    }
    ({ rows: added } = await as('service').query({
      text: 'select id, embedding is null as bare from add_knowledge_items($1)',
      values: [JSON.stringify(items)],
    }));
    // The rival has everything that can be searched for, nearer and more often than we have.
    await as('service', 'rival').query({
      text: 'select count(*) from add_knowledge_items($1)',
      values: [
        JSON.stringify(
          Array.from({ length: 12 }, (_, i) => ({
            id: `item-${i}`,
            agent_id: 'writer',
            category: 'topic 3',
            content: 'delta delta delta secret',
            metadata: { topic: 3 },
            embedding: Array.from(query),
          })),
        ),
      ],
    });
  }, 120_000);
  afterAll(() => target?.close());

  describe('add_knowledge', () => {
    test('gives back the row, with an id and the tenant of the caller', async () => {
      const { rows } = await as('member').query({
        text: `select tenant_id, id, content, metadata, category, embedding is null as bare, usage_count
               from add_knowledge('Something new', category => 'news')`,
      });
      expect(rows).toEqual([
        {
          tenant_id: 'acme',
          id: expect.stringMatching(/^[0-9a-f-]{36}$/),
          content: 'Something new',
          metadata: {},
          category: 'news',
          bare: true,
          usage_count: 0,
        },
      ]);
      await as('member').query({ text: "delete from knowledge where category = 'news'" });
    });

    test('of many gives back their rows, in their order', () => {
      expect(added).toEqual(items.map(({ id, embedding }) => ({ id, bare: embedding === null })));
    });

    test.each([
      ['no content', "add_knowledge('  ')", 'LTS15'],
      ['three dimensions', "add_knowledge('x', embedding => '[1,2,3]')", 'LTS01'],
      ['zeros', "add_knowledge('x', embedding => array_fill(0, array[1536])::real[]::vector)", 'LTS02'],
      ['an id that is there', "add_knowledge('x', id => 'item-1')", '23505'],
      ['an agent that is not there', "add_knowledge('x', agent_id => 'nobody')", '23503'],
      ['no array', "add_knowledge_items('{}')", 'LTS16'],
      ['nothing', "add_knowledge_items('[]')", 'LTS16'],
      ['null', 'add_knowledge_items(null)', 'LTS16'],
    ])('%s is refused', async (_, call, code) => {
      await expect(as('member').query({ text: `select * from ${call}` })).rejects.toMatchObject({ code });
    });

    test.each([
      ['something else', 7, 'item 1 cannot be added: it must be an object, not number'],
      ['no content', { id: 'x' }, 'item 1 cannot be added: content must be a non-blank string'],
      ['a field too many', { content: 'x', colour: 1 }, 'item 1 cannot be added: unknown field colour'],
      [
        'an id that is no string',
        { content: 'x', id: 1 },
        'item 1 cannot be added: id, agent_id, category and source must be strings',
      ],
      [
        'metadata that is no object',
        { content: 'x', metadata: [] },
        'item 1 cannot be added: metadata must be an object',
      ],
      [
        'another dimension',
        { content: 'x', embedding: [1] },
        'item 1 cannot be added: embedding must have 1536 dimensions, not 1',
      ],
      [
        'no numbers',
        { content: 'x', embedding: Array(dimensions).fill('1') },
        'item 1 cannot be added: embedding must contain only numbers',
      ],
      [
        'zeros',
        { content: 'x', embedding: Array(dimensions).fill(0) },
        'item 1 cannot be added: embedding must not be all zeros',
      ],
      ['an empty id', { content: 'x', id: '' }, 'item 1 cannot be added: id must have 1 to 100 characters'],
      [
        'a long id',
        { content: 'x', id: 'x'.repeat(101) },
        'item 1 cannot be added: id must have 1 to 100 characters',
      ],
      [
        'a long agent_id',
        { content: 'x', agent_id: 'x'.repeat(51) },
        'item 1 cannot be added: agent_id must have at most 50 characters',
      ],
      [
        'a long category',
        { content: 'x', category: 'x'.repeat(51) },
        'item 1 cannot be added: category must have at most 50 characters',
      ],
    ])('an item with %s is named, and no item is added', async (_, item, message) => {
      await expect(
        as('member').query({
          text: 'select * from add_knowledge_items($1)',
          values: [JSON.stringify([{ id: 'first', content: 'good' }, item])],
        }),
      ).rejects.toMatchObject({ code: 'LTS17', message });
      const { rows } = await as('member').query({ text: "select from knowledge where id = 'first'" });
      expect(rows).toEqual([]);
    });
  });

  describe('search_knowledge', () => {
    test('by meaning gives the nearest, in order, as an exact comparison does', async () => {
      const found = await search({ query_embedding: vectorText(query), match_count: 12 });
      expect(found.map(({ id }) => id)).toEqual(nearest.slice(0, 12).map(({ id }) => id));
      expect(found.map((row) => row.vector_rank)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
      for (const [i, row] of found.entries()) {
        expect(row.similarity).toBeCloseTo(nearest[i]!.similarity, 4);
        expect(row.score).toBeCloseTo(61 / (61 + i), 10);
      }
      expect(found.every((row) => row.text_rank === null && row.text_relevance === null)).toBe(true);
    });

    test('by words gives those items that hold all of them, whatever their form', async () => {
      const found = await search({ query_text: 'explaining delta', match_count: 100 });
      expect(found.map(({ id }) => id).toSorted()).toEqual(
        items.flatMap(({ id, category }) => (category === 'topic 3' ? [id] : [])).toSorted(),
      );
      expect(found.every((row) => row.vector_rank === null && row.text_rank !== null)).toBe(true);
      expect((await search({ query_text: '"gamma to engineers" -2' })).map(({ id }) => id)).not.toContain(
        'item-2',
      );
      expect(await search({ query_text: 'the of and' })).toEqual([]);
      expect(await search({ query_text: 'nowhere' })).toEqual([]);
    });

    test('by both adds the ranks up', async () => {
      const target3 = nearest[3]!.id;
      const number = target3.slice('item-'.length);
      const found = await search({
        query_embedding: vectorText(query),
        query_text: `paragraph ${number}`,
        text_weight: 3,
        match_count: 5,
      });
      expect(found[0]).toMatchObject({ id: target3, vector_rank: 4, text_rank: 1 });
      expect(found[0]!.score).toBeCloseTo((61 / 64 + 3) / 4, 10);
      expect(found).toHaveLength(5);
      expect(found[1]).toMatchObject({ id: nearest[0]!.id, vector_rank: 1, text_rank: null });
      expect(found[1]!.score).toBeCloseTo(1 / 4, 10);
      // An item without embedding is found by its words.
      const bare = await search({ query_embedding: vectorText(query), query_text: 'paragraph 58' });
      expect(bare[0]!.score).toBeCloseTo(0.5, 10);
      expect(bare.slice(0, 2).map(({ id }) => id)).toContain('item-58');
    });

    test.each([
      ['agent', { agent: 'writer' }, (item: Item) => item.agent_id === 'writer'],
      ['category', { category: 'topic 1' }, (item: Item) => item.category === 'topic 1'],
      ['metadata', { metadata: '{"topic": 2}' }, (item: Item) => item.category === 'topic 2'],
    ])('keeps to an %s, in both parts', async (_, filter, kept) => {
      const ofItems = (wanted: (item: Item) => boolean) =>
        items
          .filter(wanted)
          .map(({ id }) => id)
          .toSorted();
      const byMeaning = await search({ query_embedding: vectorText(query), match_count: 100, ...filter });
      expect(byMeaning.map(({ id }) => id).toSorted()).toEqual(
        ofItems((item) => kept(item) && item.embedding !== null),
      );
      const byWords = await search({ query_text: 'engineers', match_count: 100, ...filter });
      expect(byWords.map(({ id }) => id).toSorted()).toEqual(ofItems(kept));
    });

    test('gives as many rows as the tenant has, and no row, score or rank of another tenant', async () => {
      const all = await search({ query_embedding: vectorText(query), match_count: 1000 });
      expect(all).toHaveLength(55);
      expect(all.map((row) => row.vector_rank)).toEqual(Array.from({ length: 55 }, (_, i) => i + 1));
      expect(all.some((row) => row.content.includes('secret'))).toBe(false);
      expect(await search({ query_text: 'secret' })).toEqual([]);
      expect(await search({ query_text: 'secret' }, as('admin', 'rival'))).toHaveLength(10);
      expect(await search({ query_embedding: vectorText(query) }, as('member', 'nowhere'))).toEqual([]);
    });

    test('leaves out what scores or resembles too little', async () => {
      const scored = await search({
        query_embedding: vectorText(query),
        match_count: 20,
        min_score: 61 / 64,
      });
      expect(scored.map((row) => row.vector_rank)).toEqual([1, 2, 3, 4]);
      const limit = (nearest[4]!.similarity + nearest[5]!.similarity) / 2;
      const alike = await search({ query_embedding: vectorText(query), min_similarity: limit });
      expect(alike).toHaveLength(5);
    });

    test.each([
      [{ query_embedding: '[1,2,3]' }, 'LTS01'],
      [{ query_embedding: `[${Array(dimensions).fill(0).join()}]` }, 'LTS02'],
      [{ query_text: 'x', match_count: 0 }, 'LTS03'],
      [{ query_text: 'x', match_count: 1001 }, 'LTS03'],
      [{ query_text: 'x', match_count: null }, 'LTS03'],
      [{}, 'LTS04'],
      [{ query_text: '   ' }, 'LTS04'],
      [{ query_text: 'x', text_weight: -1 }, 'LTS05'],
      [{ query_text: 'x', vector_weight: 'NaN' }, 'LTS05'],
      [{ query_text: 'x', vector_weight: 'Infinity' }, 'LTS05'],
      [{ query_text: 'x', text_weight: null }, 'LTS05'],
      [{ query_text: 'x', text_weight: 0 }, 'LTS06'],
      [{ query_text: 'x', min_score: 1.5 }, 'LTS07'],
      [{ query_text: 'x', min_similarity: -2 }, 'LTS08'],
      [{ query_text: 'x', metadata: '[]' }, 'LTS09'],
    ])('refuses %j with %s', async (given, code) => {
      await expect(search(given)).rejects.toMatchObject({ code });
    });

    test('is nothing for the anonymous', async () => {
      await expect(search({ query_text: 'delta' }, as('anon'))).rejects.toMatchObject({ code: '42501' });
    });
  });

  describe('similar_knowledge', () => {
    test('gives the nearest to an item, without the item', async () => {
      const item = items[3]!;
      const expected = items
        .flatMap(({ id, embedding }) =>
          embedding && id !== item.id ? [{ id, similarity: cosine(item.embedding!, embedding) }] : [],
        )
        .toSorted((a, b) => b.similarity - a.similarity);
      const { rows } = await as('member').query<Match>(
        sql`select * from similar_knowledge(${item.id}, match_count => 8)`,
      );
      expect(rows.map(({ id }) => id)).toEqual(expected.slice(0, 8).map(({ id }) => id));
      expect(rows[0]!.similarity).toBeCloseTo(expected[0]!.similarity, 4);
    });

    test.each([
      ['an item that is not there', { id: 'nothing' }, 'LTS12'],
      ['an item without embedding', { id: 'item-57' }, 'LTS13'],
      ['a match_count of 0', { count: 0 }, 'LTS03'],
      ['a match_count of 1001', { count: 1001 }, 'LTS03'],
      ['a similarity of -2', { similarity: -2 }, 'LTS08'],
      ['metadata that is not an object', { metadata: '[]' }, 'LTS09'],
    ])('refuses %s', async (_, given, code) => {
      const { id, count, similarity, metadata } = {
        id: 'item-1',
        count: 10,
        similarity: 0,
        metadata: '{}',
        ...given,
      };
      await expect(
        as('member').query(sql`
          select * from similar_knowledge(
            ${id}, match_count => ${count}, min_similarity => ${similarity}, metadata => ${metadata}::jsonb)`),
      ).rejects.toMatchObject({ code });
    });
  });

  describe('touch_knowledge', () => {
    const logged = async () =>
      (await target.admin.query('select count(*)::int as count from audit.log')).rows[0].count as number;

    test('counts a use of each item once, of the own tenant only, and leaves no trace in the audit log', async () => {
      const before = await logged();
      const { rows } = await as('member').query(
        sql`select touch_knowledge(${['item-1', 'item-2', 'item-1', 'nothing']}) as touched`,
      );
      expect(rows).toEqual([{ touched: 2 }]);
      const { rows: used } = await target.admin.query(
        `select tenant_id, id, usage_count, last_used_at > now() - interval '1 minute' as recent
         from app_public.knowledge where usage_count > 0 order by id`,
      );
      expect(used).toEqual([
        { tenant_id: 'acme', id: 'item-1', usage_count: 1, recent: true },
        { tenant_id: 'acme', id: 'item-2', usage_count: 1, recent: true },
      ]);
      expect(await logged()).toBe(before);
    });

    test('is the only way past the audit log', async () => {
      const before = await logged();
      await as('service').query(sql`update knowledge set usage_count = usage_count + 1 where id = 'item-5'`);
      expect(await logged()).toBe(before + 1);
    });

    test('refuses no list and one that is too long', async () => {
      for (const ids of [null, Array(10_001).fill('x')])
        await expect(as('member').query(sql`select touch_knowledge(${ids})`)).rejects.toMatchObject({
          code: 'LTS14',
        });
    });
  });

  describe('an embedding', () => {
    test('goes when its content changes without it, and stays in every other update', async () => {
      const has = async () =>
        (
          await as('member').query<{ has: boolean }>(sql`
          select embedding is not null as has from knowledge where id = 'item-9'`)
        ).rows[0]?.has;
      await as('member').query(sql`update knowledge set category = 'other' where id = 'item-9'`);
      await as('member').query(sql`update knowledge set content = content where id = 'item-9'`);
      expect(await has()).toBe(true);
      const another = vectorText(vectors.next(0));
      await as('member').query(sql`
        update knowledge set content = 'both', embedding = ${another} where id = 'item-9'`);
      expect(await has()).toBe(true);
      await as('member').query(sql`update knowledge set content = 'alone' where id = 'item-9'`);
      expect(await has()).toBe(false);
    });
  });

  test(`many rows go through the index, and a search finds what an exact one does (${kind})`, async () => {
    await target.admin.query("select ops.create_tenant('large', 'Large')");
    const source = makeTopicVectors(8, 5);
    // Made anew over all rows at once, the index takes a fraction of the time.
    await target.admin.query('drop index app_public.knowledge_embedding_idx');
    await target.admin.query('set session_replication_role to replica');
    await target.admin.query("delete from app_public.knowledge where tenant_id = 'large'");
    for (let from = 0; from < 600; from += 100) {
      await target.admin.query(
        `insert into app_public.knowledge (tenant_id, id, content, embedding)
         select 'large', 'row-' || ($2::int + n), 'row ' || n, e::vector from unnest($1::text[]) with ordinality u(e, n)`,
        [Array.from({ length: 100 }, (_, i) => vectorText(source.next(i % 8))), from],
      );
    }
    await target.admin.query('reset session_replication_role');
    await target.admin.query(
      `create index knowledge_embedding_idx on app_public.knowledge
       using hnsw ((embedding::halfvec(1536)) halfvec_cosine_ops)`,
    );
    await target.admin.query('analyze app_public.knowledge');
    const scans = async () =>
      Number(
        (
          await target.admin.query(
            "select idx_scan from pg_stat_all_indexes where indexrelname = 'knowledge_embedding_idx'",
          )
        ).rows[0].idx_scan,
      );
    let hits = 0;
    const asked = 10;
    const queries = makeTopicVectors(8, 6);
    for (let i = 0; i < asked; i++) {
      const embedding = vectorText(queries.next(i % 8));
      const found = await search({ query_embedding: embedding }, as('member', 'large'));
      expect(found).toHaveLength(10);
      const { rows: exact } = await target.admin.query<{ id: string }>(
        `select id from app_public.knowledge where tenant_id = 'large' order by embedding <=> $1, id limit 10`,
        [embedding],
      );
      const ids = new Set(found.map(({ id }) => id));
      hits += exact.filter(({ id }) => ids.has(id)).length;
    }
    expect(hits / (10 * asked)).toBeGreaterThanOrEqual(0.95);
    // Statistics of a session reach others once it is idle for a moment; the embedded database has one session.
    await expect.poll(scans, { timeout: 60_000 }).toBeGreaterThan(0);
  }, 120_000);
});

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
  }
  return dot / Math.sqrt(aa * bb);
}
