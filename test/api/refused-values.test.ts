import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { storableJson } from '../../src/storable-text.ts';
import { faultOf, throughGraphql, throughRest } from '../poison/doors.ts';
import type { Answer, Dosed, PoisonedPlace } from '../poison/doors.ts';
import { readSurface } from '../poison/surface.ts';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { startEmbeddingsServer } from '../support/embeddings-server.ts';
import { impatient, makeEmbed } from '../../src/embeddings/embedding-client.ts';

/** An answer that says what it is about in its own words: what is missing, or the state that does not allow it. */
const namesInOtherWords =
  /^(the row does not exist|there is nothing to search for|(the lease of )?task \S+ |workflow \S+ |thread \S+ |session \S+ |knowledge |item \d+ cannot be added|points from |the range must run|a series |the embedding |permission denied|duplicate key value|Attempted to update a record, but no new values|the (variables|request) (have|nests)|invalid from_step: no step failed)/i;

/** What a door said: its messages, or null when it took the value. */
function refusalOf({ status, body }: Answer): string | null {
  const json = JSON.parse(body === '' ? 'null' : body) as {
    message?: string;
    errors?: readonly { message: string }[];
  } | null;
  if (json?.errors) return json.errors.map(({ message }) => message).join('\n');
  return status < 400 ? null : (json?.message ?? body);
}

/** Whether a message has one of the names under which the requester knows the place. */
function names(message: string, { name }: PoisonedPlace): boolean {
  const path = name.split('.');
  // An interval is refused as a whole. SQL writes names of arguments in its own way.
  const known = path.slice(-2).filter((each) => each !== 'input');
  const words = known.flatMap((each) => [
    each,
    each.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  ]);
  return words.some((word) => new RegExp(`(?<![a-z])${word}(?![a-z])`).test(message));
}

// The server shares the code of every door, and its own messages are those of the embedded Postgres.
describe.each(apiTargets.slice(0, 1))(
  'every argument and column that a service reaches, on the %s',
  (_kind, open) => {
    let target: ApiTarget;
    let app: RunningApp;
    const undo: (() => Promise<unknown>)[] = [];
    const answered: { readonly place: PoisonedPlace; readonly what: string; readonly answer: Answer }[] = [];

    beforeAll(async () => {
      target = await open();
      undo.push(() => target.close());
      const embeddings = await startEmbeddingsServer();
      undo.push(() => embeddings.close());
      app = await startApp(target.database, {
        embed: makeEmbed({ url: embeddings.url, model: 'm', apiKey: null }, impatient),
      });
      undo.push(() => app.close());
      const sender = { url: app.url, token: await testToken('service') };
      const surface = await readSurface(target.admin);
      const send = async (all: Iterable<Dosed>) => {
        for (const { place, what, send: ask } of all) answered.push({ place, what, answer: await ask() });
      };
      await send(throughRest(sender, surface, 'short'));
      await send(await throughGraphql(sender, surface, 'short'));
    }, 180_000);
    afterAll(async () => {
      for (const step of undo.toReversed()) await step();
    });

    it('takes a value, or refuses it: nothing breaks', () => {
      expect(answered.length).toBeGreaterThan(5_000);
      expect(answered.filter(({ answer }) => refusalOf(answer) === null).length).toBeGreaterThan(1_000);
      expect(
        answered
          .flatMap(({ what, answer }) => (faultOf(answer) === null ? [] : `${what} -> ${faultOf(answer)}`))
          .slice(0, 20),
      ).toEqual([]);
    });

    it('is named by the refusal of its value', () => {
      const unnamed = answered.flatMap(({ place, what, answer }) => {
        const message = refusalOf(answer);
        return message === null || namesInOtherWords.test(message) || names(message, place)
          ? []
          : [`${what} -> ${message.slice(0, 200)}`];
      });
      expect(unnamed).toEqual([]);
    });

    it('of a table has the text with a mark, as both doors return it', () => {
      const stored = answered.flatMap(({ place, what, answer }) => {
        const { use, name, poison } = place;
        if (use !== 'insert' || !/^"|^[[{]/.test(poison) || !/\\u0000|\\ud|\\udc/.test(poison)) return [];
        if (refusalOf(answer) !== null) return [];
        const [row] = JSON.parse(answer.body) as [Record<string, unknown>];
        const kept = JSON.parse(storableJson(poison)) as unknown;
        return [{ what, kept, got: row[name] }];
      });
      expect(stored.length).toBeGreaterThan(10);
      expect(stored.filter(({ got, kept }) => !isDeepStrictEqual(got, kept))).toEqual([]);
      expect(answered.filter(({ answer }) => answer.body.includes('\\u0000'))).toEqual([]);
    });
  },
);

describe.each(apiTargets)('a value in a filter or a literal of GraphQL, on the %s', (_kind, open) => {
  let target: ApiTarget;
  let app: RunningApp;

  beforeAll(async () => {
    target = await open();
    app = await startApp(target.database);
  });
  afterAll(async () => {
    await app?.close();
    await target?.close();
  });

  it.each([
    ['{ tasks(filter: { runAfter: { equalTo: "soon" } }) { totalCount } }', 'filter.runAfter.equalTo'],
    [
      '{ tasks(filter: { or: [{ attempt: { in: [1] } }, { runAfter: { lessThan: "0000-01-01" } }] }) { totalCount } }',
      'filter.or[1].runAfter.lessThan',
    ],
    [
      '{ agents { nodes { tasks(condition: { createdAt: "soon" }) { totalCount } } } }',
      'condition.createdAt',
    ],
    [
      'mutation { enqueueTask(input: { description: "x", runAfter: "soon" }) { result { id } } }',
      'input.runAfter',
    ],
    [
      'mutation { enqueueTask(input: { description: "x", maxAttempts: 3000000000 }) { result { id } } }',
      'input.maxAttempts',
    ],
    [
      'mutation { completeTask(input: { taskId: "x", fencingToken: "1" }) { result { id } } }',
      'input.taskId',
    ],
    [
      'mutation { createAgent(input: { agent: { id: "' +
        'x'.repeat(51) +
        '", name: "x", model: "x" } }) { agent { id } } }',
      'input.agent.id',
    ],
  ])('%s is named by its place', async (query, place) => {
    await app.graphql(
      await testToken(),
      'mutation { createAgent(input: { agent: { id: "a", name: "x", model: "x" } }) { agent { id } } }',
    );
    const { errors } = await app.graphql(await testToken(), query);
    expect(errors?.map(({ message }) => message)).toEqual([
      expect.stringMatching(`^invalid ${place.replaceAll(/[[\]]/g, '\\$&')}: `),
    ]);
  });
});
