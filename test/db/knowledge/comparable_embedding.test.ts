import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asRequester } from '../../../src/auth/requester.ts';
import { claimsOf } from '../../../src/auth/claims.ts';
import type { ScopedDatabase } from '../../../src/db/scoped-database.ts';
import { apiTargets } from '../../support/api-targets.ts';
import type { ApiTarget } from '../../support/api-targets.ts';
import { installationIn } from '../../support/installation.ts';
import { dimensions } from '../../support/topic-vectors.ts';

const sine = Array.from({ length: dimensions }, (_, i) => Math.sin(i));
/** At a right angle to `sine`, nearly: its cosine with it is below 0.01. */
const other = Array.from({ length: dimensions }, (_, i) => Math.cos(i));
const times = (vector: readonly number[], factor: number) => vector.map((number) => number * factor);
const text = (vector: readonly number[]) => JSON.stringify(vector);

/**
 * Lengths at which pgvector's cosine in single precision, or an index of half precision, fails: subnormal, squares that
 * underflow, elements that half precision takes for zero or for infinite, squares that overflow, the largest numbers.
 */
const factors = [1e-42, 1e-38, 1e-30, 1e-22, 1e-19, 1e-8, 1e-5, 1e5, 1e18, 1e20, 3.4e38];

/** Each way to store an embedding; the arguments are an id and the embedding's text. */
const doors: readonly [string, string][] = [
  [
    'add_knowledge',
    "select from add_knowledge('x', id => $1, category => 'odd', embedding => $2::text::vector)",
  ],
  [
    'add_knowledge_items',
    "select from add_knowledge_items(jsonb_build_array(jsonb_build_object('id', $1::text, 'content', 'x', 'category', 'odd', 'embedding', $2::jsonb)))",
  ],
  [
    'insert',
    "insert into knowledge (id, content, category, embedding) values ($1, 'x', 'odd', $2::text::vector)",
  ],
  [
    'update',
    `with made as (select id from knowledge where id = 'blank')
     update knowledge set embedding = $2::text::vector where id = (select id from made) and $1 <> ''`,
  ],
];

describe.each(apiTargets)('an embedding of any length on %s', (_, open) => {
  let target: ApiTarget;
  let member: ScopedDatabase;
  const run = async <Row>(statement: string, ...values: unknown[]) =>
    (await member.query<Row>({ text: statement, values })).rows;
  const search = (embedding: readonly number[], more = '') =>
    run<{ id: string; similarity: number }>(
      `select id, similarity from search_knowledge($1::text::vector, category => 'odd', match_count => 50${more})`,
      text(embedding),
    );

  beforeAll(async () => {
    target = await open();
    await target.admin.query("select ops.create_tenant('acme', 'Acme')");
    member = asRequester(installationIn(target.database), claimsOf('member', 'acme', 'someone'));
  }, 120_000);
  afterAll(() => target?.close());

  describe.each(doors)('stored by %s', (door, statement) => {
    test('is compared by its direction alone, whether it is stored or searched for', async () => {
      await run("delete from knowledge where category = 'odd'");
      await run(
        "insert into knowledge (id, content, category, embedding) values ('true', 'x', 'odd', $1::text::vector)",
        text(sine),
      );
      for (const factor of factors) {
        await run("delete from knowledge where id <> 'true' and category = 'odd'");
        await run("insert into knowledge (id, content, category) values ('blank', 'x', 'odd')");
        await run(statement, `other ${factor}`, text(times(other, factor)));
        const [first, second, ...more] = await search(sine);
        expect([factor, first?.id, more]).toEqual([factor, 'true', []]);
        expect(first?.similarity).toBeCloseTo(1, 5);
        expect(Math.abs(second!.similarity), `${factor}`).toBeLessThan(0.01);
        expect(await search(sine, ', min_similarity => 0.9'), `${factor}`).toHaveLength(1);

        const [found] = await search(times(other, factor), ', min_similarity => 0.9');
        expect(found?.id, `${door} ${factor}`).not.toBe('true');
        expect(found?.similarity, `${factor}`).toBeCloseTo(1, factor < 1e-41 ? 2 : 5);
        const similar = await run<{ id: string; similarity: number }>(
          "select id, similarity from similar_knowledge($1, category => 'odd')",
          found?.id,
        );
        expect(similar.map(({ id }) => id)).toEqual(['true']);
        expect(Math.abs(similar[0]!.similarity)).toBeLessThan(0.01);
      }
    });

    test.each([0, -0, 1e-60])('with nothing but %s is refused', async (number) => {
      await run("delete from knowledge where category = 'odd'");
      await run("insert into knowledge (id, content, category) values ('blank', 'x', 'odd')");
      await expect(
        run(statement, 'zeros', text(times(Array(dimensions).fill(1), number))),
      ).rejects.toMatchObject({
        code: door === 'add_knowledge_items' ? 'LTS17' : 'LTS02',
        message: expect.stringContaining('must not be all zeros'),
      });
    });
  });

  test('is found through the index of half precision', async () => {
    await run("delete from knowledge where category = 'odd'");
    for (const factor of factors) await run(doors[0]![1], `${factor}`, text(times(sine, factor)));
    await target.admin.query('set enable_seqscan to off');
    const { rows } = await target.admin.query(
      'select count(*)::int as count from (select from app_public.knowledge order by embedding::halfvec(1536) <=> $1::text::vector::halfvec(1536) limit 50) f',
      [text(sine)],
    );
    await target.admin.query('reset enable_seqscan');
    expect(rows).toEqual([{ count: factors.length }]);
  });

  test('too large for single precision is refused by name in an item', async () => {
    await expect(run(doors[1]![1], 'large', text(times(sine, 1e39)))).rejects.toMatchObject({
      code: 'LTS17',
      message:
        'item 0 cannot be added: embedding must contain only numbers from -3.4028235e38 to 3.4028235e38',
    });
  });

  test('that a load without triggers stored as zeros is in no answer', async () => {
    await run("delete from knowledge where category = 'odd'");
    await target.admin.query('set session_replication_role to replica');
    await target.admin.query(
      "insert into app_public.knowledge (tenant_id, id, content, category, embedding) values ('acme', 'zeros', 'x', 'odd', $1)",
      [text(times(sine, 0))],
    );
    await target.admin.query('reset session_replication_role');
    expect(await search(sine, ', min_similarity => 0.9')).toEqual([]);
    await expect(run("select from similar_knowledge('zeros')")).rejects.toMatchObject({ code: 'LTS02' });
  });
});
