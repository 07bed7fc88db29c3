import type { RestOptions } from '../../../src/rest/options.ts';
import type { Asked, Result } from './library-database.ts';

/** A request, and the expected result of its main statement. Fields that are not named may have any value. */
export interface ResultCase extends Asked {
  readonly name: string;
  readonly options?: Partial<RestOptions>;
  readonly gives: Partial<Result>;
}
