import type { RestConfig } from '../config/config.ts';
import type { RestOptions } from '../rest/options.ts';

/** REST's configuration, which another one may replace while requests run. */
export interface RenewableRest {
  readonly logsStatements: boolean;
  readonly options: RestOptions;
  adopt(next: RestConfig): void;
}

/** Makes the options of a configuration. They stay the same object while they say the same, because another one forgets every plan. */
export function renewableRest(first: RestConfig, make: (config: RestConfig) => RestOptions): RenewableRest {
  let config = first;
  let options = make(first);
  return {
    get logsStatements() {
      return config.logStatements;
    },
    get options() {
      return options;
    },
    adopt: (next) => {
      if (next.maxRows !== config.maxRows || next.plans !== config.plans) options = make(next);
      config = next;
    },
  };
}
