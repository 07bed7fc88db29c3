import { sideEffect } from 'postgraphile/grafast';
import type { ObjectStep } from 'postgraphile/grafast';
import { wrapPlans } from 'postgraphile/utils';
import { AppError } from '../../errors.ts';

/**
 * An update that found no row is an error, as a delete is. PostGraphile answers it with a payload that holds null, which
 * a caller who does not ask for the row back cannot tell from success.
 */
export const RefuseUpdateOfNothingPlugin: GraphileConfig.Plugin = wrapPlans(
  // Null, not false: that is how this function wants to hear no.
  ({ scope }) => (scope.isPgUpdateMutation ? true : null),
  () => (plan) => {
    const $payload = plan() as ObjectStep;
    sideEffect($payload.get('result'), (row) => {
      if (row === null) {
        throw new AppError('ROW_NOT_FOUND', 'there is no such row, or this role may not change it');
      }
    });
    return $payload;
  },
);
