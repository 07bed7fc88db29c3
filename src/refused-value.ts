/** A value that a request gives to an argument or a column. */
export interface GivenValue {
  /** The name that the requester knows: of a column, an argument, or a place in a variable. */
  readonly name: string;
  /** The type's name in Postgres or GraphQL; null: unknown. */
  readonly type: string | null;
  /** The value as Postgres may write it into a message, and the elements of a list. */
  readonly texts: readonly string[];
}

/** A refusal of Postgres, of which only these parts count. */
export interface Refusal {
  readonly code?: string | undefined;
  readonly message: string;
  readonly detail?: string | undefined;
}

/**
 * The names of the values that Postgres refused, because it says only what it refused: a value that does not fit its type (class 22), is too
 * large (class 54), or has no partition. Finds the values that the message quotes; of a message that quotes none, those of the type that it
 * is about. Empty: the error is another one, or nothing given fits it.
 */
export function refusedNames(
  { code = '', message, detail = '' }: Refusal,
  given: readonly GivenValue[],
): readonly string[] {
  if (!isAboutValue(code, message)) return [];
  const about = typesOf(message);
  const quoted = given.filter(({ texts }) => texts.some((text) => message.includes(`"${text}"`)));
  const ofType = (values: readonly GivenValue[]) =>
    about === null ? [] : values.filter(({ type }) => type === null || about.test(type));
  const candidates =
    [tooLong(message, given), partitionKeys(detail, given), ofType(quoted), quoted, ofType(given)].find(
      (values) => values.length > 0,
    ) ?? [];
  const names = [...new Set(candidates.map(({ name }) => name))];
  return names.slice(0, maxNames);
}

/** The message that begins with the names, as the messages of sql/ do; unchanged without names. */
export function namedMessage(message: string, names: readonly string[]): string {
  return names.length === 0 ? message : `invalid ${names.join(' or ')}: ${message}`;
}

/** The most names of one message, which may fit all the columns of many rows. */
const maxNames = 3;

function isAboutValue(code: string, message: string): boolean {
  if (code === '23514') return message.startsWith('no partition of relation');
  return code.startsWith('22') || code.startsWith('54') || code === '0A000';
}

/** The columns in the detail that Postgres writes when a row has no partition, if the requester may read them. */
function partitionKeys(detail: string, given: readonly GivenValue[]): readonly GivenValue[] {
  const [, listed] = /^Partition key of the failing row contains \((.*?)\) = /.exec(detail) ?? [];
  const columns = listed?.split(', ').map((column) => column.replace(/^"(.*)"$/, '$1')) ?? [];
  return given.filter(({ name }) => columns.includes(name.replace(/^.*\./, '')));
}

function tooLong(message: string, given: readonly GivenValue[]): readonly GivenValue[] {
  const [, longest] = /^value too long for type character varying\((\d+)\)$/.exec(message) ?? [];
  if (longest === undefined) return [];
  return given.filter(({ texts }) =>
    texts.some((text) => text.length > Number(longest) && [...text].length > Number(longest)),
  );
}

/** Words of a message, and the types that they are about. The first that fits counts. */
const families: readonly (readonly [words: RegExp, type: RegExp])[] = [
  [/\b(half)?vec(tor)?\b|\bdimensions?\b/, /vec/i],
  [/\binterval\b/, /interval/i],
  // Partitions are of a time.
  [/\btimestamp\b|\btime zone\b|date\/time|\bdate\b|no partition/, /timestamp|date|time/i],
  [/\barrays?\b/, /\[\]$/],
  [/type (integer|smallint)\b/, /^(integer|smallint|Int)$/],
  [/type bigint\b/, /^(bigint|BigInt)$/],
  [/type (double precision|real)\b/, /^(double precision|real|Float)\b/],
  [/type uuid\b/, /^uuid$/i],
  [/type boolean\b/, /^boolean$/i],
  [/\bjsonb?\b|Unicode escape|Unicode character|\bnumeric\b|stack depth/, /json|numeric|BigFloat/i],
];

/** The types that a message is about; null: it does not say. */
function typesOf(message: string): RegExp | null {
  const unquoted = message.replace(/".*"/s, '');
  const [, types] = families.find(([words]) => words.test(unquoted)) ?? [];
  return types ?? null;
}
