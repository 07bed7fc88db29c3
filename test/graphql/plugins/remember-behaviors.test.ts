import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { makeSchema } from 'postgraphile/graphile-build';
import { printSchema } from 'postgraphile/graphql';
import { operatorsExposure, tenantsExposure } from '../../../src/graphql/exposure.ts';
import { makePreset } from '../../../src/graphql/preset.ts';
import { apiTargets } from '../../support/api-targets.ts';
import type { ApiTarget } from '../../support/api-targets.ts';
import { installationIn } from '../../support/installation.ts';

type Behavior = GraphileBuild.Build['behavior'];

describe.each(apiTargets.slice(0, 1))('answers about behaviors, %s', (_kind, open) => {
  let target: ApiTarget;
  let postgraphile: Behavior;

  beforeAll(async () => {
    target = await open();
    // The class is not exported.
    await schemaOf(operatorsExposure, [], (behavior) => {
      postgraphile = Object.getPrototypeOf(behavior) as Behavior;
    });
  });
  afterAll(() => target?.close());

  async function schemaOf(
    exposure: typeof tenantsExposure,
    disablePlugins: string[],
    see: (behavior: Behavior) => void,
  ): Promise<string> {
    const usual = makePreset(installationIn(target.database), { byDefault: 100, largest: 1_000 }, exposure);
    const plugin: GraphileConfig.Plugin = {
      name: 'SeeBehaviorPlugin',
      schema: {
        hooks: {
          init: (init, { behavior }) => {
            see(behavior);
            return init;
          },
        },
      },
    };
    const { schema } = await makeSchema({ extends: [usual], plugins: [plugin], disablePlugins });
    return printSchema(schema);
  }

  test.each([
    ['tenants', tenantsExposure],
    ['operators', operatorsExposure],
  ])('make the same schema of %s when remembered, with a fraction of the work', async (_name, exposure) => {
    const work = vi.spyOn(postgraphile, 'entityMatches');
    try {
      const remembered = await schemaOf(exposure, [], () => {});
      const few = work.mock.calls.length;
      expect(few).toBeGreaterThan(0);
      expect(await schemaOf(exposure, ['RememberBehaviorsPlugin'], () => {})).toBe(remembered);
      expect(work.mock.calls.length - few).toBeGreaterThan(3 * few);
    } finally {
      work.mockRestore();
    }
  });
});
