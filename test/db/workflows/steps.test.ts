import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sql } from '../../../src/db/statement.ts';
import type { ScopedDatabase } from '../../../src/db/scoped-database.ts';
import { apiTargets } from '../../support/api-targets.ts';
import type { ApiTarget } from '../../support/api-targets.ts';
import { as } from '../../support/workflow.ts';

const task = { description: 'x' };
const step = (more: Readonly<Record<string, unknown>>) => [
  { key: 'a', task },
  { key: 'b', task, ...more },
];
const asking = (condition: unknown) => step({ depends_on: ['a'], condition });
const nested = (depth: number): unknown =>
  depth === 0 ? { step: 'a', path: [], op: 'exists' } : { not: nested(depth - 1) };

/** What is written, and the first thing that is said of it. */
const refused: readonly (readonly [steps: unknown, message: string])[] = [
  [{}, 'steps: must be an array of steps'],
  [null, 'steps: must be an array of steps'],
  [
    Array.from({ length: 201 }, (_, i) => ({ key: `s${i}`, task })),
    'steps: must be at most 200 steps, not 201',
  ],
  [['a'], 'steps[0]: must be an object'],
  [
    [{ task }],
    'steps[0].key: must be a string of 1 to 63 letters, digits and _ . - that does not begin with . or -',
  ],
  [
    [{ key: '-a', task }],
    'steps[0].key: must be a string of 1 to 63 letters, digits and _ . - that does not begin with . or -',
  ],
  [[{ key: 'a' }], 'steps[0].task: must be an object'],
  [step({ key: 'a' }), 'steps[1].key: steps[0] already has the key "a"'],
  [step({ dependsOn: ['a'] }), 'steps[1].dependsOn: unknown property'],
  [step({ task: { description: '' } }), 'steps[1].task.description: must be a non-empty string'],
  [step({ task: { ...task, prio: 1 } }), 'steps[1].task.prio: unknown property'],
  [
    step({ task: { ...task, priority: 'urgent' } }),
    'steps[1].task.priority: "urgent" is not one of low, normal, high, critical',
  ],
  [
    step({ task: { ...task, agent_id: 7 } }),
    'steps[1].task.agent_id: must be a string of 1 to 50 characters',
  ],
  [
    step({ task: { ...task, capabilities: 'web' } }),
    'steps[1].task.capabilities: must be an array of strings',
  ],
  [
    step({ task: { ...task, capabilities: ['web', 1] } }),
    'steps[1].task.capabilities: must be an array of strings',
  ],
  [step({ task: { ...task, context: [] } }), 'steps[1].task.context: must be an object'],
  [
    step({ task: { ...task, context: { steps: 1 } } }),
    'steps[1].task.context.steps: this name is reserved for what the workflow tells a step',
  ],
  [step({ on_failure: 'ignore' }), 'steps[1].on_failure: "ignore" is not one of fail, skip, continue'],
  [step({ max_attempts: 0 }), 'steps[1].max_attempts: 0 is not a whole number from 1 to 100'],
  [step({ max_attempts: 1.5 }), 'steps[1].max_attempts: 1.5 is not a whole number from 1 to 100'],
  [step({ max_attempts: '3' }), 'steps[1].max_attempts: "3" is not a whole number from 1 to 100'],
  [
    step({ timeout: 60 }),
    'steps[1].timeout: 60 is not an interval between 1 second and 365 days, such as "15 minutes"',
  ],
  [
    step({ timeout: 'soon' }),
    'steps[1].timeout: "soon" is not an interval between 1 second and 365 days, such as "15 minutes"',
  ],
  [
    step({ timeout: '-5 minutes' }),
    'steps[1].timeout: "-5 minutes" is not an interval between 1 second and 365 days, such as "15 minutes"',
  ],
  [step({ depends_on: 'a' }), 'steps[1].depends_on: must be an array of keys'],
  [step({ depends_on: [1] }), 'steps[1].depends_on[0]: must be the key of a step'],
  [step({ depends_on: ['a', 'x'] }), 'steps[1].depends_on[1]: unknown step "x"'],
  [step({ depends_on: ['a', 'a'] }), 'steps[1].depends_on[1]: "a" is listed twice'],
  [step({ depends_on: ['b'] }), 'steps[1].depends_on[0]: a step cannot depend on itself'],
  [
    [
      { key: 'a', task, depends_on: ['c'] },
      { key: 'b', task, depends_on: ['a'] },
      { key: 'c', task, depends_on: ['b'] },
    ],
    'steps[0].depends_on[0]: a cycle: "c" depends on "a"',
  ],
  [asking(true), 'steps[1].condition: must be an object with one of all, any, not, step'],
  [
    asking({ step: 'b', status: 'failed' }),
    'steps[1].condition.step: "b" is not a step that this one depends on',
  ],
  [
    step({ condition: { step: 'a', status: 'failed' } }),
    'steps[1].condition.step: "a" is not a step that this one depends on',
  ],
  [
    asking({ step: 'a', status: 'done' }),
    'steps[1].condition.status: "done" is not one of completed, failed, skipped',
  ],
  [
    asking({ all: [{ step: 'a', path: 'score', op: 'eq', value: 1 }] }),
    'steps[1].condition.all[0].path: must be an array of names and positions, such as ["items", 0, "score"]',
  ],
  [
    asking({ any: [{ not: { step: 'a', path: [], op: '>', value: 1 } }] }),
    'steps[1].condition.any[0].not.op: ">" is not one of eq, ne, gt, gte, lt, lte, in, contains, exists',
  ],
  [asking({ step: 'a', path: [], op: 'eq' }), 'steps[1].condition.value: it is missing'],
  [
    asking({ step: 'a', path: [], op: 'gt', value: true }),
    'steps[1].condition.value: gt needs a number or a string',
  ],
  [asking({ step: 'a', path: [], op: 'in', value: 1 }), 'steps[1].condition.value: in needs an array'],
  [
    asking({ step: 'a', path: [], op: 'exists', value: 1 }),
    'steps[1].condition.value: exists takes no value',
  ],
  [asking({ all: [], any: [] }), 'steps[1].condition.any: unknown property beside all'],
  [asking({ all: {} }), 'steps[1].condition.all: must be an array of conditions'],
  [asking(nested(21)), `steps[1].condition${'.not'.repeat(20)}: must not be nested more than 20 levels deep`],
];

/** A condition and whether it holds after a step `a` that gave `result`, and a step `f` that failed. */
const result = {
  score: 0.7,
  name: 'ann',
  tags: ['x', 'y'],
  deep: { list: [{ n: 1 }, { n: 2 }] },
  none: null,
};
const conditions: readonly (readonly [condition: Readonly<Record<string, unknown>>, holds: boolean])[] = [
  [{ path: ['score'], op: 'gt', value: 0.5 }, true],
  [{ path: ['score'], op: 'gt', value: 0.7 }, false],
  [{ path: ['score'], op: 'gte', value: 0.7 }, true],
  [{ path: ['score'], op: 'lt', value: 0.8 }, true],
  [{ path: ['score'], op: 'lte', value: 0.6 }, false],
  [{ path: ['score'], op: 'eq', value: 0.7 }, true],
  [{ path: ['score'], op: 'gt', value: '0.5' }, false],
  [{ path: ['name'], op: 'gt', value: 'Zoe' }, true],
  [{ path: ['name'], op: 'lt', value: 'bob' }, true],
  [{ path: ['name'], op: 'in', value: ['bob', 'ann'] }, true],
  [{ path: ['name'], op: 'in', value: [] }, false],
  [{ path: ['tags'], op: 'contains', value: ['y'] }, true],
  [{ path: ['tags'], op: 'contains', value: ['z'] }, false],
  [{ path: ['deep', 'list', 1, 'n'], op: 'eq', value: 2 }, true],
  [{ path: ['deep', 'list', -1, 'n'], op: 'eq', value: 2 }, true],
  [{ path: ['deep', 'list', 9, 'n'], op: 'eq', value: 2 }, false],
  [{ path: ['missing'], op: 'exists' }, false],
  [{ path: ['none'], op: 'exists' }, false],
  [{ path: ['tags'], op: 'exists' }, true],
  [{ path: ['missing'], op: 'eq', value: null }, true],
  [{ path: ['missing'], op: 'ne', value: 1 }, true],
  [{ path: ['missing'], op: 'gt', value: 1 }, false],
  [{ path: [], op: 'contains', value: { name: 'ann' } }, true],
];

describe.each(apiTargets)('the steps of a workflow, %s', (_, open) => {
  let target: ApiTarget;
  let member: ScopedDatabase;

  beforeAll(async () => {
    target = await open();
    member = as(target.database, 'member');
  });
  afterAll(() => target?.close());

  const insert = (steps: unknown, status = 'draft') =>
    member.query<{ id: string }>(
      sql`insert into workflows (name, steps, status) values ('w', ${JSON.stringify(steps)}::jsonb, ${status}) returning id`,
    );

  test.each(refused)('are refused with the path: %j', async (steps, message) => {
    await expect(insert(steps)).rejects.toMatchObject({ code: 'LTW02', message });
  });

  test('are refused with everything that is wrong, in order', async () => {
    const error: unknown = await insert([
      { key: 'a', extra: 1, task: {} },
      { key: 'b', task, depends_on: ['x', 'y'] },
    ]).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      detail: [
        'steps[0].extra: unknown property',
        'steps[0].task.description: must be a non-empty string',
        'steps[1].depends_on[0]: unknown step "x"',
        'steps[1].depends_on[1]: unknown step "y"',
      ].join('\n'),
    });
  });

  test('are looked at when they are changed', async () => {
    const { rows } = await insert([{ key: 'a', task }]);
    await expect(
      member.query(sql`update workflows set steps = '[{"key": "b"}]' where id = ${rows[0]!.id}`),
    ).rejects.toMatchObject({ code: 'LTW02' });
  });

  test('of what has ended already are taken as they are, and looked at before they run again', async () => {
    const { rows } = await insert([{ name: 'in another shape' }], 'completed');
    await expect(member.query(sql`select retry_workflow(${rows[0]!.id})`)).rejects.toMatchObject({
      code: 'LTW02',
      message: 'steps[0].name: unknown property',
    });
  });

  test('may say null for what they leave out, and everything that the shape knows', async () => {
    const { rows } = await insert([
      {
        key: 'a',
        task: { description: 'x', priority: null, agent_id: null, capabilities: null, context: null },
        depends_on: null,
        on_failure: null,
        max_attempts: null,
        timeout: null,
        condition: null,
      },
      {
        key: 'b.2-c_d',
        task: { description: 'x', priority: 'low', agent_id: 'x', capabilities: ['a'], context: { a: 1 } },
        depends_on: ['a'],
        on_failure: 'skip',
        max_attempts: 100,
        timeout: 'PT15M',
        condition: {
          any: [
            { all: [{ step: 'a', path: ['x', 0], op: 'eq', value: null }] },
            { not: { step: 'a', status: 'skipped' } },
          ],
        },
      },
    ]);
    expect(rows).toHaveLength(1);
  });

  test('two hundred in a chain are looked at within a second', async () => {
    const chain = Array.from({ length: 200 }, (_step, i) => ({
      key: `s${i}`,
      task,
      depends_on: i === 0 ? [] : [`s${i - 1}`],
    }));
    const before = performance.now();
    await insert(chain);
    expect(performance.now() - before).toBeLessThan(1_000);
  });

  test('have conditions that compare what is there, and say no to the rest', async () => {
    const inputs = JSON.stringify({
      a: { status: 'completed', result },
      f: { status: 'failed', error: 'e' },
    });
    const holds = async (condition: unknown) =>
      (
        await target.admin.query('select ops.workflow_condition_holds($1::jsonb, $2::jsonb) as holds', [
          JSON.stringify(condition),
          inputs,
        ])
      ).rows[0].holds;
    for (const [condition, expected] of conditions) {
      const asked = { step: 'a', ...condition };
      expect([asked, await holds(asked)]).toEqual([asked, expected]);
      expect([asked, await holds({ not: asked })]).toEqual([asked, !expected]);
      expect([asked, await holds({ all: [asked, { all: [] }] })]).toEqual([asked, expected]);
      expect([asked, await holds({ any: [asked, { any: [] }] })]).toEqual([asked, expected]);
    }
    expect(await holds({ step: 'f', status: 'failed' })).toBe(true);
    expect(await holds({ step: 'a', status: 'failed' })).toBe(false);
    expect(await holds({ step: 'f', path: [], op: 'exists' })).toBe(false);
  });
});
