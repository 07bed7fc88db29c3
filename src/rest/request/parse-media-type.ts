import type { MediaType, PlanOption } from './media-type.ts';
import { decodeHeader } from './percent-encoding.ts';

/** Types that are recognised by name, whatever parameters they have. */
const plainNames = new Set([
  'application/json',
  'application/geo+json',
  'text/csv',
  'text/plain',
  'text/xml',
  'application/openapi+json',
  'application/x-www-form-urlencoded',
  'application/octet-stream',
  '*/*',
]);

const planOptions: readonly PlanOption[] = ['analyze', 'verbose', 'settings', 'buffers', 'wal'];

/**
 * The media types of an Accept header, the most wanted first (RFC 9110, 12.5.1); among equals, more parameters and
 * fewer stars win.
 */
export function parseAccept(header: string | undefined): readonly MediaType[] {
  if (header === undefined) return [{ kind: 'plain', name: '*/*' }];
  if (header === '') return [];
  return decodeHeader(header)
    .split(',')
    .map(ranked)
    .toSorted((a, b) => b.quality - a.quality || b.specificity - a.specificity)
    .map(({ text }) => parseMediaType(text));
}

/** One media type with its parameters. A type that is not recognised by name keeps its original text. */
export function parseMediaType(text: string): MediaType {
  const { name, parameters } = tokens(text);
  switch (name) {
    case 'application/vnd.pgrst.plan':
    case 'application/vnd.pgrst.plan+text':
      return plan('text', parameters);
    case 'application/vnd.pgrst.plan+json':
      return plan('json', parameters);
    case 'application/vnd.pgrst.object':
    case 'application/vnd.pgrst.object+json':
      return { kind: 'object', stripNulls: parameters.get('nulls') === 'stripped' };
    case 'application/vnd.pgrst.array':
    case 'application/vnd.pgrst.array+json':
      if (parameters.get('nulls') === 'stripped') return { kind: 'array-nulls-stripped' };
      return { kind: 'plain', name: 'application/json' };
    default:
      return { kind: 'plain', name: plainNames.has(name) ? name : text };
  }
}

function ranked(segment: string): {
  readonly text: string;
  readonly quality: number;
  readonly specificity: number;
} {
  const compact = segment.replaceAll(' ', '');
  const at = compact.indexOf(';q=');
  const text = at === -1 ? compact : compact.slice(0, at);
  const quality = at === -1 ? null : /^-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?/i.exec(compact.slice(at + 3));
  return {
    text,
    quality: quality === null ? 1 : Number(quality[0]),
    specificity: text.split(';').length - text.split('*').length,
  };
}

function plan(format: 'json' | 'text', parameters: ReadonlyMap<string, string>): MediaType {
  const of = parseMediaType(parameters.get('for') ?? 'application/json');
  const asked = (parameters.get('options') ?? '').split('|');
  return {
    kind: 'plan',
    // A plan of a plan does not exist: nothing makes such a type.
    of: of.kind === 'plan' ? { kind: 'plain', name: `application/vnd.pgrst.plan+${of.format}` } : of,
    format,
    options: planOptions.filter((option) => asked.includes(option)),
  };
}

/** The parts of a media type, with parameter names in lower case. The name is empty if the text has another form. */
function tokens(text: string): { readonly name: string; readonly parameters: ReadonlyMap<string, string> } {
  const parameters = new Map<string, string>();
  const type = /^([\p{L}\p{N}.*]+)\/([\p{L}\p{N}.*+-]+)/u.exec(text);
  if (type === null) return { name: '', parameters };
  const parameter = /\s*;\s*([\p{L}\p{N}-]+)\s*=\s*(?:"([^"]*)"|([\p{L}\p{N}|-]+))/uy;
  parameter.lastIndex = type[0].length;
  for (let match = parameter.exec(text); match !== null; match = parameter.exec(text)) {
    parameters.set((match[1] ?? '').toLowerCase(), match[2] ?? match[3] ?? '');
  }
  return { name: type[0].toLowerCase(), parameters };
}
