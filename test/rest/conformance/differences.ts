import { isDeepStrictEqual } from 'node:util';
import type { BodyMatcher, Expectation, TextMatcher } from './conformance-case.ts';
import type { Answer } from './send-request.ts';

/**
 * The differences between an answer and the expected one, a line each; empty when there are none. In addition to what a
 * case says, JSON must come as `application/json` in UTF-8 unless the case names another type, and an error's code must
 * be in Proxy-Status.
 */
export function differences(expected: Expectation, answer: Answer): string[] {
  const found: string[] = [];
  if (answer.status !== expected.status) found.push(`status: ${answer.status} instead of ${expected.status}`);
  const expectedHeaders = [...expected.headers, ...impliedHeaders(expected)];
  const names = new Set(expectedHeaders.map(([name]) => name.toLowerCase()));
  for (const name of names) {
    const wanted = expectedHeaders.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value);
    const came = answer.headers.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value);
    if (wanted.length !== came.length || wanted.some((value, index) => !matches(value, came[index] ?? '')))
      found.push(`${name}: ${JSON.stringify(came)} instead of ${JSON.stringify(wanted.map(shown))}`);
  }
  for (const name of expected.absentHeaders) {
    const came = answer.headers.find(([each]) => each.toLowerCase() === name.toLowerCase());
    if (came) found.push(`${name}: ${JSON.stringify(came[1])}, and it must not be there`);
  }
  const body = bodyDifference(expected.body, answer.body);
  if (body !== null) found.push(body);
  return found;
}

function impliedHeaders({ headers, absentHeaders, body }: Expectation): (readonly [string, TextMatcher])[] {
  if (body.kind !== 'json') return [];
  const implied: (readonly [string, TextMatcher])[] = [];
  const named = (wanted: string) =>
    [...headers.map(([name]) => name), ...absentHeaders].some((name) => name.toLowerCase() === wanted);
  if (!named('content-type'))
    implied.push(['content-type', { kind: 'exactly', text: 'application/json; charset=utf-8' }]);
  const { value } = body;
  if (!named('proxy-status') && isError(value))
    implied.push(['proxy-status', { kind: 'exactly', text: `PostgREST; error=${value.code}` }]);
  return implied;
}

function isError(value: unknown): value is { readonly code: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'code' in value &&
    typeof value.code === 'string' &&
    'message' in value
  );
}

function matches(matcher: TextMatcher, text: string): boolean {
  return matcher.kind === 'exactly' ? matcher.text === text : matcher.pattern.test(text);
}

function shown(matcher: TextMatcher): string {
  return matcher.kind === 'exactly' ? matcher.text : String(matcher.pattern);
}

function bodyDifference(expected: BodyMatcher, body: string): string | null {
  switch (expected.kind) {
    case 'empty':
      return body === '' ? null : `body: ${body} where there must be none`;
    case 'exactly':
    case 'matching':
      return matches(expected, body)
        ? null
        : `body: ${JSON.stringify(body)} instead of ${JSON.stringify(shown(expected))}`;
    case 'json': {
      const value = parsed(body);
      return isDeepStrictEqual(value, expected.value)
        ? null
        : `body: ${body}\n instead of ${JSON.stringify(expected.value)}`;
    }
    case 'places': {
      const document = parsed(body);
      const wrong = expected.places.filter(
        ([pointer, value]) => !isDeepStrictEqual(atPointer(document, pointer), value),
      );
      const lines = wrong.map(
        ([pointer, value]) =>
          `${pointer}: ${JSON.stringify(atPointer(document, pointer))} instead of ${JSON.stringify(value)}`,
      );
      return lines.length === 0 ? null : `body: ${lines.join('\n ')}`;
    }
    default:
      return expected satisfies never;
  }
}

/** Undefined when the text is not JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Resolves a JSON Pointer (RFC 6901). */
function atPointer(document: unknown, pointer: string): unknown {
  let here = document;
  for (const step of pointer.split('/').slice(1)) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
    here = typeof here === 'object' && here !== null ? (here as Record<string, unknown>)[key] : undefined;
  }
  return here;
}
