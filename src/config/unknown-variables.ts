import { closestMatch } from 'leven';
import type { Environment } from '../environment.ts';
import { configOptions, fileVariable, formerNames, secretNames } from './options.ts';

/** A variable that is set, that nothing reads, and that looks as if it were meant for an option. */
export interface UnknownVariable {
  readonly name: string;
  /** Where it is set. */
  readonly origin: 'environment' | '.env';
  /** The option, or the file of one, whose name is the most alike. */
  readonly nearest: string;
  /** Whether the two names differ so little that one is the other with a slip in it. */
  readonly isSlip: boolean;
}

/**
 * First words of options with which the variables of other software begin, too: AWS's tools, proxies (`HTTP_PROXY`), systemd's
 * sockets (`LISTEN_FDS`), frameworks of pages (`PUBLIC_...`), and words of everyday language. Such a variable is meant for an option only when it
 * is nearly its name.
 */
const sharedWords: ReadonlySet<string> = new Set([
  'ALLOW',
  'AWS',
  'DATA',
  'HTTP',
  'LISTEN',
  'LOG',
  'MAX',
  'PUBLIC',
  'TLS',
  'TRUSTED',
  'USE',
]);

/** The most letters that are wrong, missing or too many in a slip. Two letters in the wrong order count twice. */
const mostSlips = 2;

/** `HOST` and `PORT` are a slip away from `HOME`, `POST` and many other words. */
const leastLength = 7;

const known: ReadonlySet<string> = new Set([
  ...configOptions.map(({ name }) => name),
  ...secretNames.map(fileVariable),
  // Refused by name.
  ...Object.keys(formerNames),
]);

const nameable = [...known].filter((name) => !(name in formerNames));

/** The first words of the options, which are ours alone. */
const ownWords = new Set(
  configOptions
    .filter(({ name }) => name.includes('_'))
    .map(({ name }) => firstWord(name))
    .filter((word) => !sharedWords.has(word)),
);

/**
 * The variables that no option has as its name, though they begin like one, or are one with a slip in it; in the order of their names.
 * The case of letters does not count. Values are not looked at, except to pass over what Kubernetes sets for each service.
 */
export function unknownVariables({ variables, exported }: Environment): UnknownVariable[] {
  return Object.keys(variables)
    .filter((name) => variables[name] !== '' && !known.has(name))
    .toSorted()
    .flatMap((name): UnknownVariable[] => {
      const written = name.toUpperCase();
      if (isOfKubernetes(written, variables[name] ?? '')) return [];
      const slip = closestMatch(
        written,
        nameable.filter(({ length }) => length >= leastLength),
        { maxDistance: mostSlips },
      );
      const nearest = slip ?? (ownWords.has(firstWord(written)) ? closestTo(written) : undefined);
      if (nearest === undefined) return [];
      const origin = exported[name] === undefined ? '.env' : 'environment';
      return [{ name, origin, nearest, isSlip: slip !== undefined }];
    });
}

/** The sentence about an unknown variable; `dotEnvPath` names the file. */
export function describeUnknown(
  { name, origin, nearest, isSlip }: UnknownVariable,
  dotEnvPath: string,
): string {
  const place = origin === '.env' ? dotEnvPath : 'the environment';
  return `${name} in ${place} is not an option: ${isSlip ? `did you mean ${nearest}?` : `the nearest is ${nearest}`}`;
}

/** The option that a word typed by a person comes closest to. */
export function nearestOption(name: string): string {
  return closestTo(name.toUpperCase());
}

/** The nearest option, among those with the same first word where there are any: a first word is rarely a slip. */
function closestTo(written: string): string {
  const alike = nameable.filter((name) => firstWord(name) === firstWord(written));
  return closestMatch(written, alike.length > 0 ? alike : nameable) ?? '';
}

function firstWord(name: string): string {
  return name.split('_')[0] ?? '';
}

/** Kubernetes tells each container where the services of its namespace are: a service `db` is in `DB_SERVICE_HOST` and in others. */
function isOfKubernetes(name: string, value: string): boolean {
  return (
    /_SERVICE_(?:HOST|PORT(?:_\w+)?)$|_PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$/.test(name) ||
    (name.endsWith('_PORT') && /^(?:tcp|udp|sctp):\/\//.test(value))
  );
}
