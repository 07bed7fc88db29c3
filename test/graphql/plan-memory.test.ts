import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { execute } from 'postgraphile/grafast';
import { makeSchema } from 'postgraphile/graphile-build';
import { parse } from 'postgraphile/graphql';
import type { ExecutionResult, GraphQLSchema } from 'postgraphile/graphql';
import { schemasByPlanSize } from '../../src/graphql/plan-memory.ts';
import { tenantsExposure } from '../../src/graphql/exposure.ts';
import { makePreset } from '../../src/graphql/preset.ts';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { installationIn } from '../support/installation.ts';

describe.each(apiTargets.slice(0, 1))('plans of GraphQL operations, %s', (_kind, open) => {
  let target: ApiTarget;
  let run: (alias: string, fields: number) => Promise<ExecutionResult>;
  let kept: (fields: number) => number;

  beforeAll(async () => {
    target = await open();
    const { schema, resolvedPreset } = await makeSchema(
      makePreset(installationIn(target.database), { byDefault: 100, largest: 1_000 }, tenantsExposure),
    );
    const schemaFor = schemasByPlanSize(schema);
    run = async (alias, fields) =>
      (await execute({
        schema: schemaFor(fields),
        document: parse(`{ ${alias}: __typename }`),
        resolvedPreset,
        requestContext: {},
        middleware: null,
      })) as ExecutionResult;
    kept = (fields) => keptPlans(schemaFor(fields));
  });
  afterAll(() => target?.close());

  test('are kept by the hundred when they are small, and by the dozen when they are large', async () => {
    for (let i = 0; i < 60; i++) {
      expect(await run(`a${i}`, 1_000)).toMatchObject({ data: { [`a${i}`]: 'Query' } });
      expect(await run(`a${i}`, 10)).toMatchObject({ data: { [`a${i}`]: 'Query' } });
    }
    expect([kept(1_000), kept(10)]).toEqual([16, 60]);
  });
});

/** The cache of plans, which grafast keeps under a symbol that it does not export. */
function keptPlans({ extensions }: GraphQLSchema): number {
  const memory = extensions.grafast as Record<symbol, { readonly length?: number }>;
  const key = Object.getOwnPropertySymbols(memory).find(
    (symbol) => symbol.description === 'cacheByOperation',
  );
  return (key && memory[key]?.length) ?? -1;
}
