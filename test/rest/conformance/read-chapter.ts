import type {
  BodyMatcher,
  Caller,
  Chapter,
  ConformanceCase,
  Exchange,
  Expectation,
  TextMatcher,
} from './conformance-case.ts';

/**
 * Reads a chapter's file. Its lines:
 *
 *     # a remark
 *     == Section of the page (spec: NameSpec)
 *     -- a sentence: the case
 *     as {"role": "conf_member"}       claims of the token; `as anonymous` is the default; `as header <Authorization>`
 *     with db-max-rows = 2             one of PostgREST's options; as often as needed
 *     POST /films?select=id            the request
 *     Prefer: return=representation    its headers, then its body; an empty line may stand between
 *     {"id": 1}
 *
 *     HTTP 201                         the answer
 *     Content-Range: * /*              headers with their values; `~` begins a regular expression
 *     !Location                        headers that must be absent
 *     [{"id": 1}]                      the body: JSON, compared deeply
 *
 *     then                             another request of the same case
 *
 * Instead of JSON a body may be lines that begin with `|` (exactly this text), one line that begins with `~` (a regular
 * expression), or lines `/a/b = json` and `/a/b absent` (JSON Pointers). Without a body the answer's body must be
 * empty. The lines of a request's body may begin with `|` too, which keeps empty lines.
 *
 * Throws an Error that names the file and the line.
 */
export function readChapter(page: string, text: string): Chapter {
  const cases: ConformanceCase[] = [];
  let section: string | null = null;
  const lines = text
    .split('\n')
    .map((line, index) => ({ line, at: index + 1 }))
    .filter(({ line }) => !line.startsWith('# '));
  let next = 0;
  for (;;) {
    const here = lines[next];
    if (!here) break;
    next += 1;
    if (here.line.startsWith('== ')) {
      section = here.line.slice(3);
    } else if (here.line.startsWith('-- ')) {
      const end = lines.findIndex(({ line }, index) => index >= next && /^(?:--|==) /.test(line));
      const own = lines.slice(next, end === -1 ? undefined : end);
      next += own.length;
      if (section === null) throw new Error(`${page}:${here.at}: a case before the first section`);
      cases.push(readCase(page, section, here.line.slice(3), here.at, own));
    } else if (here.line.trim() !== '') {
      throw new Error(`${page}:${here.at}: not a section, not a case: ${here.line}`);
    }
  }
  return { page, cases };
}

interface Line {
  readonly line: string;
  readonly at: number;
}

function readCase(
  page: string,
  section: string,
  name: string,
  at: number,
  lines: readonly Line[],
): ConformanceCase {
  const options = new Map<string, string>();
  let caller: Caller = { kind: 'anonymous' };
  let start = 0;
  for (const { line } of lines) {
    const option = /^with ([a-z0-9-]+(?:\.[a-z._]+)?) =(?: (.*))?$/.exec(line);
    const who = /^as (.+)$/.exec(line);
    if (option) options.set(option[1] ?? '', option[2] ?? '');
    else if (who) caller = readCaller(who[1] ?? '');
    else if (line.trim() !== '') break;
    start += 1;
  }
  const exchanges: Exchange[] = [];
  let from = start;
  for (let index = start; index <= lines.length; index++) {
    const end = index === lines.length;
    if (!end && lines[index]?.line !== 'then') continue;
    exchanges.push(readExchange(page, lines.slice(from, index)));
    from = index + 1;
  }
  return { section, name, line: at, options, caller, exchanges };
}

function readCaller(text: string): Caller {
  if (text === 'anonymous') return { kind: 'anonymous' };
  if (text.startsWith('header ')) return { kind: 'authorization', value: text.slice('header '.length) };
  if (text.startsWith('{'))
    return { kind: 'claims', claims: JSON.parse(text) as Readonly<Record<string, unknown>> };
  return { kind: 'claims', claims: { role: `conf_${text}` } };
}

const headerLine = /^([A-Za-z][A-Za-z-]*):(?: (.*))?$/;

function readExchange(page: string, lines: readonly Line[]): Exchange {
  const trimmed = trimEmpty(lines);
  const place = `${page}:${trimmed[0]?.at ?? lines[0]?.at ?? 0}`;
  const request = /^([A-Z]+) (\/.*)$/.exec(trimmed[0]?.line ?? '');
  if (!request) throw new Error(`${place}: no request line`);
  const split = trimmed.findIndex(({ line }) => /^HTTP \d{3}$/.test(line));
  if (split === -1) throw new Error(`${place}: no answer`);
  const [headers, body] = headersAndBody(trimmed.slice(1, split));
  const status = Number(trimmed[split]?.line.slice(5));
  return {
    method: request[1] ?? '',
    target: request[2] ?? '',
    headers: headers.map(([name, value]) => [name, value]),
    body: body.length === 0 ? null : body.map(({ line }) => line.replace(/^\|/, '')).join('\n'),
    expected: readExpectation(page, status, trimmed.slice(split + 1)),
  };
}

function readExpectation(page: string, status: number, lines: readonly Line[]): Expectation {
  const absentHeaders: string[] = [];
  const rest = lines.filter(({ line }) => {
    if (line.startsWith('!')) absentHeaders.push(line.slice(1));
    return !line.startsWith('!');
  });
  const [headers, body] = headersAndBody(rest);
  return {
    status,
    headers: headers.map(([name, value]) => [name, readText(value)]),
    absentHeaders,
    body: readBody(page, body),
  };
}

function headersAndBody(
  lines: readonly Line[],
): [headers: (readonly [name: string, value: string])[], body: readonly Line[]] {
  const headers: (readonly [string, string])[] = [];
  let start = 0;
  for (const { line } of lines) {
    const header = headerLine.exec(line);
    if (!header) break;
    headers.push([header[1] ?? '', header[2] ?? '']);
    start += 1;
  }
  return [headers, trimEmpty(lines.slice(start))];
}

function readText(text: string): TextMatcher {
  return text.startsWith('~')
    ? { kind: 'matching', pattern: new RegExp(text.slice(1), 'su') }
    : { kind: 'exactly', text };
}

function readBody(page: string, lines: readonly Line[]): BodyMatcher {
  const [first] = lines;
  if (!first) return { kind: 'empty' };
  const place = `${page}:${first.at}`;
  if (first.line.startsWith('|'))
    return { kind: 'exactly', text: lines.map(({ line }) => line.slice(1)).join('\n') };
  if (first.line.startsWith('~')) return readText(first.line);
  if (first.line.startsWith('/'))
    return { kind: 'places', places: lines.map(({ line }) => readPlace(place, line)) };
  try {
    return { kind: 'json', value: JSON.parse(lines.map(({ line }) => line).join('\n')) };
  } catch (cause) {
    throw new Error(`${place}: the expected body is not JSON`, { cause });
  }
}

function readPlace(place: string, line: string): [pointer: string, value: unknown] {
  const found = /^(\/.*?) (?:(absent)|= (.+))$/.exec(line);
  if (!found) throw new Error(`${place}: not a place: ${line}`);
  return [found[1] ?? '', found[2] ? undefined : JSON.parse(found[3] ?? '')];
}

function trimEmpty(lines: readonly Line[]): readonly Line[] {
  let start = 0;
  let end = lines.length;
  while (start < end && lines[start]?.line.trim() === '') start += 1;
  while (end > start && lines[end - 1]?.line.trim() === '') end -= 1;
  return lines.slice(start, end);
}
