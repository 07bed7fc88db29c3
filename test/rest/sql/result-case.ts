import type { RestOptions } from '../../../src/rest/options.ts';
import type { Asked, Result } from './library-database.ts';

/** A request and what its main statement must give; what is not named may be anything. */
export interface ResultCase extends Asked {
  readonly name: string;
  readonly options?: Partial<RestOptions>;
  readonly gives: Partial<Result>;
}
