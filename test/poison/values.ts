/** The amount of poison: one form of each kind, or everything, including the slow forms. */
export type Dose = 'short' | 'long';

/** A value as JSON text, which may express more than a value of JavaScript: 1e400, half of a surrogate pair. */
export type JsonText = string;

const wide = (unit: string, bytes: number) => unit.repeat(Math.ceil(bytes / Buffer.byteLength(unit)));
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const vector = (element: JsonText, length = 1536) => `[${Array(length).fill(element).join(',')}]`;
const quoted = (texts: readonly string[]): JsonText[] => texts.map((text) => JSON.stringify(text));

/** Words with letters beyond the basic plane, joined so that the full-text parser returns each twice. */
const manyLexemes = (length: number) =>
  Array.from({ length: Math.ceil(length / 4) }, (_, i) =>
    String.fromCodePoint(0x20000 + (i % 40_000), 0x20000 + ((i * 7) % 40_000), i % 3 === 2 ? 0x20 : 0x2d),
  ).join('');

const texts: readonly JsonText[] = [
  ...quoted([
    '',
    ' ',
    '\n\t\u007f',
    "'; drop table tasks; --",
    '%_\\',
    '{}',
    'null',
    'NaN',
    'infinity',
    '\u202e\u0301\ufeff\uffff',
  ]),
  '"a\\u0000b"',
  '"\\ud800"',
  '"\\udc00\\ud800"',
  JSON.stringify('x'.repeat(10_000)),
  JSON.stringify('👩‍👩‍👧'.repeat(40)),
  '7',
  'true',
  '[]',
  '{}',
];
const integers: readonly JsonText[] = [
  '0',
  '-1',
  '-0',
  '2147483647',
  '-2147483648',
  '2147483648',
  '9223372036854775807',
  '-9223372036854775808',
  '9223372036854775808',
  '1.5',
  '5.0',
  '1e3',
  '1e400',
  '"NaN"',
  '""',
  '"0x10"',
  'true',
  '[]',
];
const doubles: readonly JsonText[] = [
  '0',
  '-0.0',
  '1.7976931348623157e308',
  '-1.7976931348623157e308',
  '5e-324',
  '2.2250738585072014e-308',
  '1e400',
  '1e-400',
  '"NaN"',
  '"Infinity"',
  '"-Infinity"',
  '"1e400"',
  '"abc"',
  '""',
  'true',
  '{}',
];
const times: readonly JsonText[] = quoted([
  'infinity',
  '-infinity',
  'epoch',
  'now',
  '294276-12-31T23:59:59.999999Z',
  '294277-01-01',
  '4714-11-24 00:00:00+00 BC',
  '4713-01-01 BC',
  '0000-01-01',
  '9999-12-31T23:59:59Z',
  '2026-02-30',
  '2026-01-01T25:00:00Z',
  '2026-06-30T23:59:60Z',
  '2026-01-01T00:00:00+15:59',
  '',
  'yesterday',
  '1e9',
]);
const intervals: readonly JsonText[] = quoted([
  'infinity',
  '-infinity',
  '0',
  '-1 second',
  '0.000001 seconds',
  '1 month',
  '178000000 years',
  '-178000000 years',
  '2562047788:00:54.775807',
  '1 year -1 day',
  'P1Y2M3DT4H5M6S',
  '1 second',
  '30 days',
  '',
  'soon',
]);
const documents: readonly JsonText[] = [
  '{}',
  '[]',
  'null',
  '"text"',
  '0',
  '1e131071',
  '-1e-16383',
  '{"":""}',
  '{"a":1,"a":2}',
  '"\\u0000"',
  '{"\\u0000":1}',
  '{"a":"\\ud800"}',
  nested(200),
  nested(5_000),
  `{"n":[${Array(20).fill('1e131071').join(',')}]}`,
  '[null,{"description":null},[[]],"x",1]',
  '[{"key":"a","task":{"description":"x"},"timeout":"infinity","max_attempts":5.0}]',
  '[{"service_name":"s","metric_name":"m","value":1.7976931348623157e308},{"service_name":"s","metric_name":"m","value":1.7976931348623157e308},{"service_name":"s","metric_name":"m","value":5e-324,"tags":{"":""}},{"service_name":"s","metric_name":"m","value":1,"timestamp":"infinity"},{"service_name":"","metric_name":"\\u0000","value":"NaN"}]',
  '[{"content":"\\u0000"}]',
  '[{"description":"x","run_after":"infinity","max_attempts":2147483647.0}]',
];
const uuids: readonly JsonText[] = [
  ...quoted([
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
    '{00000000000000000000000000000000}',
    'x',
    '',
  ]),
  '1',
  '[]',
  '"\\u0000"',
];
const lists: readonly JsonText[] = [
  '[]',
  '[null]',
  '[""]',
  '["\\u0000"]',
  '["\\ud800"]',
  '[["a"],["b"]]',
  '[[],[]]',
  '"{}"',
  '"{null}"',
  '"x"',
  '{}',
  '7',
];
const vectors: readonly JsonText[] = [
  '[]',
  '[1]',
  vector('0'),
  vector('1e38'),
  vector('1e39'),
  vector('1e-45'),
  vector('100000'),
  vector('1e400'),
  vector('null'),
  JSON.stringify(vector('NaN')),
  JSON.stringify(vector('Infinity')),
  vector('1', 16_001),
  '"x"',
  '{}',
];

/** The poison for a column or an argument of a type; null is included. */
export function poisonOf(type: string, dose: Dose): readonly JsonText[] {
  return ['null', ...ofType(type), ...(dose === 'long' ? large(type) : [])];
}

function ofType(type: string): readonly JsonText[] {
  if (type.endsWith('[]'))
    return type.startsWith('double') || type.startsWith('Float')
      ? [...lists, `[${doubles.join(',')}]`, vector('50', 101)]
      : lists;
  if (/^(smallint|integer|bigint|Int|BigInt)$/.test(type)) return integers;
  if (/^(real|double precision|numeric|Float|BigFloat)$/.test(type)) return doubles;
  if (/^(timestamp|date|Datetime)/.test(type)) return times;
  if (/^(interval|Interval)/.test(type)) return intervals;
  if (/^(jsonb?|JSON)$/.test(type)) return documents;
  if (/^(uuid|UUID)$/.test(type)) return uuids;
  if (/vector/i.test(type)) return vectors;
  if (/^(boolean|Boolean)$/.test(type)) return ['true', '"x"', '2', '[]', '""'];
  return texts;
}

const megabytes = 5_000_000;

function large(type: string): readonly JsonText[] {
  if (type.endsWith('[]'))
    return [JSON.stringify(Array(100_000).fill('x')), JSON.stringify([wide('x', megabytes)])];
  if (/^(jsonb?|JSON)$/.test(type))
    return [
      JSON.stringify({ text: wide('x', megabytes) }),
      nested(100_000),
      `{${Array.from({ length: 100_000 }, (_, i) => `"k${i}":${i}`).join(',')}}`,
      `[${Array(3_000).fill('1e131071').join(',')}]`,
    ];
  if (/^(text|character varying|String)/.test(type))
    return [
      JSON.stringify(wide('x', megabytes)),
      JSON.stringify(wide('word and ', megabytes)),
      JSON.stringify(wide('𝒳 ', megabytes)),
      JSON.stringify(manyLexemes(400_000)),
      JSON.stringify(Array.from({ length: 200_000 }, (_, i) => `w${i}`).join(' ')),
    ];
  return [JSON.stringify(wide('9', 100_000))];
}
