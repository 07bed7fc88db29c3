import { sideEffect } from 'postgraphile/grafast';
import type { ObjectStep } from 'postgraphile/grafast';
import { wrapPlans } from 'postgraphile/utils';
import { AppError } from '../../errors.ts';

/**
 * Makes an update that found no row an error, as a delete already is. PostGraphile answers it with a payload that holds
 * null, and a caller that does not ask for the row back cannot tell that from success.
 */
export const RefuseUpdateOfNothingPlugin: GraphileConfig.Plugin = wrapPlans(
  // Null rather than false: this function expects null for "do not wrap".
  ({ scope }) => (scope.isPgUpdateMutation ? true : null),
  () => (plan) => {
    const $payload = plan() as ObjectStep;
    sideEffect($payload.get('result'), (row) => {
      if (row === null) {
        throw new AppError('ROW_NOT_FOUND', 'the row does not exist, or this role may not change it');
      }
    });
    return $payload;
  },
);
